"""Rows compared whatever their order, by sums of hashes.

The hash of a row follows from all its values. The sum of the hashes of all rows is the same in any
order, and where a row is another one, is missing or is there twice, it is another sum (but for one
case in 2**64). So is the sum of each column, which tells in what columns values differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.splitmix import FIRST_FACTOR, mix
from bigdata_cli.native.library import address, lib
from bigdata_cli.types.buffers import booleans_of, numbers_of
from bigdata_cli.types.dtype import Column, Kind

_NULL = np.uint64(0xA24BAED4963EE407)
_MODULUS = 2**64
_PADDING_BYTES = 8
"""That must be readable after texts which are hashed."""


class RowSums:
    """The sums of the hashes of some rows, modulo 2**64."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self.rows = 0
        self._of_rows = 0
        self._of_columns = [0] * len(columns)
        self._marks = [
            np.uint64((index + 1) * int(FIRST_FACTOR) % _MODULUS) for index in range(len(columns))
        ]

    def add(self, arrays: Sequence[pa.Array]) -> None:
        """Add rows, given as an array for each column."""
        n_rows = len(arrays[0])
        self.rows += n_rows
        of_rows = np.zeros(n_rows, np.uint64)
        for index, (array, column) in enumerate(zip(arrays, self._columns, strict=True)):
            hashes = mix(value_hashes(array, column) + self._marks[index])
            self._of_columns[index] = (self._of_columns[index] + _sum(hashes)) % _MODULUS
            of_rows = mix(of_rows + hashes)
        self._of_rows = (self._of_rows + _sum(of_rows)) % _MODULUS

    def differing_columns(self, other: RowSums) -> Iterator[str]:
        """The columns whose values are not those of other rows, in whatever order."""
        for column, mine, its in zip(
            self._columns, self._of_columns, other._of_columns, strict=True
        ):
            if mine != its:
                yield column.name

    def has_same_rows(self, other: RowSums) -> bool:
        """Whether other rows are the same ones, in whatever order."""
        return self.rows == other.rows and self._of_rows == other._of_rows


def value_hashes(array: pa.Array, column: Column) -> np.ndarray:
    """A hash of each value: uint64 (n,); the same for the same value in integers of any width."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary.take(array.indices)
    if array.null_count == len(array):
        return np.full(len(array), _NULL, np.uint64)
    valid = booleans_of(array.is_valid()) if array.null_count else None
    hashes = _texts(array) if pa.types.is_string(array.type) else _numbers(array, column)
    if valid is not None:
        hashes = np.where(valid, hashes, _NULL)
    return hashes


def _texts(array: pa.StringArray) -> np.ndarray:
    n_rows = len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int32, n_rows + 1, array.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + _PADDING_BYTES, np.uint8)
    if last > first:
        data[:-_PADDING_BYTES] = np.frombuffer(array.buffers()[2], np.uint8, last - first, first)
    offsets = offsets - offsets[0]
    hashes = np.empty(n_rows, np.uint64)
    lib.bd_hash_texts(n_rows, address(offsets), address(data), address(hashes))
    return hashes


def _numbers(array: pa.Array, column: Column) -> np.ndarray:
    """The bits of numbers as uint64; one for all NaNs, and 0 and -0 differ."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_date32(kind):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    if array.null_count:
        array = array.fill_null(0)
    values = numbers_of(array)
    if column.kind is Kind.FLOAT or pa.types.is_floating(kind):
        values = values.astype(np.float64)
        values[np.isnan(values)] = np.nan
        return values.view(np.uint64)
    return values.astype(np.int64).view(np.uint64) if values.dtype != np.uint64 else values


def _sum(hashes: np.ndarray) -> int:
    return int(hashes.sum(dtype=np.uint64))
