"""Buckets of text: the same everywhere, of every value and of nulls."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.loaders.feature_arrays import hash_buckets

MASK = 2**64 - 1


def reference(text: str, n_buckets: int) -> int:
    """FNV-1a and the splitmix64 finaliser, by their definitions."""
    x = 0xCBF29CE484222325
    for byte in text.encode():
        x = (x ^ byte) * 0x100000001B3 & MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return (x ^ (x >> 31)) % n_buckets


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=30), st.integers(2, 10_000))
def test_are_those_of_the_definition(values: list[str | None], n_buckets: int) -> None:
    expected = [-1 if value is None else reference(value, n_buckets) for value in values]
    array = pa.array(values, pa.string())
    assert hash_buckets(array, n_buckets).tolist() == expected
    assert hash_buckets(array.dictionary_encode(), n_buckets).tolist() == expected
    assert hash_buckets(array.cast(pa.large_string()), n_buckets).tolist() == expected
    assert hash_buckets(array.slice(3, 9), n_buckets).tolist() == expected[3:12]


def test_no_value_at_all() -> None:
    assert hash_buckets(pa.nulls(2, pa.bool_()), 10).tolist() == [-1, -1]


def test_values_are_spread_evenly() -> None:
    found = hash_buckets(pa.array([f"C{i}" for i in range(100_000)]), 100)
    counts = np.bincount(found, minlength=100)
    assert counts.min() > 850
    assert counts.max() < 1150


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_gives_the_same(seed: str) -> None:
    code = (
        "import pyarrow as pa; from bigdata_cli.loaders.feature_arrays import hash_buckets; "
        "print(hash_buckets(pa.array(['a', 'ö', '']), 1000).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )  # fmt: skip
    assert done.stdout.strip() == str([reference(text, 1000) for text in ("a", "ö", "")])
