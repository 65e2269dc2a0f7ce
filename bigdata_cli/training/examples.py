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
from bigdata_cli.loaders.order import rows_by_shard
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.sampling import STEP, RowSample, mix
from bigdata_cli.training.target import Target, Task
from bigdata_cli.types.dtype import Schema

HELD_OUT_EVERY = 5
"""One row of so many is held out, and fewer where they would exceed HELD_OUT_BYTES."""
HELD_OUT_BYTES = 64_000_000
SAMPLE_BYTES = 64_000_000
WINDOW_BATCHES = 64
WINDOW_ROWS = 65_536
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
    for the metric. left_out: rows of the dataset that are not trained on, as they are the metric's.
    sample: the share of the others that is used. rank, workers: every worker reads each
    `workers`-th shard of those that have rows to train on.
    """

    batch_size: int
    seed: int = 0
    hold_out: bool = True
    left_out: range = range(0)
    sample: RowSample | None = None
    rank: int = 0
    workers: int = 1


class ExampleStream:
    """The examples of a dataset in shuffled windows, epoch after epoch.

    Shards come in a new order each epoch and rows are permuted within windows of up to
    WINDOW_BATCHES batches and WINDOW_ROWS rows, but of one batch at least. Memory holds one window,
    one batch of the reader, the held-out rows, and of a sample the first SAMPLE_BYTES, which are
    read but once. After the first epoch that was read `held_out`, `null_labels`, `class_counts` and
    `y_sum` are complete, for the shards of this worker.
    """

    def __init__(
        self, dataset: Dataset, features: FeaturePlan, target: Target, reading: Reading
    ) -> None:
        self.dataset = dataset
        self._features = features
        self._target = target
        self._reading = reading
        shard_rows = [shard.rows for shard in dataset.shards]
        left_out = rows_by_shard(shard_rows, reading.left_out)
        self._ranges = [_around(*both) for both in zip(shard_rows, left_out, strict=True)]
        used = [i for i, ranges in enumerate(self._ranges) if ranges or not reading.left_out]
        self._shards = used[reading.rank :: reading.workers]
        if len(used) < reading.workers:
            raise UsageError(
                f"{dataset.path} has {len(used):,} shards for {reading.workers:,} "
                "workers, and each needs one of its own",
                hint=f"bigdata convert {dataset.path} --shards {reading.workers} makes more",
            )
        row_bytes = features.row_bytes + 4
        self.held_out_every = max(
            HELD_OUT_EVERY, math.ceil(dataset.rows * row_bytes / HELD_OUT_BYTES)
        )
        rows = min(WINDOW_ROWS, WINDOW_BYTES // row_bytes)
        batches = min(WINDOW_BATCHES, max(1, rows // reading.batch_size))
        self._window_rows = batches * reading.batch_size
        self._columns = tuple(
            dataset.schema[name] for name in (*features.column_names, target.column.name)
        )
        self._read_rows = min(dataset.read_rows(self._columns), self._window_rows)
        coded = [column for column in dataset.schema if column.name not in features.hashed_names]
        self._coded = CategoryCodes(Schema(tuple(coded)))
        self._sample_room = SAMPLE_BYTES
        self._kept: dict[int, _Piece] = {}
        self._held: dict[int, list[Examples]] = {}
        self._is_collected = False
        self.null_labels = 0
        self.class_counts = np.zeros(max(1, target.n_classes), np.int64)
        self.y_sum = 0.0

    @property
    def expected_batches(self) -> int:
        """About how many batches an epoch has."""
        share = 1 - 1 / self.held_out_every if self._reading.hold_out else 1.0
        if self._reading.sample is not None:
            share *= self._reading.sample.share
        rows = sum(len(rows) for index in self._shards for rows in self._ranges[index])
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
        window = self._window(random)
        for place in random.permutation(len(self._shards)).tolist():
            for piece in self._shard(self._shards[place], collect=collect):
                taken = 0
                while taken < len(piece):
                    taken += window.add(piece, taken)
                    if window.is_full:
                        yield window.examples
                        window = self._window(random)
        if window.rows:
            yield window.taken()

    def _window(self, random: np.random.Generator) -> _Window:
        return _Window(self._features, random.permutation(self._window_rows))

    def count_classes(self) -> np.ndarray:
        """How many rows of each class are trained on: int64 (n_classes,), from the labels alone."""
        counts = np.zeros(max(1, self._target.n_classes), np.int64)
        name = self._target.column.name
        for shard in self._shards:
            choose = self._choice(shard)
            for batch in self._batches(shard, [name]):
                y = self._target.encode(self._coded.apply(batch).column(name))
                trained, _ = choose.split(y[~np.isnan(y)])
                counts += self._classes_of(y[~np.isnan(y)][trained])
        return counts

    def _choice(self, shard: int) -> _RowChoice:
        return _RowChoice(self._target, self._reading, self.held_out_every, shard)

    def _classes_of(self, y: np.ndarray) -> np.ndarray:
        return np.bincount(_classes(self._target, y), minlength=len(self.class_counts))

    def _shard(self, shard: int, *, collect: bool) -> Iterator[_Piece]:
        """The rows of a shard, of a sample only those that are in it."""
        if shard in self._kept:
            yield self._kept[shard]
            return
        pieces: list[_Piece] = []
        for piece in self._read_shard(shard, collect=collect):
            if self._reading.sample is None:
                yield piece
                continue
            taken = piece.of_trained()
            if len(taken):
                yield taken
                self._sample_room -= taken.n_bytes
                if self._sample_room >= 0:
                    pieces.append(taken)
        if pieces and self._sample_room >= 0:
            self._kept[shard] = _joined(pieces)

    def _batches(self, shard: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a shard without those that are left out."""
        for rows in self._ranges[shard]:
            whole = len(rows) == self.dataset.shards[shard].rows
            yield from self.dataset.read_shard(
                shard, names, rows=None if whole else rows, max_rows=self._read_rows
            )

    def _read_shard(self, shard: int, *, collect: bool) -> Iterator[_Piece]:
        """The rows of a shard, and which of them are trained on: not those held out or unknown."""
        choose = self._choice(shard)
        names = [column.name for column in self._columns]
        for batch in self._batches(shard, names):
            coded = self._coded.apply(batch)
            y = self._target.encode(coded.column(self._target.column.name))
            known = ~np.isnan(y)
            trained_places, held_places = choose.split(y[known])
            trained = known
            if held_places is not None or not isinstance(trained_places, slice):
                trained = known.copy()
                trained[known] = trained_places
            if collect:
                self.null_labels += int(len(y) - known.sum())
                self.class_counts += self._classes_of(y[trained])
                self.y_sum += float(y[trained].sum())
                if held_places is not None and held_places.any():
                    rows = np.flatnonzero(known)[held_places]
                    held = Examples(*self._features.encode(coded.take(rows)), y[rows].astype("f4"))
                    self._held.setdefault(shard, []).append(held)
            yield _Piece(coded, y.astype(np.float32), trained)


