"""Records of one layout as columns of Arrow, or as a matrix of floats."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord.arrays import ArrayMaker, Values, list_places, validity
from bigdata_cli.formats.tfrecord.layout import BYTES, FLOAT, INT, VALID, feature_lists
from bigdata_cli.formats.tfrecord.plan import OPTIONAL, WANTED, RecordPlan
from bigdata_cli.formats.tfrecord.records import OK, PADDING, WRONG, Records
from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import TfrecordPlaces, TfrecordScratch, TfrecordWrong
from bigdata_cli.resources.pages import Slabs
from bigdata_cli.types.dtype import Schema, arrow_type

_NO_SLOTS = np.empty(0, np.int64)


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


@dataclass(frozen=True, kw_only=True)
class _Moves:
    """Where values go: the first of each list, from row to row, and from value to value.

    int64 (lists,) each, in values.
    """

    firsts: np.ndarray
    strides: np.ndarray
    steps: np.ndarray


class Decoder:
    """Decodes records of one layout into the wanted columns; threads may share one."""

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
        self._places = list_places(self._lists)
        self._maker = ArrayMaker([self._places[name] for name in self._made()], self._layout)
        self._schema = pa.schema(
            [(name, arrow_type(self._places[name].column.dtype)) for name in self._names]
        )
        self.n_values = int(self._sizes.sum())
        """Values of a row."""

    @property
    def n_floats(self) -> int:
        """Values of a row that are floats."""
        return int(self._sizes[self._is_float].sum())

    def block_rows(self, records: Records) -> np.ndarray:
        """The rows of each record: int64 (records,)."""
        rows = np.ones(len(records.starts), np.int64)
        if self._layout == "block":
            wrong = TfrecordWrong()
            spans = np.empty((len(self._lists), 2), np.int64)
            lib.bd_tfrecord_list_rows(
                self._plan.at, address(records.data), address(records.starts),
                address(records.ends), len(rows), address(rows), address(spans),
                ctypes.addressof(wrong),
            )  # fmt: skip
            self._raise_for(records, 0, wrong)
        return rows

    def _made(self) -> tuple[str, ...]:
        """The columns that become arrays."""
        return self._names

    def decode(
        self, records: Records, rows: np.ndarray, first: int, last: int, slabs: Slabs
    ) -> Any:
        """The columns of records [first, last), which have rows[first:last] rows."""
        n_rows = int(rows[first:last].sum())
        # Column after column, in a part of their own for floats; texts come before integers.
        firsts = np.empty(len(self._sizes), np.int64)
        for kinds in ((FLOAT,), (BYTES, INT)):
            order = np.concatenate([np.flatnonzero(self._kinds == kind) for kind in kinds])
            firsts[order] = _before(self._sizes[order] * n_rows)
        steps = np.full(len(firsts), 1 if self._layout == "block" else n_rows)
        moves = _Moves(firsts=firsts, strides=np.ones_like(steps), steps=steps)
        values = self._read(records, rows, first, last, moves, slabs)
        arrays = self._arrays(values, records, first, last)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _read(
        self,
        records: Records,
        rows: np.ndarray,
        first: int,
        last: int,
        moves: _Moves,
        slabs: Slabs,
    ) -> Values:
        part = rows[first:last]
        n_rows = int(part.sum())
        starts, ends = records.starts[first:last], records.ends[first:last]
        is_float = self._is_float
        # What is not written is not touched, and takes no memory.
        slots = np.zeros(int(self._sizes[~is_float].sum()) * n_rows, np.int64)
        absent = np.zeros((len(self._lists), last - first), np.uint8)
        fixed = self._layout != "block"
        floats = slabs.zeros(self.n_floats * n_rows, np.dtype(np.uint32))
        lengths = np.zeros_like(slots) if self._has_text else _NO_SLOTS
        absences = np.zeros(len(self._lists), np.int64)
        offsets = np.cumsum(part) - part
        places = TfrecordPlaces(
            *map(address, (moves.firsts, moves.strides, moves.steps, offsets, part)),
            *map(address, (floats, slots, lengths, absent)),
            absences=address(absences),
        )
        values = Values(
            data=records.data,
            floats=floats,
            slots=slots,
            lengths=lengths,
            absent=absent,
            absences=absences,
            firsts=moves.firsts,
            rows=part,
            n_rows=n_rows,
            places=places,
        )
        n_mask = int((ends - starts).max(initial=0)) + PADDING if fixed else 0
        mask = np.empty(n_mask, np.uint8)
        spans, value_places, room = (
            np.empty((len(self._lists), width), np.int64) for width in (2, 2, 7)
        )
        scratch = TfrecordScratch(
            spans=address(spans),
            places=address(value_places),
            moves=address(room),
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

    def _arrays(self, values: Values, records: Records, first: int, last: int) -> list[pa.Array]:
        """The columns of `_made`; VerificationError where they are wrong."""
        try:
            return self._maker.arrays(values)
        except VerificationError as error:
            number = records.first + first
            span = f"{records.path}, records from {number:,} to {number + last - first - 1:,}"
            raise VerificationError(f"{span}: {error.message}", hint=error.hint) from error

    def _raise_for(self, records: Records, first: int, wrong: TfrecordWrong) -> None:
        if wrong.status != OK:
            what = f'the feature "{self._lists[wrong.list].key}" {WRONG[wrong.status]}'
            raise records.error(first + wrong.record, what)


class FloatDecoder(Decoder):
    """Decodes float columns into a matrix, beside a column that is a label."""

    def __init__(
        self, schema: Schema, options: StorageOptions, features: Sequence[str], label: str
    ) -> None:
        self._label = label
        super().__init__(schema, options, [*features, label])
        self._features = tuple(features)
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

    def _made(self) -> tuple[str, ...]:
        return (self._label,)

    def decode(
        self, records: Records, rows: np.ndarray, first: int, last: int, slabs: Slabs
    ) -> Any:
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
        moves = _Moves(firsts=firsts, strides=strides, steps=np.where(in_matrix, step, 1))
        values = self._read(records, rows, first, last, moves, slabs)
        X = values.floats[:n_matrix].view(np.float32).reshape(n_rows, self._width)
        for place, name in enumerate(self._features):
            valid = validity(self._places[name], values, self._layout)
            if valid is not None:
                X[~valid, place] = np.nan
        (label,) = self._arrays(values, records, first, last)
        return FloatRows(X=X if self._chosen is None else X[:, self._chosen], label=label)


def _before(sizes: np.ndarray) -> np.ndarray:
    return np.cumsum(sizes) - sizes
