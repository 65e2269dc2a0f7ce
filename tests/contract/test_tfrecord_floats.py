"""TFRecord as a matrix of floats: what `read` gives, made at once."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.parquet.format import ParquetFormat
from bigdata_cli.formats.tfrecord.format import TfrecordFormat
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.types.dtype import Schema
from tests.contract.tfrecord_files import LAYOUTS, examples_of, rewrite, table_of, write_shard

N_ROWS = 5_000
FORM = TfrecordFormat()


def table(*, nulls: bool = True, label: str = "int8") -> tuple[pa.Table, Schema]:
    """Three features with nulls, in some of the blocks only, and a label."""
    late = range(2_000, N_ROWS, 3) if nulls else range(0)
    values: dict[str, tuple[str, list[Any]]] = {
        "a": ("float32", [None if k in late else k / 7 for k in range(N_ROWS)]),
        "b": ("float64", [float(k % 977) for k in range(N_ROWS)]),
        "c": ("float32", [None if nulls and k % 5 == 0 else -k / 3 for k in range(N_ROWS)]),
    }
    return table_of({**values, "y": (label, [k % 2 for k in range(N_ROWS)])})


def stored(folder: Path, layout: str, **described: Any) -> tuple[Path, Schema, StorageOptions]:
    rows, schema = table(**described)
    options = StorageOptions(layout=layout, label="y" if layout == "packed" else None)
    return write_shard(folder, rows, schema, options), schema, options


def floats(
    path: Path, schema: Schema, options: StorageOptions, features: list[str], **wanted: Any
) -> tuple[np.ndarray, list[Any]]:
    parts = list(
        FORM.read_floats(
            LocalStore(path.parent),
            [path.name],
            schema,
            options,
            features=features,
            label="y",
            **wanted,
        )
    )
    assert all(X.dtype == np.float32 and len(X) == len(y) for X, y in parts)
    X = np.concatenate([X for X, _ in parts])
    return X, [value for _, y in parts for value in y.to_pylist()]


def by_columns(path: Path, schema: Schema, options: StorageOptions) -> dict[str, np.ndarray]:
    whole = pa.Table.from_batches(FORM.read(LocalStore(path.parent), [path.name], schema, options))
    return {name: whole[name].to_numpy() for name in schema.names}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("features", [["a", "b", "c"], ["c", "a"], ["b"]])
@pytest.mark.parametrize("label", ["int8", "float32"])
def test_a_matrix_has_what_columns_have(
    layout: str, nulls: bool, features: list[str], label: str, tmp_path: Path
) -> None:
    where = stored(tmp_path, layout, nulls=nulls, label=label)
    assert FORM.has_floats(*where[1:], features, "y")
    known = by_columns(*where)
    X, y = floats(*where, features, max_rows=700)
    np.testing.assert_array_equal(X, np.stack([known[name] for name in features], axis=1))
    np.testing.assert_array_equal(y, known["y"])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("start", "stop"), [(0, 3), (1_500, 2_600), (4_990, 5_000), (7, 7)])
def test_a_range_of_rows(layout: str, start: int, stop: int, tmp_path: Path) -> None:
    where = stored(tmp_path, layout)
    X, y = floats(*where, ["a", "c"])
    if start == stop:
        assert not list(
            FORM.read_floats(
                LocalStore(tmp_path), [where[0].name], *where[1:], features=["a"], label="y",
                rows=range(start, stop),
            )
        )  # fmt: skip
        return
    part, labels = floats(*where, ["a", "c"], rows=range(start, stop), max_rows=400)
    np.testing.assert_array_equal(part, X[start:stop])
    assert labels == y[start:stop]


def test_what_is_no_matrix_of_floats(tmp_path: Path) -> None:
    _, schema = table()
    packed = StorageOptions(layout="packed", label="y")
    rows = StorageOptions(layout="rows")
    assert not FORM.has_floats(schema, rows, ["a", "y"], "b")  # an integer among the features
    assert not FORM.has_floats(schema, packed, ["a", "b"], "c")  # its list holds others too
    assert FORM.has_floats(schema, rows, ["a", "b"], "c")
    parquet = ParquetFormat()
    assert not parquet.has_floats(schema, rows, ["a"], "y")
    with pytest.raises(UsageError, match="no matrix"):
        parquet.read_floats(LocalStore(tmp_path), [], schema, rows, features=["a"], label="y")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mutated_examples_give_what_columns_give(layout: str, tmp_path: Path) -> None:
    path, schema, options = stored(tmp_path, layout)
    whole = examples_of(path)[:40]
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(80):
        examples = list(whole)
        j = int(random.integers(len(examples)))
        damaged = bytearray(examples[j])
        for _ in range(int(random.integers(1, 4))):
            k = int(random.integers(min(len(damaged), 400)))
            damaged[k] = int(random.choice([0, 0x7F, 0x80, 0xFF, random.integers(256)]))
        examples[j] = bytes(damaged)
        rewrite(path, examples)
        said, known = None, {}
        try:
            known = by_columns(path, schema, options)
        except VerificationError as error:
            said = error.message
            refused += 1
        if said is None:
            X, _ = floats(path, schema, options, ["a", "b", "c"])
            np.testing.assert_array_equal(X, np.stack([known[n] for n in "abc"], axis=1))
        else:
            with pytest.raises(VerificationError) as found, contextlib.suppress(AssertionError):
                floats(path, schema, options, ["a", "b", "c"])
            assert found.value.message == said
    assert refused
