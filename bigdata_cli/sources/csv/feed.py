"""A source that is read from its start, as numbered blocks of whole records.

One thread reads and decompresses, one cuts: where it is always known whether a byte is inside
quotes, no boundary has to be guessed.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.errors import DataError
from bigdata_cli.io.decompress import ByteStream, Cancelled
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.bad_values import UNCLOSED_HINT, RecordError
from bigdata_cli.sources.base import ShardLocator, all_in_one
from bigdata_cli.sources.csv.blocks import (
    LOOKAHEAD_BYTES,
    MAX_RECORD_BYTES,
    PADDING_BYTES,
    UNIT_BYTES,
    Block,
    ByteRange,
)
from bigdata_cli.sources.csv.boundary import count_line_ends, last_record, next_record
from bigdata_cli.sources.csv.files import SourceFile, TextFiles
from bigdata_cli.sources.csv.footer import WithoutFooter, footer_start
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.csv.select_fields import record_bytes
from bigdata_cli.sources.csv.units import Unit, line_of, locate, located, parse_whole

_PIECE_BYTES = 1 << 20
_PIECES_AHEAD = 4
_BLOCKS_AHEAD = 2


class FedBlock(NamedTuple):
    """Whole records of one file: their shard, the line of the first, and the position of the feed.

    consumed: bytes of the source that were read up to here, counted in its files.
    """

    shard: int
    file: int
    block: Block
    first_line: int
    consumed: int

    def parse(self, fields: Sequence[int], plan: ParsePlan) -> Unit:
        """The records as a chunk; fields: per field the column of the plan, -1 for none."""
        return parse_whole(self.block, self.file, self.first_line, fields, plan)

    def line(self, position: int) -> int:
        return line_of(self.block, self.first_line, position)

    def record(self, position: int, plan: ParsePlan) -> bytes:
        return record_bytes(self.block, position, plan.dialect)

    def end_of(self, position: int, plan: ParsePlan) -> int:
        return position + len(self.record(position, plan))


class _Piece(NamedTuple):
    data: bytes
    consumed: int


class Feed:
    """The blocks of a source in order, made in threads of their own; a context manager.

    locate: which bytes belong to which shard; a block belongs to one. strict: bytes that do not
    decode are an error; otherwise they become bytes that are not UTF-8. Raises DataError, after the
    blocks before it, where the data end too early, do not decode, or where a record is longer than
    `max_record_bytes`.
    """

    def __init__(
        self,
        source: TextFiles,
        locate: ShardLocator = all_in_one,
        *,
        unit_bytes: int = UNIT_BYTES,
        max_record_bytes: int = MAX_RECORD_BYTES,
        strict: bool = True,
    ) -> None:
        self._source = source
        self._locate = locate
        self._unit_bytes = unit_bytes
        self._max_record_bytes = max_record_bytes
        self._strict = strict
        self._stop = threading.Event()
        self._read: dict[int, tuple[int, str]] = {}
        self._blocks = Prefetch(self._cut(), depth=_BLOCKS_AHEAD, name="feed")

    def __iter__(self) -> Iterator[FedBlock]:
        return self._blocks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._blocks.close()

    def entries(self) -> tuple[SourceEntry, ...]:
        """The files as they were; of those that come once, what was read of them."""
        entries = []
        for index, file in enumerate(self._source.files):
            entry = file.entry()
            if file.origin.held is not None:
                n_bytes, digest = self._read[index]
                entry = SourceEntry(name=file.name, bytes=n_bytes, mtime_ns=0, digest=digest)
            entries.append(entry)
        return tuple(entries)

    def _cut(self) -> Generator[FedBlock]:
        """The blocks of all files."""
        base = consumed = 0
        for index, file in enumerate(self._source.files):
            if file.end is not None and file.end <= file.data_start:
                continue
            pieces = Prefetch(self._pieces(index, file), depth=_PIECES_AHEAD, name="read")
            cutter = _Cutter(
                self._source, index, pieces, base, self._unit_bytes, self._max_record_bytes
            )
            try:
                for shard, block, first_line in cutter.blocks(self._locate):
                    fed = FedBlock(shard, index, block, first_line, consumed + cutter.consumed)
                    yield fed
            finally:
                pieces.close()
            base += cutter.data_bytes
            consumed += file.size or cutter.consumed

    def _pieces(self, index: int, file: SourceFile) -> Generator[_Piece]:
        """The text of a file as UTF-8."""
        digest = hashlib.sha256() if file.origin.held is not None else None
        n_bytes = 0
        stream = file.origin.open(strict=self._strict, stop=self._stop)
        if self._source.dialect.skip_footer:
            stream = WithoutFooter(stream, self._source.dialect.skip_footer)
        try:
            while data := _read(stream):
                n_bytes += len(data)
                if digest is not None:
                    digest.update(data)
                yield _Piece(data, stream.consumed)
            if digest is not None:
                self._read[index] = n_bytes, digest.hexdigest()
        except Cancelled:
            return
        finally:
            stream.close()


def _read(stream: ByteStream) -> bytes:
    with stage("read"):
        return stream.read(_PIECE_BYTES)


class _Cutter:
    """Cuts the text of one file into blocks of whole records."""

    def __init__(
        self,
        source: TextFiles,
        index: int,
        pieces: Iterator[_Piece],
        base: int,
        unit_bytes: int,
        max_record_bytes: int,
    ) -> None:
        self._file = source.files[index]
        self._pieces = pieces
        self._base = base
        self._unit_bytes = unit_bytes
        self._max_record_bytes = max_record_bytes
        self._rules = compile_rules(source.dialect)
        self._data = np.empty(0, np.uint8)
        self._size = 0
        self._held = memoryview(b"")
        self._at_eof = False
        self._failure: DataError | None = None
        self._offset = self._file.data_start
        self._line = 1
        self.consumed = 0

    @property
    def data_bytes(self) -> int:
        """Bytes of records that were cut so far."""
        return self._offset - self._file.data_start

    def blocks(self, locate: ShardLocator) -> Iterator[tuple[int, Block, int]]:
        """(shard, block, line of its first byte), in order."""
        self._skip_header()
        end = self._file.end
        while (end is None or self._offset < end) and self._fill(1):
            position = self._base + self.data_bytes
            shard, stop = locate(position)
            limit = self._unit_bytes if stop is None else min(self._unit_bytes, stop - position)
            if end is not None:
                limit = min(limit, end - self._offset)
            with stage("split"):
                size = self._find_end(limit)
            if self._failure is not None and size == self._size:
                # The last record may go on; those before it are whole, and come first.
                size = last_record(self._data, 0, size, self._rules)
                if not size:
                    raise self._failure
            data, line = self._data, self._line
            self._line += count_line_ends(data, 0, size)
            self._keep_rest(size)
            data[size : size + PADDING_BYTES] = 10
            block = Block(data[: size + PADDING_BYTES], self._offset, size, True)
            self._offset += size
            yield shard, block, line
        if self._failure is not None:
            raise self._failure

    def _skip_header(self) -> None:
        """Skip everything before the first record, and count its lines."""
        start = self._file.data_start
        self._fill(start)
        self._line += count_line_ends(self._data, 0, min(start, self._size))
        self._keep_rest(min(start, self._size))

    def _find_end(self, limit: int) -> int:
        """Where the first record that starts at or after `limit` starts, or the data end."""
        pos = 0
        wanted = limit + min(LOOKAHEAD_BYTES, limit)
        while True:
            self._fill(wanted)
            self._data[self._size : self._size + PADDING_BYTES] = 10
            found, pos = next_record(self._data, pos, limit, self._size, self._at_eof, self._rules)
            if found:
                return pos
            if self._size - limit > self._max_record_bytes:
                raise self._too_long(limit)
            wanted = self._size + min(max(wanted, _PIECE_BYTES // 4), self._max_record_bytes)

    def _too_long(self, limit: int) -> DataError:
        """The error of the record that goes on at `limit` and does not end."""
        start = last_record(self._data, 0, self._size, self._rules)
        block = Block(self._data, self._offset, self._size, False)
        error = RecordError(
            self._offset + start,
            f"a record is longer than {self._max_record_bytes:,} bytes",
            hint=UNCLOSED_HINT,
        )
        return located(self._file, locate(error, block, self._line))

    def _fill(self, wanted: int) -> bool:
        """Have `wanted` bytes, or all there are; whether there are any."""
        while self._size < wanted and not self._at_eof:
            if not self._held:
                try:
                    piece = next(self._pieces, None)
                except DataError as error:
                    self._failure, piece = error, None
                if piece is None:
                    self._at_eof = True
                    break
                self._held, self.consumed = memoryview(piece.data), piece.consumed
            if len(self._data) < wanted + PADDING_BYTES:
                grown = np.empty(wanted + PADDING_BYTES, np.uint8)
                grown[: self._size] = self._data[: self._size]
                self._data = grown
            n = min(len(self._held), wanted - self._size)
            self._data[self._size : self._size + n] = np.frombuffer(self._held, np.uint8, n)
            self._held = self._held[n:]
            self._size += n
        return self._size > 0

    def _keep_rest(self, start: int) -> None:
        """Continue in a new array with the bytes from `start` on; the old one is a block's."""
        rest = self._size - start
        room = max(rest, self._unit_bytes + min(LOOKAHEAD_BYTES, self._unit_bytes))
        data = np.empty(room + PADDING_BYTES, np.uint8)
        data[:rest] = self._data[start : self._size]
        self._data, self._size = data, rest


