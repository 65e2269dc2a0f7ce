"""HDF5: a dataset per column, or a feature matrix `X` and a label `y`, at the root of a file.

columns: numbers and bools as they are; dates as int32 days and timestamps as int64, with the
attribute `unit` (and `tz`); categories as codes, with the attribute `vocabulary` (the dataset
`_vocabulary/COL` where an attribute cannot hold it); text of variable length, UTF-8. `COL.valid`
tells which rows have a value, where the file has nulls among them; beneath a null lies 0, NaN or
"". Compression is for numbers: HDF5 keeps the text itself outside of the chunks.

matrix: `X` (rows, features) with the attribute `columns` (the dataset `_vocabulary/%columns` where
an attribute cannot hold them), `y` (rows,) with the attribute `column`; the vocabulary of a
category among the features is `_vocabulary/COL`.

HDF5 takes a slash for a group, so that a column's name with a slash or a NUL character, and ".",
"" and "_vocabulary", are percent-encoded (`fare/total` is `fare%2Ftotal`, and "" is `%`), and so is
the percent sign; the attribute `name` has the name itself.

Numbers are put into chunks, shuffled and compressed by `encode`, in any thread, and written as they
are by `append`. h5py itself runs one call at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
    check_options,
)
from bigdata_cli.formats.codecs import parse_compression, parse_gzip
from bigdata_cli.formats.hdf5.encode import MAX_FIXED_BYTES, MAX_TABLE_BYTES, Hdf5Encoder, nul_error
from bigdata_cli.formats.hdf5.read import (
    check_columns_file,
    check_matrix_file,
    count_file_rows,
    file_rows,
    has_zone,
    opened,
    read_columns,
    read_matrix,
)
from bigdata_cli.formats.hdf5.rows import Hdf5Rows
from bigdata_cli.formats.hdf5.traits import TRAITS
from bigdata_cli.formats.hdf5.write import Hdf5Writer
from bigdata_cli.formats.matrix import (
    check_matrix,
    column_physical,
    matrix_array_bytes,
    matrix_as_read,
    matrix_change,
    matrix_kept_dtype,
    matrix_physical,
    matrix_row_bytes,
)
from bigdata_cli.formats.row_ranges import rows_of_file
from bigdata_cli.io.store import Files, Store, StoredFile
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Kind, Schema
from bigdata_cli.types.statistics import ColumnStatistics


class Hdf5Format(Format):
    """`NAME-00000-of-00003.h5`; layouts columns and matrix."""

    traits = TRAITS

    def physical(self, column: Column, options: StorageOptions) -> str:
        """How a column is stored; equal strings mean equal values and attributes."""
        if options.layout == "matrix":
            stored = matrix_physical(column, options)
            return f"{stored} tz" if has_zone(column) and column.name == options.label else stored
        return f"{column_physical(column)} tz" if has_zone(column) else column_physical(column)

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        if options.layout == "matrix" and options.label != old.name:
            return matrix_change(old, new, options, has_values=has_values)
        return super().change(old, new, options, has_values=has_values)

    def kept_dtype(self, column: Column, options: StorageOptions) -> str:
        if options.layout == "matrix":
            return matrix_kept_dtype(column, options)
        return column.dtype

    def max_table_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> int:
        rows = Hdf5Encoder(schema, options, compress=None).table_rows
        return int(min(MAX_TABLE_BYTES, rows * row_bytes))

    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        if options.layout == "matrix":
            return matrix_row_bytes(schema, options)
        n_texts = sum(column.kind is Kind.TEXT for column in schema)
        return 1.5 * row_bytes + MAX_FIXED_BYTES * n_texts

    def array_bytes(
        self, column: Column, known: ColumnStatistics, options: StorageOptions, n_rows: int
    ) -> float:
        if options.layout == "matrix":
            return matrix_array_bytes(column, known, options, n_rows)
        return super().array_bytes(column, known, options, n_rows)

    def as_read(self, array: pa.Array, column: Column, options: StorageOptions) -> pa.Array:
        return matrix_as_read(array, column, options) if options.layout == "matrix" else array

    def check(self, schema: Schema, options: StorageOptions) -> None:
        """Raise UsageError where HDF5 or the layout cannot hold the schema, DataError for NUL."""
        check_options(self, schema, options)
        parse_gzip(self, options)
        if options.layout == "matrix":
            check_matrix(schema, options)
        else:
            names = set(schema.names)
            for column in schema:
                if column.name + VALIDITY_SUFFIX in names:
                    mask = column.name + VALIDITY_SUFFIX
                    raise UsageError(
                        f'the column "{mask}" has the name of the validity of "{column.name}"',
                        hint=f"--drop '{mask}', or --to parquet",
                    )
        for column in schema:
            if any("\0" in value for value in column.vocabulary or ()):
                raise nul_error(column)

    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ShardWriter:
        """A writer of one shard, one file."""
        compression, level = parse_gzip(self, options)
        return Hdf5Writer(store, name, schema, options, gzip=compression == "gzip", level=level)

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
        """The rows of a shard; see `Format.read`. Links to other files are not followed."""
        names = schema.names if columns is None else tuple(columns)
        before = 0
        for file in files:
            with opened(StoredFile(store, file)) as source:
                part = rows_of_file(rows, before)
                if options.layout == "matrix":
                    yield from read_matrix(source, schema, options, names, max_rows, part)
                else:
                    yield from read_columns(source, schema, names, max_rows, part)
                before += file_rows(source) if len(files) > 1 else 0

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        """Those of a compressed chunk; what is not compressed is read from anywhere."""
        if parse_compression(self, options)[0] == "none":
            return 1
        encoder = Hdf5Encoder(schema, options, compress=None)
        return encoder.matrix_rows if encoder.is_matrix else encoder.table_rows

    def open_rows(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str],
    ) -> Hdf5Rows:
        return Hdf5Rows(store, files, schema, options, columns)

    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        rows = 0
        for file in files:
            with opened(StoredFile(store, file)) as source:
                if options.layout == "matrix":
                    rows += check_matrix_file(source, schema, options)
                else:
                    rows += check_columns_file(source, schema)
        return rows

    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        """The rows of a shard: all datasets are read to their ends, and have equal lengths."""
        total = 0
        for file in files:
            with opened(StoredFile(store, file)) as source:
                total += count_file_rows(source)
        return total


FORMAT = Hdf5Format()
