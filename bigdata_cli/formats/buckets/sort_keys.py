"""The keys by which rows are sorted, as numbers and texts that compare as the values do.

A column becomes a lane: a rank, which puts NaN and nulls in their places, and a value. Numbers,
dates and bools of any width become unsigned integers of 64 bits in the same order, so that those
of tables of different widths compare; texts compare by their bytes. Nulls are last in either
direction. NaN is larger than all other numbers, -0.0 is 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from bigdata_cli.types.buffers import array_of, booleans_of, numbers_of, scalar_of, validity_of

_LARGE, _NULL = 1, 2
"""Ranks besides 0: of NaN and what is beyond 64 bits with a sign, and of nulls."""
_SIGN = np.uint64(1 << 63)


class SortColumn(NamedTuple):
    """A column to sort by. descending: the largest values first."""

    name: str
    descending: bool = False


class Lane(NamedTuple):
    """A column of keys.

    ranks: uint8 (n,), which compare first. values: uint64 (n,), or texts without nulls. descending:
    texts that are larger come first; numbers are already turned around.
    """

    ranks: np.ndarray
    values: np.ndarray | pa.Array
    descending: bool

    def is_before(self, key: tuple[int, Any], others: np.ndarray) -> np.ndarray:
        """Which rows are before a key; others: those that are where this lane is equal to it."""
        rank, value = key
        if isinstance(self.values, np.ndarray):
            smaller, same = self.values < value, self.values == value
        else:
            import pyarrow.compute as pc

            compare = pc.greater if self.descending else pc.less
            scalar = scalar_of(value, self.values.type)
            smaller = booleans_of(compare(self.values, scalar))
            same = booleans_of(pc.equal(self.values, scalar))
        return (self.ranks < rank) | ((self.ranks == rank) & (smaller | (same & others)))


class Keys:
    """The keys of rows."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = tuple(lanes)

    @classmethod
    def of(cls, columns: Sequence[pa.Array], by: Sequence[SortColumn]) -> Self:
        """The keys of rows with these values of the columns to sort by."""
        return cls([_lane(array, one.descending) for array, one in zip(columns, by, strict=True)])

    @classmethod
    def joined(cls, parts: Sequence[Keys]) -> Self:
        """The keys of some rows after those of others; there is one part at least."""
        lanes = []
        for same in zip(*(part.lanes for part in parts), strict=True):
            ranks = np.concatenate([lane.ranks for lane in same])
            if isinstance(same[0].values, np.ndarray):
                values: Any = np.concatenate([lane.values for lane in same])
            else:
                values = pa.concat_arrays([lane.values for lane in same])
            lanes.append(Lane(ranks, values, same[0].descending))
        return cls(lanes)

    def slice(self, start: int, stop: int) -> Keys:
        """The keys of some of the rows."""
        return Keys([Lane(r[start:stop], v[start:stop], d) for r, v, d in self.lanes])

    def order(self) -> np.ndarray:
        """The rows in the order of their keys, those with equal ones as they were: int64 (n,)."""
        import pyarrow.compute as pc  # which takes time, and only sorts need

        columns: list[pa.Array] = []
        directions: list[tuple[str, str]] = []
        for lane in self.lanes:
            if len(lane.ranks) and lane.ranks.min() != lane.ranks.max():
                directions.append((str(len(columns)), "ascending"))
                columns.append(array_of(lane.ranks))
            directions.append((str(len(columns)), "descending" if lane.descending else "ascending"))
            is_text = not isinstance(lane.values, np.ndarray)
            columns.append(lane.values if is_text else array_of(lane.values))
        table = pa.RecordBatch.from_arrays(columns, names=[name for name, _ in directions])
        return numbers_of(pc.sort_indices(table, sort_keys=directions)).astype(np.int64)

    def changes(self, order: np.ndarray, n_lanes: int) -> np.ndarray:
        """Where one of the first lanes changes from row to row in this order: int64 (k,)."""
        differ = np.zeros(max(len(order) - 1, 0), bool)
        for ranks, values, _ in self.lanes[:n_lanes]:
            differ |= np.diff(ranks[order].astype(np.int16)) != 0
            if isinstance(values, np.ndarray):
                differ |= values[order[1:]] != values[order[:-1]]
            else:
                import pyarrow.compute as pc

                texts = values.take(array_of(order))
                differ |= booleans_of(pc.not_equal(texts[1:], texts[:-1]))
        return np.flatnonzero(differ) + 1

    def key(self, row: int) -> tuple[tuple[int, Any], ...]:
        """The key of a row, as `n_before` takes it."""
        return tuple(
            (
                int(lane.ranks[row]),
                lane.values[row]
                if isinstance(lane.values, np.ndarray)
                else str(lane.values[row].as_py()),
            )
            for lane in self.lanes
        )

    def n_before(self, key: tuple[tuple[int, Any], ...], places: np.ndarray, place: int) -> int:
        """How many of the rows, which are sorted, are before a row with that key and place.

        places: of the rows in the source, by which equal keys compare: uint64 (n,).
        """
        before = places < np.uint64(place)
        for lane, one in zip(reversed(self.lanes), reversed(key), strict=True):
            before = lane.is_before(one, before)
        return int(np.count_nonzero(before))


def _lane(array: pa.Array, descending: bool) -> Lane:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _lane(array.dictionary.take(array.indices), descending)
    valid = validity_of(array)
    ranks = np.zeros(len(array), np.uint8)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if valid is not None:
            array = array.fill_null(scalar_of("", kind))
            ranks[~valid] = _NULL
        return Lane(ranks, array, descending)
    if pa.types.is_null(kind):
        ranks[:] = _NULL
        return Lane(ranks, np.zeros(len(array), np.uint64), descending=False)
    values = _ordered_numbers(array, ranks)
    if descending:
        values = ~values
        ranks = (_LARGE - ranks).astype(np.uint8)
    if valid is not None:
        ranks[~valid] = _NULL
        values[~valid] = 0
    return Lane(ranks, values, descending=False)


def _ordered_numbers(array: pa.Array, ranks: np.ndarray) -> np.ndarray:
    """Numbers, dates and bools as uint64 (n,) in the same order; sets the ranks of large ones."""
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int32() if pa.types.is_date(array.type) else pa.int64())
    if array.null_count:
        array = array.fill_null(scalar_of(0, array.type))
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    numbers = numbers_of(array)
    if numbers.dtype.kind == "f":
        numbers = numbers.astype(np.float64) + 0.0  # there is one zero
        ranks[np.isnan(numbers)] = _LARGE
        bits = np.where(np.isnan(numbers), 0.0, numbers).view(np.uint64)
        return np.where(bits & _SIGN, ~bits, bits | _SIGN)
    if numbers.dtype == np.uint64:
        ranks[numbers >= _SIGN] = _LARGE
        return numbers ^ _SIGN
    return numbers.astype(np.int64).view(np.uint64) ^ _SIGN
