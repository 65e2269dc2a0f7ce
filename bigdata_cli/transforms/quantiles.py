"""Quantiles of a stream of numbers in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LEVEL_VALUES = 1 << 15
RANK_ERROR = 0.001
"""Of all values: how far the rank of a quantile may be off, for up to 10**12 of them."""


class QuantileSketch:
    """Values in levels: one of level i stands for 2**i of the stream.

    A level that is full is sorted, and every second of its values goes one level up, in turns those
    at even and at odd places. (Manku, Rajagopalan, Lindsay, SIGMOD 1998.) With k values a level the
    rank is off by at most levels / (2 k) of all: 25 levels, 0.04 %. What comes out depends on the
    values and their order alone, not on how they were cut.
    """

    def __init__(self) -> None:
        self._levels: list[list[np.ndarray]] = [[]]
        self._sizes = [0]
        self._odd = [False]

    def add(self, values: np.ndarray) -> None:
        """Take values, float64 (n,), NaN left out."""
        values = values[~np.isnan(values)]
        while len(values):
            room = _LEVEL_VALUES - self._sizes[0]
            self._put(0, values[:room])
            values = values[room:]

    def _put(self, level: int, values: np.ndarray) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._sizes.append(0)
            self._odd.append(False)
        self._levels[level].append(values)
        self._sizes[level] += len(values)
        if self._sizes[level] < _LEVEL_VALUES:
            return
        merged = np.sort(np.concatenate(self._levels[level]))
        self._levels[level], self._sizes[level] = [], 0
        first = int(self._odd[level])
        self._odd[level] = not self._odd[level]
        self._put(level + 1, merged[first::2])

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """The value below which each share of all values lies; empty where there is none.

        >>> sketch = QuantileSketch()
        >>> sketch.add(np.arange(101.0))
        >>> sketch.quantiles([0.0, 0.5, 1.0])
        [0.0, 50.0, 100.0]
        """
        values = [np.concatenate(level) for level in self._levels if level]
        weights = [np.full(size, 2.0**i) for i, size in enumerate(self._sizes) if self._levels[i]]
        if not values:
            return []
        joined, weight = np.concatenate(values), np.concatenate(weights)
        order = np.argsort(joined, kind="stable")
        joined, ranks = joined[order], np.cumsum(weight[order])
        places = np.searchsorted(ranks, np.array(shares) * ranks[-1], side="left")
        return joined[np.minimum(places, len(joined) - 1)].tolist()
