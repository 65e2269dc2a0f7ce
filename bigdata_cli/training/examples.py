"""Rows as examples, streamed: a part held out, the others shuffled within a bounded window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.loaders.arrays import CategoryCodes
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.target import Target, Task

HELD_OUT_EVERY = 5
"""One row of so many is held out, and fewer where they would exceed HELD_OUT_BYTES."""
HELD_OUT_BYTES = 64_000_000
WINDOW_BATCHES = 64
WINDOW_BYTES = 32_000_000


@dataclass(frozen=True)
class Examples:
    """Encoded rows: dense float32 (rows, width), codes int32 (rows, categories), y (rows,)."""

    dense: np.ndarray
    codes: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray | slice) -> Examples:
        """The examples at these places."""
        return Examples(self.dense[rows], self.codes[rows], self.y[rows])


def join(pieces: Sequence[Examples]) -> Examples:
    """The examples of all pieces, in order."""
    if len(pieces) == 1:
        return pieces[0]
    return Examples(
        np.concatenate([piece.dense for piece in pieces]),
        np.concatenate([piece.codes for piece in pieces]),
        np.concatenate([piece.y for piece in pieces]),
    )


class HeldOutRows:
    """Chooses one row of every `every` of a shard, in each class apart.

    Depends on the shard's index and its rows only: every epoch, format and batch size choose the
    same. Among each `every` rows of a class in a row the place is a hash's, so that no period in
    the data can coincide with the choice.
    """

    def __init__(self, every: int, *, shard: int, n_classes: int) -> None:
        self._every = every
        self._shard = shard
        self._seen = np.zeros(max(1, n_classes), np.int64)

    def choose(self, classes: np.ndarray) -> np.ndarray:
        """Which of the next rows are held out: bool (rows,). `classes` are small ints (rows,)."""
        chosen = np.zeros(len(classes), bool)
        for value in range(len(self._seen)):
            rows = np.flatnonzero(classes == value)
            index = self._seen[value] + np.arange(len(rows))
            block, place = np.divmod(index, self._every)
            chosen[rows] = place == _hash(block, self._shard) % np.uint64(self._every)
            self._seen[value] += len(rows)
        return chosen


def _hash(block: np.ndarray, shard: int) -> np.ndarray:
    """The splitmix64 finaliser of a block's number, uint64."""
    with np.errstate(over="ignore"):
        x = block.astype(np.uint64) + np.uint64((shard + 1) * 0x9E3779B97F4A7C15 % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


class ExampleStream:
    """The examples of a dataset in shuffled windows, epoch after epoch.

    Shards come in a new order each epoch and rows are permuted within windows of up to
    WINDOW_BATCHES batches. Memory holds one window, one batch of the reader, and the held-out
    rows. After the first epoch `held_out`, `null_labels` and `best_constant` are complete.
    """

    def __init__(
        self,
        dataset: Dataset,
        features: FeaturePlan,
        target: Target,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self._dataset = dataset
        self._features = features
        self._target = target
        self._batch_size = batch_size
        self._seed = seed
        row_bytes = features.row_bytes + 4
        self.held_out_every = max(
            HELD_OUT_EVERY, math.ceil(dataset.rows * row_bytes / HELD_OUT_BYTES)
        )
        batches = min(WINDOW_BATCHES, max(1, WINDOW_BYTES // (row_bytes * batch_size)))
        self._window_rows = batches * batch_size
        self._columns = tuple(
            dataset.schema[name] for name in (*features.column_names, target.column.name)
        )
        self._read_rows = min(dataset.read_rows(self._columns), self._window_rows)
        self._coded = CategoryCodes(dataset.schema)
        self._held: list[Examples] = []
        self.null_labels = 0
        self._class_counts = np.zeros(max(1, target.n_classes), np.int64)
        self._y_sum = 0.0

    @property
    def expected_batches(self) -> int:
        """About how many batches an epoch has."""
        share = 1 - 1 / self.held_out_every
        return max(1, math.ceil(self._dataset.rows * share / self._batch_size))

    @property
    def trained_rows(self) -> int:
        """The rows of the first epoch, as far as it has come."""
        return int(self._class_counts.sum())

    def held_out(self) -> Examples:
        """The rows held out; empty before the first epoch."""
        if not self._held:
            return Examples(
                np.empty((0, self._features.width), np.float32),
                np.empty((0, len(self._features.codes)), np.int32),
                np.empty(0, np.float32),
            )
        self._held = [join(self._held)]
        return self._held[0]

    def best_constant(self) -> np.ndarray:
        """What says most of the training labels without looking at the features.

        The log-odds of the label (1,), the logits of the classes (n_classes,), or the mean (1,).
        """
        n_rows = max(1, self.trained_rows)
        if self._target.task is Task.REGRESSION:
            return np.array([self._y_sum / n_rows])
        logits = np.log((self._class_counts + 0.5) / (n_rows + 0.5 * len(self._class_counts)))
        return logits[1:] - logits[:1] if self._target.task is Task.BINARY else logits

    def epoch(self, number: int) -> Iterator[Examples]:
        """The windows of an epoch: whole batches but for the last; the first epoch is 0.

        The first also collects the held-out rows.
        """
        if number == 0:
            self._held, self.null_labels, self._y_sum = [], 0, 0.0
            self._class_counts[:] = 0
        random = np.random.default_rng([self._seed, number])
        pieces: list[Examples] = []
        n_rows = 0
        for shard in random.permutation(len(self._dataset.shards)).tolist():
            for piece in self._shard(shard, collect=number == 0):
                pieces.append(piece)
                n_rows += len(piece)
                while n_rows >= self._window_rows:
                    window = join(pieces)
                    yield window.take(random.permutation(self._window_rows))
                    pieces = [window.take(slice(self._window_rows, None))]
                    n_rows = len(pieces[0])
        if n_rows:
            yield join(pieces).take(random.permutation(n_rows))

    def _shard(self, shard: int, *, collect: bool) -> Iterator[Examples]:
        """The training examples of a shard, without those held out and those without a label."""
        regression = self._target.task is Task.REGRESSION
        chooser = HeldOutRows(self.held_out_every, shard=shard, n_classes=self._target.n_classes)
        names = [column.name for column in self._columns]
        for batch in self._dataset.read(names, max_rows=self._read_rows, shards=[shard]):
            coded = self._coded.apply(batch)
            y = self._target.encode(coded.column(self._target.column.name))
            known = ~np.isnan(y)
            dense, codes = self._features.encode(coded)
            examples = Examples(dense, codes, y.astype(np.float32))
            if not known.all():
                examples = examples.take(known)
            classes = np.zeros(len(examples), np.int16)
            if not regression:
                classes += examples.y.astype(np.int16)
            held = chooser.choose(classes)
            trained = examples.take(~held)
            if collect:
                self.null_labels += len(y) - len(examples)
                self._class_counts += np.bincount(classes[~held], minlength=len(self._class_counts))
                self._y_sum += float(trained.y.sum(dtype=np.float64))
                if held.any():
                    self._held.append(examples.take(held))
            yield trained
