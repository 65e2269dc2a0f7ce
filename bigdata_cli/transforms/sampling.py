"""Which rows a sample keeps: by a seeded hash of their places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.splitmix import GAMMA, mix
from bigdata_cli.transforms.computed import PLACE
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.types.buffers import array_of, numbers_of


def sampler(share: float, seed: int) -> Callable[[Rows], pa.Array]:
    """What keeps each row with the probability `share`, whatever the other rows are."""
    limit = np.uint64(min(int(share * 2.0**64), 2**64 - 1))
    is_all = share >= 1.0

    def compute(rows: Rows) -> pa.Array:
        places = numbers_of(rows.arrays[PLACE]).view(np.uint64)
        return array_of((mixed(places, seed) < limit) | is_all)

    return compute


def mixed(values: np.ndarray, seed: int) -> np.ndarray:
    """A hash of integers, uint64 (n,): SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), twice."""
    with np.errstate(over="ignore"):
        start = _splitmix(np.array([seed % 2**64], np.uint64))
        return _splitmix(_splitmix(values ^ start))


def _splitmix(values: np.ndarray) -> np.ndarray:
    return mix(values + GAMMA)
