"""Which rows a sample keeps: by their keys, seeded hashes of their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.arrays.splitmix import GAMMA, mix
from bigdata_cli.transforms.computed import PLACE
from bigdata_cli.transforms.rows_of_columns import Rows, widened
from bigdata_cli.types.buffers import array_of, numbers_of


def sampler(share: float, seed: int) -> Callable[[Rows], pa.Array]:
    """What keeps each row with the probability `share`, whatever the other rows are."""
    limit = np.uint64(min(int(share * 2.0**64), 2**64 - 1))
    is_all = share >= 1.0

    def compute(rows: Rows) -> pa.Array:
        return array_of((mixed(_places(rows), seed) < limit) | is_all)

    return compute


def keep_all(rows: Rows) -> pa.Array:
    """Keeps each row."""
    return array_of(np.ones(rows.n_rows, bool))


def mixed(values: np.ndarray, seed: int) -> np.ndarray:
    """A hash of integers, uint64 (n,): SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), twice."""
    with np.errstate(over="ignore"):
        start = _splitmix(np.array([seed % 2**64], np.uint64))
        return _splitmix(_splitmix(values ^ start))


def _splitmix(values: np.ndarray) -> np.ndarray:
    return mix(values + GAMMA)


def balance_seed(seed: int) -> int:
    """The seed of another draw than that of `--sample`, which goes over the rows that are left."""
    return (seed + int(GAMMA)) % 2**64


def smallest(last: int | None, seed: int) -> Callable[[Rows], pa.Array]:
    """What keeps the rows whose keys are not above the last one; None for no rows."""

    def compute(rows: Rows) -> pa.Array:
        keys = mixed(_places(rows), seed)
        return array_of(keys <= np.uint64(last) if last is not None else np.zeros(len(keys), bool))

    return compute


def smallest_of_class(
    column: str, last: Mapping[str | None, int | None], seed: int
) -> Callable[[Rows], pa.Array]:
    """`smallest`, with a last key for each class of a column."""

    def compute(rows: Rows) -> pa.Array:
        classes = class_codes(rows.column(column))
        cuts = [last.get(value) for value in classes.values]
        limits = np.array([cut or 0 for cut in cuts], np.uint64)
        is_kept = np.array([cut is not None for cut in cuts], bool)
        keys = mixed(_places(rows), seed)
        return array_of((keys <= limits[classes.codes]) & is_kept[classes.codes])

    return compute


class Classes(NamedTuple):
    """The classes of rows: their texts, None for null, and the place of each row's one in them."""

    values: list[str | None]
    codes: np.ndarray


def class_codes(array: pa.Array) -> Classes:
    """The classes of values, as Arrow writes them; equal numbers are one class."""
    texts = pc.cast(widened(array), pa.string())
    encoded = texts.dictionary_encode(null_encoding="encode")
    return Classes(
        encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64, copy=False)
    )


def _places(rows: Rows) -> np.ndarray:
    return numbers_of(rows.arrays[PLACE]).view(np.uint64)
