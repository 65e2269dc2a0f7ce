"""The smallest keys of the rows of each class, in bounded memory, however many rows there are.

Each row has a key, a seeded hash of its place. The rows with the k smallest keys of a class are k
of its rows, each set of them as likely as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

_BIN_BITS = 12
_N_BINS = 1 << _BIN_BITS
_SHIFT = np.uint64(64 - _BIN_BITS)
_MAX_KEPT = 4 << 20
"""Keys in memory; where there are more, those near the last one are read again."""

Keys = tuple[np.ndarray, np.ndarray]
"""Rows: their classes, as places in a list, int64 (rows,), and their keys, uint64 (rows,)."""


class ClassKeys:
    """How many rows each class has, and how their keys are distributed.

    Attributes:
        counts: Rows of each class, in the order in which the classes were first seen.
    """

    def __init__(self, *, max_rows: int | None = None, max_kept: int = _MAX_KEPT) -> None:
        """max_rows: how many rows will be asked for, where there is one class only."""
        self._histogram = np.zeros((0, _N_BINS), np.int64)
        self._kept: list[Keys] | None = []
        self._n_kept = 0
        self._max_rows = max_rows
        self._max_kept = max_kept

    @property
    def counts(self) -> list[int]:
        return [int(n) for n in self._histogram.sum(axis=1)]

    def add(self, n_classes: int, keys: Keys) -> None:
        """Take rows. n_classes: as many as there are by now."""
        codes, hashes = keys
        if n_classes > len(self._histogram):
            more = np.zeros((n_classes - len(self._histogram), _N_BINS), np.int64)
            self._histogram = np.concatenate([self._histogram, more])
        bins = codes * _N_BINS + (hashes >> _SHIFT).astype(np.int64)
        self._histogram += np.bincount(bins, minlength=self._histogram.size).reshape(-1, _N_BINS)
        if self._kept is None:
            return
        self._kept.append(keys)
        self._n_kept += len(hashes)
        if self._n_kept > self._max_kept:
            self._shrink()

    def _shrink(self) -> None:
        """Keep only the keys that may be asked for; none where these are too many."""
        kept, self._kept = self._kept, None
        if self._max_rows is None or kept is None or len(self._histogram) > 1:
            return
        last = _bin_of(self._histogram[0], self._max_rows)
        smaller = [
            (codes[near], hashes[near])
            for codes, hashes in kept
            for near in [(hashes >> _SHIFT).astype(np.int64) <= last]
        ]
        self._n_kept = sum(len(hashes) for _, hashes in smaller)
        if self._n_kept <= self._max_kept // 2:
            self._kept = smaller

    def last_keys(self, wanted: Sequence[int], again: Iterable[Keys]) -> list[int | None]:
        """The largest of the smallest keys of each class.

        Args:
            wanted: How many keys of each class, at most as many as it has.
            again: The rows once more; read where not all keys are in memory.

        Returns:
            A key for each class; None where none of it is wanted.
        """
        bins = [
            _bin_of(row, n) if n else -1 for row, n in zip(self._histogram, wanted, strict=True)
        ]
        near = _near(again if self._kept is None else self._kept, np.array(bins, np.int64))
        found: list[list[np.ndarray]] = [[] for _ in bins]
        for codes, hashes in near:
            for code in np.unique(codes).tolist():
                found[code].append(hashes[codes == code])
        last: list[int | None] = []
        for code, n in enumerate(wanted):
            if not n:
                last.append(None)
                continue
            before = int(self._histogram[code, : bins[code]].sum())
            keys = np.concatenate(found[code])
            last.append(int(np.partition(keys, n - before - 1)[n - before - 1]))
        return last


def _bin_of(histogram: np.ndarray, n: int) -> int:
    """The bin that holds the n-th smallest key, from 1 on; the last one where there are fewer."""
    return min(int(np.searchsorted(np.cumsum(histogram), n)), _N_BINS - 1)


def _near(rows: Iterable[Keys], bins: np.ndarray) -> Iterator[Keys]:
    """The rows whose keys are in the bin of their class."""
    for codes, hashes in rows:
        chosen = (hashes >> _SHIFT).astype(np.int64) == bins[codes]
        if chosen.any():
            yield codes[chosen], hashes[chosen]


def apportioned(n_rows: int, counts: Sequence[int]) -> list[int]:
    """Shares of a number of rows that are proportional to the counts, each exact within one row.

    By largest remainders; the class that was seen first wins a tie.

    >>> apportioned(5, [6, 3, 1])
    [3, 2, 0]
    """
    total = sum(counts)
    if not total:
        return [0] * len(counts)
    shares = [n_rows * count // total for count in counts]
    by_rest = sorted(range(len(counts)), key=lambda i: -(n_rows * counts[i] % total))
    for index in by_rest[: n_rows - sum(shares)]:
        shares[index] += 1
    return shares
