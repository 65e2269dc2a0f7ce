"""Arrow columns of the values that were decoded from TFRecord.

Columns of one Arrow type are parts of one array, so that a table of thousands of columns takes
little Python for each.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.tfrecord.layout import BYTES, FLOAT, VALID, FeatureList
from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import TfrecordPlaces
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, arrow_type, integer_range

_NEVER, _ABSENT, _LISTED, _NAN = range(4)
"""What says that a value is null, as the C library has it."""
_BOOL, _INT64, _FLOAT32, _FLOAT64, _TEXT = 0, 7, 9, 10, 11
"""Types of columns in the C library that differ in how they are made; others are as int64."""
_ARRAY = np.dtype(
    [
        ("type", "i4"),
        ("nulls_by", "i4"),
        ("list", "i4"),
        ("number", "i4"),
        ("valid_list", "i4"),
        ("width", "i4"),
        ("low", "i8"),
        ("high", "i8"),
        ("first", "i8"),
        ("values", "u8"),
        ("bitmap", "u8"),
        ("nulls", "i8"),
    ]
)
_INT64_RANGE = (-(2**63), 2**63 - 1)


@dataclass(frozen=True, kw_only=True)
class Values:
    """What was decoded of `n_rows` rows, as `struct bd_tfrecord_places` has it.

    floats: uint32, slots, lengths: int64. firsts: int64 (lists,), where the first value of each
    list lies. absent: uint8 (lists, records), absences: int64 (lists,). rows: int64 (records,).
    """

    data: np.ndarray
    floats: np.ndarray
    slots: np.ndarray
    lengths: np.ndarray
    absent: np.ndarray
    absences: np.ndarray
    firsts: np.ndarray
    rows: np.ndarray
    n_rows: int
    places: TfrecordPlaces


class ListPlace(NamedTuple):
    """Where a column is: its list, its number in it, and the list of its validity, or -1."""

    column: Column
    kind: int
    list_index: int
    number: int
    valid_list: int


def list_places(lists: Sequence[FeatureList]) -> dict[str, ListPlace]:
    """The place of each column, by its name."""
    valid_lists = {
        column.name: list_index
        for list_index, entry in enumerate(lists)
        if entry.kind == VALID
        for column in entry.columns
    }
    return {
        column.name: ListPlace(
            column, entry.kind, list_index, number, valid_lists.get(column.name, -1)
        )
        for list_index, entry in enumerate(lists)
        if entry.kind != VALID
        for number, column in enumerate(entry.columns)
    }


class ArrayMaker:
    """Makes the arrays of some columns, in their order."""

    def __init__(self, columns: Sequence[ListPlace], layout: str) -> None:
        self._columns = tuple(columns)
        types = [_made_as(place) for place in columns]
        self._types = tuple(dict.fromkeys(types))
        """The Arrow types that arrays are made of; columns are parts of them."""
        number = {made: k for k, made in enumerate(self._types)}
        self._group = [number[made] for made in types]
        self._members = [
            np.flatnonzero(np.array(self._group) == k) for k in range(len(self._types))
        ]
        self._array = np.zeros(len(columns), _ARRAY)
        for name, values in _described(columns, types, layout).items():
            self._array[name] = values
        self._unfinished = [
            k
            for k, place in enumerate(columns)
            if place.kind == BYTES or place.column.kind in (Kind.NULL, Kind.CATEGORY)
        ]
        self._vocabularies = {
            k: text_array(place.column.vocabulary or ())
            for k, place in enumerate(columns)
            if place.column.kind is Kind.CATEGORY
        }

    def arrays(self, values: Values) -> list[pa.Array]:
        """The columns; VerificationError where they are not what the schema says."""
        described = self._array.copy()
        rooms = []
        for made, mine in zip(self._types, self._members, strict=True):
            rooms.append(room := _room(made, described[mine], values))
            described["first"][mine] = room.firsts
            described["values"][mine] = address(room.values)
            described["bitmap"][mine] = address(room.bitmap)
        scratch = np.empty(values.n_rows, np.uint8)
        wrong = lib.bd_tfrecord_arrays(
            address(described), len(described), ctypes.addressof(values.places),
            len(values.rows), values.n_rows, address(scratch),
        )  # fmt: skip
        if wrong >= 0:
            raise self._beyond(int(wrong), values)
        wholes = []
        for made, mine, room in zip(self._types, self._members, rooms, strict=True):
            bitmap = pa.py_buffer(room.bitmap) if described["nulls"][mine].any() else None
            if made == pa.string():
                wholes.append(_texts(values, room, bitmap))
            else:
                buffers = [bitmap, pa.py_buffer(room.values)]
                wholes.append(pa.Array.from_buffers(made, room.n_values, buffers))
        firsts, n_rows = described["first"].tolist(), values.n_rows
        arrays = [
            wholes[group].slice(first, n_rows)
            for group, first in zip(self._group, firsts, strict=True)
        ]
        for k in self._unfinished:
            arrays[k] = self._finished(k, arrays[k])
        return arrays

    def _finished(self, k: int, array: pa.Array) -> pa.Array:
        """A column that is more than its part of an array."""
        column = self._columns[k].column
        kind = column.kind
        if kind is Kind.NULL:
            return pa.nulls(len(array), pa.bool_())
        if kind is Kind.CATEGORY:
            vocabulary = self._vocabularies[k]
            if self._columns[k].kind != BYTES:
                return pa.DictionaryArray.from_arrays(array, vocabulary)
            return _categories(_checked(array, column), vocabulary, column)
        array = _checked(array, column)
        if kind is Kind.TEXT:
            return array if array.type == pa.string() else array.cast(pa.string())
        try:
            return array.cast(arrow_type(column.dtype))
        except pa.ArrowInvalid as error:
            raise VerificationError(
                f'column "{column.name}" is not {column.dtype}: {error}'
            ) from error

    def _beyond(self, k: int, values: Values) -> VerificationError:
        place, column = self._columns[k], self._columns[k].column
        if column.kind is Kind.DATE:
            return VerificationError(f'column "{column.name}" has a date that is out of range')
        if column.kind is not Kind.CATEGORY:
            return VerificationError(f'column "{column.name}" has a value beyond {column.dtype}')
        at = int(values.firsts[place.list_index]) + place.number * values.n_rows
        codes = values.slots[at : at + values.n_rows]
        return VerificationError(
            f'column "{column.name}" has the code {codes.max()}, and its vocabulary '
            f"has {column.n_values} values"
        )


def _made_as(place: ListPlace) -> pa.DataType:
    """The Arrow type of the array that a column is part of."""
    if place.kind == BYTES:
        return pa.string()
    return pa.int32() if place.column.kind is Kind.CATEGORY else arrow_type(place.column.dtype)


def _described(
    columns: Sequence[ListPlace], types: Sequence[pa.DataType], layout: str
) -> dict[str, list[int]]:
    """What does not change of `struct bd_tfrecord_array`, by the names of its fields."""
    rows = [_of_column(place, made, layout) for place, made in zip(columns, types, strict=True)]
    names = ("type", "width", "low", "high", "nulls_by", "list", "number", "valid_list")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _of_column(place: ListPlace, made: pa.DataType, layout: str) -> tuple[int, ...]:
    kind = place.column.kind
    width = 0 if kind is Kind.BOOL or kind is Kind.NULL or place.kind == BYTES else made.bit_width
    low, high = _INT64_RANGE
    if place.kind == BYTES:
        type_ = _TEXT
    elif place.kind == FLOAT:
        type_ = _FLOAT32 if width == 32 else _FLOAT64
    else:
        type_ = _BOOL if width == 0 else _INT64
        if kind is Kind.BOOL:
            low, high = 0, 1
        elif kind is Kind.INT:
            low, high = integer_range(place.column.dtype)
        elif kind is Kind.DATE:
            low, high = integer_range("int32")
        elif kind is Kind.CATEGORY:
            low, high = 0, max(0, place.column.n_values - 1)
    nulls_by = _NEVER
    if place.valid_list >= 0:
        nulls_by = _LISTED
    elif layout == "rows":
        nulls_by = _ABSENT
    elif layout == "packed" and place.kind == FLOAT:
        nulls_by = _NAN
    valid_list = max(0, place.valid_list)
    return type_, width // 8, low, high, nulls_by, place.list_index, place.number, valid_list


@dataclass(frozen=True, kw_only=True)
class _Room:
    """Where the columns of one type go: firsts: int64 (columns,), values, bitmap: uint8.

    at: where they begin in `Values.floats` or `.slots`, of what stays there.
    """

    firsts: np.ndarray
    n_values: int
    values: np.ndarray
    bitmap: np.ndarray
    at: int = 0


def _room(made: pa.DataType, described: np.ndarray, values: Values) -> _Room:
    """Room for columns; float32 and the places of texts stay where they were decoded to."""
    n_rows = values.n_rows
    if made in (pa.string(), pa.float32()):
        decoded = values.firsts[described["list"]] + described["number"] * n_rows
        at = int(decoded.min())
        firsts, stop = decoded - at, int(decoded.max()) + n_rows
        own = values.slots[:0] if made == pa.string() else values.floats[at:stop]
    else:
        at = 0
        firsts, stop = np.arange(len(described)) * n_rows, len(described) * n_rows
        n_bytes = -(-stop * made.bit_width // 8) + 1
        own = np.zeros(n_bytes, np.uint8) if made == pa.bool_() else np.empty(n_bytes, np.uint8)
    return _Room(
        firsts=firsts,
        n_values=stop - at,
        values=own,
        bitmap=np.zeros((stop - at) // 8 + 1, np.uint8),
        at=at,
    )


def _texts(values: Values, room: _Room, bitmap: pa.Buffer | None) -> pa.Array:
    """All texts, as string or large_string; they need not be UTF-8."""
    n_values = room.n_values
    where = slice(room.at, room.at + n_values)
    starts, lengths = values.slots[where], values.lengths[where]
    offsets = np.empty(n_values + 1, np.int64)
    size = lib.bd_text_offsets(address(lengths), n_values, address(offsets))
    content = np.empty(size, np.uint8)
    lib.bd_gather_text(
        address(values.data), address(starts), address(offsets), n_values, address(content)
    )
    is_small = size < 2**31
    buffers = [
        bitmap,
        pa.py_buffer(offsets.astype(np.int32) if is_small else offsets),
        pa.py_buffer(content),
    ]
    made = pa.string() if is_small else pa.large_string()
    return pa.Array.from_buffers(made, n_values, buffers)


def validity(place: ListPlace, values: Values, layout: str) -> np.ndarray | None:
    """Which rows have a value, bool (rows,), as far as lists tell; None where all have."""
    if place.valid_list >= 0:
        absences = values.absences[place.valid_list]
        if absences == len(values.rows):
            return None
        at = int(values.firsts[place.valid_list]) + place.number * values.n_rows
        valid = values.slots[at : at + values.n_rows] != 0
        if absences:
            valid |= np.repeat(values.absent[place.valid_list] != 0, values.rows)
    elif layout == "rows" and values.absences[place.list_index]:
        valid = values.absent[place.list_index] == 0
    else:
        return None
    return None if valid.all() else valid


def _checked(array: pa.Array, column: Column) -> pa.Array:
    """The texts, which are UTF-8."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise VerificationError(f'column "{column.name}" is not UTF-8 text: {error}') from error
    return array


def _categories(texts: pa.Array, vocabulary: pa.Array, column: Column) -> pa.Array:
    codes = pc.index_in(texts, value_set=vocabulary.cast(texts.type))
    if codes.null_count != texts.null_count:
        raise VerificationError(f'column "{column.name}" has a value that is not in its vocabulary')
    return pa.DictionaryArray.from_arrays(codes, vocabulary)
