"""Rows as examples, streamed: a part held out, the others shuffled within a bounded window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.arrays import CategoryCodes
from bigdata_cli.schema.dtype import Schema
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.sampling import STEP, RowSample, mix
from bigdata_cli.training.target import Target, Task

HELD_OUT_EVERY = 5
"""One row of so many is held out, and fewer where they would exceed HELD_OUT_BYTES."""
HELD_OUT_BYTES = 64_000_000
SAMPLE_BYTES = 64_000_000
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
    """A hash of a block's number, uint64."""
    return mix(block.astype(np.uint64) + np.uint64((shard + 1) * STEP % 2**64))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which rows are trained on, and in which portions they come.

    batch_size: rows of a step of this worker. hold_out: whether one row of HELD_OUT_EVERY is kept
    for the metric. sample: the share of the others that is used. rank, workers: every worker reads
    each `workers`-th shard.
    """

    batch_size: int
    seed: int = 0
    hold_out: bool = True
    sample: RowSample | None = None
    rank: int = 0
    workers: int = 1


class ExampleStream:
    """The examples of a dataset in shuffled windows, epoch after epoch.

    Shards come in a new order each epoch and rows are permuted within windows of up to
    WINDOW_BATCHES batches. Memory holds one window, one batch of the reader, the held-out rows,
    and a sample that has no more than SAMPLE_BYTES, which is read but once. After the first epoch
    that was read `held_out`, `null_labels`, `class_counts` and `y_sum` are complete, for the shards
    of this worker.
    """

    def __init__(
        self, dataset: Dataset, features: FeaturePlan, target: Target, reading: Reading
    ) -> None:
        self._dataset = dataset
        self._features = features
        self._target = target
        self._reading = reading
        self._shards = range(reading.rank, len(dataset.shards), reading.workers)
        if len(dataset.shards) < reading.workers:
            raise UsageError(
                f"{dataset.path} has {len(dataset.shards):,} shards for {reading.workers:,} "
                "workers, and each needs one of its own",
                hint=f"bigdata convert {dataset.path} --shards {reading.workers} makes more",
            )
        row_bytes = features.row_bytes + 4
        self.held_out_every = max(
            HELD_OUT_EVERY, math.ceil(dataset.rows * row_bytes / HELD_OUT_BYTES)
        )
        batches = min(WINDOW_BATCHES, max(1, WINDOW_BYTES // (row_bytes * reading.batch_size)))
        self._window_rows = batches * reading.batch_size
        self._columns = tuple(
            dataset.schema[name] for name in (*features.column_names, target.column.name)
        )
        self._read_rows = min(dataset.read_rows(self._columns), self._window_rows)
        coded = [column for column in dataset.schema if column.name not in features.hashed_names]
        self._coded = CategoryCodes(Schema(tuple(coded)))
        sample_bytes = self.expected_batches * reading.batch_size * row_bytes
        self._keeps_sample = reading.sample is not None and sample_bytes <= SAMPLE_BYTES
        self._kept: dict[int, Examples] = {}
        self._held: dict[int, list[Examples]] = {}
        self._is_collected = False
        self.null_labels = 0
        self.class_counts = np.zeros(max(1, target.n_classes), np.int64)
        self.y_sum = 0.0

    @property
    def schema(self) -> Schema:
        """The columns of the dataset."""
        return self._dataset.schema

    @property
    def expected_batches(self) -> int:
        """About how many batches an epoch has."""
        share = 1 - 1 / self.held_out_every if self._reading.hold_out else 1.0
        if self._reading.sample is not None:
            share *= self._reading.sample.share
        rows = sum(self._dataset.shards[index].rows for index in self._shards)
        return max(1, math.ceil(rows * share / self._reading.batch_size))

    @property
    def trained_rows(self) -> int:
        """The rows of the first epoch that was read, as far as it has come."""
        return int(self.class_counts.sum())

    def held_out(self) -> Examples:
        """The rows held out, in the dataset's order; none before the first epoch."""
        pieces = [piece for shard in sorted(self._held) for piece in self._held[shard]]
        if not pieces:
            return self.no_examples()
        self._held = {0: [join(pieces)]}
        return self._held[0][0]

    def no_examples(self) -> Examples:
        """Examples without a row."""
        return Examples(
            np.empty((0, self._features.width), np.float32),
            np.empty((0, len(self._features.codes)), np.int32),
            np.empty(0, np.float32),
        )

    def epoch(self, number: int) -> Iterator[Examples]:
        """The windows of an epoch: whole batches but for the last; the first epoch is 0.

        The first that is read also collects the held-out rows.
        """
        collect, self._is_collected = not self._is_collected, True
        random = np.random.default_rng([self._reading.seed, number])
        pieces: list[Examples] = []
        n_rows = 0
        for place in random.permutation(len(self._shards)).tolist():
            for piece in self._shard(self._shards[place], collect=collect):
                pieces.append(piece)
                n_rows += len(piece)
                while n_rows >= self._window_rows:
                    window = join(pieces)
                    yield window.take(random.permutation(self._window_rows))
                    pieces = [window.take(slice(self._window_rows, None))]
                    n_rows = len(pieces[0])
        if n_rows:
            yield join(pieces).take(random.permutation(n_rows))

    def count_classes(self) -> np.ndarray:
        """How many rows of each class are trained on: int64 (n_classes,), from the labels alone."""
        counts = np.zeros(max(1, self._target.n_classes), np.int64)
        name = self._target.column.name
        for shard in self._shards:
            choose = self._choice(shard)
            for batch in self._dataset.read([name], shards=[shard]):
                y = self._target.encode(self._coded.apply(batch).column(name))
                trained, _ = choose.split(y[~np.isnan(y)])
                counts += self._classes_of(y[~np.isnan(y)][trained])
        return counts

    def _choice(self, shard: int) -> _RowChoice:
        return _RowChoice(self._target, self._reading, self.held_out_every, shard)

    def _classes_of(self, y: np.ndarray) -> np.ndarray:
        return np.bincount(_classes(self._target, y), minlength=len(self.class_counts))

    def _shard(self, shard: int, *, collect: bool) -> Iterator[Examples]:
        """The training examples of a shard, without those held out and those without a label."""
        if shard in self._kept:
            yield self._kept[shard]
            return
        pieces = []
        for piece in self._read_shard(shard, collect=collect):
            yield piece
            if self._keeps_sample:
                pieces.append(piece)
        if self._keeps_sample:
            self._kept[shard] = join(pieces) if pieces else self.no_examples()

    def _read_shard(self, shard: int, *, collect: bool) -> Iterator[Examples]:
        choose = self._choice(shard)
        names = [column.name for column in self._columns]
        for batch in self._dataset.read(names, max_rows=self._read_rows, shards=[shard]):
            coded = self._coded.apply(batch)
            y = self._target.encode(coded.column(self._target.column.name))
            known = np.flatnonzero(~np.isnan(y))
            trained, held = choose.split(y[known])
            if collect:
                self.null_labels += len(y) - len(known)
                learned = y[known[trained]]
                self.class_counts += self._classes_of(learned)
                self.y_sum += float(learned.sum())
            if self._reading.sample is not None:  # a few of the rows, and only they are encoded
                assert isinstance(trained, np.ndarray)
                wanted = trained if held is None or not collect else trained | held
                coded, y = coded.take(pa.array(known[wanted])), y[known[wanted]]
                trained, held = trained[wanted], None if held is None else held[wanted]
                known = np.arange(len(y))
            dense, codes = self._features.encode(coded)
            examples = Examples(dense, codes, y.astype(np.float32))
            if len(known) < len(y):
                examples = examples.take(known)
            if collect and held is not None and held.any():
                self._held.setdefault(shard, []).append(examples.take(held))
            yield examples.take(trained)


class _RowChoice:
    """Which rows of a shard are trained on, and which are held out, from its first row on."""

    def __init__(self, target: Target, reading: Reading, held_out_every: int, shard: int) -> None:
        self._target = target
        n_classes = target.n_classes
        self._held = None
        if reading.hold_out:
            self._held = HeldOutRows(held_out_every, shard=shard, n_classes=n_classes)
        self._sample = None
        if reading.sample is not None:
            self._sample = reading.sample.of_shard(shard, n_classes=max(1, n_classes))

    def split(self, y: np.ndarray) -> tuple[np.ndarray | slice, np.ndarray | None]:
        """Of rows with these labels, those to train on and those held out: bool (rows,), or all."""
        if self._held is None and self._sample is None:
            return slice(None), None
        classes = _classes(self._target, y)
        held = None if self._held is None else self._held.choose(classes)
        trained = np.ones(len(y), bool) if held is None else ~held
        if self._sample is not None:
            trained[trained] = self._sample.choose(classes[trained])
        return trained, held


def _classes(target: Target, y: np.ndarray) -> np.ndarray:
    """The class of each label, 0 for a number: int16 (rows,)."""
    if target.task is Task.REGRESSION:
        return np.zeros(len(y), np.int16)
    return y.astype(np.int16)
