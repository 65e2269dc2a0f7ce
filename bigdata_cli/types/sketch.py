"""Distinct values of a column counted in constant memory.

The smallest hashes of the values are kept (Bar-Yossef et al., "Counting Distinct Elements in a Data
Stream", 2002). If all of them fit, the count is exact; if not, it is estimated from the largest one
that is kept.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bigdata_cli.types.buffers import booleans_of, numbers_of

_MAX_HASHES = 65_536
_MIN_HASHES = 1024
_ALL_BYTES = 64 << 20
_PENDING = 2
"""So many times what is kept is collected before it is sorted."""
_EXACT_IN_FLOAT64 = 2.0**53
_OF_LARGE = np.uint64(0x9E3779B97F4A7C15)
"""Tells the hashes of integers that float64 may not hold from those of other numbers."""


def hashes_per_column(n_columns: int) -> int:
    """How many hashes each column may keep, so that all of them take 64 MB at the most.

    >>> hashes_per_column(10), hashes_per_column(10_000)
    (65536, 1024)
    """
    return max(_MIN_HASHES, min(_MAX_HASHES, _ALL_BYTES // 8 // max(1, n_columns)))


class DistinctSketch:
    """The distinct values of pieces of a column. Not thread-safe; `hash_values` is."""

    def __init__(self, max_hashes: int) -> None:
        self._most = max_hashes
        self._kept = np.empty(0, np.uint64)
        self._pending: list[np.ndarray] = []
        self._n_pending = 0
        self._is_full = False

    def add(self, hashes: np.ndarray) -> None:
        """Count what `hash_values` gave of a piece."""
        if self._is_full:
            hashes = hashes[hashes < self._kept[-1]]
        self._pending.append(hashes)
        self._n_pending += len(hashes)
        if self._n_pending > _PENDING * self._most:
            self._compact()

    def _compact(self) -> None:
        kept = np.unique(np.concatenate([self._kept, *self._pending]))
        self._pending, self._n_pending = [], 0
        if len(kept) > self._most:
            self._is_full = True
            kept = kept[: self._most]
        self._kept = kept

    @property
    def is_exact(self) -> bool:
        """Whether every hash was kept."""
        self._compact()
        return not self._is_full

    @property
    def count(self) -> int:
        """Distinct values; beyond what is kept to about 1 / sqrt(hashes kept)."""
        self._compact()
        if not self._is_full:
            return len(self._kept)
        reach = float(self._kept[-1]) / 2**64
        return round((self._most - 1) / reach)


def hash_values(piece: pa.Array) -> np.ndarray:
    """A hash of each distinct value that is not null: uint64, the same in every process."""
    from pandas.util import hash_array

    if pa.types.is_dictionary(piece.type):
        piece = piece.dictionary_decode()
    values = piece.unique().drop_null()
    if not len(values):
        return np.empty(0, np.uint64)
    if pa.types.is_string(values.type):
        return hash_array(values.to_numpy(zero_copy_only=False), categorize=False)
    if pa.types.is_boolean(values.type):
        return hash_array(booleans_of(values).astype(np.uint8))
    if pa.types.is_temporal(values.type):
        values = values.cast(pa.int32() if pa.types.is_date(values.type) else pa.int64())
    numbers = numbers_of(values)
    # A number has the same hash in every dtype that holds it exactly.
    floats = numbers.astype(np.float64) + 0.0
    bits = floats.view(np.uint64)
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize < 8:
        return hash_array(bits)
    is_large = np.abs(floats) >= _EXACT_IN_FLOAT64
    hashes = hash_array(np.where(is_large, numbers.astype(np.uint64), bits))
    # 2**62 has the bits of the float 2.0.
    return np.where(is_large, hashes ^ _OF_LARGE, hashes)
