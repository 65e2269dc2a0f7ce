"""TFRecord: `tf.train.Example` records, written and read without TensorFlow.

Integers, bools, dates (days), timestamps (us or ns) are int64 lists; floats are float32 by nature;
text, categories and uint64 (as decimal digits) are bytes lists. `tfrecord_layout` tells what
stands in a record. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import nan_as_null
from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
    check_options,
)
from bigdata_cli.formats.codecs import parse_compression, parse_gzip
from bigdata_cli.formats.deflate import gzip_member
from bigdata_cli.formats.matrix import vocabulary_digest
from bigdata_cli.formats.row_ranges import rows_of_file
from bigdata_cli.formats.tfrecord import read, records, tfds
from bigdata_cli.formats.tfrecord.encode import RecordEncoder
from bigdata_cli.formats.tfrecord.layout import (
    BLOCK_ROWS,
    BYTES,
    FLOAT,
    check_layout,
    feature_spec,
    stored_kind,
)
from bigdata_cli.formats.tfrecord.traits import TRAITS
from bigdata_cli.io.store import Files, Store, StoredFile, partial_name
from bigdata_cli.types.dtype import Column, Kind, Schema
from bigdata_cli.types.statistics import ColumnStatistics

_MAX_TABLE_VALUES = 1 << 20
"""Values of a table given to `encode`, where its rows are fixed: they bound a slot matrix."""
_GZIP_ROWS = 16_384
_BLOCK_TABLE_ROWS = 32 * BLOCK_ROWS
TABLE_BYTES = 64 << 20
_FRAMING_BYTES = 14
"""Of a value in a record of the layout rows, besides its name and itself."""


class TfrecordFormat(Format):
    """`NAME-00000-of-00003.tfrecord`, or `.tfrecord.gz`; layouts rows, packed and block."""

    traits = TRAITS

    def physical(self, column: Column, options: StorageOptions) -> str:
        """How a column is stored; equal strings mean equal bytes.

        >>> TfrecordFormat().physical(Column(name="a", dtype="int8"), StorageOptions(layout="rows"))
        'int64'
        """
        kind = stored_kind(column, options.layout)
        if kind == FLOAT:
            return "float"
        if kind == BYTES:
            return "decimal" if column.dtype == "uint64" else "bytes"
        if column.kind is Kind.DATE:
            return "int64 days"
        if column.kind is Kind.TIMESTAMP:
            return "int64 ns" if "ns" in column.dtype else "int64 us"
        if column.kind is Kind.CATEGORY:
            return f"int64 {vocabulary_digest(column)}"
        return "int64"

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        change = super().change(old, new, options, has_values=has_values)
        if change is Change.SAME:
            return change
        if options.layout == "rows":  # a null is no feature at all
            return change if has_values else Change.SAME
        if old.kind is Kind.CATEGORY and new.kind is Kind.CATEGORY:  # codes, of packed
            words = old.vocabulary or ()
            return Change.SAME if words == (new.vocabulary or ())[: len(words)] else change
        return change

    def feature_spec(self, manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """See `layout.feature_spec`."""
        return feature_spec(manifest)

    def kept_dtype(self, column: Column, options: StorageOptions) -> str:
        return "float32" if column.kind is Kind.FLOAT else column.dtype

    def max_table_bytes(
        self, schema: Schema, options: StorageOptions, row_bytes: float
    ) -> int | None:
        n_rows = fixed_rows(options, len(schema))
        return None if n_rows is None else int(min(TABLE_BYTES, n_rows * row_bytes))

    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        """The room for the longest values, and the record with a copy."""
        framing_bytes = 4 * len(schema)
        if options.layout == "rows":
            framing_bytes = sum(len(column.name) + _FRAMING_BYTES for column in schema)
        return 9 * len(schema) + row_bytes + 2 * (framing_bytes + row_bytes)

    def array_bytes(
        self, column: Column, known: ColumnStatistics, options: StorageOptions, n_rows: int
    ) -> float:
        """Floats have 32 bits, integers 64; texts are bytes, but codes in the layout packed."""
        item_bytes = 4.0 if column.kind is Kind.FLOAT else 8.0
        if column.kind in (Kind.TEXT, Kind.CATEGORY) and options.layout != "packed":
            item_bytes += known.text_bytes / max(known.count, 1)
        return n_rows * (item_bytes + (1 if known.nulls else 0))

    def as_read(self, array: pa.Array, column: Column, options: StorageOptions) -> pa.Array:
        """Floats have the precision of float32; a matrix of floats has no NaN, only nulls."""
        if column.kind is not Kind.FLOAT:
            return array
        if array.type == pa.float64():
            array = array.cast(pa.float32(), safe=False).cast(pa.float64())
        return nan_as_null(array) if options.layout == "packed" else array

    def table_rows(self, schema: Schema, options: StorageOptions) -> int | None:
        return fixed_rows(options, len(schema))

    def check(self, schema: Schema, options: StorageOptions) -> None:
        """Raise UsageError where TFRecord or the layout cannot hold the schema."""
        check_options(self, schema, options)
        parse_gzip(self, options)
        check_layout(schema, options)

    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ShardWriter:
        """A writer of one shard, one file."""
        return TfrecordWriter(store, name, schema, options)

    def read(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str] | None = None,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a shard; floats have float32's precision. See `Format.read`."""
        wanted = schema.names if columns is None else tuple(columns)
        before = 0
        for file in files:
            yield from read.read_batches(
                StoredFile(store, file),
                schema,
                options,
                columns=wanted,
                max_rows=max_rows,
                rows=rows_of_file(rows, before),
            )
            if rows is not None and len(files) > 1:
                before += records.count_rows(StoredFile(store, file), options.layout)

    def has_floats(
        self, schema: Schema, options: StorageOptions, features: Sequence[str], label: str
    ) -> bool:
        """Floats are, beside a label that stands by itself."""
        return read.has_floats(schema, options, features, label)

    def read_floats(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        features: Sequence[str],
        label: str,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """The rows of a shard as a matrix; see `Format.read_floats`."""
        before = 0
        for file in files:
            for part in read.read_floats(
                StoredFile(store, file),
                schema,
                options,
                features=features,
                label=label,
                max_rows=max_rows,
                rows=rows_of_file(rows, before),
            ):
                yield part.X, part.label
            if rows is not None and len(files) > 1:
                before += records.count_rows(StoredFile(store, file), options.layout)

    def block_rows(self, schema: Schema, options: StorageOptions) -> int | None:
        """Records are stepped over; a compressed file can only be read from its start."""
        if parse_compression(self, options)[0] != "none":
            return None
        return BLOCK_ROWS if options.layout == "block" else 1

    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> None:
        """The first records have the features of the schema, and no others."""
        for file in files:
            read.check_first_records(StoredFile(store, file), schema, options)

    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        """The rows of a shard; every CRC is checked, and in blocks the lengths of the lists."""
        return sum(records.count_rows(StoredFile(store, file), options.layout) for file in files)

    def sidecars(self, dataset: Mapping[str, Any]) -> dict[str, str]:
        """The two files that let TensorFlow Datasets read the folder, where it can."""
        return tfds.sidecars(dataset)


def fixed_rows(options: StorageOptions, n_columns: int) -> int | None:
    """Rows of a table where the bytes would otherwise depend on how the rows are cut."""
    most = max(BLOCK_ROWS, _MAX_TABLE_VALUES // max(1, n_columns))
    if options.layout == "block":
        return min(_BLOCK_TABLE_ROWS, most // BLOCK_ROWS * BLOCK_ROWS)
    is_gzip = (options.compression or "").partition(":")[0] == "gzip"
    return min(_GZIP_ROWS, most) if is_gzip else None


class TfrecordWriter(ShardWriter):
    """Writes one shard as records, framed and with their CRCs."""

    def __init__(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> None:
        compression, level = parse_gzip(TfrecordFormat(), options)
        self._gzip = gzip_member(level) if compression == "gzip" else None
        self._options = options
        self.widen(schema)
        self.batch_rows = fixed_rows(options, len(schema))
        self.batch_bytes = None if self.batch_rows is None else TABLE_BYTES
        self._name = name.file("tfrecord" if self._gzip is None else "tfrecord.gz")
        self._store = store
        self._file = store.create(partial_name(self._name))
        self._empty = True

    def widen(self, schema: Schema) -> None:
        label = self._options.label
        self._encoder = RecordEncoder(schema, self._options)
        self._label = schema[label] if label is not None else None

    def encode(self, table: pa.Table) -> np.ndarray | bytes:
        """The records of a table: uint8, or with gzip one whole member.

        Raises DataError for a number beyond float32, and for a label of packed that is null and
        not a float.
        """
        self._check_label(table)
        records = self._encoder.encode(table)
        if self._gzip is None:
            return records
        member = self._gzip(records)
        self._encoder.recycle(records)
        return member

    def _check_label(self, table: pa.Table) -> None:
        label = self._label
        if self._options.layout != "packed" or label is None or label.kind is Kind.FLOAT:
            return
        n_nulls = table.column(label.name).null_count
        if n_nulls:
            raise DataError(
                f'the label "{label.name}" is null in {n_nulls:,} rows, and {label.dtype} has no '
                "value for that",
                hint=f"--type '{label.name}=float64' makes them NaN, --layout rows keeps nulls",
            )

    def append(self, encoded: np.ndarray | bytes) -> None:
        """Write the records of one table; their memory is used again."""
        if self._file.write(encoded):
            self._empty = False
        if isinstance(encoded, np.ndarray):
            self._encoder.recycle(encoded)

    def close(self) -> tuple[FileEntry, ...]:
        """Close the file; returns its entry. Without rows a gzip file is one empty member."""
        if self._empty and self._gzip is not None:
            self.append(self._gzip(b""))
        return (self._file.finish(self._name),)

    def abort(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._store.remove([partial_name(self._name)])


FORMAT = TfrecordFormat()
