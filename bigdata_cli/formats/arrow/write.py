"""Writing an Arrow IPC file: each table becomes a record batch, encoded in any thread.

The dictionaries stand before the record batches, so that the file can be read from its start to its
end as well: the vocabularies of the dataset, the same in each of its files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.table import ColumnsOfTable, TableArrays
from bigdata_cli.checksum import FileEntry
from bigdata_cli.formats.arrow.messages import (
    BLOCK,
    END_OF_STREAM,
    PREFIX_BYTES,
    START,
    encode_footer,
)
from bigdata_cli.formats.base import ShardName, ShardWriter
from bigdata_cli.formats.table_rows import rows_within
from bigdata_cli.io.store import ByteSink, Store, partial_name
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

BATCH_BYTES = 12_000_000
"""Bytes of a record batch as its columns let expect."""
MAX_BATCH_BYTES = 24_000_000
_SMALL_BYTES = 1 << 16
"""Smaller pieces are joined before they are written."""
MIN_BATCH_ROWS, MAX_BATCH_ROWS = 256, 65_536


def batch_rows(schema: Schema) -> int:
    """Rows of a record batch.

    >>> batch_rows(Schema((Column(name="a", dtype="float64"),)))
    65536
    """
    return rows_within(
        schema, BATCH_BYTES, smallest=MIN_BATCH_ROWS, largest=MAX_BATCH_ROWS, text_categories=False
    )


def stored_type(column: Column) -> pa.DataType:
    """The type of a column in a record batch: of a category that of its codes."""
    return pa.int32() if column.kind is Kind.CATEGORY else arrow_type(column.dtype)


@dataclass(frozen=True, kw_only=True)
class Message:
    """An encoded message in pieces. metadata: its bytes with their prefix; the body follows."""

    pieces: list[pa.Buffer]
    metadata: int


class _Pieces:
    """A file that keeps what is written to it: large buffers as they are, small ones joined.

    So a batch is not copied into a larger buffer each time that one is full. The first `skip` bytes
    are left out.
    """

    closed = False

    def __init__(self, skip: int) -> None:
        self._skip = skip
        self._small: list[pa.Buffer] = []
        self._small_bytes = 0
        self._pieces: list[pa.Buffer] = []

    def write(self, data: bytes | pa.Buffer) -> None:
        buffer = pa.py_buffer(data)
        skipped = min(self._skip, buffer.size)
        self._skip -= skipped
        buffer = buffer[skipped:]
        if buffer.size >= _SMALL_BYTES:
            self._join()
            self._pieces.append(buffer)
            return
        self._small.append(buffer)
        self._small_bytes += buffer.size
        if self._small_bytes >= _SMALL_BYTES:
            self._join()

    def flush(self) -> None:
        """What was written is there."""

    def close(self) -> None:
        """Nothing is open."""

    def pieces(self) -> list[pa.Buffer]:
        """All that was written, in order."""
        self._join()
        return self._pieces

    def _join(self) -> None:
        if self._small_bytes:
            self._pieces.append(pa.py_buffer(b"".join(self._small)))
        self._small.clear()
        self._small_bytes = 0


class ArrowEncoder:
    """Encodes the messages of a file. Thread-safe."""

    def __init__(self, schema: Schema, codec: str, level: int | None) -> None:
        self._codec = None if codec == "none" else (codec, level)
        self._columns = schema.columns
        self._arrays = TableArrays(schema, schema.columns, [_array_dtype(c) for c in schema])
        self._types = [stored_type(column) for column in schema]
        # A record batch does not say of what types its columns are: the codes of a category are
        # encoded as integers, and its dictionary is not encoded each time.
        names = list(schema.names)
        self._stored = pa.schema(list(zip(names, self._types, strict=True)))
        self._schema_bytes = self._stored.serialize().size

    def batch(self, table: pa.Table) -> Message:
        """A table as a record batch."""
        found = self._arrays.arrays(table)
        arrays = [self._array(found, i) for i in range(len(self._columns))]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._stored)
        kept = _Pieces(skip=self._schema_bytes)
        self._write(batch, pa.PythonFile(kept, mode="w"))
        pieces = kept.pieces()
        return Message(pieces=pieces, metadata=_metadata_bytes(pieces[0]))

    def head(self) -> list[Message]:
        """The message of the schema, and those of the dictionaries."""
        schema = Schema(self._columns).arrow()
        arrays = [
            pa.DictionaryArray.from_arrays(
                pa.nulls(0, pa.int32()), text_array(column.vocabulary or ())
            )
            if column.kind is Kind.CATEGORY
            else pa.nulls(0, field.type)
            for column, field in zip(self._columns, schema, strict=True)
        ]
        sink = pa.BufferOutputStream()
        self._write(pa.RecordBatch.from_arrays(arrays, schema=schema), sink)
        content = sink.getvalue()
        reader, messages, start = pa.BufferReader(content), [], 0
        while start < content.size:
            pa.ipc.read_message(reader)
            piece = content[start : reader.tell()]
            messages.append(Message(pieces=[piece], metadata=_metadata_bytes(piece)))
            start = reader.tell()
        return messages[:-1]  # without the record batch

    def _write(self, batch: pa.RecordBatch, sink: pa.NativeFile) -> None:
        """Write a stream of one record batch: the schema, the dictionaries, the batch."""
        compression = None if self._codec is None else pa.Codec(*self._codec)
        options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
        pa.ipc.new_stream(sink, batch.schema, options=options).write_batch(batch)

    def _array(self, found: ColumnsOfTable, column: int) -> pa.Array:
        """A column as it is stored: nothing lies beneath its nulls, or beyond its end."""
        values, valid = found.values[column], found.valid[column]
        bitmap = None if valid is None else _packed(valid)
        if values is None:
            ends = np.zeros(found.n_rows + 1, np.int32)
            ends[1:] = self._arrays.ends(found, column)
            texts = self._arrays.text_bytes(found, column)
            content = texts[0] if len(texts) == 1 else pa.py_buffer(b"".join(texts))
            buffers = [bitmap, pa.py_buffer(ends), content]
        elif values.dtype == bool:
            buffers = [bitmap, _packed(values)]
        else:
            buffers = [bitmap, pa.py_buffer(values)]
        return pa.Array.from_buffers(self._types[column], found.n_rows, buffers)


def _metadata_bytes(message: pa.Buffer) -> int:
    """Bytes of the metadata of a message with their prefix, which is in its first piece."""
    return PREFIX_BYTES + int.from_bytes(message[4:PREFIX_BYTES].to_pybytes(), "little")


def _packed(flags: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _array_dtype(column: Column) -> np.dtype | None:
    """The dtype of a column as an array; text has none."""
    if column.kind is Kind.TEXT:
        return None
    if column.kind is Kind.TIMESTAMP:
        return np.dtype(np.int64)
    if column.kind in (Kind.DATE, Kind.CATEGORY):
        return np.dtype(np.int32)
    return np.dtype(bool if column.kind in (Kind.NULL, Kind.BOOL) else column.dtype)


class ArrowWriter(ShardWriter):
    """Writes one Arrow IPC file."""

    batch_bytes = MAX_BATCH_BYTES

    def __init__(
        self, store: Store, name: ShardName, schema: Schema, compression: tuple[str, int | None]
    ) -> None:
        self.batch_rows = batch_rows(schema)
        self._compression = compression
        self._encoder = ArrowEncoder(schema, *compression)
        self._file_name = name.file("arrow")
        self._store = store
        self._file: ByteSink | None = store.create(partial_name(self._file_name))
        self._place = self._file.write(START)
        schema_message, *dictionaries = self._encoder.head()
        self._schema_message = b"".join(schema_message.pieces)
        self._place += self._file.write(self._schema_message)
        self._dictionaries = [self._write(message) for message in dictionaries]
        self._batches: list[tuple[int, int, int, int]] = []

    def encode(self, table: pa.Table) -> Message | None:
        """The table as a record batch; None for one without rows."""
        return self._encoder.batch(table) if table.num_rows else None

    def append(self, encoded: Message | None) -> None:
        if encoded is not None:
            self._batches.append(self._write(encoded))

    def _write(self, message: Message) -> tuple[int, int, int, int]:
        """Write a message; returns where it is, as BLOCK has it."""
        assert self._file is not None
        n_bytes = sum(self._file.write(piece) for piece in message.pieces)
        message.pieces.clear()
        block = self._place, message.metadata, 0, n_bytes - message.metadata
        self._place += n_bytes
        return block

    def widen(self, schema: Schema) -> None:
        self._encoder = ArrowEncoder(schema, *self._compression)

    def close(self) -> tuple[FileEntry, ...]:
        assert self._file is not None
        blocks = [np.array(found, BLOCK) for found in (self._dictionaries, self._batches)]
        self._file.write(END_OF_STREAM + encode_footer(self._schema_message, *blocks))
        entry = self._file.finish(self._file_name)
        self._file = None
        return (entry,)

    def abort(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._store.remove([partial_name(self._file_name)])
