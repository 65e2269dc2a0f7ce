"""npy: a memory-mappable file per column, or a feature matrix and its label.

The files are what `numpy.save` writes, with room for the number of rows in their headers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.arrays import (
    check_matrix,
    column_physical,
    column_values,
    matrix_change,
    matrix_features,
    matrix_kept_dtype,
    matrix_label,
    matrix_physical,
    text_buffers,
    validity,
)
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
    check_options,
    feature_columns,
    partial_path,
)
from bigdata_cli.formats.npy_file import NpyFile
from bigdata_cli.formats.npy_headers import rewrite_npy_headers
from bigdata_cli.formats.npy_read import (
    BYTES_SUFFIX,
    FEATURES,
    LABEL,
    OFFSETS_SUFFIX,
    NpyRows,
    check_column_files,
    check_matrix_files,
    count_column_rows,
    count_matrix_rows,
    matrix_slices,
    read_columns,
    read_matrix,
    value_parts,
)
from bigdata_cli.schema.dtype import VALIDITY_SUFFIX, Column, Kind, Schema, numpy_dtype

_MAX_NAME_BYTES = 255


class NpyWriter(ShardWriter):
    """The files of a shard by their part of the name; opened with the first rows."""

    def __init__(self, folder: Path, name: ShardName) -> None:
        self._folder = folder
        self._name = name
        self._files: dict[str, NpyFile] = {}
        self._closed = False

    @abstractmethod
    def _open(self) -> None:
        """Open every file that the shard is sure to have."""

    @abstractmethod
    def _parts(self) -> list[str]:
        """Every file that the shard may have, in order."""

    def _path(self, part: str) -> Path:
        return partial_path(self._folder / self._name.file("npy", part))

    def _add(self, part: str, dtype: np.dtype, row_shape: tuple[int, ...] = ()) -> NpyFile:
        file = self._files[part] = NpyFile(self._path(part), dtype, row_shape)
        return file

    def append(self, encoded: Any) -> None:
        if not self._files:
            self._open()
        self._write(encoded)

    @abstractmethod
    def _write(self, encoded: Any) -> None:
        """Append encoded rows to the open files."""

    def close(self) -> tuple[str, ...]:
        if not self._files:
            self._open()
        for file in self._files.values():
            file.close()
        parts = self._parts()
        for part in parts:
            if part not in self._files:
                # An attempt that was cut short may have left one.
                self._path(part).unlink(missing_ok=True)
        return tuple(self._name.file("npy", part) for part in parts if part in self._files)

    def abort(self) -> None:
        for file in self._files.values():
            file.abort()


class ColumnsWriter(NpyWriter):
    """A file per column; two for text; a validity mask where the shard has nulls."""

    def __init__(self, folder: Path, name: ShardName, schema: Schema) -> None:
        super().__init__(folder, name)
        self._schema = schema
        check_name_lengths(schema, name)

    def _parts(self) -> list[str]:
        return [
            part
            for column in self._schema
            for part in (*value_parts(column), column.name + VALIDITY_SUFFIX)
        ]

    def _open(self) -> None:
        for column in self._schema:
            if column.kind is Kind.TEXT:
                offsets, content = value_parts(column)
                self._add(offsets, np.dtype(np.int64)).fill(0, 1)
                self._add(content, np.dtype(np.uint8))
            else:
                self._add(column.name, numpy_dtype(column.dtype, n_values=column.n_values))

    def widen(self, schema: Schema) -> None:
        self._schema = schema
        for column in schema:
            file = self._files.get(column.name)
            if file is not None and column.kind is not Kind.TEXT:
                file.set_dtype(numpy_dtype(column.dtype, n_values=column.n_values))

    def encode(self, table: pa.Table) -> list[tuple[tuple[np.ndarray, ...], np.ndarray | None]]:
        """For each column its arrays, as they are stored, and its validity or None."""
        return [_encode_column(table.column(column.name), column) for column in self._schema]

    def _write(self, encoded: Any) -> None:
        for column, (arrays, valid) in zip(self._schema, encoded, strict=True):
            if column.kind is Kind.TEXT:
                offsets, content = (self._files[part] for part in value_parts(column))
                ends, text = arrays
                rows_before, rows = offsets.rows - 1, len(ends) - 1
                offsets.write(ends[1:] + content.rows)
                content.write(text)
            else:
                [values] = arrays
                file = self._files[column.name]
                rows_before, rows = file.rows, len(values)
                file.write(values)
            self._write_validity(column.name + VALIDITY_SUFFIX, valid, rows_before, rows)

    def _write_validity(
        self, part: str, valid: np.ndarray | None, rows_before: int, rows: int
    ) -> None:
        file = self._files.get(part)
        if file is None:
            if valid is None:
                return
            file = self._add(part, np.dtype(bool))
            file.fill(True, rows_before)
        if valid is None:
            file.fill(True, rows)
        else:
            file.write(valid)


def _encode_column(
    array: pa.ChunkedArray, column: Column
) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
    if column.kind is Kind.TEXT:
        return text_buffers(array), validity(array)
    values, valid = column_values(array, column)
    return (np.ascontiguousarray(values),), valid


class MatrixWriter(NpyWriter):
    """The features of all rows in one file, the label in another."""

    def __init__(
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> None:
        super().__init__(folder, name)
        self._features = feature_columns(schema, options)
        self._label = None if options.label is None else schema[options.label]
        self._dtype = options.matrix_dtype

    def _parts(self) -> list[str]:
        return [FEATURES] if self._label is None else [FEATURES, LABEL]

    def _open(self) -> None:
        self._add(FEATURES, np.dtype(self._dtype), (len(self._features),))
        if self._label is not None:
            self._add(LABEL, numpy_dtype(self._label.dtype, n_values=self._label.n_values))

    def widen(self, schema: Schema) -> None:
        self._features = tuple(schema[column.name] for column in self._features)
        if self._label is not None:
            self._label = schema[self._label.name]
            if LABEL in self._files:
                label = self._label
                self._files[LABEL].set_dtype(numpy_dtype(label.dtype, n_values=label.n_values))

    def encode(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray | None]:
        """The features (rows, f) and the label (rows,)."""
        label = None if self._label is None else matrix_label(table, self._label)
        return matrix_features(table, self._features, self._dtype), label

    def _write(self, encoded: Any) -> None:
        features, label = encoded
        self._files[FEATURES].write(features)
        if label is not None:
            self._files[LABEL].write(np.ascontiguousarray(label))


def check_file_names(schema: Schema) -> None:
    """Raise UsageError where two columns would need files of the same name."""
    owner: dict[str, str] = {}
    for column in schema:
        for part in (*value_parts(column), column.name + VALIDITY_SUFFIX):
            if part in owner:
                first, second = owner[part], column.name
                raise UsageError(
                    f'columns "{first}" and "{second}" would both be stored in the file "{part}"',
                    hint=f"--drop '{first if len(first) > len(second) else second}'",
                )
            owner[part] = column.name
    for name in schema.names:
        base = name.removesuffix(BYTES_SUFFIX)
        if base != name and base + OFFSETS_SUFFIX in schema.names:
            raise UsageError(
                f'columns "{base + OFFSETS_SUFFIX}" and "{name}" look like the two files '
                f'of a text column "{base}"',
                hint=f"--drop '{name}'",
            )


def check_name_lengths(schema: Schema, name: ShardName) -> None:
    """Raise UsageError where a column's name is too long for a file's."""
    for column in schema:
        for part in (*value_parts(column), column.name + VALIDITY_SUFFIX):
            file = partial_path(Path(name.file("npy", part))).name
            if len(file.encode()) > _MAX_NAME_BYTES:
                raise UsageError(
                    f'column "{column.name}" has too long a name for a file: '
                    f"{len(file.encode())} bytes, and {_MAX_NAME_BYTES} are possible",
                    hint=f"--drop '{column.name}', --layout matrix, or --to hdf5",
                )


class NpyFormat(Format):
    """NumPy's own files."""

    name = "npy"
    layouts = ("columns", "matrix")
    compressions = ("none",)

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

    def rewrite_headers(
        self, folder: Path, old: ShardName, files: Sequence[str], new: ShardName,
        schema: Schema, options: StorageOptions,
    ) -> tuple[str, ...]:  # fmt: skip
        return rewrite_npy_headers(folder, old, files, new, schema, options)

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
