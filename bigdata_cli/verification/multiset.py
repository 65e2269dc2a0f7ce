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
from bigdata_cli.arrays.value_hashes import value_hashes
from bigdata_cli.types.dtype import Column, Kind

_MODULUS = 2**64


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
            hashes = mix(
                value_hashes(array, is_float=column.kind is Kind.FLOAT) + self._marks[index]
            )
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


def _sum(hashes: np.ndarray) -> int:
    return int(hashes.sum(dtype=np.uint64))
