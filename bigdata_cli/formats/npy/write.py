"""Writing the .npy files of a shard."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.table import TableArrays, label_values
from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import ShardName, ShardWriter, StorageOptions
from bigdata_cli.formats.matrix import feature_columns
from bigdata_cli.formats.npy.file import NpyFile
from bigdata_cli.formats.npy.read import (
    BYTES_SUFFIX,
    FEATURES,
    LABEL,
    OFFSETS_SUFFIX,
    value_parts,
)
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Kind, Schema, numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Buffer

_MAX_NAME_BYTES = 255


def column_dtype(column: Column) -> np.dtype | None:
    """The dtype of a column's file; of text there are two."""
    if column.kind is Kind.TEXT:
        return None
    return numpy_dtype(column.dtype, n_values=column.n_values)


class NpyWriter(ShardWriter):
    """The files of a shard by their part of the name."""

    def __init__(self, store: Store, name: ShardName) -> None:
        self._store = store
        self._name = name
        self._files: dict[str, NpyFile] = {}
        self._final_names: dict[str, str] = {}

    @abstractmethod
    def _open(self) -> None:
        """Have every file that the shard is sure to have."""

    @abstractmethod
    def _parts(self) -> list[str]:
        """Every file that the shard may have, in order."""

    def _final_name(self, part: str) -> str:
        name = self._final_names.get(part)
        if name is None:
            name = self._final_names[part] = self._name.file("npy", part)
        return name

    def _add(self, part: str, dtype: np.dtype, row_shape: tuple[int, ...] = ()) -> NpyFile:
        file = NpyFile(self._store, self._final_name(part), dtype, row_shape)
        self._files[part] = file
        return file

    def append(self, encoded: Any) -> None:
        if not self._files:
            self._open()
        self._write(encoded)

    @abstractmethod
    def _write(self, encoded: Any) -> None:
        """Append encoded rows to the files."""

    def close(self) -> tuple[FileEntry, ...]:
        if not self._files:
            self._open()
        there = set(self._store.names())
        entries = []
        for part in self._parts():
            if part in self._files:
                entries.append(self._files[part].close())
            elif (left := partial_name(self._final_name(part))) in there:
                self._store.remove([left])  # of an attempt that was cut short
        return tuple(entries)

    def abort(self) -> None:
        for file in self._files.values():
            file.abort()


@dataclass(frozen=True, kw_only=True)
class EncodedColumns:
    """A table: of each column its array, or its texts, and its validity or None.

    A text column has where each text ends, int64 (rows,), counted from the table's first, and the
    bytes of its texts, in pieces.
    """

    n_rows: int
    values: list[np.ndarray | tuple[np.ndarray, list[pa.Buffer]]]
    valid: list[np.ndarray | None]


class ColumnsWriter(NpyWriter):
    """A file per column; two for text; a validity mask where the shard has nulls."""

    def __init__(self, store: Store, name: ShardName, schema: Schema) -> None:
        super().__init__(store, name)
        self._schema = schema
        check_name_lengths(schema, name)
        dtypes = [column_dtype(column) for column in schema]
        self._arrays = TableArrays(schema, schema.columns, dtypes)

    def _parts(self) -> list[str]:
        return [
            part
            for column in self._schema
            for part in (*value_parts(column), column.name + VALIDITY_SUFFIX)
        ]

    def _open(self) -> None:
        for column, dtype in zip(self._schema, self._arrays.dtypes, strict=True):
            if dtype is None:
                offsets, content = value_parts(column)
                self._add(offsets, np.dtype(np.int64))
                self._add(content, np.dtype(np.uint8))
            else:
                self._add(column.name, dtype)

    def widen(self, schema: Schema) -> None:
        self._schema = schema
        dtypes = [column_dtype(column) for column in schema]
        self._arrays = TableArrays(schema, schema.columns, dtypes)
        for column, dtype in zip(schema, dtypes, strict=True):
            file = self._files.get(column.name)
            if file is not None and dtype is not None:
                file.set_dtype(dtype)

    def encode(self, table: pa.Table) -> EncodedColumns:
        """The columns of a table as they are stored."""
        found = self._arrays.arrays(table)
        values: list = found.values
        for i in self._arrays.texts:
            values[i] = self._arrays.ends(found, i), self._arrays.text_bytes(found, i)
        return EncodedColumns(n_rows=found.n_rows, values=values, valid=found.valid)

    def _write(self, encoded: EncodedColumns) -> None:
        for column, values, valid in zip(self._schema, encoded.values, encoded.valid, strict=True):
            if isinstance(values, tuple):
                rows_before = self._write_text(column, *values)
            else:
                file = self._files[column.name]
                rows_before = file.rows
                file.write(encoded.n_rows, values.view(np.uint8))
            mask = self._files.get(column.name + VALIDITY_SUFFIX)
            if valid is not None or mask is not None:
                self._write_validity(column, valid, rows_before, encoded.n_rows)

    def _write_text(self, column: Column, ends: np.ndarray, texts: list[pa.Buffer]) -> int:
        """Append texts; returns the rows before them."""
        offsets, content = (self._files[part] for part in value_parts(column))
        rows_before = max(0, offsets.rows - 1)
        if content.rows:
            ends += content.rows
        if offsets.rows:
            offsets.write(len(ends), ends)
        else:
            offsets.write(len(ends) + 1, bytes(8), ends)
        content.write(sum(text.size for text in texts), *texts)
        return rows_before

    def _write_validity(
        self, column: Column, valid: np.ndarray | None, rows_before: int, rows: int
    ) -> None:
        part = column.name + VALIDITY_SUFFIX
        parts: list[Buffer] = [np.ones(rows, np.uint8) if valid is None else valid.view(np.uint8)]
        file = self._files.get(part)
        if file is None:
            file = self._add(part, np.dtype(bool))
            parts = [np.ones(rows_before, np.uint8), *parts]
            rows += rows_before
        file.write(rows, *parts)

    def close(self) -> tuple[FileEntry, ...]:
        if not self._files:
            self._open()
        for i in self._arrays.texts:
            offsets = self._files[value_parts(self._schema.columns[i])[0]]
            if not offsets.rows:
                offsets.write(1, bytes(8))
        return super().close()


