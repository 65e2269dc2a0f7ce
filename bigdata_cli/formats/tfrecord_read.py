"""TFRecord files back as Arrow record batches, a few megabytes at a time."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats import tfrecord_decode as decode
from bigdata_cli.formats.arrays import arrow_column, arrow_text
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord_layout import FeatureList, feature_lists
from bigdata_cli.formats.tfrecord_wire import BYTES, FLOAT, INT, SLACK, VALID, pack_bytes
from bigdata_cli.schema.buffers import array_of, text_array
from bigdata_cli.schema.dtype import Column, Kind, Schema, arrow_type, integer_range

_PIECE_BYTES = 4 << 20
_STEP_RECORDS = 1_024
"""Of so many records one place is kept, to begin to read at."""
_MAX_RECORD_BYTES = 1 << 31
"""What a protobuf message can have."""
_MAX_VALUES = 1 << 21
"""Values that are decoded at a time, where a single record does not have more."""
_WRONG = {
    decode.NOT_A_MESSAGE: "is not a valid protobuf message",
    decode.WRONG_KIND: "has another kind of list",
    decode.WRONG_COUNT: "has another number of values than the schema says",
    decode.MISSING: "is not in the record",
    decode.UNEQUAL: "has another number of values than the lists before it",
}


@dataclass(frozen=True, kw_only=True)
class _Records:
    """Whole records in a buffer: starts and ends, int64 (records,), of their Examples.

    first: the number of the first of them in the file. offset: the byte of the file (after
    decompression) that is the buffer's first. The buffer is used again for the next records.
    """

    path: Path
    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    first: int
    offset: int

    def error(self, record: int, what: str) -> VerificationError:
        """The error for one of the records."""
        at = int(self.starts[record]) - 12 + self.offset
        return _damaged(self.path, self.first + record, at, what)


def _damaged(path: Path, record: int, byte: int, what: str) -> VerificationError:
    return VerificationError(
        f"{path}, record {record:,} at byte {byte:,}: {what}",
        hint="the file is damaged: bigdata convert … --force writes the dataset again",
    )


def _open(path: Path) -> FileIO | gzip.GzipFile:
    try:
        if path.name.endswith(".gz"):
            return gzip.GzipFile(path, "rb")
        return path.open("rb", buffering=0)
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_records(
    path: Path, max_records: int, *, at: RecordPlace | None = None, all_crcs: bool = True
) -> Iterator[_Records]:
    """The records of a file from `at` (its start) on, at most `max_records` at a time.

    Raises VerificationError for a wrong CRC (of lengths only, where not `all_crcs`), a record that
    is cut off, a damaged gzip member.
    """
    buffer = np.empty(_PIECE_BYTES + SLACK, np.uint8)
    start = filled = 0
    offset, n_records = (at.byte, at.record) if at is not None else (0, 0)
    with _open(path) as file:
        if offset:
            file.seek(offset)
        while True:
            try:
                n_read = file.readinto(memoryview(buffer)[filled:-SLACK])
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise _damaged(path, n_records, offset + filled, f"gzip: {error}") from error
            except OSError as error:
                raise VerificationError(f"{path} cannot be read: {error}") from error
            filled += n_read
            status = decode.OK
            while status == decode.OK:
                starts, ends, start, status = decode.scan_records(
                    buffer, start, filled, max_records, all_crcs
                )
                if len(starts):
                    yield _Records(
                        path=path, data=buffer, starts=starts, ends=ends, first=n_records,
                        offset=offset,
                    )  # fmt: skip
                n_records += len(starts)
            if status != decode.MORE:
                part = "length" if status == decode.LENGTH_CRC else "data"
                raise _damaged(path, n_records, offset + start, f"the CRC of its {part} is wrong")
            if n_read == 0 and filled == start:
                return
            if n_read == 0:
                what = f"it is cut off after {filled - start:,} bytes"
                raise _damaged(path, n_records, offset + start, what)
            rest = filled - start
            # A record may claim any length, so the buffer only grows as bytes really come.
            crowded = 2 * rest > len(buffer)
            if rest > _MAX_RECORD_BYTES:
                what = f"it claims to be longer than {_MAX_RECORD_BYTES:,} bytes"
                raise _damaged(path, n_records, offset + start, what)
            if crowded or start:
                target = np.empty(2 * len(buffer), np.uint8) if crowded else buffer
                target[:rest] = buffer[start:filled].copy()
                buffer, offset, start, filled = target, offset + start, 0, rest


@dataclass(frozen=True, kw_only=True)
class RecordPlace:
    """Where a record begins: the byte of the file, its number, and the row that is its first."""

    byte: int
    record: int
    row: int


def _place_of(path: Path, layout: str, row: int) -> RecordPlace:
    """A record at or shortly before the one with a row, to begin to read at."""
    if row == 0 or path.name.endswith(".gz"):
        return RecordPlace(byte=0, record=0, row=0)
    try:
        known = path.stat()
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror or error}") from error
    places = _record_places(path, known.st_size, known.st_mtime_ns, layout)
    found = max(0, int(np.searchsorted(places[:, 2], row, side="right")) - 1)
    byte, record, first = places[found].tolist()
    return RecordPlace(byte=byte, record=record, row=first)


@lru_cache(maxsize=512)
def _record_places(path: Path, n_bytes: int, mtime_ns: int, layout: str) -> np.ndarray:
    """Where every _STEP_RECORDS-th record of a file begins: int64 (n, 3), as in RecordPlace.

    Records are stepped over by their lengths. `n_bytes` and `mtime_ns` tell a file from another
    one that had its name.
    """
    step = 1 if layout == "block" else _STEP_RECORDS
    found = [np.zeros((1, 3), np.int64)]
    row = 0
    for records in _read_records(path, 1 << 16, all_crcs=False):
        rows = np.ones(len(records.starts), np.int64)
        if layout == "block":
            status, record = decode.count_first_lists(
                records.data, records.starts, records.ends, rows
            )
            if status != decode.OK:
                raise records.error(record, f"a feature {_WRONG[status]}")
        numbers = records.first + np.arange(len(rows))
        places = np.stack(
            [records.starts - 12 + records.offset, numbers, row + np.cumsum(rows) - rows], axis=1
        )
        found.append(places[numbers % step == 0])
        row += int(rows.sum())
    return np.concatenate(found)


def count_rows(path: Path, layout: str) -> int:
    """The rows of a file; every CRC is checked, and the lists of a block have equal lengths."""
    rows = 0
    for records in _read_records(path, 1 << 16):
        if layout != "block":
            rows += len(records.starts)
            continue
        more, status, record = decode.count_rows_of_blocks(
            records.data, records.starts, records.ends
        )
        if status != decode.OK:
            raise records.error(record, f"a feature {_WRONG[status]}")
        rows += more
    return rows


def check_first_records(path: Path, schema: Schema, options: StorageOptions) -> None:
    """Raise VerificationError where the first records do not have the features of the schema."""
    known = {entry.key.encode() for entry in feature_lists(schema, options)}
    for records in _read_records(path, 1):
        keys = decode.find_keys(records.data, records.starts[0], records.ends[0])
        for start, end in keys.tolist():
            key = records.data[start:end].tobytes()
            if key not in known:
                what = f'the feature "{key.decode("utf-8", "replace")}" is of no column'
                raise records.error(0, what)
        break
    next(read_batches(path, schema, options, columns=schema.names, max_rows=1), None)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a column's values and validity are: rows of the slots, or a list's presence."""

    column: Column
    kind: int
    slot_row: int
    valid_row: int | None
    list_index: int


