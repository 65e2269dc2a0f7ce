"""Tables as the datasets of an HDF5 file hold them, chunk by chunk, without HDF5.

A chunk is what the filters of a dataset would make of it: shuffled (the first bytes of all values,
then the second ones, …) and deflated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.table import ColumnsOfTable, TableArrays, label_values
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.deflate import Compress
from bigdata_cli.formats.matrix import feature_columns
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Kind, Schema, numpy_dtype

VOCABULARY = "_vocabulary"
"""The group of the vocabularies that are not attributes."""
_BATCH_BYTES = 16 << 20
"""Bytes of the numbers of a table given to `encode`, from which its rows follow."""
_CHUNK_BYTES = 1 << 19
MAX_TABLE_BYTES = 64 << 20
_MAX_ROWS, _MIN_ROWS = 32_768, 64
_TEXT_ROW_BYTES = 64
"""What a text is taken for in a row, as its length is not known."""
LONG = 1 << 20
"""The width of texts of any length: more than any other."""
MAX_FIXED_BYTES = 64
"""Bytes of the longest text for which all of a dataset have the same length. A text of any length
takes 32 bytes more than it has, and ten times the time."""


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

    What follows the last full chunk is in none.
    """

    values: np.ndarray
    chunk_rows: int
    chunks: Sequence[bytes | np.ndarray] = ()

    @classmethod
    def of_text(cls, texts: np.ndarray, chunk_rows: int) -> EncodedRows:
        """Texts of a fixed length, uint8 (rows, length), in no chunks."""
        width = texts.shape[1]
        return cls(values=texts.reshape(-1).view(f"S{width}"), chunk_rows=chunk_rows)


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """Rows of a text dataset, in `width` bytes each, or of any length where that is LONG.

    fixed: texts of a fixed length. content, places: else uint8, each text with a NUL after it, and
    int64 (rows,), where each begins.
    """

    width: int
    fixed: EncodedRows | None = None
    content: np.ndarray | None = None
    places: np.ndarray | None = None

    def wider(self, width: int) -> EncodedRows:
        """The same texts in more bytes each, in no chunks."""
        assert self.fixed is not None
        return EncodedRows.of_text(self._padded(width), self.fixed.chunk_rows)

    def ended(self) -> tuple[np.ndarray, np.ndarray]:
        """`content` and `places`, whatever the length."""
        if self.content is not None and self.places is not None:
            return self.content, self.places
        padded = self._padded(self.width + 1)
        return padded.reshape(-1), np.arange(len(padded)) * (self.width + 1)

    def _padded(self, width: int) -> np.ndarray:
        assert self.fixed is not None
        padded = np.zeros((len(self.fixed.values), width), np.uint8)
        texts = self.fixed.values.view(np.uint8).reshape(len(padded), self.width)
        padded[:, : self.width] = texts
        return padded


@dataclass(frozen=True, kw_only=True)
class EncodedTable:
    """The rows of a table by dataset; the masks of the columns that have nulls in it."""

    n_rows: int
    datasets: Mapping[str, EncodedRows | EncodedText]
    masks: Mapping[str, EncodedRows]


def fixed_width(longest: int) -> int:
    """The bytes in which texts are stored whose longest has so many; LONG for any length.

    >>> [fixed_width(n) for n in (0, 1, 3, 5, 9, 17, 64, 65)]
    [1, 1, 3, 8, 12, 24, 64, 1048576]
    """
    if longest <= 4:
        return max(1, longest)
    step = 4 if longest <= 16 else 8
    return LONG if longest > MAX_FIXED_BYTES else -(-longest // step) * step


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
        self._label_arrays = None
        if self.label is not None:
            self._label_arrays = TableArrays(schema, (self.label,), (stored_dtype(self.label),))
        if self.is_matrix:
            self._arrays = TableArrays(schema, self.features)
            return
        self._names = [dataset_name(column.name) for column in schema]
        dtypes = [None if c.kind is Kind.TEXT else stored_dtype(c) for c in schema]
        self._arrays = TableArrays(schema, schema.columns, dtypes)

    def _rows_of_table(self) -> int:
        """Rows of a table: those of a chunk, or of several of `X`."""
        if self.is_matrix:
            row_bytes = np.dtype(self._options.matrix_dtype).itemsize * len(self.features)
        else:
            row_bytes = sum(
                _TEXT_ROW_BYTES if column.kind is Kind.TEXT else stored_dtype(column).itemsize
                for column in self._schema
            )
        return _power_of_two_below(_BATCH_BYTES / max(1, row_bytes), _MIN_ROWS, _MAX_ROWS)

    def encode(self, table: pa.Table, widths: Mapping[str, int]) -> EncodedTable:
        """The table's values, and the bytes of its chunks, shuffled and compressed.

        widths: of the text datasets so far, by name. Text that fits is encoded in as many bytes.
        Raises DataError for text with a NUL character, for a number beyond the matrix dtype, and
        for a label of a matrix that is null and not a float.
        """
        datasets: dict[str, EncodedRows | EncodedText] = {}
        masks: dict[str, EncodedRows] = {}
        if self.is_matrix:
            matrix = self._arrays.matrix(table, self._options.matrix_dtype)
            datasets["X"] = self._encode_values(matrix)
            if self._label_arrays is not None:
                datasets["y"] = self._encode_values(label_values(self._label_arrays, table))
            return EncodedTable(n_rows=table.num_rows, datasets=datasets, masks=masks)
        found = self._arrays.arrays(table, looks_inside_text=True)
        for i, (name, values, valid) in enumerate(
            zip(self._names, found.values, found.valid, strict=True)
        ):
            if values is None:
                datasets[name] = self._encode_text(found, i, widths.get(name, 0))
            else:
                datasets[name] = self._encode_values(values)
            if valid is not None:
                masks[name + VALIDITY_SUFFIX] = self._encode_values(valid)
        return EncodedTable(n_rows=found.n_rows, datasets=datasets, masks=masks)

    def _encode_text(self, found: ColumnsOfTable, column: int, width: int) -> EncodedText:
        measured = found.measured[:, column]
        if measured["has_nul"].any():
            raise nul_error(self._schema.columns[column])
        width = max(width, fixed_width(int(measured["longest"].max(initial=0))))
        if width == LONG:
            content, places = self._arrays.ended_text(found, column)
            return EncodedText(width=LONG, content=content, places=places)
        texts = EncodedRows.of_text(self._arrays.fixed_text(found, column, width), self.table_rows)
        if len(texts.values) == self.table_rows:
            values = texts.values
            chunk = values if self._compress is None else self._compress(values.view(np.uint8))
            texts = replace(texts, chunks=[chunk])
        return EncodedText(width=width, fixed=texts)

    def _encode_values(self, values: np.ndarray) -> EncodedRows:
        """The values, and their chunks as far as they are full."""
        rows = self.table_rows if values.ndim == 1 else self.matrix_rows
        chunks: list[bytes | np.ndarray] = []
        for start in range(0, len(values) - rows + 1, rows):
            chunk = values[start : start + rows]
            chunks.append(chunk if self._compress is None else self._compress(shuffled(chunk)))
        return EncodedRows(values=values, chunk_rows=rows, chunks=chunks)


def shuffled(chunk: np.ndarray) -> np.ndarray:
    """A chunk as the filter shuffle stores it: the first bytes of all values, then the second."""
    values = chunk.reshape(-1).view(np.uint8).reshape(-1, chunk.itemsize)
    return np.ascontiguousarray(values.T)
