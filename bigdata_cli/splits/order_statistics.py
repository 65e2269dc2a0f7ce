"""Values by their rank among all, in bounded memory, however many there are."""

from __future__ import annotations

import numpy as np

MAX_ENTRIES = 1 << 20


class RankedValues:
    """How many values there are in ranges that cover all of them; of few values each by itself.

    Where there are more than `max_entries` different ones, neighbours become a range, so that none
    has many more than its share of all values. What lies in a range is found by another pass, with
    the values in that range alone.
    """

    def __init__(self, dtype: type[np.generic], *, max_entries: int = MAX_ENTRIES) -> None:
        """dtype: of the values, np.int64 or np.float64."""
        self._lows = np.empty(0, dtype)
        self._highs = np.empty(0, dtype)
        self._counts = np.empty(0, np.int64)
        self._max_entries = max_entries
        self._pending: list[np.ndarray] = []
        self._n_pending = 0

    def add(self, values: np.ndarray) -> None:
        """Take values, without NaN."""
        self._pending.append(values)
        self._n_pending += len(values)
        if self._n_pending >= self._max_entries:
            self._merge()

    @property
    def count(self) -> int:
        """How many values were taken."""
        return int(self._counts.sum()) + self._n_pending

    def range_of(self, rank: int) -> tuple[int | float, int | float, int]:
        """The range that the value of a rank, from 0 on, is in.

        Returns:
            (low, high, before): both are equal where the value is known. before: how many values
            are below the range.
        """
        self._merge()
        ends = np.cumsum(self._counts)
        place = int(np.searchsorted(ends, rank, side="right"))
        before = int(ends[place] - self._counts[place])
        return self._lows[place].item(), self._highs[place].item(), before

    def _merge(self) -> None:
        if not self._pending:
            return
        values, counts = np.unique(np.concatenate(self._pending), return_counts=True)
        self._pending, self._n_pending = [], 0
        lows = np.concatenate([self._lows, values])
        highs = np.concatenate([self._highs, values])
        order = np.argsort(lows, kind="stable")
        lows, highs = lows[order], np.maximum.accumulate(highs[order])
        counts = np.concatenate([self._counts, counts])[order]
        # A value within a range is counted with it.
        is_first = np.append(True, lows[1:] > highs[:-1])
        lows, highs, counts = _joined(lows, highs, counts, np.flatnonzero(is_first))
        if len(counts) > self._max_entries:
            share = -(-int(counts.sum()) // (self._max_entries // 2))
            groups = (np.cumsum(counts) - 1) // share
            firsts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
            lows, highs, counts = _joined(lows, highs, counts, firsts)
        self._lows, self._highs, self._counts = lows, highs, counts


def _joined(
    lows: np.ndarray, highs: np.ndarray, counts: np.ndarray, firsts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranges joined with those after them, up to the next of the first ones."""
    lasts = np.append(firsts[1:], len(lows)) - 1
    return lows[firsts], highs[lasts], np.add.reduceat(counts, firsts)
