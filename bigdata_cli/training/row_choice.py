"""What each row of a shard is for, from any of its pieces on: training, the metric, or stopping.

The choice of a row depends on the rows of its class before it in the shard (`sampling.py`). So that
pieces can be read in any order, the labels are read once beforehand, and what was counted at the
first row of each piece is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from bigdata_cli.loaders.target import Target
from bigdata_cli.training.sampling import RowChooser


class Chosen(NamedTuple):
    """What rows are for, bool (rows,) each: the metric, the decision when to stop, or training."""

    trained: np.ndarray
    held_out: np.ndarray
    watched: np.ndarray


class RowChoice:
    """The choice among the rows of a shard, which come in order.

    Each chooser takes its rows from those that the ones before have left.
    """

    def __init__(
        self,
        target: Target,
        *,
        held_out: RowChooser | None = None,
        watched: RowChooser | None = None,
        sample: RowChooser | None = None,
        fold: int | None = None,
    ) -> None:
        """Make a choice at the first row of a shard.

        Args:
            target: The label, whose classes are chosen from apart.
            held_out: Chooses rows for the metric.
            watched: Chooses rows that decide when to stop.
            sample: Chooses the rows to train on.
            fold: Rows of this fold are for the metric, where `split` gets the folds.
        """
        self._target = target
        self._held_out = held_out
        self._watched = watched
        self._sample = sample
        self._fold = fold
        self._choosers = [one for one in (held_out, watched, sample) if one is not None]

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

    def split(self, y: np.ndarray, folds: np.ndarray | None = None) -> Chosen:
        """Return what the next rows are for.

        A row without a label, NaN in y (rows,), is for nothing. folds: of the rows, int8 (rows,).
        """
        left = ~np.isnan(y)
        held_out = np.zeros(len(y), bool)
        if folds is not None:
            held_out = left & (folds == self._fold)
            left &= ~held_out
        held_out |= self._take(self._held_out, y, left)
        watched = self._take(self._watched, y, left)
        if self._sample is not None:
            left[left] = self._sample.choose(self._target.classes(y[left]))
        return Chosen(left, held_out, watched)

    def _take(self, chooser: RowChooser | None, y: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Choose among the rows that are left, and take them from these."""
        taken = np.zeros(len(y), bool)
        if chooser is not None:
            taken[left] = chooser.choose(self._target.classes(y[left]))
            left &= ~taken
        return taken


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

    def add(self, first: int, y: np.ndarray, folds: np.ndarray | None = None) -> None:
        """Count the labels of the next rows, of which `first` is the first; folds: of the rows."""
        low, high = np.searchsorted(self._starts, [first, first + len(y)])
        cuts = self._starts[low:high] - first
        folds_of_parts = [None] * (len(cuts) + 1) if folds is None else np.split(folds, cuts)
        for part, labels in enumerate(np.split(y, cuts)):
            if part:
                self._counts[low + part - 1] = self._choice.counts
            trained = self._choice.split(labels, folds_of_parts[part]).trained
            self.class_counts = self.class_counts + self._count(labels[trained])

    def at(self, first: int) -> np.ndarray:
        """Return what was counted before a row, which is the first of a piece."""
        return self._counts[np.searchsorted(self._starts, first)]
