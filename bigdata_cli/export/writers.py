"""Writes batches of rows to a binary stream: CSV, JSON lines, an Arrow stream, Parquet."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, Protocol

import pyarrow as pa

from bigdata_cli.native.text_rows import TextRows, csv_rows, json_rows
from bigdata_cli.sources.csv.dialect import NULL_TOKENS
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.vocabulary import global_codes

ROW_GROUP_ROWS = 1 << 17
ROW_GROUP_BYTES = 1 << 24
_COMPRESSION = "zstd"


class RowWriter(Protocol):
    """Writes rows; lost: values so far that the format does not carry."""

    @property
    def lost(self) -> int: ...

    def write(self, batch: pa.RecordBatch) -> None:
        """Write rows of the schema's columns."""
        ...

    def close(self) -> None:
        """Write what belongs at the end; the stream stays open."""
        ...


class CsvWriter:
    """CSV as `convert` reads it: a null is nothing, the empty text is `""`."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._sink = sink
        header = csv_rows([pa.string()] * len(schema), null_tokens=NULL_TOKENS)
        names = [pa.array([name], pa.string()) for name in schema.names]
        for piece in header.render(_batch(names)):
            sink.write(piece)
        self._rows = csv_rows(schema.types, null_tokens=NULL_TOKENS)

    @property
    def lost(self) -> int:
        return self._rows.lost

    def write(self, batch: pa.RecordBatch) -> None:
        _write_text(self._sink, self._rows, batch)

    def close(self) -> None:
        """A CSV has no end."""


class JsonWriter:
    """An object of JSON on each line."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._sink = sink
        self._rows = json_rows(schema.types, schema.names)

    @property
    def lost(self) -> int:
        return self._rows.lost

    def write(self, batch: pa.RecordBatch) -> None:
        _write_text(self._sink, self._rows, batch)

    def close(self) -> None:
        """JSON lines have no end."""


class ArrowWriter:
    """An Arrow IPC stream; a category has one dictionary, which is sent once."""

    lost = 0

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pa.ipc.new_stream(sink, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class ParquetWriter:
    """Parquet, in row groups of ROW_GROUP_ROWS rows or, where that is less, of ROW_GROUP_BYTES."""

    lost = 0

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        import pyarrow.parquet

        self._schema = schema
        self._writer: Any = pyarrow.parquet.ParquetWriter(sink, schema, compression=_COMPRESSION)
        self._pending: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self._pending.append(batch)
        rows = sum(batch.num_rows for batch in self._pending)
        if rows >= ROW_GROUP_ROWS or sum(b.nbytes for b in self._pending) >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending, self._schema)
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            self._pending = []

    def close(self) -> None:
        self._flush()
        self._writer.close()


_WRITERS: dict[str, Callable[[IO[bytes], pa.Schema], RowWriter]] = {
    "csv": CsvWriter,
    "jsonl": JsonWriter,
    "arrow": ArrowWriter,
    "parquet": ParquetWriter,
}


def open_writer(format_name: str, sink: IO[bytes], schema: pa.Schema) -> RowWriter:
    """The writer of a format of ROW_FORMATS; a header is written at once."""
    return _WRITERS[format_name](sink, schema)


def with_whole_dictionaries(batch: pa.RecordBatch, schema: Schema) -> pa.RecordBatch:
    """The batch with the whole vocabulary of the dataset as the dictionary of each category."""
    arrays = list(batch.columns)
    for place, column in enumerate(schema):
        if column.vocabulary is not None and pa.types.is_dictionary(arrays[place].type):
            codes = pa.array(
                global_codes(arrays[place], column.vocabulary).astype("int32"),
                mask=arrays[place].is_null().to_numpy(zero_copy_only=False),
            )
            words = pa.array(column.vocabulary, pa.string())
            arrays[place] = pa.DictionaryArray.from_arrays(codes, words)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _write_text(sink: IO[bytes], rows: TextRows, batch: pa.RecordBatch) -> None:
    for piece in rows.render(batch):
        sink.write(piece)


def _batch(arrays: list[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
