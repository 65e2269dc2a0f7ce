"""The examples to train on, as shuffled windows of the loaders, without the rows held out."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import Piece, epoch_pieces, rows_by_shard, window_order
from bigdata_cli.loaders.read import PieceReader
from bigdata_cli.loaders.windows import fill_windows
from bigdata_cli.training.encode import Examples, FeatureEncoder, join
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.sampling import HoldOut, RowSample
from bigdata_cli.training.target import Target

HOLD_OUT_EVERY = 5
"""One row in so many is held out; fewer where they would exceed HOLD_OUT_BYTES."""
HOLD_OUT_BYTES = 64_000_000
SAMPLE_BYTES = 64_000_000
WINDOW_BATCHES = 64
WINDOW_ROWS = 65_536
WINDOW_BYTES = 32_000_000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which rows a worker trains on, and how many in a step.

    Attributes:
        batch_size: The rows of a step of this worker, number `rank` of `workers`.
        hold_out: Whether one row in HOLD_OUT_EVERY is kept for the metric.
        left_out: Rows of the dataset to skip.
        sample: The share of the other rows to train on.
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

    A worker reads whole shards from their first row on, as the choice of the rows held out depends
    on the rows before. Memory is a few windows, the rows held out, and the first SAMPLE_BYTES of a
    sample, which are read only once.

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
        self._reading = reading
        shard_rows = [shard.rows for shard in dataset.shards]
        left_out = rows_by_shard(shard_rows, reading.left_out)
        self._runs = [_without(*both) for both in zip(shard_rows, left_out, strict=True)]
        self._shards = [range(sum(map(len, runs))) for runs in self._runs]
        n_shards = sum(1 for rows in self._shards if rows)
        if reading.workers > max(1, n_shards):
            raise UsageError(
                f"{dataset.path} has {n_shards:,} shards for {reading.workers:,} "
                "workers, and each needs one of its own",
                hint=f"bigdata convert {dataset.path} --shards {reading.workers} makes more",
            )
        row_bytes = self.encoder.row_bytes
        self._hold_out_every = max(
            HOLD_OUT_EVERY, math.ceil(dataset.rows * row_bytes / HOLD_OUT_BYTES)
        )
        window_rows = min(WINDOW_ROWS, WINDOW_BYTES // row_bytes)
        n_batches = min(WINDOW_BATCHES, max(1, int(window_rows // reading.batch_size)))
        self._window_rows = n_batches * reading.batch_size
        self._sample_room = SAMPLE_BYTES
        self._sampled: dict[int, list[np.ndarray]] = {}
        self._held_out: dict[int, list[Examples]] = {}
        self._is_counted = False
        self.null_labels = 0
        self.class_counts = np.zeros(max(1, target.n_classes), np.int64)
        self.y_sum = 0.0

    @property
    def expected_batches(self) -> int:
        """About the number of batches of an epoch."""
        share = 1 - 1 / self._hold_out_every if self._reading.hold_out else 1.0
        if self._reading.sample is not None:
            share *= self._reading.sample.share
        n_rows = sum(len(self._shards[shard]) for shard in self._order(0))
        return max(1, math.ceil(n_rows * share / self._reading.batch_size))

    def held_out(self) -> Examples:
        """Return the rows held out, in the order of the dataset; none before the first epoch."""
        parts = [part for shard in sorted(self._held_out) for part in self._held_out[shard]]
        if not parts:
            return self.no_examples()
        self._held_out = {0: [join(parts)]}
        return self._held_out[0][0]

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

        for arrays in fill_windows(
            self._epoch_rows(number), self.encoder, window_rows=self._window_rows, order=order
        ):
            yield Examples(*arrays)

    def count_classes(self) -> np.ndarray:
        """Count the rows to train on by class, int64 (n_classes,), from the labels alone."""
        counts = np.zeros_like(self.class_counts)
        for shard in self._order(0):
            choice = self._choice(shard)
            for run in self._runs[shard]:
                names = [self.target.column.name]
                for batch in self.dataset.read_shard(shard, names, rows=run):
                    y = self.encoder.labels(batch)
                    counts += self._count(y[choice.split(y)[0]])
        return counts

    def _order(self, epoch: int) -> list[int]:
        """Return the shards that this worker reads in an epoch."""
        reading = self._reading
        pieces = epoch_pieces(
            self._shards, block_rows=None, shuffle=True, seed=reading.seed, epoch=epoch,
            rank=reading.rank, world=reading.workers,
        )  # fmt: skip
        return [piece.shard for piece in pieces]

    def _epoch_rows(self, number: int) -> Generator[list[np.ndarray]]:
        """Yield the arrays of the rows to train on in an epoch."""
        is_first, self._is_counted = not self._is_counted, True
        reader = PieceReader(self.dataset, self.encoder, max_rows=self._window_rows)
        for shard in self._order(number):
            if shard in self._sampled:
                yield self._sampled[shard]
                continue
            sampled = []
            for arrays in self._shard_rows(reader, shard, is_first=is_first):
                yield arrays
                if self._reading.sample is not None:
                    self._sample_room -= sum(array.nbytes for array in arrays)
                    if self._sample_room >= 0:
                        sampled.append(arrays)
            if sampled and self._sample_room >= 0:
                columns = zip(*sampled, strict=True)
                self._sampled[shard] = [np.concatenate(parts) for parts in columns]

    def _shard_rows(
        self, reader: PieceReader, shard: int, *, is_first: bool
    ) -> Iterator[list[np.ndarray]]:
        """Yield the arrays of the rows of a shard to train on."""
        choice = self._choice(shard)
        for run in self._runs[shard]:
            for arrays in reader.read(Piece(shard, run.start, run.stop)):
                y = arrays[-1]
                trained, held_out = choice.split(y)
                if is_first:
                    self.null_labels += int(np.isnan(y).sum())
                    self.class_counts += self._count(y[trained])
                    self.y_sum += float(y[trained].sum(dtype=np.float64))
                    if held_out.any():
                        part = Examples(*(array[held_out] for array in arrays))
                        self._held_out.setdefault(shard, []).append(part)
                yield arrays if trained.all() else [array[trained] for array in arrays]

    def _choice(self, shard: int) -> _RowChoice:
        return _RowChoice(self.target, self._reading, self._hold_out_every, shard)

    def _count(self, y: np.ndarray) -> np.ndarray:
        return np.bincount(self.target.classes(y), minlength=len(self.class_counts))


def _without(n_rows: int, left_out: range) -> list[range]:
    """Return the runs of rows that remain of `n_rows`.

    >>> _without(10, range(3, 5)), _without(10, range(0, 0)), _without(10, range(0, 10))
    ([range(0, 3), range(5, 10)], [range(0, 10)], [])
    """
    if not left_out:
        return [range(n_rows)] if n_rows else []
    return [rows for rows in (range(left_out.start), range(left_out.stop, n_rows)) if rows]


class _RowChoice:
    """Which rows of a shard are trained on, and which are held out, from its first row on."""

    def __init__(self, target: Target, reading: Reading, hold_out_every: int, shard: int) -> None:
        self._target = target
        n_classes = target.n_classes
        self._held_out = None
        if reading.hold_out:
            self._held_out = HoldOut(hold_out_every, shard=shard, n_classes=n_classes)
        self._sample = None
        if reading.sample is not None:
            self._sample = reading.sample.of_shard(shard, n_classes=max(1, n_classes))

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
