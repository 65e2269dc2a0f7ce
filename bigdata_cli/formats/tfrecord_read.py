"""TFRecord files back as Arrow record batches, or as a matrix of floats."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.arrays import arrow_column, arrow_text
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord_layout import (
    BYTES,
    FLOAT,
    INT,
    VALID,
    FeatureList,
    feature_lists,
)
from bigdata_cli.formats.tfrecord_plan import OPTIONAL, WANTED, RecordPlan
from bigdata_cli.formats.tfrecord_records import (
    OK,
    PADDING,
    WRONG,
    Records,
    places_of,
    read_records,
)
from bigdata_cli.native.library import (
    TfrecordPlaces,
    TfrecordScratch,
    TfrecordWrong,
    address,
    lib,
)
from bigdata_cli.resources.pages import Slabs
from bigdata_cli.schema.buffers import array_of, text_array
from bigdata_cli.schema.dtype import Column, Kind, Schema, arrow_type, integer_range

_SLAB_BYTES = 4 << 20
_NO_SLOTS = np.empty(0, np.int64)
_MAX_VALUES = 1 << 21
"""Values that are decoded at a time, where a single record does not have more."""


def check_first_records(path: Path, schema: Schema, options: StorageOptions) -> None:
    """Raise VerificationError where the first records do not have the features of the schema."""
    known = {entry.key.encode() for entry in feature_lists(schema, options)}
    for records in read_records(path, 1):
        for key in records.keys(0):
            if key not in known:
                what = f'the feature "{key.decode("utf-8", "replace")}" is of no column'
                raise records.error(0, what)
        break
    next(read_batches(path, schema, options, columns=schema.names, max_rows=1), None)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a column is: its list, its number in it, and likewise the list of its validity."""

    column: Column
    list_index: int
    number: int
    valid_list: int | None


