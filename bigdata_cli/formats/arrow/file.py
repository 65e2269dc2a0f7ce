"""An open Arrow IPC file: pyarrow decodes record batches whose sizes were checked before.

A file may be damaged, or made by somebody who wants to do harm. What its metadata says is compared
with the size of the file and with the types of its columns before memory is taken for it.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.arrow.messages import (
    DICTIONARY_BATCH,
    MAGIC,
    RECORD_BATCH,
    START,
    TAIL_BYTES,
    BatchMetadata,
    batch_metadata,
    footer_blocks,
)
from bigdata_cli.formats.arrow.sizes import (
    CATEGORY,
    MAX_ROWS,
    MAX_TEXT_BYTES,
    BatchSizes,
    rounded,
)
from bigdata_cli.io.store import StoredFile
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, arrow_type

_LENGTH_BYTES = 8
"""Before a compressed buffer: how long it will be, or -1 where it is not compressed."""
Block = tuple[int, int, int, int]
"""One of the footer's, as `messages.BLOCK` has it."""


@contextmanager
def damage_of(path: StoredFile) -> Iterator[None]:
    """What is said of a damaged file as VerificationError."""
    try:
        yield
    except FileNotFoundError as error:
        raise VerificationError(f"{path} is missing") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise VerificationError(f"{path} is damaged: {error}") from error


