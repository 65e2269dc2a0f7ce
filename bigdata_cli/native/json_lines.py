"""JSON lines as records of a CSV, by the C library."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import NamedTuple

import numpy as np

from bigdata_cli.native.library import address, lib

DONE, MORE, FULL = range(3)
"""Why a call ended; any other number is what is wrong with a line: `BD_JSON_…` of json.h."""
PADDING_BYTES = 64
BAD = np.dtype([(name, np.int64) for name in ("start", "stop", "status", "at", "key")])
"""`bd_json_bad`."""
MAX_RECORDS_BYTES = 2**31 - 1
_VALUE_BYTES = 32
_BAD_AT_FIRST = 64


class _Keys(ctypes.Structure):
    """`bd_json_keys`."""

    _fields_ = (
        ("n", c_int64),
        ("names", c_void_p),
        ("ends", c_void_p),
        ("n_slots", c_int64),
        ("slots", c_void_p),
        ("is_plain", c_void_p),
    )


class _Lines(ctypes.Structure):
    """`bd_json_lines`."""

    _fields_ = (
        ("block", c_void_p),
        *((name, c_int64) for name in ("size", "stop", "at_eof", "comment")),
        *((name, c_int64) for name in ("keeps_nested", "collects")),
        ("keys", ctypes.POINTER(_Keys)),
        ("n_columns", c_int64),
        *((name, c_void_p) for name in ("columns", "wanted", "values", "has_text", "out")),
        ("out_room", c_int64),
        *((name, c_void_p) for name in ("starts", "out_starts")),
        ("max_rows", c_int64),
        ("bad", c_void_p),
        *((name, c_int64) for name in ("max_bad", "pos", "line", "out_size")),
        *((name, c_int64) for name in ("n_rows", "n_blank", "n_bad")),
    )


class JsonKeys:
    """The keys of objects, each a column: found by their bytes."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        encoded = [name.encode() for name in names]
        self._bytes = np.frombuffer(b"".join(encoded) + b"\0", np.uint8)
        self._ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        self._slots = np.empty(2 << max(3, len(encoded).bit_length()), np.int32)
        self._is_plain = np.zeros(len(encoded) + 1, np.uint8)
        self.native = _Keys(
            n=len(encoded),
            names=address(self._bytes),
            ends=address(self._ends),
            n_slots=len(self._slots),
            slots=address(self._slots),
            is_plain=address(self._is_plain),
        )
        lib.bd_json_index(ctypes.byref(self.native))


class JsonRecords(NamedTuple):
    """What became of lines.

    Attributes:
        data: The CSV records, uint8, with PADDING_BYTES line feeds after `size`.
        size: Bytes of the records.
        starts: Where each row's line begins in the block, int64 (rows,).
        record_starts: Where its record begins in `data`, int64 (rows,).
        has_text: Per column whether it has a string that cannot be a date, bool (columns,).
        bad: The lines that are wrong, BAD.
        status: Why it ended.
        position: The line in the block where it ended.
        n_blank: Blank lines.
    """

    data: np.ndarray
    size: int
    starts: np.ndarray
    record_starts: np.ndarray
    has_text: np.ndarray
    bad: np.ndarray
    status: int
    position: int
    n_blank: int


def transcribe_lines(
    block: np.ndarray,
    bounds: tuple[int, int, int],
    keys: JsonKeys,
    columns: Sequence[int],
    *,
    at_eof: bool,
    comment: int,
    keeps_nested: bool,
    collects: bool,
) -> JsonRecords:
    """The lines of block[:size] that begin in [start, stop) as CSV records.

    Args:
        block: uint8, with PADDING_BYTES after its size, the first of them a line feed.
        bounds: start, stop and size.
        keys: All keys that an object may have.
        columns: Per field of a record, after the first, which says nothing, the number of its key.
        at_eof: Whether the last line ends where the block does.
        comment: What a line that is no record begins with, or -1.
        keeps_nested: Whether objects and arrays are kept as text; they are wrong otherwise.
        collects: Whether lines that are wrong are left out; the first one ends it otherwise.

    Raises:
        MemoryError: The records of so many columns are longer than MAX_RECORDS_BYTES.
    """
    start, stop, size = bounds
    wanted = np.zeros(len(keys.names) + 1, np.uint8)
    wanted[list(columns)] = 1
    values = np.zeros((len(keys.names) + 1) * _VALUE_BYTES, np.uint8)
    has_text = np.zeros(len(keys.names) + 1, np.uint8)
    numbers = np.array(columns, np.int64)
    lines = _Lines(
        block=address(block),
        size=size,
        stop=min(stop, size),
        at_eof=at_eof,
        comment=comment,
        keeps_nested=keeps_nested,
        collects=collects,
        keys=ctypes.pointer(keys.native),
        n_columns=len(numbers),
        columns=address(numbers),
        wanted=address(wanted),
        values=address(values),
        has_text=address(has_text),
        pos=start,
    )
    outputs = _Outputs(lines)
    status = outputs.fill(lines)
    return outputs.records(lines, has_text[numbers].astype(bool), status)


class _Outputs:
    """The arrays that a call fills, which grow where they are too short."""

    def __init__(self, lines: _Lines) -> None:
        n_rows = int(lib.bd_count_line_ends(lines.block, 0, lines.size)) + 1
        self.starts, self.record_starts = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
        self.bad = np.empty(_BAD_AT_FIRST, BAD)
        # A record is shorter than its line but for a comma for each key that is missing, and for
        # what is doubled: quotes within text.
        room = lines.size + (lines.n_columns + 2) * n_rows + (1 << 12)
        self.data = np.empty(min(room, MAX_RECORDS_BYTES), np.uint8)
        lines.starts, lines.out_starts = address(self.starts), address(self.record_starts)
        lines.max_rows = n_rows

    def fill(self, lines: _Lines) -> int:
        """Transcribe to the end; returns the status."""
        while True:
            lines.bad, lines.max_bad = address(self.bad), len(self.bad)
            lines.out, lines.out_room = address(self.data), len(self.data)
            status = lib.bd_json_transcribe(ctypes.byref(lines))
            if status != FULL:
                return status
            if lines.n_bad == len(self.bad):
                self.bad = np.concatenate([self.bad, np.empty_like(self.bad)])
                continue
            if len(self.data) == MAX_RECORDS_BYTES:
                raise MemoryError
            grown = np.empty(min(2 * len(self.data), MAX_RECORDS_BYTES), np.uint8)
            grown[: lines.out_size] = self.data[: lines.out_size]
            self.data = grown

    def records(self, lines: _Lines, has_text: np.ndarray, status: int) -> JsonRecords:
        """What became of the lines, once they are transcribed."""
        n_rows, n_bytes = int(lines.n_rows), int(lines.out_size)
        # Every record leaves as much room after it.
        self.data[n_bytes : n_bytes + PADDING_BYTES] = 10
        return JsonRecords(
            data=self.data[: n_bytes + PADDING_BYTES],
            size=n_bytes,
            starts=self.starts[:n_rows],
            record_starts=self.record_starts[:n_rows],
            has_text=has_text,
            bad=self.bad[: lines.n_bad],
            status=status,
            position=int(lines.pos),
            n_blank=int(lines.n_blank),
        )