class MatrixWriter(NpyWriter):
    """The features of all rows in one file, the label in another."""

    def __init__(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> None:
        super().__init__(store, name)
        self._options = options
        self._dtype = options.matrix_dtype
        self._look_at(schema)

    def _look_at(self, schema: Schema) -> None:
        options = self._options
        self._features = TableArrays(schema, feature_columns(schema, options))
        self._label = None
        if options.label is not None:
            label = schema[options.label]
            self._label = TableArrays(schema, (label,), (column_dtype(label),))

    def widen(self, schema: Schema) -> None:
        self._look_at(schema)
        if self._label is not None and LABEL in self._files:
            [dtype] = self._label.dtypes
            assert dtype is not None
            self._files[LABEL].set_dtype(dtype)

    def _parts(self) -> list[str]:
        return [FEATURES] if self._label is None else [FEATURES, LABEL]

    def _open(self) -> None:
        self._add(FEATURES, np.dtype(self._dtype), (len(self._features.columns),))
        if self._label is not None:
            [dtype] = self._label.dtypes
            assert dtype is not None  # a label of text is refused
            self._add(LABEL, dtype)

    def encode(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray | None]:
        """The features (rows, f) and the label (rows,)."""
        label = None if self._label is None else label_values(self._label, table)
        return self._features.matrix(table, self._dtype), label

    def _write(self, encoded: tuple[np.ndarray, np.ndarray | None]) -> None:
        features, label = encoded
        self._files[FEATURES].write(len(features), features.reshape(-1).view(np.uint8))
        if label is not None:
            self._files[LABEL].write(len(label), label.view(np.uint8))


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
    names = set(schema.names)
    for name in schema.names:
        base = name.removesuffix(BYTES_SUFFIX)
        if base != name and base + OFFSETS_SUFFIX in names:
            raise UsageError(
                f'columns "{base + OFFSETS_SUFFIX}" and "{name}" look like the two files '
                f'of a text column "{base}"',
                hint=f"--drop '{name}'",
            )


def check_name_lengths(schema: Schema, name: ShardName) -> None:
    """Raise UsageError where a column's name is too long for a file's."""
    for column in schema:
        for part in (*value_parts(column), column.name + VALIDITY_SUFFIX):
            if 3 * len(part.encode()) + len(name.stem.encode()) < _MAX_NAME_BYTES - 64:
                continue  # whatever is percent-encoded, and however many shards there are
            file = partial_name(name.file("npy", part))
            if len(file.encode()) > _MAX_NAME_BYTES:
                raise UsageError(
                    f'column "{column.name}" has too long a name for a file: '
                    f"{len(file.encode())} bytes, and {_MAX_NAME_BYTES} are possible",
                    hint=f"--drop '{column.name}', --layout matrix, or --to hdf5",
                )
