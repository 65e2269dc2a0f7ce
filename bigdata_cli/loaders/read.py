"""Rows of shards as the arrays of an encoder: pieces at any place, and blocks that are read on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, groupby

import numpy as np
import pyarrow as pa

from bigdata_cli.engines.ordered import ordered_map
from bigdata_cli.formats.base import RowAccess
from bigdata_cli.loaders.access import open_shard
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.cut import PIECES_TOGETHER, Cut
from bigdata_cli.loaders.parts import Part, joined
from bigdata_cli.loaders.pieces import Piece
from bigdata_cli.types.buffers import concat_batches


@dataclass(frozen=True)
class _Task:
    """What a thread reads at a time: some pieces, and what gives their arrays."""

    pieces: list[Piece]
    read: Callable[[], list[list[np.ndarray]]]


def _read(task: _Task) -> list[list[np.ndarray]]:
    return task.read()


def _blocks_read(reads: Sequence[Callable[[], list[np.ndarray]]]) -> list[list[np.ndarray]]:
    """Return what is read of blocks."""
    found = [read() for read in reads]
    # Arrow would keep as much again as the open blocks take, for the second after it was freed.
    pa.default_memory_pool().release_unused()
    return found


class PieceReader:
    """Reads pieces as arrays, in threads.

    Where pieces can be read in any order, several are read together, and the files of the last
    shards stay open. Else the blocks stay open, and each is read on.
    """

    def __init__(
        self, dataset: ReadableDataset, encoder: Encoder, cut: Cut, *, max_rows: int = 65_536
    ) -> None:
        """Make a reader that gives at most `max_rows` rows at a time."""
        self._dataset = dataset
        self._encoder = encoder
        self._cut = cut
        self._has_access = dataset.format.traits.has_row_access
        self._max_rows = min(max_rows, cut.read_rows)
        self._max_open = -(-3 * cut.max_open // 2)
        self._lock = threading.Lock()
        self._shards: OrderedDict[int, RowAccess] = OrderedDict()
        self._blocks: OrderedDict[tuple[int, int], _OpenBlock] = OrderedDict()

    def read(
        self, pieces: Iterable[Piece], n_threads: int
    ) -> Generator[tuple[list[Piece], list[list[np.ndarray]]]]:
        """Yield pieces with the encoder's arrays of their rows, in order.

        Raises:
            VerificationError: A shard is not what the manifest says.
        """
        tasks = self._tasks(pieces)
        try:
            if n_threads == 1:
                for task in tasks:
                    yield task.pieces, task.read()
                return
            pool = ThreadPoolExecutor(n_threads, thread_name_prefix="bigdata decoder")
            try:
                for task, found in ordered_map(pool, _read, tasks, max_in_flight=n_threads):
                    yield task.pieces, found
            finally:
                pool.shutdown(cancel_futures=True)
        finally:
            self._blocks.clear()  # their readers refer to this one

    def _tasks(self, pieces: Iterable[Piece]) -> Iterator[_Task]:
        """Yield what one thread reads at a time."""
        is_any = self._cut.block_rows is None
        most = self._max_rows if is_any else PIECES_TOGETHER * self._cut.piece_rows
        together: list[Piece] = []
        n_rows = 0
        for piece in pieces:
            if together and n_rows + len(piece) > most:
                yield self._task(together)
                together, n_rows = [], 0
            together.append(piece)
            n_rows += len(piece)
        if together:
            yield self._task(together)

    def _task(self, pieces: list[Piece]) -> _Task:
        """Return what reads pieces; called in their order."""
        if self._cut.block_rows is None:
            return _Task(pieces, partial(self._any_pieces, pieces))
        return _Task(pieces, partial(_blocks_read, [self._of_block(piece) for piece in pieces]))

    def _any_pieces(self, pieces: Sequence[Piece]) -> list[list[np.ndarray]]:
        """Return the arrays of each piece; those of a shard are read at once."""
        n_together = sum(map(len, pieces))
        if not self._has_access or self._encoder.reads != "batches" or n_together > self._max_rows:
            found = (self._parts(piece.shard, range(piece.start, piece.stop)) for piece in pieces)
            parts = joined(chain.from_iterable(found), self._max_rows)
            return [self._encoded(part) for part in parts]
        places = sorted(range(len(pieces)), key=lambda i: (pieces[i].shard, pieces[i].start))
        batches = [
            self._access(shard).gather([range(pieces[i].start, pieces[i].stop) for i in group])
            for shard, group in groupby(places, key=lambda i: pieces[i].shard)
        ]
        arrays = self._encoder.encode(concat_batches(batches))
        # Back in their order, which is random: a window may end within them.
        stops = dict(zip(places, accumulate(len(pieces[i]) for i in places), strict=True))
        return [
            [array[stops[i] - len(piece) : stops[i]] for array in arrays]
            for i, piece in enumerate(pieces)
        ]

    def _of_block(self, piece: Piece) -> Callable[[], list[np.ndarray]]:
        """Return what reads the next piece of a block; called in the order of pieces."""
        block_rows = self._cut.block_rows or 1
        n_before = piece.start // block_rows * block_rows
        key = piece.shard, n_before
        stop = min(n_before + block_rows, self._dataset.shards[piece.shard].rows)
        block = self._blocks.pop(key, None)
        if block is None or block.next_row != piece.start:
            while len(self._blocks) >= self._max_open:
                self._blocks.popitem(last=False)
            parts = self._parts(piece.shard, range(piece.start, stop))
            found = map(self._encoded, joined(parts, self._max_rows))
            block = _OpenBlock(found, self._encoder, piece.start)
        if piece.stop < stop:
            self._blocks[key] = block
        return block.next_rows(piece.stop)

    def _encoded(self, part: Part) -> list[np.ndarray]:
        if isinstance(part, tuple):
            return self._encoder.encode_matrix(*part)
        return self._encoder.encode(part)

    def _parts(self, shard: int, rows: range) -> Iterator[Part]:
        """Yield rows of a shard as the format gives them."""
        dataset, encoder = self._dataset, self._encoder
        if encoder.reads == "floats":
            yield from self._floats(shard, rows)
        elif encoder.reads == "matrix":
            yield from self._access(shard).read_matrix(rows, self._max_rows)
        elif self._has_access:
            yield from self._access(shard).read(rows, self._max_rows)
        else:
            names = [column.name for column in encoder.columns]
            yield from dataset.read_shard(shard, names, rows=rows, max_rows=self._max_rows)

    def _access(self, shard: int) -> RowAccess:
        with self._lock:
            access = self._shards.pop(shard, None)
            if access is None:
                while len(self._shards) >= self._max_open:
                    self._shards.popitem(last=False)
                access = open_shard(self._dataset, shard, self._encoder)
            self._shards[shard] = access
            return access

    def _floats(self, shard: int, rows: range) -> Iterator[Part]:
        dataset = self._dataset
        dataset.check_files(shard)
        n_found = 0
        *features, label = (column.name for column in self._encoder.columns)
        for X, y in dataset.format.read_floats(
            dataset.store,
            dataset.shards[shard].file_names,
            dataset.schema,
            dataset.storage,
            features=features,
            label=label,
            max_rows=self._max_rows,
            rows=rows,
        ):
            n_found += len(X)
            yield X, y
        dataset.check_rows(shard, n_found, rows)


def by_piece(
    found: Iterable[tuple[list[Piece], list[list[np.ndarray]]]],
) -> Iterator[tuple[Piece, list[list[np.ndarray]]]]:
    """Yield each piece that `PieceReader.read` gave, with the arrays of its rows, in order."""
    for pieces, chunks in found:
        rest = iter(chunks)
        chunk: list[np.ndarray] = []
        for piece in pieces:
            mine = []
            n_wanted = len(piece)
            while n_wanted:
                chunk = chunk or next(rest)
                mine.append([array[:n_wanted] for array in chunk])
                n_wanted -= len(mine[-1][0])
                rows_left = len(chunk[0]) - len(mine[-1][0])
                chunk = [array[-rows_left:] for array in chunk] if rows_left else []
            yield piece, mine


class _OpenBlock:
    """A block that is read on, by one thread after the other: each waits for its turn."""

    def __init__(self, chunks: Iterator[list[np.ndarray]], encoder: Encoder, next_row: int) -> None:
        """Begin a block, whose arrays come in `chunks`, at a row."""
        self.next_row = next_row
        self._chunks = chunks
        self._rest = encoder.empty(0)
        self._n_given = 0
        self._n_taken = 0
        self._changed = threading.Condition()

    def next_rows(self, stop: int) -> Callable[[], list[np.ndarray]]:
        """Return what gives the arrays of the next rows up to `stop`, in its turn."""
        n_wanted, self.next_row = stop - self.next_row, stop
        self._n_given += 1
        return partial(self._take, self._n_given - 1, n_wanted)

    def _take(self, turn: int, n_wanted: int) -> list[np.ndarray]:
        with self._changed:
            self._changed.wait_for(lambda: self._n_taken == turn)
        try:
            found = [self._rest] if len(self._rest[0]) else []
            n_found = len(self._rest[0])
            while n_found < n_wanted:
                # What is wrong, also that rows are not there, is raised in this turn or before.
                found.append(next(self._chunks))
                n_found += len(found[-1][0])
            arrays = found[0]
            if len(found) > 1:
                arrays = [np.concatenate(parts) for parts in zip(*found, strict=True)]
            self._rest = [array[n_wanted:] for array in arrays]
            return [array[:n_wanted] for array in arrays]
        finally:
            with self._changed:
                self._n_taken += 1
                self._changed.notify_all()