class _Decoder:
    """Decodes records of one layout into the wanted columns."""

    def __init__(self, schema: Schema, options: StorageOptions, columns: Sequence[str]) -> None:
        self._layout = options.layout
        self._names = tuple(columns)
        for name in self._names:
            schema[name]
        wanted = set(self._names)
        self._lists = tuple(
            entry
            for entry in feature_lists(schema, options)
            if wanted.intersection(column.name for column in entry.columns)
        )
        self._keys, self._key_ends = pack_bytes([entry.key.encode() for entry in self._lists])
        self._kinds = np.array(
            [INT if entry.kind == VALID else entry.kind for entry in self._lists], np.uint8
        )
        in_blocks = self._layout == "block"
        self._counts = np.array(
            [0 if in_blocks else len(entry.columns) for entry in self._lists], np.int64
        )
        self._optional = np.array(
            [entry.kind == VALID or self._layout == "rows" for entry in self._lists], np.uint8
        )
        sizes = [len(entry.columns) for entry in self._lists]
        ends = np.cumsum([0, *sizes], dtype=np.int64)
        self._first_rows, self.n_slot_rows = ends[:-1], int(ends[-1])
        self._places = {
            place.column.name: place for place in _places(self._lists, self._first_rows)
        }

    def block_rows(self, records: _Records) -> np.ndarray:
        """The rows of each record: int64 (records,)."""
        rows = np.ones(len(records.starts), np.int64)
        if self._layout == "block":
            result = decode.count_lists(
                records.data, records.starts, records.ends, self._keys, self._key_ends,
                self._kinds, self._optional, rows,
            )  # fmt: skip
            self._raise_for(records, 0, *result)
        return rows

    def decode(self, records: _Records, rows: np.ndarray, first: int, last: int) -> pa.RecordBatch:
        """The columns of records [first, last), which have rows[first:last] rows."""
        part = rows[first:last]
        n_rows = int(part.sum())
        slots = np.ones((self.n_slot_rows, n_rows), np.int64)
        has_texts = bool((self._kinds == BYTES).any())
        lengths = np.zeros(slots.shape if has_texts else (1, 1), np.int64)
        present = np.zeros((len(self._lists), last - first), np.uint8)
        result = decode.decode_records(
            records.data, records.starts[first:last], records.ends[first:last],
            self._keys, self._key_ends, self._kinds, self._counts, self._optional,
            np.cumsum(part) - part, part, 1 if self._layout == "block" else n_rows,
            self._first_rows * n_rows,
            slots.reshape(-1), lengths.reshape(-1), present, self._layout == "rows",
        )  # fmt: skip
        self._raise_for(records, first, *result)
        arrays = []
        try:
            for name in self._names:
                place = self._places[name]
                valid = self._validity(place, slots, present)
                row = place.slot_row
                if place.kind == BYTES:
                    arrays.append(
                        _texts(records.data, slots[row], lengths[row], valid, place.column)
                    )
                else:
                    arrays.append(_numbers(slots[row], valid, place, self._layout))
        except VerificationError as error:
            number = records.first + first
            where = f"{records.path}, records from {number:,} to {number + last - first - 1:,}"
            raise VerificationError(f"{where}: {error.message}", hint=error.hint) from error
        return pa.RecordBatch.from_arrays(arrays, names=list(self._names))

    def _validity(self, place: _Place, slots: np.ndarray, present: np.ndarray) -> np.ndarray | None:
        if place.valid_row is not None:
            valid = slots[place.valid_row] != 0
        elif self._layout == "rows":
            valid = present[place.list_index].astype(bool)
        else:
            return None
        return None if valid.all() else valid

    def _raise_for(
        self, records: _Records, first: int, status: int, record: int, list_index: int
    ) -> None:
        if status != decode.OK:
            what = f'the feature "{self._lists[list_index].key}" {_WRONG[status]}'
            raise records.error(first + record, what)