def _around(n_rows: int, left_out: range) -> list[range]:
    """What is left of so many rows: the runs that are not empty.

    >>> _around(10, range(3, 5)), _around(10, range(0, 0)), _around(10, range(0, 10))
    ([range(0, 3), range(5, 10)], [range(0, 10)], [])
    """
    if not left_out:
        return [range(n_rows)] if n_rows else []
    return [rows for rows in (range(left_out.start), range(left_out.stop, n_rows)) if rows]


@dataclass(frozen=True)
class _Piece:
    """Rows as they were read: the batch, labels (rows,), which are trained on (rows,)."""

    batch: pa.RecordBatch
    y: np.ndarray
    trained: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_bytes(self) -> int:
        return self.batch.nbytes + self.y.nbytes + self.trained.nbytes

    def of_trained(self) -> _Piece:
        """Only the rows that are trained on."""
        rows = np.flatnonzero(self.trained)
        return _Piece(self.batch.take(pa.array(rows)), self.y[rows], self.trained[rows])


def _joined(pieces: Sequence[_Piece]) -> _Piece:
    y = np.concatenate([piece.y for piece in pieces])
    table = pa.Table.from_batches([piece.batch for piece in pieces])
    (batch,) = table.combine_chunks().to_batches()
    return _Piece(batch, y, np.ones(len(y), bool))


class _Window:
    """Rows that are shuffled as they come: each is encoded into a place that chance gave it."""

    def __init__(self, features: FeaturePlan, order: np.ndarray) -> None:
        n_rows = len(order)
        self._features = features
        self._order = order
        self.rows = 0
        self.examples = Examples(
            np.empty((n_rows, features.width), np.float32),
            np.empty((n_rows, len(features.codes)), np.int32),
            np.empty(n_rows, np.float32),
        )

    @property
    def is_full(self) -> bool:
        return self.rows == len(self._order)

    def add(self, piece: _Piece, start: int) -> int:
        """Take rows of a piece from the start-th on, as many as fit; returns how many were seen."""
        trained = piece.trained[start:]
        room = len(self._order) - self.rows
        if np.count_nonzero(trained) > room:
            trained = trained[: int(np.flatnonzero(trained)[room])]
        places = np.full(len(trained), -1, np.int64)
        n_taken = int(np.count_nonzero(trained))
        places[trained] = self._order[self.rows : self.rows + n_taken]
        batch = piece.batch.slice(start, len(trained))
        self._features.place(batch, places, self.examples.dense, self.examples.codes)
        self.examples.y[places[trained]] = piece.y[start : start + len(trained)][trained]
        self.rows += n_taken
        return len(trained)

    def taken(self) -> Examples:
        """The rows of a window that is not full, in the order of their places."""
        return self.examples.take(np.sort(self._order[: self.rows]))


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
