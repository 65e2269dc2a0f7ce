"""Rows of shards as the arrays of an encoder: piece after piece, or any rows by their number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.engines.ordered import ordered_map
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import RowAccess
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.order import Piece

PIECE_BYTES = 4_000_000
"""About the size of a block; larger where the format's own blocks are."""


def rows_of_block(dataset: ReadableDataset, encoder: Encoder) -> int | None:
    """Return the rows of a block of about PIECE_BYTES; None where a shard has no random access."""
    unit = dataset.format.block_rows(dataset.schema, dataset.storage)
    if unit is None:
        return None
    wanted = max(1, int(PIECE_BYTES / max(1.0, encoder.row_bytes)))
    return -(-wanted // unit) * unit


class PieceReader:
    """Reads pieces as arrays. Threads may share one.

    Where the format has random access, the shard that was read last stays open.
    """

    def __init__(
        self, dataset: ReadableDataset, encoder: Encoder, *, max_rows: int = 65_536
    ) -> None:
        """Make a reader that gives at most `max_rows` rows at a time."""
        self._dataset = dataset
        self._encoder = encoder
        wanted = max(256, int(PIECE_BYTES / max(1.0, encoder.row_bytes)))
        self._max_rows = min(max_rows, wanted, dataset.read_rows(encoder.columns))
        self._lock = threading.Lock()
        self._last: tuple[int, RowAccess] | None = None

    def read(self, piece: Piece) -> Iterator[list[np.ndarray]]:
        """Yield the encoder's arrays of the rows of a piece, in order.

        Raises:
            VerificationError: The shard is not what the manifest says.
        """
        encoder = self._encoder
        if encoder.reads == "batches":
            for batch in self._batches(piece):
                yield encoder.encode(batch)
            return
        for X, y in self._matrix(piece) if encoder.reads == "matrix" else self._floats(piece):
            yield encoder.encode_matrix(X, y)

    def _batches(self, piece: Piece) -> Iterator[pa.RecordBatch]:
        dataset, rows = self._dataset, range(piece.start, piece.stop)
        if dataset.format.traits.has_row_access:
            return self._access(piece.shard).read(rows, self._max_rows)
        names = [column.name for column in self._encoder.columns]
        return dataset.read_shard(piece.shard, names, rows=rows, max_rows=self._max_rows)

    def _access(self, shard: int) -> RowAccess:
        with self._lock:
            if self._last is None or self._last[0] != shard:
                self._last = shard, open_shard(self._dataset, shard, self._encoder)
            return self._last[1]

    def _matrix(self, piece: Piece) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        rows = range(piece.start, piece.stop)
        return self._dataset.read_matrix(piece.shard, rows=rows, max_rows=self._max_rows)

    def _floats(self, piece: Piece) -> Iterator[tuple[np.ndarray, pa.Array]]:
        dataset = self._dataset
        dataset.check_files(piece.shard)
        n_found, rows = 0, range(piece.start, piece.stop)
        *features, label = (column.name for column in self._encoder.columns)
        for X, y in dataset.format.read_floats(
            dataset.store,
            dataset.shards[piece.shard].file_names,
            dataset.schema,
            dataset.storage,
            features=features,
            label=label,
            max_rows=self._max_rows,
            rows=rows,
        ):
            n_found += len(X)
            yield X, y
        dataset.check_rows(piece.shard, n_found, rows)


def read_in_threads(
    read: Callable[[Piece], Iterator[list[np.ndarray]]], pieces: Sequence[Piece], n_threads: int
) -> Generator[list[np.ndarray]]:
    """Yield what `read` gives of the pieces, in their order, read by `n_threads` threads."""
    if n_threads == 1 or len(pieces) < 2:
        for piece in pieces:
            yield from read(piece)
        return
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="bigdata decoder")

    def all_of(piece: Piece) -> list[list[np.ndarray]]:
        return list(read(piece))

    try:
        for _, found in ordered_map(pool, all_of, pieces, max_in_flight=n_threads):
            yield from found
    finally:
        pool.shutdown(cancel_futures=True)


class RandomAccess:
    """The arrays of any rows of a dataset.

    The process that asks for a row opens its file, at the first row of it.

    Raises:
        UsageError: The format has no random access.
    """

    def __init__(self, dataset: ReadableDataset, encoder: Encoder) -> None:
        if not dataset.format.traits.has_row_access:
            raise UsageError(
                f"{dataset.path} is {dataset.manifest.format}, whose rows cannot be had one by one",
                hint="bigdata convert … --to npy, or hdf5; or to_torch(), which reads in batches",
            )
        self._dataset = dataset
        self._encoder = encoder
        self._ends = np.array(list(accumulate(shard.rows for shard in dataset.shards)), np.int64)
        self._opened: dict[int, RowAccess] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": {}}

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the arrays of rows.

        Args:
            rows: Numbers of rows, int64 (n,), in any order; a number may come several times.
        """
        distinct, places = np.unique(rows, return_inverse=True)
        shards = np.searchsorted(self._ends, distinct, side="right")
        parts = []
        for shard in np.unique(shards).tolist():
            before = int(self._ends[shard - 1]) if shard else 0
            if shard not in self._opened:
                self._opened[shard] = open_shard(self._dataset, shard, self._encoder)
            batch = self._opened[shard].take(distinct[shards == shard] - before)
            parts.append(self._encoder.encode(batch))
        if not parts:
            return self._encoder.empty(0)
        return [np.concatenate(arrays)[places] for arrays in zip(*parts, strict=True)]


def open_shard(dataset: ReadableDataset, shard: int, encoder: Encoder) -> RowAccess:
    """Open a shard with the columns of an encoder.

    Raises:
        VerificationError: The shard is not what the manifest says.
    """
    dataset.check_files(shard)
    access = dataset.format.open_rows(
        dataset.store,
        dataset.shards[shard].file_names,
        dataset.schema,
        dataset.storage,
        columns=[column.name for column in encoder.columns],
    )
    dataset.check_rows(shard, access.rows)
    return access


def memmaps(dataset: ReadableDataset) -> list[Any]:
    """Return the mapped arrays of each shard of an npy dataset; see `Dataset.memmap`."""
    if dataset.manifest.format != "npy":
        raise UsageError(
            f"{dataset.path} is {dataset.manifest.format}; only npy files are arrays as they are",
            hint="bigdata convert … --to npy; or to_numpy_batches()",
        )
    from bigdata_cli.formats.npy.read import open_columns, open_matrix

    mapped: list[Any] = []
    for index, shard in enumerate(dataset.shards):
        dataset.check_files(index)
        source = dataset.store, shard.file_names, dataset.schema
        if dataset.storage.layout == "matrix":
            mapped.append(open_matrix(*source, dataset.storage)[:2])
        else:
            files, _ = open_columns(*source, dataset.schema.names)
            mapped.append({name: part for file in files for name, part in file.arrays().items()})
    return mapped