def _places(lists: Sequence[FeatureList], first_rows: np.ndarray) -> Iterator[_Place]:
    valid_rows = {
        column.name: int(first) + k
        for entry, first in zip(lists, first_rows, strict=True)
        if entry.kind == VALID
        for k, column in enumerate(entry.columns)
    }
    for list_index, entry in enumerate(lists):
        if entry.kind != VALID:
            for k, column in enumerate(entry.columns):
                yield _Place(
                    column=column,
                    kind=entry.kind,
                    slot_row=int(first_rows[list_index]) + k,
                    valid_row=valid_rows.get(column.name),
                    list_index=list_index,
                )


def _texts(
    data: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    valid: np.ndarray | None,
    column: Column,
) -> pa.Array:
    everywhere = np.ones(len(starts), bool) if valid is None else valid
    offsets, content = decode.gather_text(data, starts, lengths, everywhere)
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


def _numbers(slots: np.ndarray, valid: np.ndarray | None, place: _Place, layout: str) -> pa.Array:
    column = place.column
    if place.kind == FLOAT:
        values = slots.astype(np.uint32).view(np.float32)
        if layout == "packed":
            valid = ~np.isnan(values)
            valid = None if valid.all() else valid
        return array_of(values.astype(column.dtype, copy=False), valid)
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
    decoder = _Decoder(schema, options, columns)
    most = max(1, min(max_rows, _MAX_VALUES // max(1, decoder.n_slot_rows)))
    place = None
    if rows is not None:
        if not rows:
            return
        place = _place_of(path, options.layout, rows.start)
    row = 0 if place is None else place.row
    stop = math.inf if rows is None else rows.stop
    for records in _read_records(path, most, at=place):
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