@dataclass(frozen=True, kw_only=True)
class _Values:
    """What `decode_records` read: `floats`, `slots`, `lengths` and `absent` as it has them.

    firsts: int64 (lists,), where the first value of each list lies. rows: int64 (records,).
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


@dataclass(frozen=True, kw_only=True)
class FloatRows:
    """Rows as a matrix of floats, float32 (rows, features), and a label, an array of Arrow."""

    X: np.ndarray
    label: pa.Array

    @property
    def num_rows(self) -> int:
        return len(self.X)

    def slice(self, offset: int, length: int) -> FloatRows:
        """Some of the rows, not a copy."""
        stop = offset + length
        return FloatRows(X=self.X[offset:stop], label=self.label.slice(offset, length))


class _Decoder:
    """Decodes records of one layout into the wanted columns."""

    def __init__(self, schema: Schema, options: StorageOptions, columns: Sequence[str]) -> None:
        self._layout = options.layout
        self._names = tuple(columns)
        for name in set(self._names).difference(schema.names):
            schema[name]
        wanted = set(self._names)
        # Those that are not wanted are known too, and are stepped over quickly.
        self._lists = feature_lists(schema, options)
        self._plan = RecordPlan(schema, options, self._lists)
        is_wanted = np.array(
            [any(c.name in wanted for c in entry.columns) for entry in self._lists], bool
        )
        is_optional = np.array(
            [entry.kind == VALID or self._layout == "rows" for entry in self._lists], bool
        )
        self._plan.lists["flags"] = is_wanted * WANTED + is_optional * OPTIONAL
        kinds = self._plan.lists["kind"]
        self._kinds = np.where(kinds == VALID, INT, kinds)
        self._is_float = self._kinds == FLOAT
        self._sizes = np.where(is_wanted, self._plan.lists["count"], 0).astype(np.int64)
        self._has_text = bool((is_wanted & (self._kinds == BYTES)).any())
        if self._layout == "block":
            self._plan.lists["count"] = 0
        self._spans = np.empty((len(self._lists), 2), np.int64)
        self._value_places = np.empty((len(self._lists), 2), np.int64)
        self._slabs = Slabs(_SLAB_BYTES)
        self._places = {
            place.column.name: place
            for place in _places(self._lists)
            if is_wanted[place.list_index]
        }
        self.n_values = int(self._sizes.sum())
        """Values of a row."""
        self._moves = np.empty((self.n_values, 5), np.int64)

    def block_rows(self, records: Records) -> np.ndarray:
        """The rows of each record: int64 (records,)."""
        rows = np.ones(len(records.starts), np.int64)
        if self._layout == "block":
            wrong = TfrecordWrong()
            lib.bd_tfrecord_list_rows(
                self._plan.at, address(records.data), address(records.starts),
                address(records.ends), len(rows), address(rows), address(self._spans),
                ctypes.addressof(wrong),
            )  # fmt: skip
            self._raise_for(records, 0, wrong)
        return rows

    def decode(self, records: Records, rows: np.ndarray, first: int, last: int) -> Any:
        """The columns of records [first, last), which have rows[first:last] rows."""
        n_rows = int(rows[first:last].sum())
        # Column after column, in a part of their own for floats.
        sizes = self._sizes * n_rows
        firsts = np.where(self._is_float, _before(sizes * self._is_float), 0)
        firsts += np.where(self._is_float, 0, _before(sizes * ~self._is_float))
        steps = np.full(len(sizes), 1 if self._layout == "block" else n_rows)
        values = self._read(records, rows, first, last, firsts, np.ones_like(steps), steps)
        arrays = [self._array(name, values, records, first, last) for name in self._names]
        return pa.RecordBatch.from_arrays(arrays, names=list(self._names))

    def _read(
        self,
        records: Records,
        rows: np.ndarray,
        first: int,
        last: int,
        firsts: np.ndarray,
        strides: np.ndarray,
        steps: np.ndarray,
    ) -> _Values:
        part = rows[first:last]
        n_rows = int(part.sum())
        starts, ends = records.starts[first:last], records.ends[first:last]
        is_float = self._is_float
        # What is not written is not touched, and takes no memory.
        slots = np.zeros(int(self._sizes[~is_float].sum()) * n_rows, np.int64)
        absent = np.zeros((len(self._lists), last - first), np.uint8)
        fixed = self._layout != "block"
        values = _Values(
            data=records.data,
            floats=self._slabs.zeros(
                int(self._sizes[is_float].sum()) * n_rows, np.dtype(np.uint32)
            ),
            slots=slots,
            lengths=np.zeros_like(slots) if self._has_text else _NO_SLOTS,
            absent=absent,
            absences=np.zeros(len(self._lists), np.int64),
            firsts=firsts,
            rows=part,
            n_rows=n_rows,
        )
        offsets = np.cumsum(part) - part
        places = TfrecordPlaces(
            *map(
                address,
                (firsts, strides, steps, offsets, part, values.floats, slots, values.lengths),
            ),
            absent=address(absent),
            absences=address(values.absences),
        )
        n_mask = int((ends - starts).max(initial=0)) + PADDING if fixed else 0
        mask = np.empty(n_mask, np.uint8)
        scratch = TfrecordScratch(
            spans=address(self._spans),
            places=address(self._value_places),
            moves=address(self._moves),
            mask=address(mask),
            mask_bytes=n_mask,
        )
        wrong = TfrecordWrong()
        lib.bd_tfrecord_decode(
            self._plan.at, address(records.data), address(starts), address(ends), len(starts),
            self._layout == "rows", fixed, ctypes.addressof(places), ctypes.addressof(scratch),
            ctypes.addressof(wrong),
        )  # fmt: skip
        self._raise_for(records, first, wrong)
        return values

    def _array(
        self, name: str, values: _Values, records: Records, first: int, last: int
    ) -> pa.Array:
        """A column whose values lie one after the other; VerificationError where they are wrong."""
        place = self._places[name]
        at = int(values.firsts[place.list_index]) + place.number * values.n_rows
        where = slice(at, at + values.n_rows)
        valid = self._validity(place, values)
        try:
            if self._is_float[place.list_index]:
                floats = values.floats[where].view(np.float32)
                return _floats(floats, valid, place.column, self._layout)
            slots = values.slots[where]
            if self._kinds[place.list_index] == BYTES:
                return _texts(values.data, slots, values.lengths[where], valid, place.column)
            return _integers(slots, valid, place.column)
        except VerificationError as error:
            number = records.first + first
            span = f"{records.path}, records from {number:,} to {number + last - first - 1:,}"
            raise VerificationError(f"{span}: {error.message}", hint=error.hint) from error

    def _validity(self, place: _Place, values: _Values) -> np.ndarray | None:
        """Which rows have a value, bool (rows,), as far as lists tell; None where all have."""
        if place.valid_list is not None:
            absences = values.absences[place.valid_list]
            if absences == len(values.rows):
                return None
            at = int(values.firsts[place.valid_list]) + place.number * values.n_rows
            valid = values.slots[at : at + values.n_rows] != 0
            if absences:
                valid |= np.repeat(values.absent[place.valid_list] != 0, values.rows)
        elif self._layout == "rows" and values.absences[place.list_index]:
            valid = values.absent[place.list_index] == 0
        else:
            return None
        return None if valid.all() else valid

    def _raise_for(self, records: Records, first: int, wrong: TfrecordWrong) -> None:
        if wrong.status != OK:
            what = f'the feature "{self._lists[wrong.list].key}" {WRONG[wrong.status]}'
            raise records.error(first + wrong.record, what)


class _FloatDecoder(_Decoder):
    """Decodes float columns into a matrix, beside a column that is a label."""

    def __init__(
        self, schema: Schema, options: StorageOptions, features: Sequence[str], label: str
    ) -> None:
        super().__init__(schema, options, [*features, label])
        self._features = tuple(features)
        self._label = label
        lists = [self._places[name].list_index for name in features]
        self._feature_lists = sorted(set(lists))
        self._width = int(self._sizes[self._feature_lists].sum())
        self._numbers = np.zeros(len(self._lists), np.int64)
        """Of each list of features, the column of the matrix that its first value goes to."""
        packed = self._layout == "packed"
        if not packed:
            self._numbers[lists] = np.arange(len(lists))
        numbers = [self._places[name].number for name in features]
        self._chosen = None if not packed or numbers == list(range(self._width)) else numbers

    def decode(self, records: Records, rows: np.ndarray, first: int, last: int) -> Any:
        """The rows of records [first, last) as `FloatRows`."""
        n_rows = int(rows[first:last].sum())
        n_matrix = n_rows * self._width
        in_matrix = np.zeros(len(self._lists), bool)
        in_matrix[self._feature_lists] = True
        sizes = np.where(in_matrix, 0, self._sizes * n_rows)
        firsts = np.where(self._is_float, n_matrix, _before(np.where(self._is_float, 0, sizes)))
        firsts[in_matrix] = self._numbers[in_matrix]
        strides = np.where(in_matrix, self._width, 1)
        step = self._width if self._layout == "block" else 1
        steps = np.where(in_matrix, step, 1)
        values = self._read(records, rows, first, last, firsts, strides, steps)
        X = values.floats[:n_matrix].view(np.float32).reshape(n_rows, self._width)
        for place, name in enumerate(self._features):
            valid = self._validity(self._places[name], values)
            if valid is not None:
                X[~valid, place] = np.nan
        label = self._array(self._label, values, records, first, last)
        return FloatRows(X=X if self._chosen is None else X[:, self._chosen], label=label)


def _before(sizes: np.ndarray) -> np.ndarray:
    return np.cumsum(sizes) - sizes


def _places(lists: Sequence[FeatureList]) -> Iterator[_Place]:
    valid_lists = {
        column.name: list_index
        for list_index, entry in enumerate(lists)
        if entry.kind == VALID
        for column in entry.columns
    }
    for list_index, entry in enumerate(lists):
        if entry.kind != VALID:
            for number, column in enumerate(entry.columns):
                yield _Place(
                    column=column,
                    list_index=list_index,
                    number=number,
                    valid_list=valid_lists.get(column.name),
                )


def has_floats(
    schema: Schema, options: StorageOptions, features: Sequence[str], label: str
) -> bool:
    """Whether `read_floats` reads these columns: floats, and a label in a list of its own."""
    lists = [entry for entry in feature_lists(schema, options) if entry.kind != VALID]
    kinds = {column.name: entry.kind for entry in lists for column in entry.columns}
    alone = all(len(entry.columns) == 1 for entry in lists if schema[label] in entry.columns)
    return alone and label not in features and all(kinds[name] == FLOAT for name in features)


def _texts(
    data: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    valid: np.ndarray | None,
    column: Column,
) -> pa.Array:
    offsets = np.empty(len(starts) + 1, np.int64)
    valid_at = None if valid is None else address(valid)
    size = lib.bd_text_offsets(address(lengths), valid_at, len(starts), address(offsets))
    content = np.empty(size, np.uint8)
    lib.bd_gather_text(
        address(data), address(starts), address(offsets), len(starts), address(content)
    )
    texts = arrow_text(offsets, content, valid, column)
    if column.kind is Kind.TEXT:
        return texts
    if column.kind is Kind.CATEGORY:
        return _categories(texts, column)
    try:
        return texts.cast(arrow_type(column.dtype))
    except pa.ArrowInvalid as error:
        raise VerificationError(f'column "{column.name}" is not {column.dtype}: {error}') from error


def _categories(texts: pa.Array, column: Column) -> pa.Array:
    vocabulary = text_array(column.vocabulary or ())
    codes = pc.index_in(texts, value_set=vocabulary)
    if codes.null_count != texts.null_count:
        raise VerificationError(f'column "{column.name}" has a value that is not in its vocabulary')
    return pa.DictionaryArray.from_arrays(codes, vocabulary)


def _floats(values: np.ndarray, valid: np.ndarray | None, column: Column, layout: str) -> pa.Array:
    if layout == "packed":
        valid = ~np.isnan(values)
        valid = None if valid.all() else valid
    return array_of(values.astype(column.dtype, copy=False), valid)


def _integers(slots: np.ndarray, valid: np.ndarray | None, column: Column) -> pa.Array:
    if valid is not None:
        slots = np.where(valid, slots, 0)
    if column.kind is Kind.BOOL or column.kind is Kind.INT:
        low, high = (0, 1) if column.kind is Kind.BOOL else integer_range(column.dtype)
        if len(slots) and not (low <= int(slots.min()) and int(slots.max()) <= high):
            raise VerificationError(f'column "{column.name}" has a value beyond {column.dtype}')
        slots = slots.astype(column.dtype)
    return arrow_column(slots, valid, column)


def read_batches(
    path: Path,
    schema: Schema,
    options: StorageOptions,
    *,
    columns: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file as record batches of `columns`, at most `max_rows` each.

    rows: those that are wanted, None for all; records before them are not decoded.
    Raises VerificationError, with the number of the record and its byte, where the file or a
    record is damaged or does not hold what the schema says.
    """
    yield from _decoded(path, _Decoder(schema, options, columns), options.layout, max_rows, rows)


