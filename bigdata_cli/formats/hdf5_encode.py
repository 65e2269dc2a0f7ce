"""Tables as the datasets of an HDF5 file hold them, chunk by chunk, without HDF5.

A chunk is what the filters of a dataset would make of it: shuffled (the first bytes of all values,
then the second ones, …) and deflated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import DataError
from bigdata_cli.formats.arrays import (
    column_values,
    matrix_features,
    matrix_label,
    text_buffers,
    validity,
)
from bigdata_cli.formats.base import StorageOptions, feature_columns
from bigdata_cli.formats.deflate import Compress
from bigdata_cli.schema.dtype import VALIDITY_SUFFIX, Column, Kind, Schema, numpy_dtype

VOCABULARY = "_vocabulary"
"""The group of the vocabularies that are not attributes."""
_BATCH_BYTES = 16 << 20
"""Bytes of the numbers of a table given to `encode`, from which its rows follow."""
_CHUNK_BYTES = 1 << 19
MAX_TABLE_BYTES = 64 << 20
_MAX_ROWS, _MIN_ROWS = 32_768, 64
TEXT_BYTES = 256
"""What a text is taken for in a row, as its length is not known."""


def dataset_name(column: str) -> str:
    """The name of a column's dataset.

    >>> dataset_name("fare/total"), dataset_name("100%"), dataset_name("a.b"), dataset_name("")
    ('fare%2Ftotal', '100%25', 'a.b', '%')
    """
    if column in ("", "."):
        return "%2E" if column else "%"
    if column == VOCABULARY:
        return "%5F" + column[1:]
    return column.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def stored_dtype(column: Column) -> np.dtype:
    """The dtype of a column's dataset (not of text): days int32, ticks int64, codes, numbers."""
    if column.kind is Kind.DATE:
        return np.dtype(np.int32)
    if column.kind is Kind.TIMESTAMP:
        return np.dtype(np.int64)
    return numpy_dtype(column.dtype, n_values=column.n_values)


def nul_error(column: Column) -> DataError:
    return DataError(
        f'column "{column.name}" has a text with a NUL character, where HDF5 would end it',
        hint="--to parquet keeps it",
    )


@dataclass(frozen=True, kw_only=True)
class EncodedRows:
    """Rows of one dataset: the values, and the full chunks among them as they are on disk.

    Text has no chunks, and what follows the last full chunk is in none.
    """

    values: np.ndarray
    chunk_rows: int
    chunks: list[bytes | np.ndarray] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class EncodedTable:
    """The rows of a table by dataset; the masks of the columns that have nulls in it."""

    n_rows: int
    datasets: Mapping[str, EncodedRows]
    masks: Mapping[str, EncodedRows]


def _power_of_two_below(number: float, low: int, high: int) -> int:
    """The largest power of two that is not above `number`, between two others."""
    return min(high, max(low, 1 << max(0, int(number).bit_length() - 1)))


class Hdf5Encoder:
    """Turns tables of one schema into the chunks of datasets. Holds no state but its options.

    table_rows: rows of a table, and of the chunks of all datasets but `X`, whose chunks have
    matrix_rows of them, a divisor. compress: None for chunks as they are.
    """

    def __init__(
        self, schema: Schema, options: StorageOptions, *, compress: Compress | None
    ) -> None:
        self._schema = schema
        self._options = options
        self._compress = compress
        self.is_matrix = options.layout == "matrix"
        self.features = feature_columns(schema, options) if self.is_matrix else ()
        self.label = schema[options.label] if self.is_matrix and options.label else None
        self.table_rows = self._rows_of_table()
        row_bytes = np.dtype(options.matrix_dtype).itemsize * max(1, len(self.features))
        self.matrix_rows = _power_of_two_below(_CHUNK_BYTES / row_bytes, 1, self.table_rows)

    def _rows_of_table(self) -> int:
        """Rows of a table: those of a chunk, or of several of `X`."""
        if self.is_matrix:
            row_bytes = np.dtype(self._options.matrix_dtype).itemsize * len(self.features)
        else:
            row_bytes = sum(
                TEXT_BYTES if column.kind is Kind.TEXT else stored_dtype(column).itemsize
                for column in self._schema
            )
        return _power_of_two_below(_BATCH_BYTES / max(1, row_bytes), _MIN_ROWS, _MAX_ROWS)

    def encode(self, table: pa.Table) -> EncodedTable:
        """The table's values, and the bytes of its chunks, shuffled and compressed.

        Raises DataError for text with a NUL character, for a number beyond the matrix dtype, and
        for a label of a matrix that is null and not a float.
        """
        datasets: dict[str, EncodedRows] = {}
        masks: dict[str, EncodedRows] = {}
        if self.is_matrix:
            dtype = self._options.matrix_dtype
            matrix = matrix_features(table, self.features, dtype)
            datasets["X"] = self._encode_values(matrix)
            if self.label is not None:
                label = _as_stored(matrix_label(table, self.label), None, self.label)
                datasets["y"] = self._encode_values(label)
            return EncodedTable(n_rows=table.num_rows, datasets=datasets, masks=masks)
        for column in self._schema:
            array = table.column(column.name)
            name = dataset_name(column.name)
            if column.kind is Kind.TEXT:
                datasets[name] = EncodedRows(
                    values=_text_objects(array, column), chunk_rows=self.table_rows
                )
                valid = validity(array)
            else:
                values, valid = column_values(array, column)
                datasets[name] = self._encode_values(_as_stored(values, valid, column))
            if valid is not None:
                masks[name + VALIDITY_SUFFIX] = self._encode_values(valid)
        return EncodedTable(n_rows=table.num_rows, datasets=datasets, masks=masks)

    def _encode_values(self, values: np.ndarray) -> EncodedRows:
        """The values, and their chunks as far as they are full."""
        rows = self.table_rows if values.ndim == 1 else self.matrix_rows
        chunks: list[bytes | np.ndarray] = []
        for start in range(0, len(values) - rows + 1, rows):
            chunk = np.ascontiguousarray(values[start : start + rows])
            chunks.append(chunk if self._compress is None else self._compress(_shuffled(chunk)))
        return EncodedRows(values=values, chunk_rows=rows, chunks=chunks)


def _shuffled(chunk: np.ndarray) -> np.ndarray:
    """A chunk as the filter shuffle stores it: the first bytes of all values, then the second."""
    values = chunk.reshape(-1).view(np.uint8).reshape(-1, chunk.itemsize)
    return np.ascontiguousarray(values.T)


def _as_stored(values: np.ndarray, valid: np.ndarray | None, column: Column) -> np.ndarray:
    """Values in the dtype of their dataset; dates and timestamps as numbers, nulls 0."""
    if values.dtype.kind == "M":
        values = values.view(np.int64)
        if valid is not None:
            values = np.where(valid, values, 0)
    return values.astype(stored_dtype(column), copy=False)


def _text_objects(array: pa.ChunkedArray, column: Column) -> np.ndarray:
    """Text as UTF-8 bytes objects, (rows,), as h5py writes it fastest; "" for a null."""
    _, data = text_buffers(array)
    if not data.all():
        raise nul_error(column)
    # pyarrow's own ways to NumPy, and to fill nulls, import pandas: 36 MB.
    texts = array.cast(pa.binary()).to_pylist()
    objects = np.empty(len(texts), object)
    objects[:] = [text or b"" for text in texts] if array.null_count else texts
    return objects
