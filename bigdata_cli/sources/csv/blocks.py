"""Byte ranges of a source, read as blocks and aligned to records."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import NamedTuple, Self

import numpy as np

from bigdata_cli.errors import DataError, SourceLostError
from bigdata_cli.io.places import PlacedFile, expect, open_placed
from bigdata_cli.native.library import address, lib
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.csv.files import SourceFile, TextFiles
from bigdata_cli.sources.csv.options import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.rules import compile_rules

UNIT_BYTES = 4 << 20
"""Bytes of a source parsed at a time: they and their cells stay in the cache of a core."""
LOOKAHEAD_BYTES = 1 << 16
MAX_READ_AHEAD_FILES = 2
"""Files at addresses that hold bytes which were read ahead."""
_KEPT_OPEN = 64
"""Files that a reader keeps open; of more it opens each for every block."""
PADDING_BYTES = 64
"""Line feeds after the end of a block, beyond which the kernels read words."""
_SCORED_RECORDS = 100
_REFUTED, _BEYOND = -1, -2
"""That a field cannot be inside quotes; that its end is not in the bytes at hand."""


class ByteRange(NamedTuple):
    """A piece of a source file: its index among the files, first byte, byte after the last."""

    file: int
    start: int
    stop: int


class Block(NamedTuple):
    """Bytes of a file in memory: `data[:size]` from `offset`, with a line feed after them."""

    data: np.ndarray
    offset: int
    size: int
    at_eof: bool


def split_source(source: TextFiles, n_parts: int) -> tuple[tuple[ByteRange, ...], ...]:
    """The data bytes of all files in `n_parts` contiguous parts of nearly equal size."""
    total = source.data_bytes
    cuts = [total * i // n_parts for i in range(n_parts + 1)]
    parts = []
    for first, last in itertools.pairwise(cuts):
        pieces, begin = [], 0
        for index, file in enumerate(source.files):
            low, high = max(first, begin), min(last, begin + file.data_bytes)
            if low < high:
                shift = file.data_start - begin
                pieces.append(ByteRange(index, low + shift, high + shift))
            begin += file.data_bytes
        parts.append(tuple(pieces))
    return tuple(parts)


def split_units(piece: ByteRange, unit_bytes: int = UNIT_BYTES) -> Iterator[ByteRange]:
    """A range in pieces of `unit_bytes`, in order."""
    for start in range(piece.start, piece.stop, unit_bytes):
        yield ByteRange(piece.file, start, min(start + unit_bytes, piece.stop))


class BlockReader:
    """Reads blocks of a source's files; any thread may call it.

    A file is opened when it is first read, and kept open where there are few of them.
    """

    def __init__(self, source: TextFiles) -> None:
        self.source = source
        self._open_files: dict[int, PlacedFile] = {}
        self._ahead: deque[int] = deque()
        """The files at addresses that may hold bytes which were read ahead."""
        self._lock = threading.Lock()
        self._buffers = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for opened in self._open_files.values():
            opened.close()
        self._open_files.clear()

    @contextmanager
    def _opened(self, index: int) -> Iterator[PlacedFile]:
        """A file, open."""
        file = self.source.files[index]
        if len(self.source.files) > _KEPT_OPEN and not file.is_remote:
            opened = _open(file)
            try:
                yield opened
            finally:
                opened.close()
            return
        yield self._kept_open(index)

    def _kept_open(self, index: int) -> PlacedFile:
        """A file that stays open; one at an address until others are read ahead in its place."""
        file = self.source.files[index]
        with self._lock:
            opened = self._open_files.get(index)
            if opened is None:
                opened = self._open_files[index] = _open(file)
                if file.is_remote:
                    self._ahead.append(index)
                    if len(self._ahead) > MAX_READ_AHEAD_FILES:
                        self._open_files.pop(self._ahead.popleft()).forget()
            return opened

    def expect(self, piece: ByteRange) -> None:
        """Say that the records of a piece will be read next, from its start to its end."""
        if self.source.files[piece.file].is_remote:
            opened = self._kept_open(piece.file)
            opened.expect(max(0, piece.start - 1), piece.stop + LOOKAHEAD_BYTES)

    def expect_sample(self, pieces: Iterable[ByteRange]) -> None:
        """Say that small pieces here and there will be read, in that order."""
        for index, same in itertools.groupby(pieces, attrgetter("file")):
            first = self.source.files[index].data_start
            ranges = [(max(first, one.start - 1), one.stop + LOOKAHEAD_BYTES) for one in same]
            expect(self.source.files[index].path, ranges)

    def read(self, file: int, start: int, stop: int) -> Block:
        """The bytes [start, stop) of a file, less where it ends before.

        They are the thread's until it reads again.
        """
        size = self.source.files[file].size
        stop = min(stop, size)
        wanted = max(0, stop - start)
        data = self._buffer(wanted + PADDING_BYTES)
        with stage("read"), self._opened(file) as opened:
            self._fill(memoryview(data)[:wanted], opened, file, start)
        data[wanted:] = 10
        return Block(data, start, wanted, stop >= size)

    def _buffer(self, size: int) -> np.ndarray:
        buffer = getattr(self._buffers, "data", None)
        if buffer is None or len(buffer) < size:
            buffer = self._buffers.data = np.empty(size, np.uint8)
        return buffer[:size]

    def _fill(self, view: memoryview, opened: PlacedFile, file: int, start: int) -> None:
        """Read as many bytes as the view has."""
        size = self.source.files[file].size
        done = 0
        while done < len(view):
            try:
                n = opened.read_into(view[done:], start + done)
            except OSError as error:
                name = self.source.files[file].name
                raise SourceLostError(f"{name}: reading byte {start + done:,}: {error}") from error
            if n == 0:
                name = self.source.files[file].name
                raise DataError(
                    f"{name} became shorter while it was read: {size:,} bytes were there, "
                    f"now it ends at {start + done:,}"
                )
            done += n


def _open(file: SourceFile) -> PlacedFile:
    try:
        return open_placed(file.path)
    except OSError as error:
        raise SourceLostError(f"{file.name} cannot be opened again: {error.strerror}") from error


def guess_record_start(reader: BlockReader, unit: ByteRange, source: TextFiles) -> int:
    """Where the first record that starts at or after unit.start begins, as it seems.

    The offset may lie inside a quoted field. Both readings are tried on what follows, and the one
    under which more records have the right number of fields wins; the caller checks the result
    against where the unit before it really ended.
    """
    file = source.files[unit.file]
    if unit.start <= file.data_start:
        return file.data_start
    n_fields = len(file.fields)
    rules = compile_rules(source.dialect)
    window = LOOKAHEAD_BYTES
    while True:
        block = reader.read(unit.file, unit.start - 1, unit.start - 1 + window)
        data = address(block.data)
        if rules.quote < 0 or not _has_byte(block.data, block.size, rules.quote):
            outside, inside = lib.bd_after_line_end(data, block.size), _REFUTED
        else:
            outside = lib.bd_after_unquoted_record(data, block.size, rules.native)
            inside = lib.bd_after_quoted_record(data, block.size, rules.native)
        decided = max(outside, inside) >= 0 and min(outside, inside) != _BEYOND
        if decided or block.at_eof or window >= MAX_RECORD_BYTES:
            break
        window *= 4
    if max(outside, inside) < 0:
        # Neither reading holds: quotes that are out of place, or a record without an end.
        outside = lib.bd_after_line_end(data, block.size)
        return block.offset + (outside if outside >= 0 else block.size)
    if min(outside, inside) < 0:
        return block.offset + max(outside, inside)
    arguments = (block.size, block.at_eof, rules.native, n_fields, _SCORED_RECORDS)
    good_inside = lib.bd_count_good_records(data, inside, *arguments)
    good_outside = lib.bd_count_good_records(data, outside, *arguments)
    return block.offset + (inside if good_inside > good_outside else outside)


def _has_byte(data: np.ndarray, size: int, byte: int) -> bool:
    return byte >= 0 and bool((data[:size] == byte).any())
