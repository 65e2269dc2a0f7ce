"""npy: a memory-mappable file per column, or a feature matrix and its label.

The files are what `numpy.save` writes, with room for the number of rows in their headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    StorageOptions,
    check_options,
)
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
from bigdata_cli.formats.npy.headers import rewrite_npy_headers
from bigdata_cli.formats.npy.read import (
    NpyRows,
    check_column_files,
    check_matrix_files,
    count_column_rows,
    count_matrix_rows,
    read_columns,
    read_matrix,
)
from bigdata_cli.formats.npy.traits import TRAITS
from bigdata_cli.formats.npy.write import (
    ColumnsWriter,
    MatrixWriter,
    NpyWriter,
    check_file_names,
    check_name_lengths,
)
from bigdata_cli.io.store import Files, Store
from bigdata_cli.types.dtype import Column, Kind, Schema, numpy_dtype
from bigdata_cli.types.statistics import ColumnStatistics


class NpyFormat(Format):
    """NumPy's own files."""

    traits = TRAITS

    def physical(self, column: Column, options: StorageOptions) -> str:
        if options.layout == "matrix":
            return matrix_physical(column, options)
        return column_physical(column)

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        if options.layout == "matrix" and options.label != old.name:
            return matrix_change(old, new, options, has_values=has_values)
        change = super().change(old, new, options, has_values=has_values)
        if change is Change.SAME or Kind.TEXT in (old.kind, new.kind):
            return change
        stored = [numpy_dtype(c.dtype, n_values=c.n_values) for c in (old, new)]
        if old.kind is Kind.CATEGORY and new.kind is Kind.CATEGORY:
            # The files hold codes only: those of texts that come last leave the others as they are.
            words = old.vocabulary or ()
            is_same = words == (new.vocabulary or ())[: len(words)] and stored[0] == stored[1]
            return Change.SAME if is_same else change
        are_integers = old.kind is Kind.INT and new.kind is Kind.INT
        same_width = stored[0].itemsize == stored[1].itemsize
        return Change.HEADER if are_integers and same_width else change

    def kept_dtype(self, column: Column, options: StorageOptions) -> str:
        if options.layout == "matrix":
            return matrix_kept_dtype(column, options)
        return column.dtype

    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        if options.layout == "matrix":
            return matrix_row_bytes(schema, options)
        return 1.2 * row_bytes

    def array_bytes(
        self, column: Column, known: ColumnStatistics, options: StorageOptions, n_rows: int
    ) -> float:
        if options.layout == "matrix":
            return matrix_array_bytes(column, known, options, n_rows)
        return super().array_bytes(column, known, options, n_rows)

    def as_read(self, array: pa.Array, column: Column, options: StorageOptions) -> pa.Array:
        return matrix_as_read(array, column, options) if options.layout == "matrix" else array

    def rewrite_headers(
        self, store: Store, old: ShardName, files: Sequence[str], new: ShardName,
        schema: Schema, options: StorageOptions,
    ) -> tuple[FileEntry, ...]:  # fmt: skip
        return rewrite_npy_headers(store, old, files, new, schema, options)

    def check(self, schema: Schema, options: StorageOptions) -> None:
        check_options(self, schema, options)
        if options.compression not in (None, "none"):
            raise UsageError("npy files are not compressed", hint="--compression none")
        if options.layout == "matrix":
            check_matrix(schema, options)
        else:
            check_file_names(schema)
            check_name_lengths(schema, ShardName(stem="a", index=0, count=1))

    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> NpyWriter:
        if options.layout == "matrix":
            return MatrixWriter(store, name, schema, options)
        return ColumnsWriter(store, name, schema)

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
        names = list(schema.names if columns is None else columns)
        if options.layout == "matrix":
            return read_matrix(
                store, files, schema, options, columns=names, max_rows=max_rows, rows=rows
            )
        return read_columns(store, files, schema, columns=names, max_rows=max_rows, rows=rows)

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        return 1

    def open_rows(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str],
    ) -> NpyRows:
        return NpyRows(store, files, schema, options, columns)

    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        if options.layout == "matrix":
            return check_matrix_files(store, files, schema, options)
        return check_column_files(store, files, schema)

    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        if options.layout == "matrix":
            return count_matrix_rows(store, files)
        return count_column_rows(store, files)


FORMAT = NpyFormat()
