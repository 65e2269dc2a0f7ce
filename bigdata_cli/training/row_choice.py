"""Which rows of a shard are trained on and which are held out, from any of its pieces on.

The choice of a row depends on the rows of its class before it in the shard (`sampling.py`). So that
pieces can be read in any order, the labels are read once beforehand, and what was counted at the
first row of each piece is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from bigdata_cli.loaders.target import Target
from bigdata_cli.training.sampling import HoldOut, RowChooser, RowSample


class RowChoice:
    """The choice among the rows of a shard, which come in order."""

    def __init__(self, target: Target, held_out: HoldOut | None, sample: RowChooser | None) -> None:
        self._target = target
        self._held_out = held_out
        self._sample = sample
        self._choosers = [chooser for chooser in (held_out, sample) if chooser is not None]

    @property
    def counts(self) -> list[int]:
        """What was counted so far: all that the choice of the next rows depends on."""
        return [count for chooser in self._choosers for count in chooser.n_seen]

    def begin(self, counts: Iterable[int]) -> None:
        """Go on from a row at which `counts` were as given."""
        left = list(counts)
        for chooser in self._choosers:
            n_counts = len(chooser.n_seen)
            chooser.n_seen, left = left[:n_counts], left[n_counts:]

    def split(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which of the next rows are trained on and which are held out: bool (rows,) each.

        A row without a label, NaN in y (rows,), is neither.
        """
        trained = ~np.isnan(y)
        held_out = np.zeros(len(y), bool)
        if self._held_out is not None:
            held_out[trained] = self._held_out.choose(self._target.classes(y[trained]))
            trained &= ~held_out
        if self._sample is not None:
            trained[trained] = self._sample.choose(self._target.classes(y[trained]))
        return trained, held_out


class ShardCounts:
    """What is counted at the first row of each piece of a shard.

    Attributes:
        class_counts: Rows to train on by class, int64 (classes,); complete with the last label.
    """

    def __init__(
        self, choice: RowChoice, starts: np.ndarray, count: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        """Make empty counts.

        Args:
            choice: The choice at the first row of the shard.
            starts: The first rows of the pieces, int64 (pieces,), ascending.
            count: Returns the rows of each class, of labels (rows,).
        """
        self._choice = choice
        self._starts = starts
        self._count = count
        self._counts = np.zeros((len(starts), len(choice.counts)), np.int64)
        self.class_counts = count(np.empty(0, np.float32))

    def add(self, first: int, y: np.ndarray) -> None:
        """Count the labels of the next rows, of which `first` is the first."""
        low, high = np.searchsorted(self._starts, [first, first + len(y)])
        cuts = self._starts[low:high] - first
        for part, labels in enumerate(np.split(y, cuts)):
            if part:
                self._counts[low + part - 1] = self._choice.counts
            trained, _ = self._choice.split(labels)
            self.class_counts = self.class_counts + self._count(labels[trained])

    def at(self, first: int) -> np.ndarray:
        """Return what was counted before a row, which is the first of a piece."""
        return self._counts[np.searchsorted(self._starts, first)]


def choice_of(
    target: Target, shard: int, *, hold_out_every: int | None, sample: RowSample | None
) -> RowChoice:
    """Return the choice at the first row of a shard; one row of `hold_out_every` is held out."""
    n_classes = target.n_classes
    held_out = None
    if hold_out_every is not None:
        held_out = HoldOut(hold_out_every, shard=shard, n_classes=n_classes)
    chosen = None if sample is None else sample.of_shard(shard, n_classes=max(1, n_classes))
    return RowChoice(target, held_out, chosen)
