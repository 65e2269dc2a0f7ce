"""Two streams of rows beside each other, by their order: which values differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from bigdata_cli.types.dtype import Column, Kind, arrow_type
from bigdata_cli.verification.values import as_text, differing_rows, shown

_NUMBERS = (Kind.BOOL, Kind.INT, Kind.FLOAT)


@dataclass(frozen=True, kw_only=True)
class RowDifference:
    """A row that differs: its number from 1 on, and per column its two values as texts."""

    row: int
    values: dict[str, tuple[str, str]]


@dataclass(kw_only=True)
class RowComparison:
    """What was found so far.

    Attributes:
        columns: The pairs of columns whose values are compared.
        max_shown: How many of the differing rows are kept.
        differing: Rows that both sides have and that differ.
        by_column: How many values of each column differ.
    """

    columns: Sequence[tuple[Column, Column]]
    max_shown: int
    differing: int = 0
    by_column: Counter[str] = field(default_factory=Counter)
    shown: list[RowDifference] = field(default_factory=list)

    def compare(self, first_row: int, a: pa.RecordBatch, b: pa.RecordBatch) -> None:
        """Compare as many rows of both sides; first_row: the number of their first one, from 1."""
        is_other = np.zeros(a.num_rows, bool)
        found: dict[str, np.ndarray] = {}
        for left, right in self.columns:
            name = left.name
            pair = _in_one_type(a.column(name), left, b.column(name), right)
            rows = differing_rows(*pair)
            if len(rows):
                self.by_column[name] += len(rows)
                is_other[rows] = True
                found[name] = rows
        self.differing += int(is_other.sum())
        left_to_show = self.max_shown - len(self.shown)
        for row in np.flatnonzero(is_other)[:left_to_show].tolist():
            values = {
                left.name: (
                    shown(as_text(a.column(left.name)), row, left),
                    shown(as_text(b.column(left.name)), row, right),
                )
                for left, right in self.columns
                if left.name in found and row in found[left.name]
            }
            self.shown.append(RowDifference(row=first_row + row, values=values))


def aligned(
    a: Iterator[pa.RecordBatch], b: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    """The batches of two streams, cut so that both have as many rows; None where one has ended."""
    left, right = next(a, None), next(b, None)
    while left is not None and right is not None:
        n_rows = min(left.num_rows, right.num_rows)
        yield left.slice(0, n_rows), right.slice(0, n_rows)
        left = left.slice(n_rows) if n_rows < left.num_rows else next(a, None)
        right = right.slice(n_rows) if n_rows < right.num_rows else next(b, None)
    while left is not None:
        yield left, None
        left = next(a, None)
    while right is not None:
        yield None, right
        right = next(b, None)


def _in_one_type(
    a: pa.Array, left: Column, b: pa.Array, right: Column
) -> tuple[pa.Array, pa.Array]:
    """Two arrays of comparable kinds in one type; integers beyond 2**53 beside floats rounded."""
    a, b = as_text(a), as_text(b)
    if a.type == b.type:
        return a, b
    if Kind.NULL in (left.kind, right.kind):
        other = b.type if left.kind is Kind.NULL else a.type
        return (
            pa.nulls(len(a), other) if left.kind is Kind.NULL else a,
            pa.nulls(len(b), other) if right.kind is Kind.NULL else b,
        )
    if left.kind in _NUMBERS:
        common = pa.float64() if Kind.FLOAT in (left.kind, right.kind) else pa.int64()
        if "uint64" in (left.dtype, right.dtype) and common == pa.int64():
            common = pa.decimal128(20, 0)
    else:
        common = arrow_type(left.dtype if "ns" in left.dtype else right.dtype)
    try:
        return _cast(a, common), _cast(b, common)
    except pa.ArrowInvalid:  # times that nanoseconds do not reach
        return a.cast(pa.string()), b.cast(pa.string())


def _cast(array: pa.Array, common: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return array.cast(common, safe=not pa.types.is_floating(common))
