"""The records of TFRecord files, a few megabytes at a time: where they begin, and how many rows."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bigdata_cli.errors import VerificationError
from bigdata_cli.io.store import ByteSource, FileStat, StoredFile
from bigdata_cli.native.library import address, lib
from bigdata_cli.resources.pages import pages, zeros

OK, MORE, LENGTH_CRC, DATA_CRC = 0, 1, 2, 3
"""What the C library says of a record, ..."""
NOT_A_MESSAGE, WRONG_KIND, WRONG_COUNT, MISSING, UNEQUAL = -1, -2, -3, -4, -5
"""... and what is wrong with an Example."""
PADDING = 64
"""Readable bytes after the end of records."""
_FRAMING_BYTES = 16
PIECE_BYTES = 4 << 20
_STEP_RECORDS = 1_024
"""Of so many records one place is kept, to begin to read at."""
_MAX_RECORD_BYTES = 1 << 31
"""What a protobuf message can have."""
WRONG = {
    NOT_A_MESSAGE: "is not a valid protobuf message",
    WRONG_KIND: "has another kind of list",
    WRONG_COUNT: "has another number of values than the schema says",
    MISSING: "is not in the record",
    UNEQUAL: "has another number of values than the lists before it",
}
"""What is said of a feature."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """Whole records in a buffer: starts and ends, int64 (records,), of their Examples.

    first: the number of the first of them in the file. offset: the byte of the file (after
    decompression) that is the buffer's first. The arrays are used again for the next records.
    """

    path: StoredFile
    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    first: int
    offset: int

    def keys(self, record: int) -> list[bytes]:
        """The keys of an Example, none where it is damaged."""
        start, end = int(self.starts[record]), int(self.ends[record])
        places = np.empty(((end - start) // 2 + 1, 2), np.int64)
        n_keys = lib.bd_tfrecord_keys(address(self.data), start, end, address(places))
        return [self.data[a:b].tobytes() for a, b in places[:n_keys].tolist()]

    def error(self, record: int, what: str) -> VerificationError:
        """The error for one of the records."""
        at = int(self.starts[record]) - 12 + self.offset
        return _damaged(self.path, self.first + record, at, what)


def _damaged(path: StoredFile, record: int, byte: int, what: str) -> VerificationError:
    return VerificationError(
        f"{path}, record {record:,} at byte {byte:,}: {what}",
        hint="the file is damaged: bigdata convert … --force writes the dataset again",
    )


def _open(path: StoredFile) -> ByteSource:
    try:
        return path.open()
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror or error}") from error


def read_records(
    path: StoredFile,
    max_records: int,
    *,
    at: RecordPlace | None = None,
    stop: int | None = None,
    all_crcs: bool = True,
    piece_bytes: int = PIECE_BYTES,
) -> Iterator[Records]:
    """The records of a file from `at` (its start) on, at most `max_records` at a time.

    piece_bytes: of the file that are read at a time, where no record is longer. stop: the byte
    after the last record that is read, None for all. Raises VerificationError for a wrong CRC (of
    lengths only, where not `all_crcs`), a record that is truncated, a damaged gzip member.
    """
    buffer = zeros(piece_bytes)
    most = min(max_records, piece_bytes // _FRAMING_BYTES)
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    max_bytes = sys.maxsize if stop is None else stop
    filled = 0
    at_status = np.zeros(2, np.int64)  # where the next record begins, what is said of it
    offset, n_records = (at.byte, at.record) if at is not None else (0, 0)
    with _open(path) as source:
        file = gzip.GzipFile(fileobj=source) if path.name.endswith(".gz") else source
        file.seek(offset)
        while True:
            room = memoryview(buffer)[filled : min(len(buffer) - PADDING, max_bytes - offset)]
            try:
                n_read = (file.readinto(room) or 0) if len(room) else 0
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise _damaged(path, n_records, offset + filled, f"gzip: {error}") from error
            except OSError as error:
                raise VerificationError(f"{path} cannot be read: {error}") from error
            filled += n_read
            status = OK
            while status == OK:
                found = lib.bd_tfrecord_scan(
                    address(buffer), filled, address(at_status), all_crcs, address(starts),
                    address(ends), most, address(at_status) + 8,
                )  # fmt: skip
                start, status = at_status.tolist()
                if found:
                    yield Records(
                        path=path, data=buffer, starts=starts[:found], ends=ends[:found],
                        first=n_records, offset=offset,
                    )  # fmt: skip
                n_records += found
            if status != MORE:
                part = "length" if status == LENGTH_CRC else "data"
                raise _damaged(path, n_records, offset + start, f"the CRC of its {part} is wrong")
            rest = filled - start
            if not (n_read or rest):
                return
            if not n_read or rest > _MAX_RECORD_BYTES:
                what = f"it is truncated after {rest:,} bytes"
                if n_read:
                    what = f"it claims to be longer than {_MAX_RECORD_BYTES:,} bytes"
                raise _damaged(path, n_records, offset + start, what)
            buffer, offset, filled = _with_room(buffer, start, filled), offset + start, rest
            at_status[0] = 0


def _with_room(buffer: np.ndarray, start: int, filled: int) -> np.ndarray:
    """The bytes from start to filled at the beginning of a buffer, with room after them.

    A record may claim any length, so the buffer only grows as bytes really come.
    """
    rest = filled - start
    is_crowded = 2 * rest > len(buffer)
    if is_crowded or start:
        target = pages(2 * len(buffer)) if is_crowded else buffer
        target[:rest] = buffer[start:filled].copy()
        return target
    return buffer


@dataclass(frozen=True, kw_only=True)
class RecordPlace:
    """Where a record begins: the byte of the file, its number, and the row that is its first."""

    byte: int
    record: int
    row: int


def places_of(path: StoredFile, layout: str, rows: range) -> tuple[RecordPlace, int | None]:
    """Where to begin to read some rows, at a record or shortly before it, and the byte to end at.

    None is the end of the file.
    """
    if rows.start == 0 or path.name.endswith(".gz"):
        return RecordPlace(byte=0, record=0, row=0), None
    try:
        known = path.stat()
    except OSError as error:
        raise VerificationError(f"{path} cannot be read: {error.strerror or error}") from error
    places = _record_places(path, known, layout)
    found = max(0, int(np.searchsorted(places[:, 2], rows.start, side="right")) - 1)
    byte, record, first = places[found].tolist()
    last = int(np.searchsorted(places[:, 2], rows.stop, side="left"))
    stop = int(places[last, 0]) if last < len(places) else None
    return RecordPlace(byte=byte, record=record, row=first), stop


@lru_cache(maxsize=512)
def _record_places(path: StoredFile, known: FileStat, layout: str) -> np.ndarray:
    """Where every _STEP_RECORDS-th record of a file begins: int64 (n, 3), as in RecordPlace.

    Records are stepped over by their lengths. `known` tells a file from another one that had its
    name.
    """
    step = 1 if layout == "block" else _STEP_RECORDS
    found = [np.zeros((1, 3), np.int64)]
    row = 0
    for records in read_records(path, 1 << 16, all_crcs=False):
        if layout == "block":
            rows = _block_rows(records, first_only=True)
        else:
            rows = np.ones(len(records.starts), np.int64)
        numbers = records.first + np.arange(len(rows))
        places = np.stack(
            [records.starts - 12 + records.offset, numbers, row + np.cumsum(rows) - rows], axis=1
        )
        found.append(places[numbers % step == 0])
        row += int(rows.sum())
    return np.concatenate(found)


def count_rows(path: StoredFile, layout: str) -> int:
    """The rows of a file; every CRC is checked, and the lists of a block have equal lengths."""
    rows = 0
    for records in read_records(path, 1 << 16):
        if layout != "block":
            rows += len(records.starts)
            continue
        rows += int(_block_rows(records, first_only=False).sum())
    return rows


def _block_rows(records: Records, *, first_only: bool) -> np.ndarray:
    """The rows of each record of lists of equal length, int64; of some, the first list tells."""
    rows = np.empty(len(records.starts), np.int64)
    record = np.zeros(1, np.int64)
    status = lib.bd_tfrecord_count_rows(
        address(records.data), address(records.starts), address(records.ends), len(rows),
        first_only, address(rows), address(record),
    )  # fmt: skip
    if status != OK:
        raise records.error(int(record[0]), f"a feature {WRONG[status]}")
    return rows
