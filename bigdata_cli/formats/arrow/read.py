"""Reading Arrow IPC files: pyarrow decodes record batches whose sizes were checked before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

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
from bigdata_cli.formats.base import RowAccess, clipped
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

_MAX_TEXT_BYTES = 2**31 - 1
_MAX_BATCH_ROWS = 2**31 - 1
_VALIDITY, _TEXT = 0, -1
"""In the place of bits for each row: of a validity mask, of the bytes of text."""
_LENGTH_BYTES = 8
"""Before a compressed buffer: how long it will be, or -1 where it is not compressed."""


@contextmanager
def damage_of(path: Path) -> Iterator[None]:
    """What is said of a damaged file as VerificationError."""
    try:
        yield
    except FileNotFoundError as error:
        raise VerificationError(f"{path} is missing") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise VerificationError(f"{path} is damaged: {error}") from error


class ArrowFile:
    """An open file, some of whose columns are read; a context manager.

    Its footer and the metadata of all its messages are read and compared with the file when it is
    opened. `batch` may be called from several threads.

    rows: of the file. schema: its columns and their types as they are stored.
    """

    def __init__(
        self, path: Path, columns: Sequence[Column] | None = None, *, is_mapped: bool = False
    ) -> None:
        """columns: those that are read, which must be there; None for all, whatever they are."""
        self._path = path
        self._wanted = columns
        self._lock = threading.Lock()
        with damage_of(path):
            self._source = pa.memory_map(str(path)) if is_mapped else pa.OSFile(str(path))
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
        self._check_types()
        self._needed = _Needed(self.schema.types)
        self._places, options = self._selected()
        self._reader = pa.ipc.open_file(self._source, options=options)
        self._blocks = batches.tolist()
        self._batches = [self._metadata(block, RECORD_BATCH, end) for block in self._blocks]
        for found in self._batches:
            self._check_batch(found)
        self.ends = np.cumsum([0, *(found.rows for found in self._batches)], dtype=np.int64)
        self.rows = int(self.ends[-1])
        self._check_dictionaries(dictionaries, end)

    def _footer(self) -> tuple[bytes, int]:
        """The footer, and where it begins."""
        size = self._source.size()
        if size < len(START) + TAIL_BYTES:
            raise ValueError("it is cut off")
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
            raise ValueError("it is cut off")
        return found

    def _check_types(self) -> None:
        known = {arrow_type(dtype) for dtype in _FIXED_DTYPES} | {pa.string(), _CATEGORY}
        for field in self.schema:
            if field.type not in known:
                raise ValueError(f'column "{field.name}" is {field.type}')
        if len(set(self.schema.names)) != len(self.schema.names):
            raise ValueError("two columns have the same name")

    def _selected(self) -> tuple[list[int], pa.ipc.IpcReadOptions]:
        """The places of the columns that are read, and how pyarrow is to read them."""
        places = list(range(len(self.schema)))
        if self._wanted is not None:
            for column in self._wanted:
                check_type(self._path, self.schema, column)
            names = {name: place for place, name in enumerate(self.schema.names)}
            places = sorted(names[column.name] for column in self._wanted)
        return places, pa.ipc.IpcReadOptions(use_threads=False, included_fields=places)

    def _metadata(self, block: tuple[int, int, int, int], kind: int, end: int) -> BatchMetadata:
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

    def _check_batch(self, found: BatchMetadata) -> None:
        """Raise ValueError where a record batch does not consist of what the columns need."""
        if not 0 <= found.rows <= _MAX_BATCH_ROWS:
            raise ValueError(f"a record batch is said to have {found.rows:,} rows")
        if len(found.nodes) != len(self.schema) or len(found.buffers) != len(self._needed.column):
            raise ValueError("a record batch has other columns than the file")
        if (found.nodes["length"] != found.rows).any():
            raise ValueError("the columns of a record batch differ in length")
        if found.rows and not len(self.schema):
            raise ValueError("it has rows without columns")
        if not found.is_compressed:
            self._check_sizes(found, found.buffers["bytes"], np.arange(len(found.buffers)))

    def _check_sizes(self, found: BatchMetadata, sizes: np.ndarray, buffers: np.ndarray) -> None:
        """Raise ValueError where buffers are not as long as their rows need.

        sizes: of these buffers, int64 (n,), once they are no longer compressed.
        """
        least, most = self._needed.sizes(found)
        wrong = (sizes < least[buffers]) | (sizes > most[buffers])
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            name = self.schema.names[self._needed.column[buffers[at]]]
            raise ValueError(
                f'column "{name}" has a buffer of {sizes[at]:,} bytes, '
                f"and {found.rows:,} rows need {least[buffers[at]]:,}"
            )

    def _check_compressed(self, index: int) -> None:
        """Look at what the buffers say of their size before memory is taken for them."""
        found, block = self._batches[index], self._blocks[index]
        body = block[0] + block[1]
        wanted = np.flatnonzero(np.isin(self._needed.column, self._places))
        sizes = [self._size_of(buffer, body) for buffer in found.buffers[wanted].tolist()]
        self._check_sizes(found, np.array(sizes, np.int64), wanted)

    def _size_of(self, buffer: tuple[int, int], body: int) -> int:
        """Bytes of a buffer of a compressed batch, decompressed."""
        start, n_bytes = buffer
        if not n_bytes:
            return 0
        if n_bytes < _LENGTH_BYTES:
            raise ValueError("a compressed buffer has no length")
        size = int.from_bytes(self._bytes(body + start, _LENGTH_BYTES), "little", signed=True)
        return n_bytes - _LENGTH_BYTES if size == -1 else size

    def _check_dictionaries(self, blocks: np.ndarray, end: int) -> None:
        """Raise ValueError where the dictionaries are not those of the columns."""
        places = [i for i, kind in enumerate(self.schema.types) if kind == _CATEGORY]
        if len(blocks) != len(places):
            raise ValueError(f"it has {len(blocks)} dictionaries and {len(places)} categories")
        columns = {column.name: column for column in self._wanted or ()}
        for place, block in zip(places, blocks.tolist(), strict=True):
            found = self._metadata(block, DICTIONARY_BATCH, end)
            name = self.schema.names[place]
            column = columns.get(name)
            values = None if column is None else column.vocabulary or ()
            n = found.rows if values is None else len(values)
            if found.rows != n or not 0 <= n <= _MAX_BATCH_ROWS:
                raise VerificationError(
                    f'{self._path}: column "{name}" has {found.rows:,} categories, and not {n:,}'
                )
            if len(found.nodes) != 1 or len(found.buffers) != 3:
                raise ValueError(f'the dictionary of column "{name}" is none of text')
            sizes = found.buffers["bytes"].tolist()
            if found.is_compressed:
                body = block[0] + block[1]
                sizes = [self._size_of(buffer, body) for buffer in found.buffers.tolist()]
            most = _MAX_TEXT_BYTES
            if values is not None:
                most = _rounded(sum(len(value.encode()) for value in values))
            if sizes[1] > _rounded(4 * (n + 1)) or not 0 <= sizes[2] <= most or sizes[0] > n + 8:
                raise ValueError(f'the dictionary of column "{name}" has other sizes than it needs')

    @property
    def n_batches(self) -> int:
        """How many record batches the file has."""
        return len(self._batches)

    def batch(self, index: int) -> pa.RecordBatch:
        """A record batch, with the columns that are read, in their order; all of it is checked."""
        with damage_of(self._path):
            if self._batches[index].is_compressed:
                self._check_compressed(index)
            batch = self._reader.get_batch(index)
            batch.validate(full=True)
            if batch.num_rows != self._batches[index].rows:
                raise ValueError("a record batch has other rows than its metadata says")
        if self._wanted is None:
            return batch
        arrays = [self._logical(batch, column) for column in self._wanted]
        return pa.RecordBatch.from_arrays(arrays, names=[c.name for c in self._wanted])

    def _logical(self, batch: pa.RecordBatch, column: Column) -> pa.Array:
        array = batch.column(batch.schema.get_field_index(column.name))
        if column.kind is Kind.CATEGORY and not array.dictionary.equals(
            text_array(column.vocabulary or ())
        ):
            raise VerificationError(
                f'{self._path}: column "{column.name}" has other categories than the dataset'
            )
        return array


_FIXED_DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float32", "float64", "date", "timestamp[us]", "timestamp[ns]"),
    *("timestamp[us, UTC]", "timestamp[ns, UTC]"),
)
_CATEGORY = pa.dictionary(pa.int32(), pa.string())


class _Needed:
    """What the buffers of a record batch need of bytes, by the types of its columns.

    column: of each buffer, int64 (n,).
    """

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        column, bits, extra = [], [], []
        for i, kind in enumerate(types):
            is_text = kind == pa.string()
            column += [i] * (3 if is_text else 2)
            width = 32 if is_text or kind == _CATEGORY else kind.bit_width
            bits += [_VALIDITY, width, _TEXT] if is_text else [_VALIDITY, width]
            extra += [0, 1, 0] if is_text else [0, 0]
        self.column = np.array(column, np.int64)
        self._bits = np.array(bits, np.int64)
        self._extra = np.array(extra, np.int64)

    def sizes(self, found: BatchMetadata) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most bytes of each buffer: int64 (n,) each."""
        least = -(-(found.rows + self._extra) * np.maximum(self._bits, 1) // 8)
        has_nulls = found.nodes["nulls"][self.column] != 0
        least[((self._bits == _VALIDITY) & ~has_nulls) | (self._bits == _TEXT)] = 0
        return least, np.where(self._bits == _TEXT, _MAX_TEXT_BYTES, _rounded(least))


def _rounded(n_bytes: Any) -> Any:
    """The most bytes of a buffer that may be filled up to a multiple of 64."""
    return -(-n_bytes // 64) * 64


def check_type(path: Path, schema: pa.Schema, column: Column) -> None:
    """Raise VerificationError where a file has not the column, or with another type."""
    place = schema.get_field_index(column.name)
    found = schema.types[place] if place >= 0 else None
    if found != arrow_type(column.dtype):
        raise VerificationError(
            f'{path}: column "{column.name}" is {found or "missing"}, '
            f"and should be {arrow_type(column.dtype)}"
        )


def check_columns(path: Path, found: pa.Schema, schema: Schema) -> None:
    """Raise VerificationError where a file has other columns than the schema, or another order."""
    for column in schema:
        check_type(path, found, column)
    if tuple(found.names) != schema.names:
        other = next((name for name in found.names if name not in schema.names), None)
        what = "the columns in another order" if other is None else f'a column "{other}"'
        raise VerificationError(f"{path} has {what}")


class ArrowRows(RowAccess):
    """Rows of a shard whose file is mapped; what is not compressed is not copied."""

    def __init__(self, folder: Path, files: Sequence[str], columns: Sequence[Column]) -> None:
        if len(files) != 1:
            raise VerificationError(f"a shard in {folder} has {len(files)} files, and not one")
        self._path = folder / files[0]
        self._file = ArrowFile(self._path, columns, is_mapped=True)
        self._names = [column.name for column in columns]
        self._types = [arrow_type(column.dtype) for column in columns]
        self.rows = self._file.rows
        self._last: tuple[int, pa.RecordBatch] | None = None

    def take(self, rows: np.ndarray) -> pa.RecordBatch:
        if len(rows) and not 0 <= rows[0] <= rows[-1] < self.rows:
            raise VerificationError(f"{self._path} has {self.rows:,} rows")
        ends = self._file.ends
        numbers = np.searchsorted(ends, rows, side="right") - 1
        parts = [
            self._batch(number).take(pa.array(rows[numbers == number] - ends[number]))
            for number in np.unique(numbers).tolist()
        ]
        arrays = [
            pa.concat_arrays([part.column(i) for part in parts]) if parts else pa.array([], kind)
            for i, kind in enumerate(self._types)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    def read(self, rows: range, max_rows: int) -> Iterator[pa.RecordBatch]:
        return batches_of(self._file, rows, max_rows, self._batch)

    def _batch(self, number: int) -> pa.RecordBatch:
        last = self._last
        if last is None or last[0] != number:
            last = self._last = number, self._file.batch(number)
        return last[1]


def batches_of(
    file: ArrowFile, rows: range | None, max_rows: int, batch: Callable[[int], pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Rows of a file in batches of at most `max_rows`.

    batch: gives a record batch by its number.
    """
    wanted = clipped(rows, file.rows)
    for number in range(file.n_batches):
        first, end = int(file.ends[number]), int(file.ends[number + 1])
        start, stop = max(first, wanted.start), min(end, wanted.stop)
        if start < stop:
            whole = batch(number)
            for at in range(start, stop, max_rows):
                yield whole.slice(at - first, min(max_rows, stop - at))