class ArrowFile:
    """An open file, some of whose columns are read; a context manager.

    Its footer and the metadata of all its messages are read and checked when it is opened. `batch`
    may be called from several threads.

    rows: of the file. schema: its columns and their types as they are stored. ends: where each
    record batch begins, and the last one ends, int64 (n + 1,).
    """

    def __init__(
        self, path: StoredFile, columns: Sequence[Column] | None = None, *, is_mapped: bool = False
    ) -> None:
        """columns: those that are read, which must be there; None for all, whatever they are.

        is_mapped: map the file into memory, so that what is not compressed is not copied.
        """
        self._path = path
        self._wanted = columns
        self._is_mapped = is_mapped
        self._lock = threading.Lock()
        self._has_dictionaries = False
        self._map: mmap.mmap | None = None
        with damage_of(path):
            self._source = self._opened_source()
        try:
            with damage_of(path):
                self._open()
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def _open(self) -> None:
        footer, end = self._footer()
        dictionaries, batches = footer_blocks(footer)
        self.schema = pa.ipc.open_file(self._source).schema
        if len(set(self.schema.names)) != len(self.schema.names):
            raise ValueError("two columns have the same name")
        self._sizes = BatchSizes(self.schema)
        self._places = self._selected()
        self._blocks: list[Block] = batches.tolist()
        self._batches = [self._metadata(block, RECORD_BATCH, end) for block in self._blocks]
        for found in self._batches:
            self._sizes.check_metadata(found)
        self.ends = np.cumsum([0, *(found.rows for found in self._batches)], dtype=np.int64)
        self.rows = int(self.ends[-1])
        self._check_dictionaries(dictionaries.tolist(), end)
        self._reader = self._opened()

    def _opened_source(self) -> pa.NativeFile:
        local = self._path.local_path()
        if local is None:
            return pa.PythonFile(self._path.open(), mode="r")
        if not self._is_mapped:
            return pa.OSFile(str(local))
        with local.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.BufferReader(pa.py_buffer(self._map))

    def forget(self) -> None:
        """Let pages of a map go; they stay in the system's cache, and batches stay valid.

        Else all that was ever read of a map counts as this process's memory.
        """
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _footer(self) -> tuple[bytes, int]:
        """The footer, and where it begins."""
        size = self._source.size()
        if size < len(START) + TAIL_BYTES:
            raise ValueError("it is truncated")
        tail = self._bytes(size - TAIL_BYTES, TAIL_BYTES)
        if self._bytes(0, len(MAGIC)) != MAGIC or tail[-len(MAGIC) :] != MAGIC:
            raise ValueError("it does not begin and end as an Arrow IPC file")
        n_bytes = int.from_bytes(tail[:4], "little", signed=True)
        start = size - TAIL_BYTES - n_bytes
        if n_bytes < 0 or start < len(START):
            raise ValueError(f"its footer is said to have {n_bytes:,} bytes")
        return self._bytes(start, n_bytes), start

    def _bytes(self, at: int, n_bytes: int) -> bytes:
        with self._lock:
            self._source.seek(at)
            found = self._source.read(n_bytes)
        if len(found) != n_bytes:
            raise ValueError("it is truncated")
        return found

    def _selected(self) -> list[int]:
        """The places of the columns that are read, in the file's order."""
        if self._wanted is None:
            return list(range(len(self.schema)))
        for column in self._wanted:
            check_type(self._path, self.schema, column)
        places = {name: place for place, name in enumerate(self.schema.names)}
        return sorted(places[column.name] for column in self._wanted)

    def _opened(self) -> pa.ipc.RecordBatchFileReader:
        """The file as pyarrow reads it: the selected columns, or all where that costs nothing."""
        # pyarrow copies a selection, also out of a map.
        has_all = self._is_mapped and not any(found.is_compressed for found in self._batches)
        options = pa.ipc.IpcReadOptions(
            use_threads=False, included_fields=None if has_all else self._places
        )
        return pa.ipc.open_file(self._source, options=options)

    def _metadata(self, block: Block, kind: int, end: int) -> BatchMetadata:
        """The metadata of a message, which lies with its body before `end`."""
        start, n_bytes, _, body = block
        if start < len(START) or n_bytes < 0 or body < 0 or start + n_bytes + body > end:
            raise ValueError("a message is beyond its end")
        found = batch_metadata(self._bytes(start, n_bytes), kind)
        if found.body != body:
            raise ValueError("the footer and a message differ in the size of its body")
        starts, sizes = found.buffers["start"], found.buffers["bytes"]
        # Neither is beyond the body, so that their sum does not overflow.
        is_inside = (starts >= 0) & (sizes >= 0) & (starts <= body) & (sizes <= body)
        if not is_inside.all() or (starts + sizes > body).any():
            raise ValueError("a buffer is beyond the body of its message")
        return found

    def _check_compressed(self, index: int) -> None:
        """Raise ValueError where a buffer that is read would become longer than its rows need."""
        found = self._batches[index]
        wanted = np.flatnonzero(np.isin(self._sizes.column, self._places))
        sizes = self._decompressed(self._blocks[index], found.buffers[wanted])
        self._sizes.check(found, np.array(sizes, np.int64), wanted)

    def _decompressed(self, block: Block, buffers: np.ndarray) -> list[int]:
        """Bytes of some buffers of a compressed message, once they are decompressed."""
        body = block[0] + block[1]
        sizes = []
        for start, n_bytes in buffers.tolist():
            if 0 < n_bytes < _LENGTH_BYTES:
                raise ValueError("a compressed buffer has no length")
            prefix = self._bytes(body + start, _LENGTH_BYTES if n_bytes else 0)
            size = int.from_bytes(prefix, "little", signed=True)
            sizes.append(n_bytes - _LENGTH_BYTES if size == -1 else size)
        return sizes

    def _check_dictionaries(self, blocks: Sequence[Block], end: int) -> None:
        """Raise an error where the dictionaries are not those of the columns."""
        kinds = zip(self.schema.names, self.schema.types, strict=True)
        names = [name for name, kind in kinds if kind == CATEGORY]
        if len(blocks) != len(names):
            raise ValueError(f"it has {len(blocks)} dictionaries and {len(names)} categories")
        columns = {column.name: column for column in self._wanted or ()}
        for name, block in zip(names, blocks, strict=True):
            found = self._metadata(block, DICTIONARY_BATCH, end)
            n, most = found.rows, MAX_TEXT_BYTES
            if name in columns:
                values = columns[name].vocabulary or ()
                n, most = len(values), rounded(sum(len(value.encode()) for value in values))
            if found.rows != n or not 0 <= n <= MAX_ROWS:
                raise VerificationError(
                    f'{self._path}: column "{name}" has {found.rows:,} categories, and not {n:,}'
                )
            if len(found.nodes) != 1 or len(found.buffers) != 3:
                raise ValueError(f'the dictionary of column "{name}" does not hold text')
            sizes = found.buffers["bytes"].tolist()
            if found.is_compressed:
                sizes = self._decompressed(block, found.buffers)
            allowed = rounded(n), rounded(4 * (n + 1)), most
            if not all(0 <= size <= limit for size, limit in zip(sizes, allowed, strict=True)):
                raise ValueError(f'the dictionary of column "{name}" has more bytes than it needs')

    @property
    def n_batches(self) -> int:
        """How many record batches the file has."""
        return len(self._batches)

    def batch(self, index: int) -> pa.RecordBatch:
        """A record batch, with the columns that are read, in their order; all of it is checked."""
        with damage_of(self._path):
            if self._batches[index].is_compressed:
                self._check_compressed(index)
            batch = self._stored(index)
            if self._wanted is not None:
                batch = batch.select([column.name for column in self._wanted])
            batch.validate(full=True)
            if batch.num_rows != self._batches[index].rows:
                raise ValueError("a record batch has other rows than its metadata says")
        if self._wanted is not None:
            for array, column in zip(batch.columns, self._wanted, strict=True):
                self._check_categories(array, column)
        return batch

    def _stored(self, index: int) -> pa.RecordBatch:
        # The first batch of a reader reads the dictionaries. Two threads would both read them,
        # which pyarrow refuses as a replacement.
        if self._has_dictionaries:
            return self._reader.get_batch(index)
        with self._lock:
            batch = self._reader.get_batch(index)
            self._has_dictionaries = True
        return batch

    def _check_categories(self, array: pa.Array, column: Column) -> None:
        if column.kind is Kind.CATEGORY and not array.dictionary.equals(
            text_array(column.vocabulary or ())
        ):
            raise VerificationError(
                f'{self._path}: column "{column.name}" has other categories than the dataset'
            )


def check_type(path: StoredFile, schema: pa.Schema, column: Column) -> None:
    """Raise VerificationError where a file has not the column, or with another type."""
    place = schema.get_field_index(column.name)
    found = schema.types[place] if place >= 0 else None
    if found != arrow_type(column.dtype):
        raise VerificationError(
            f'{path}: column "{column.name}" is {found or "missing"}, '
            f"and should be {arrow_type(column.dtype)}"
        )
