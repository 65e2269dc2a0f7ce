"""The examples to train on, as shuffled windows of the loaders, without the rows held out."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.cut import WHOLE_SHARD, cut_of
from bigdata_cli.loaders.examples import Examples, FeatureEncoder, join
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.order import rows_by_shard, window_order
from bigdata_cli.loaders.pieces import EpochOrder, EpochPieces, Piece, first_rows, whole_shards
from bigdata_cli.loaders.read import PieceReader, by_piece
from bigdata_cli.loaders.shuffle_score import MAX_BATCHES, ShuffleScore, score_of
from bigdata_cli.loaders.target import Target
from bigdata_cli.loaders.windows import fill_windows
from bigdata_cli.training.folds import Fold, FoldEncoder
from bigdata_cli.training.row_choice import RowChoice, ShardCounts
from bigdata_cli.training.sampling import HoldOut, RowSample

HOLD_OUT_EVERY = 5
"""One row in so many is held out; fewer where they would exceed HOLD_OUT_BYTES."""
HOLD_OUT_BYTES = 64_000_000
WATCH_EVERY = 10
"""Of the rest, one in so many decides when to stop; fewer where they would exceed WATCHED_BYTES."""
WATCHED_BYTES = 32_000_000
_WATCHED_SALT = 1
SAMPLE_BYTES = 64_000_000
WINDOW_BATCHES = 64
WINDOW_ROWS = 65_536
WINDOW_BYTES = 32_000_000
MIXED_BYTES = 24_000_000
"""Of the rows that are shuffled together, from which windows are cut: two exist at a time."""
COUNTS_BYTES = 16_000_000
"""Of what is counted for the choice of the rows that are held out; see `row_choice.py`."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which rows a worker trains on, and how many in a step.

    Attributes:
        batch_size: The rows of a step of this worker, number `rank` of `workers`.
        hold_out: Whether one row in HOLD_OUT_EVERY is kept for the metric.
        fold: The rows of this fold are for the metric, and are kept nowhere.
        watch: Whether one row in WATCH_EVERY is kept to decide when to stop.
        left_out: Rows of the dataset to skip.
        sample: The share of the other rows to train on.
    """

    batch_size: int
    seed: int = 0
    hold_out: bool = True
    fold: Fold | None = None
    watch: bool = False
    left_out: range = range(0)
    sample: RowSample | None = None
    rank: int = 0
    workers: int = 1


class ExampleStream:
    """The examples of a dataset in shuffled windows, epoch after epoch.

    A worker has whole shards, whose pieces are read in a random order. Memory is what is shuffled
    together, the rows held out, and the first SAMPLE_BYTES of a sample, which are read only once.

    Attributes:
        null_labels: Rows without a label. This and the following are of this worker, and complete
            after the first epoch that was read.
        class_counts: Rows to train on by class, int64 (n_classes,); of a regression all, (1,).
        y_sum: The sum of their labels.
    """

    def __init__(
        self, dataset: Dataset, features: FeaturePlan, target: Target, reading: Reading
    ) -> None:
        """Make a stream.

        Raises:
            UsageError: There are fewer shards with rows than workers.
        """
        self.dataset = dataset
        self.target = target
        self.encoder = FeatureEncoder(dataset, features, target)
        fold = reading.fold
        has_groups = fold is not None and fold.by is not None
        self._folds = FoldEncoder(self.encoder, fold) if fold and has_groups else None
        self._reading = reading
        shard_rows = [shard.rows for shard in dataset.shards]
        left_out = rows_by_shard(shard_rows, reading.left_out)
        self._left_out = left_out
        self._shards = [
            _outside(range(n), rows) for n, rows in zip(shard_rows, left_out, strict=True)
        ]
        n_shards = sum(1 for rows in self._shards if rows)
        if reading.workers > max(1, n_shards):
            raise UsageError(
                f"{dataset.path} has {n_shards:,} shards for {reading.workers:,} "
                "workers, and each needs one of its own",
                hint=f"bigdata convert {dataset.path} --shards {reading.workers} makes more",
            )
        row_bytes = self.encoder.row_bytes
        n_bytes = dataset.rows * row_bytes
        self._hold_out_every = max(HOLD_OUT_EVERY, math.ceil(n_bytes / HOLD_OUT_BYTES))
        self._watch_every = max(WATCH_EVERY, math.ceil(n_bytes / WATCHED_BYTES))
        window_rows = min(WINDOW_ROWS, WINDOW_BYTES // row_bytes)
        n_batches = min(WINDOW_BATCHES, max(1, int(window_rows // reading.batch_size)))
        self._window_rows = n_batches * reading.batch_size
        self._mixed_rows = (
            -(-int(MIXED_BYTES // row_bytes) // self._window_rows) * self._window_rows
        )
        n_counts = len(self._choice(0).counts)
        self._cut = cut_of(
            dataset, self._read_as, shuffle=True, max_pieces=COUNTS_BYTES // (8 * (n_counts + 1))
        )
        self._counts: dict[int, ShardCounts] = {}
        self._sample_room = SAMPLE_BYTES
        self._sampled: dict[Piece, list[np.ndarray]] = {}
        self._held_out: dict[tuple[int, int], Examples] = {}
        self._watched: dict[tuple[int, int], Examples] = {}
        self._is_counted = False
        self.null_labels = 0
        self.class_counts = np.zeros(max(1, target.n_classes), np.int64)
        self.y_sum = 0.0
        self._batch_counts: list[np.ndarray] = []

    @property
    def fold(self) -> Fold | None:
        """The fold whose rows are for the metric."""
        return self._reading.fold

    @property
    def expected_batches(self) -> int:
        """About the number of batches of an epoch."""
        reading = self._reading
        share = 1 - 1 / self._hold_out_every if reading.hold_out else 1.0
        if reading.fold is not None:
            share *= 1 - 1 / reading.fold.count
        if reading.watch:
            share *= 1 - 1 / self._watch_every
        if reading.sample is not None:
            share *= reading.sample.share
        n_rows = sum(len(self._shards[shard]) for shard in self._mine(0))
        return max(1, math.ceil(n_rows * share / reading.batch_size))

    def held_out(self) -> Examples:
        """Return the rows held out, in the order of the dataset; none before the first epoch."""
        return self._joined(self._held_out)

    def watched(self) -> Examples:
        """Return the rows that decide when to stop, in order; none before the first epoch."""
        return self._joined(self._watched)

    def _joined(self, kept: dict[tuple[int, int], Examples]) -> Examples:
        """Return all that was kept, and keep it as one."""
        if not kept:
            return self.no_examples()
        whole = join([kept[place] for place in sorted(kept)])
        kept.clear()
        kept[0, 0] = whole
        return whole

    def fold_rows(self) -> Iterator[Examples]:
        """Yield the rows of the fold, block by block in the order of the dataset."""
        names = [column.name for column in self._read_as.columns]
        for shard, rows in enumerate(self._shards):
            choice, first = self._choice(shard), rows.start
            for batch in self.dataset.read_shard(shard, names, rows=rows):
                arrays, folds = self._divided(self._read_as.encode(batch))
                y = self._without_left_out(shard, first, arrays[-1])
                held_out = choice.split(y, folds).held_out
                if held_out.any():
                    yield Examples(*(array[held_out] for array in arrays))
                first += len(y)

    def no_examples(self) -> Examples:
        """Return examples without a row."""
        return Examples(*self.encoder.empty(0))

    def epoch(self, number: int) -> Iterator[Examples]:
        """Yield the windows of an epoch: whole batches, but for the last one.

        Args:
            number: The epoch, from 0. The first that is read also collects the rows held out.
        """
        reading = self._reading

        def order(n_rows: int, window: int) -> np.ndarray:
            return window_order(
                n_rows, seed=reading.seed, epoch=number, rank=reading.rank, window=window
            )

        mine = [range(0)] * len(self._shards)
        for shard in self._mine(number):
            mine[shard] = self._shards[shard]
        n_rows = max(1, sum(map(len, mine)))
        for arrays in fill_windows(
            self._epoch_rows(number, mine),
            self.encoder,
            window_rows=min(self._mixed_rows, -(-n_rows // self._window_rows) * self._window_rows),
            order=order,
        ):
            if not self._has_batch_counts:
                self._count_batches(arrays[-1])
            for start in range(0, len(arrays[0]), self._window_rows):
                yield Examples(*(array[start : start + self._window_rows] for array in arrays))

    def _epoch_rows(self, number: int, mine: Sequence[range]) -> Generator[list[np.ndarray]]:
        """Yield the arrays of the rows to train on in an epoch, of those of this worker."""
        is_first, self._is_counted = not self._is_counted, True
        order = EpochOrder(shuffle=True, seed=self._reading.seed, epoch=number)
        pieces = EpochPieces(mine, self._cut, order)
        reader = PieceReader(self.dataset, self._read_as, self._cut, max_rows=self._window_rows)
        unread = (piece for piece in pieces if piece not in self._sampled)
        found = by_piece(reader.read(unread, 1))
        choices: dict[int, RowChoice] = {}
        for piece in pieces:
            if piece in self._sampled:
                yield self._sampled[piece]
                continue
            chunks = [
                self._chosen(arrays, choice, first, piece.shard, is_first=is_first)
                for choice, first, arrays in self._chunks(*next(found), choices)
            ]
            yield from chunks
            if self._reading.sample is not None and self._sample_room >= 0:
                self._sample_room -= sum(array.nbytes for arrays in chunks for array in arrays)
                if self._sample_room >= 0:
                    joined = zip(*chunks, strict=True)
                    self._sampled[piece] = [np.concatenate(parts) for parts in joined]

    def _chunks(
        self, piece: Piece, chunks: list[list[np.ndarray]], choices: dict[int, RowChoice]
    ) -> Iterator[tuple[RowChoice, int, list[np.ndarray]]]:
        """Yield the arrays of a piece with the choice at their first row, and which row that is.

        choices: those of shards that are read in order, which go on with each piece.
        """
        first = piece.start
        if self._cut.block_rows == WHOLE_SHARD and first > self._shards[piece.shard].start:
            choice = choices[piece.shard]
        else:
            choice = choices[piece.shard] = self._choice(piece.shard)
            if choice.counts and self._cut.block_rows != WHOLE_SHARD:
                choice.begin(self._counted(piece.shard).at(first))
        for arrays in chunks:
            yield choice, first, arrays
            first += len(arrays[0])

    def _chosen(
        self, arrays: list[np.ndarray], choice: RowChoice, first: int, shard: int, *, is_first: bool
    ) -> list[np.ndarray]:
        """Return the rows to train on; of an epoch that is the first, keep those held out."""
        arrays, folds = self._divided(arrays)
        y = self._without_left_out(shard, first, arrays[-1])
        trained, held_out, watched = choice.split(y, folds)
        if is_first:
            n_skipped = len(range(*_overlap(self._left_out[shard], first, len(y))))
            self.null_labels += int(np.isnan(y).sum()) - n_skipped
            self.class_counts += self._count(y[trained])
            self.y_sum += float(y[trained].sum(dtype=np.float64))
            kept = [(watched, self._watched)]
            if self._reading.fold is None:
                kept.append((held_out, self._held_out))
            for rows, into in kept:
                if rows.any():
                    into[shard, first] = Examples(*(array[rows] for array in arrays))
        return arrays if trained.all() else [array[trained] for array in arrays]

    def _choice(self, shard: int) -> RowChoice:
        """Return the choice at the first row of a shard."""
        reading, n_classes = self._reading, self.target.n_classes
        fold, sample = reading.fold, reading.sample
        held_out = watched = None
        if reading.hold_out:
            held_out = HoldOut(self._hold_out_every, shard=shard, n_classes=n_classes)
        elif fold is not None and fold.by is None:
            held_out = HoldOut(fold.count, shard=shard, n_classes=n_classes, place=fold.index)
        if reading.watch:
            watched = HoldOut(
                self._watch_every, shard=shard, n_classes=n_classes, salt=_WATCHED_SALT
            )
        return RowChoice(
            self.target,
            held_out=held_out,
            watched=watched,
            sample=None if sample is None else sample.of_shard(shard, n_classes=max(1, n_classes)),
            fold=None if fold is None else fold.index,
        )

    @property
    def _read_as(self) -> FeatureEncoder | FoldEncoder:
        """What makes arrays of what is read."""
        return self._folds or self.encoder

    def _divided(self, arrays: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Return the arrays of examples, and the folds of the rows, where a column decides them."""
        return (arrays, None) if self._folds is None else (arrays[:-1], arrays[-1])

    @property
    def _has_batch_counts(self) -> bool:
        return len(self._batch_counts) >= MAX_BATCHES or self.target.n_classes == 0

    def _count_batches(self, y: np.ndarray) -> None:
        """Count the classes of the batches of a window, of labels (rows,)."""
        size = self._reading.batch_size
        n_wanted = MAX_BATCHES - len(self._batch_counts)
        starts = range(0, len(y) // size * size, size)[:n_wanted]
        self._batch_counts += [self._count(y[start : start + size]) for start in starts]

    def shuffle_score(self) -> ShuffleScore | None:
        """Return how well the first batches mixed the classes; None where there are none."""
        total = self.class_counts.sum()
        if not self._batch_counts or not total:
            return None
        shares = self.class_counts / total
        return score_of(np.array(self._batch_counts), shares, label=self.target.column.name)

    def count_classes(self) -> np.ndarray:
        """Count the rows to train on by class, int64 (n_classes,), from the labels alone."""
        counts = np.zeros_like(self.class_counts)
        for shard in self._mine(0):
            counts += self._counted(shard).class_counts
        return counts

    def _mine(self, epoch: int) -> list[int]:
        """Return the shards that this worker reads in an epoch."""
        return whole_shards(self._shards, self._order(epoch))

    def _order(self, epoch: int) -> EpochOrder:
        reading = self._reading
        return EpochOrder(
            shuffle=True, seed=reading.seed, epoch=epoch, rank=reading.rank, world=reading.workers
        )

    def _counted(self, shard: int) -> ShardCounts:
        """Return the counts of a shard, whose labels are read where that was not done yet."""
        if shard not in self._counts:
            rows = self._shards[shard]
            counts = ShardCounts(self._choice(shard), first_rows(rows, self._cut), self._count)
            first = rows.start
            names = [self.target.column.name]
            fold = self._reading.fold
            by = None if fold is None else fold.by
            if by is not None and by.name not in names:
                names.append(by.name)
            for batch in self.dataset.read_shard(shard, names, rows=rows):
                y = self._without_left_out(shard, first, self.encoder.labels(batch))
                folds = fold.of_values(batch.column(by.name)) if fold and by else None
                counts.add(first, y, folds)
                first += len(y)
            self._counts[shard] = counts
        return self._counts[shard]

    def _without_left_out(self, shard: int, first: int, y: np.ndarray) -> np.ndarray:
        """Return labels with NaN for the rows to skip; `first` is the first row."""
        start, stop = _overlap(self._left_out[shard], first, len(y))
        if start == stop:
            return y
        y = y.copy()
        y[start:stop] = np.nan
        return y

    def _count(self, y: np.ndarray) -> np.ndarray:
        return np.bincount(self.target.classes(y), minlength=len(self.class_counts))


def _outside(rows: range, left_out: range) -> range:
    """Return the rows from the first to the last that is not left out.

    >>> _outside(range(10), range(0, 3)), _outside(range(10), range(3, 5))
    (range(3, 10), range(0, 10))
    """
    start = left_out.stop if left_out and left_out.start <= rows.start else rows.start
    stop = left_out.start if left_out and left_out.stop >= rows.stop else rows.stop
    return range(start, max(start, stop))


def _overlap(left_out: range, first: int, n_rows: int) -> tuple[int, int]:
    """Return which of `n_rows` rows from `first` on are left out, counted from `first`.

    >>> _overlap(range(3, 5), 4, 10), _overlap(range(3, 5), 8, 10)
    ((0, 1), (0, 0))
    """
    start = min(max(left_out.start - first, 0), n_rows)
    return start, max(start, min(left_out.stop - first, n_rows))