def read_floats(
    path: Path,
    schema: Schema,
    options: StorageOptions,
    *,
    features: Sequence[str],
    label: str,
    max_rows: int,
    rows: range | None = None,
) -> Iterator[FloatRows]:
    """The rows of a file as a matrix of `features`, NaN where there is none, and the label.

    They are what `has_floats` says can be had so; the rest is as in `read_batches`.
    """
    decoder = _FloatDecoder(schema, options, features, label)
    yield from _decoded(path, decoder, options.layout, max_rows, rows)


def _decoded(
    path: Path, decoder: _Decoder, layout: str, max_rows: int, rows: range | None
) -> Iterator[Any]:
    """What the decoder makes of the rows of a file, at most `max_rows` each."""
    most = max(1, min(max_rows, _MAX_VALUES // max(1, decoder.n_values)))
    place, end = None, None
    if rows is not None:
        if not rows:
            return
        place, end = places_of(path, layout, rows)
    row = 0 if place is None else place.row
    stop = math.inf if rows is None else rows.stop
    for records in read_records(path, most, at=place, stop=end):
        counts = decoder.block_rows(records)
        ends = row + np.cumsum(counts)
        first = 0 if rows is None else int(np.searchsorted(ends, rows.start, side="right"))
        while first < len(counts) and ends[first] - counts[first] < stop:
            # As many records as fit, and at least one.
            begin = int(ends[first] - counts[first])
            last = first + max(1, int(np.searchsorted(ends[first:], begin + most, side="right")))
            if stop < math.inf:
                last = min(last, int(np.searchsorted(ends, stop, side="left")) + 1)
            batch = decoder.decode(records, counts, first, last)
            if rows is not None:
                low = max(0, rows.start - begin)
                batch = batch.slice(low, max(0, rows.stop - begin - low))
            for start in range(0, batch.num_rows, max_rows):
                yield batch.slice(start, max_rows)
            first = last
        if len(ends):
            row = int(ends[-1])
        if row >= stop:
            return