class Head(NamedTuple):
    """The first records of a source. is_whole: there are no others.

    consumed: bytes of the source that hold them, counted in its files; 0: not known.
    data_bytes: of the records.
    """

    blocks: tuple[FedBlock, ...]
    is_whole: bool
    consumed: int
    data_bytes: int


def read_head(
    source: TextFiles,
    max_bytes: int,
    *,
    unit_bytes: int = UNIT_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    strict: bool = False,
) -> Head:
    """The records in the first `max_bytes` of a source, in blocks.

    strict: bytes that do not decode raise DataError; otherwise they become bytes that are not
    UTF-8. Nothing is used up: a stream that comes once can be fed afterwards.
    """
    blocks: list[FedBlock] = []
    left = max_bytes
    consumed = data_bytes = 0
    for index, file in enumerate(source.files):
        if file.end is not None and file.end <= file.data_start:
            continue
        text, n_read = file.origin.head(left + 1, strict=strict)
        is_whole = len(text) <= left
        if file.end is not None and len(text) >= file.end:
            text, is_whole = text[: file.end], True
        elif is_whole and source.dialect.skip_footer:
            text = text[: footer_start(text, source.dialect.skip_footer)]
        left -= len(text)
        consumed += n_read
        cutter = _Cutter(
            source,
            index,
            iter((_Piece(text, n_read),)),
            data_bytes,
            unit_bytes,
            max_record_bytes,
        )
        for shard, block, line in cutter.blocks(all_in_one):
            blocks.append(FedBlock(shard, index, block, line, consumed))
        data_bytes += cutter.data_bytes
        if not is_whole or (left <= 0 and index < len(source.files) - 1):
            return _without_last_record(source, blocks, consumed, data_bytes)
    return Head(tuple(blocks), True, consumed, data_bytes)


def _without_last_record(
    source: TextFiles, blocks: list[FedBlock], consumed: int, data_bytes: int
) -> Head:
    """A head whose last record may go on beyond it."""
    if not blocks:
        return Head((), False, consumed, 0)
    last = blocks.pop()
    start = last_record(last.block.data, 0, last.block.size, compile_rules(source.dialect))
    data_bytes -= last.block.size - start
    if start:
        data = last.block.data.copy()
        data[start:] = 10
        blocks.append(last._replace(block=last.block._replace(data=data, size=start)))
    return Head(tuple(blocks), False, consumed, data_bytes)


def read_pieces(source: TextFiles, pieces: Iterable[ByteRange]) -> bytes:
    """Pieces of the beginnings of files, one after the other."""
    pieces = tuple(pieces)
    longest: dict[int, int] = {}
    for piece in pieces:
        longest[piece.file] = max(piece.stop, longest.get(piece.file, 0))
    heads = {file: source.files[file].origin.head(stop)[0] for file, stop in longest.items()}
    return b"".join(heads[piece.file][piece.start : piece.stop] for piece in pieces)
