"""Which rows of a shard are held out or in a sample: the same ones for every format and batch size.

A choice depends on the shard, the class and the position of a row among those of its class. The
rows are cut into strata, and a hash chooses one row of each: systematic sampling with a random
start in every stratum, so that no period in the data can coincide with the choice (Cochran,
"Sampling Techniques", 3rd edition, 1977, section 8.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bigdata_cli.arrays.splitmix import mix
from bigdata_cli.errors import UsageError

_STEP = 0x9E3779B97F4A7C15


class RowChooser(ABC):
    """Chooses among the rows of a shard, which come in order, in each class separately."""

    def __init__(self, n_classes: int) -> None:
        self._n_seen = [0] * max(1, n_classes)

    @property
    def n_seen(self) -> list[int]:
        """The rows of each class that there were so far; set to go on from another row."""
        return list(self._n_seen)

    @n_seen.setter
    def n_seen(self, counts: Sequence[int]) -> None:
        self._n_seen = list(counts)

    def choose(self, classes: np.ndarray) -> np.ndarray:
        """Return which of the next rows are chosen: bool (rows,), for small ints (rows,)."""
        chosen = np.zeros(len(classes), bool)
        for value, n_seen in enumerate(self._n_seen):
            rows = np.flatnonzero(classes == value) if len(self._n_seen) > 1 else slice(None)
            n_rows = len(chosen[rows])
            chosen[rows] = self._among(value, n_seen, n_rows)
            self._n_seen[value] += n_rows
        return chosen

    @abstractmethod
    def _among(self, value: int, first: int, n_rows: int) -> np.ndarray:
        """Return which of rows [first, first + n_rows) of a class are chosen: bool (n_rows,)."""


class HoldOut(RowChooser):
    """Chooses one row of every `every` rows of a class: other rows for each `place` below `every`.

    A chooser with another salt chooses independently.
    """

    def __init__(
        self, every: int, *, shard: int, n_classes: int, place: int = 0, salt: int = 0
    ) -> None:
        super().__init__(n_classes)
        self._every = every
        self._place = place
        self._key = np.uint64(((shard + 1) + (salt << 40)) * _STEP % 2**64)

    def _among(self, value: int, first: int, n_rows: int) -> np.ndarray:
        block, place = np.divmod(first + np.arange(n_rows), self._every)
        start = mix(block.astype(np.uint64) + self._key) % np.uint64(self._every)
        return place == (start.astype(np.int64) + self._place) % self._every


@dataclass(frozen=True, kw_only=True)
class RowSample:
    """A share of the rows, 0 < share <= 1; with `stratify` the same share of each class.

    Another seed gives another, independent sample.
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
        """Return what chooses among the rows of a shard, from its first row on."""
        return ShardSample(self, shard, n_classes if self.stratify else 1)


class ShardSample(RowChooser):
    """Chooses the rows of a sample. The first rows of a class have their share to within one."""

    def __init__(self, sample: RowSample, shard: int, n_classes: int) -> None:
        super().__init__(n_classes)
        self._sample = sample
        self._shard = shard

    def _among(self, value: int, first: int, n_rows: int) -> np.ndarray:
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
        """Return the rows chosen in the strata that rows [first, end) lie in, and one more."""
        strata = np.arange(max(0, int(first * share) - 2), int(end * share) + 2)
        u = _uniform(strata, (self._sample.seed, self._shard, value))
        places = np.floor((strata + u) / share).astype(np.int64)
        # A row on the border of two strata is chosen once, and the next row in its place.
        places[1:] += places[1:] == places[:-1]
        return places[1:] if strata[0] else places


def _uniform(numbers: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """Hash integers (n,) and a key to numbers in [0, 1): float64 (n,)."""
    mixed = np.zeros(1, np.uint64)
    for part in key:
        mixed = mix(mixed + np.uint64((part + 1) * _STEP % 2**64))
    bits = mix(mixed + numbers.astype(np.uint64) * np.uint64(_STEP))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
