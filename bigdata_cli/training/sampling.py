"""Seeded samples of rows by their position: the same rows whatever the batches and the format.

A shard's rows of a class, in their order, are cut into strata of 1 / share rows, and of each one
row is taken, at a place that a hash gives: systematic sampling with a random start in every
stratum, so that no period in the data can coincide with the choice (Cochran, "Sampling
Techniques", 3rd edition, 1977, section 8.3). Any first so many rows have their share to within one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigdata_cli.errors import UsageError

STEP = 0x9E3779B97F4A7C15


@dataclass(frozen=True, kw_only=True)
class RowSample:
    """A share of the rows, 0 < share <= 1; of each class apart where `stratify`.

    Another seed gives another sample, independent of this one.
    """

    share: float
    seed: int = 0
    stratify: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.share, int | float) and 0 < self.share <= 1):
            raise UsageError(
                f"a sample of {self.share!r} of the rows: it is a share above 0, up to 1",
                hint="--sample 0.05 takes one row in 20",
            )

    def of_shard(self, shard: int, *, n_classes: int) -> ShardSample:
        """What chooses among the rows of a shard, from its first row on."""
        return ShardSample(self, shard, n_classes if self.stratify else 1)


class ShardSample:
    """Chooses among the rows of a shard as they come."""

    def __init__(self, sample: RowSample, shard: int, n_classes: int) -> None:
        self._sample = sample
        self._shard = shard
        self._seen = [0] * max(1, n_classes)

    def choose(self, classes: np.ndarray) -> np.ndarray:
        """Which of the next rows are taken: bool (rows,). `classes` are small ints (rows,)."""
        if len(self._seen) == 1:
            return self._among(0, len(classes))
        chosen = np.zeros(len(classes), bool)
        for value in range(len(self._seen)):
            rows = np.flatnonzero(classes == value)
            chosen[rows] = self._among(value, len(rows))
        return chosen

    def _among(self, value: int, n_rows: int) -> np.ndarray:
        """Which of the next rows of a class are taken."""
        first = self._seen[value]
        self._seen[value] += n_rows
        share = self._sample.share
        if share == 1:
            return np.ones(n_rows, bool)
        # Strata have at least two rows, so that two neighbours cannot both want a third's row.
        rare = min(share, 1 - share)
        chosen = np.zeros(n_rows, bool)
        places = self._places(value, first, first + n_rows, rare) - first
        chosen[places[(places >= 0) & (places < n_rows)]] = True
        return chosen if rare == share else ~chosen

    def _places(self, value: int, first: int, end: int, share: float) -> np.ndarray:
        """The rows taken of the strata that rows [first, end) of a class lie in, and one more."""
        strata = np.arange(max(0, int(first * share) - 2), int(end * share) + 2)
        u = _uniform(strata, (self._sample.seed, self._shard, value))
        places = np.floor((strata + u) / share).astype(np.int64)
        # A row on the border of two strata is taken once, and the next row in its place.
        places[1:] += places[1:] == places[:-1]
        return places[1:] if strata[0] else places


def _uniform(numbers: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1), as a hash of the integers (n,) and the key gives them: float64 (n,)."""
    mixed = np.zeros(1, np.uint64)
    for part in key:
        mixed = mix(mixed + np.uint64((part + 1) * STEP % 2**64))
    bits = mix(mixed + numbers.astype(np.uint64) * np.uint64(STEP))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def mix(x: np.ndarray) -> np.ndarray:
    """The splitmix64 finaliser: a hash of each number, uint64 (n,)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
