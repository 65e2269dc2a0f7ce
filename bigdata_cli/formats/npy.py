"""npy: a memory-mappable file per column, or a feature matrix and its label.

The files are what `numpy.save` writes, with room for the number of rows in their headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.arrays import check_matrix, column_physical, matrix_physical
from bigdata_cli.formats.base import (
    Format,
    ShardName,
    StorageOptions,
    check_options,
)
from bigdata_cli.formats.npy_read import (
    NpyRows,
    check_column_files,
    check_matrix_files,
    count_column_rows,
    count_matrix_rows,
    matrix_slices,
    read_columns,
    read_matrix,
)
from bigdata_cli.formats.npy_write import (
    ColumnsWriter,
    MatrixWriter,
    NpyWriter,
    check_file_names,
    check_name_lengths,
)
from bigdata_cli.schema.dtype import Column, Schema


class NpyFormat(Format):
    """NumPy's own files."""

    name = "npy"
    layouts = ("columns", "matrix")
    compressions = ("none",)

    def physical(self, column: Column, options: StorageOptions) -> str:
        if options.layout == "matrix":
            return matrix_physical(column, options)
        return column_physical(column)

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
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> NpyWriter:
        if options.layout == "matrix":
            return MatrixWriter(folder, name, schema, options)
        return ColumnsWriter(folder, name, schema)

    def sizing_writer(
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> NpyWriter:
        """Sizes follow from the rows; thousands of files are not made for them."""
        if options.layout == "matrix":
            return MatrixWriter(folder, name, schema, options, is_written=False)
        return ColumnsWriter(folder, name, schema, is_written=False)

    def read(
        self,
        folder: Path,
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
                folder, files, schema, options, columns=names, max_rows=max_rows, rows=rows
            )
        return read_columns(folder, files, schema, columns=names, max_rows=max_rows, rows=rows)

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        return 1

    has_row_access = True

    def open_rows(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str],
    ) -> NpyRows:
        return NpyRows(folder, files, schema, options, columns)

    def read_matrix(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        return matrix_slices(folder, files, schema, options, max_rows=max_rows, rows=rows)

    def check_schema(
        self, folder: Path, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        if options.layout == "matrix":
            return check_matrix_files(folder, files, schema, options)
        return check_column_files(folder, files, schema)

    def count_rows(self, folder: Path, files: Sequence[str], options: StorageOptions) -> int:
        if options.layout == "matrix":
            return count_matrix_rows(folder, files)
        return count_column_rows(folder, files)
