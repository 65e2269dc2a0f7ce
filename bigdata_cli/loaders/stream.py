"""The batches of a dataset, epoch after epoch, in bounded memory.

    pieces (pieces.py) → arrays, read by threads (read.py) → permuted windows (windows.py) → batches

A window holds whole batches, so that a stream that resumes skips batches by counting rows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.cut import WHOLE_SHARD, cut_of
from bigdata_cli.loaders.elastic import Readers
from bigdata_cli.loaders.epochs import EpochStream, StreamOptions
from bigdata_cli.loaders.order import rows_by_shard, split_rows, window_order
from bigdata_cli.loaders.pieces import EpochOrder, EpochPieces, Piece
from bigdata_cli.loaders.read import PieceReader
from bigdata_cli.loaders.sequences import SequenceWindows
from bigdata_cli.loaders.windows import fill_windows
from bigdata_cli.resources.memory import available_cpus

WINDOW_BYTES = 24_000_000
"""Of a shuffled window. Two exist at a time: one being cut, and one being filled or ahead."""
ORDERED_WINDOW_BYTES = 8_000_000
MAX_THREADS = 4
_ALIGNED_BATCHES = 16
"""This many batches of 4-byte values start at multiples of 64 bytes: TensorFlow copies others."""


class BatchStream(EpochStream):
    """The batches of one epoch each time it is iterated; an epoch has every row once.

    Each iteration is the next epoch, or the one that `set_epoch` names; a shuffled epoch has an
    order of its own. Every batch has `batch_size` rows, but the last may have fewer. The caller
    owns the arrays. Memory is a few windows of about 24 MB, whatever the size of the dataset.
    """

    def __init__(
        self,
        dataset: ReadableDataset,
        encoder: Encoder,
        options: StreamOptions,
        *,
        threads: int | None = None,
        sharers: int = 1,
        reads_ahead: bool = True,
        like: SequenceWindows | None = None,
    ) -> None:
        """Make a stream.

        Args:
            dataset: The dataset to read.
            encoder: What makes the arrays.
            options: Which rows.
            threads: The number of threads that read; None for up to MAX_THREADS.
            sharers: The number of streams that read at the same time, with smaller windows.
            reads_ahead: Whether the next window is filled while one is in use.
            like: The windows of a stream of the same rows, as the pass that finds them is done.

        Raises:
            UsageError: There are fewer rows than readers.
        """
        super().__init__(options)
        self.dataset = dataset
        self.reads_ahead = reads_ahead
        self.threads = min(MAX_THREADS, available_cpus()) if threads is None else threads
        split = split_rows(options.split, dataset.rows)
        row_cut = cut_of(dataset, encoder, shuffle=options.shuffle, sharers=sharers)
        self._row_encoder = encoder
        self._sequences = None
        if options.sequences is None:
            self._cut = row_cut
            self._shards = rows_by_shard([shard.rows for shard in dataset.shards], split)
        else:
            self._sequences = SequenceWindows(
                dataset, encoder, options.sequences, split, row_cut, like
            )
            self._cut, self._shards = self._sequences.cut, self._sequences.by_shard
            encoder = self._sequences.encoder
        self.encoder = encoder
        self._n_split = sum(map(len, self._shards))
        if self._n_split < options.world and (self._n_split or options.world > 1):
            what = "rows" if self._sequences is None else "windows"
            raise UsageError(
                f"there is nothing to read for {options.world - self._n_split} of "
                f"{options.world} readers: {dataset.path} has {self._n_split:,} {what} here",
                hint="fewer ranks and workers, or a larger split",
            )
        shuffled_bytes = max(ORDERED_WINDOW_BYTES, WINDOW_BYTES // sharers)
        window_bytes = shuffled_bytes if options.shuffle else ORDERED_WINDOW_BYTES
        batch_bytes = max(1.0, encoder.row_bytes) * options.batch_size
        self._window_batches = max(1, int(window_bytes / batch_bytes))

    @property
    def window_rows(self) -> int:
        """The rows of a window, a multiple of the batch size."""
        return self._window_batches * self.options.batch_size

    def pieces(self, epoch: int) -> EpochPieces:
        """Return what this reader reads in an epoch, in order."""
        options = self.options
        order = EpochOrder(
            shuffle=options.shuffle, seed=options.seed, epoch=epoch,
            rank=options.rank, world=options.world,
        )  # fmt: skip
        return EpochPieces(self._shards, self._cut, order)

    def own_batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch, from the manifest."""
        whole, rest = divmod(self.pieces(epoch).n_rows, self.options.batch_size)
        return whole + (rest > 0 and not self.options.drop_remainder)

    def full_batches_in(self, epoch: int) -> int:
        """Return the number of batches with all rows."""
        return self.pieces(epoch).n_rows // self.options.batch_size

    def batch_rows(self, epoch: int) -> Callable[[int], int]:
        """Return what gives the rows of a batch of an epoch, by its number."""
        n_rows, size = self.pieces(epoch).n_rows, self.options.batch_size
        return lambda number: min(size, n_rows - number * size)

    @property
    def batches_of_every_epoch(self) -> int | None:
        """The number of batches of each epoch; None where they differ, as readers change shards."""
        has_whole_shards = self._cut.block_rows == WHOLE_SHARD and self.options.world > 1
        return None if self.options.shuffle and has_whole_shards else self.batches_in(0)

    def for_epochs(self, epochs: int | None) -> Iterator[Any]:
        """Return the batches of `epochs` epochs in a row; None for no end."""
        batches = super().for_epochs(epochs)
        return batches if self._n_split else iter(())

    def own_arrays(self, epoch: int, n_given: int) -> Iterator[list[np.ndarray]]:
        """Return the arrays of the batches of an epoch after so many."""
        size = self.options.batch_size
        for arrays in self._windows(epoch, n_given):
            for start in range(0, len(arrays[0]), size):
                yield [array[start : start + size] for array in arrays]

    def stacked(self, max_bytes: int) -> Iterator[Any]:
        """Return an epoch with several batches at a time, arrays of (batches, rows, …).

        The last batch comes alone where it has fewer rows.
        """
        if self._following is not None:
            yield from super().stacked(max_bytes)
            return
        size = self.options.batch_size
        batches = max(1, int(max_bytes / max(1.0, self.encoder.row_bytes * size)))
        if batches > _ALIGNED_BATCHES:
            batches -= batches % _ALIGNED_BATCHES
        most = batches * size
        epoch, n_given = self._begin()
        for arrays in self._windows(epoch, n_given):
            n_rows = len(arrays[0])
            whole = n_rows // size * size
            cuts = [(start, min(start + most, whole)) for start in range(0, whole, most)]
            for start, stop in [*cuts, (whole, n_rows)]:
                if start < stop:
                    rows = min(size, stop - start)
                    self._count(epoch, (stop - start) // rows)
                    yield self.encoder.batch(
                        [a[start:stop].reshape(-1, rows, *a.shape[1:]) for a in arrays]
                    )
        self._end(epoch)

    def _windows(self, epoch: int, n_given: int) -> Iterator[list[np.ndarray]]:
        """Yield the arrays of the windows, without the first `n_given` batches."""
        size = self.options.batch_size
        first, skipped = divmod(n_given, self._window_batches)
        filled = self._filled(epoch, first)
        ahead = Prefetch(filled, depth=0, name="bigdata loader") if self.reads_ahead else filled
        try:
            for arrays in ahead:
                n_rows = len(arrays[0])
                if self.options.drop_remainder:
                    n_rows -= n_rows % size
                yield [array[skipped * size : n_rows] for array in arrays]
                skipped = 0
        finally:
            ahead.close()

    def _filled(self, epoch: int, first: int) -> Generator[list[np.ndarray]]:
        """Yield the windows from number `first` on."""
        options = self.options
        pieces = self.pieces(epoch)
        n_done = first * self.window_rows
        is_one_after_the_other = self._cut.block_rows == WHOLE_SHARD and not options.shuffle
        chunks = self._chunks(pieces.after(n_done), 1 if is_one_after_the_other else self.threads)

        def order(n_rows: int, window: int) -> np.ndarray | None:
            if not options.shuffle:
                return None
            return window_order(
                n_rows, seed=options.seed, epoch=epoch, rank=options.rank, window=first + window
            )

        return fill_windows(
            chunks,
            self.encoder,
            window_rows=self.window_rows,
            order=order,
            n_rows=max(0, pieces.n_rows - n_done),
        )

    def _chunks(self, pieces: Iterator[Piece], n_threads: int) -> Generator[list[np.ndarray]]:
        """Yield the arrays of pieces, in order."""
        if self._sequences is not None:
            yield from self._sequences.read(pieces, n_threads)
            return
        for _, chunks in PieceReader(self.dataset, self.encoder, self._cut).read(pieces, n_threads):
            yield from chunks

    @property
    def _source(self) -> str:
        return str(self.dataset.path)

    def data_description(self) -> Any:
        """What the rows are of, as JSON values."""
        return self.dataset.manifest.to_json()

    def order_description(self) -> Any:
        """All but the data and the readers that the batches follow from, as JSON values."""
        options = self.options
        return {
            "options": [options.shuffle, options.seed, options.split, options.drop_remainder],
            "columns": [column.name for column in self.encoder.columns],
            "arrays": [(s.name, str(s.dtype), list(s.row_shape)) for s in self.encoder.specs],
            "window": [self.window_rows, vars(self._cut)],
            "sequences": options.sequences and vars(options.sequences),
        }

    def with_encoder(self, encoder: Encoder) -> BatchStream:
        """Return a stream of the same rows in the same order, as the arrays of another encoder."""
        other = copy(self)
        other.encoder = encoder
        other.set_epoch(self._epoch)
        return other

    def of_reader(
        self, readers: Readers, rank: int, worker: int, *, reads_ahead: bool = True
    ) -> BatchStream:
        """Return the stream of one of those who share the rows of all ranks of this one."""
        shared = replace(
            self.options,
            rank=readers.number_of(rank, worker),
            world=readers.n_readers,
            batch_size=readers.batch_size,
        )
        return BatchStream(
            self.dataset,
            self._row_encoder,
            shared,
            threads=1 if readers.workers or not reads_ahead else None,
            sharers=readers.n_per_rank,
            reads_ahead=reads_ahead,
            like=self._sequences,
        )
