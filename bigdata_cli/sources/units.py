"""One unit of a source, read, aligned and parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bigdata_cli.errors import DataError
from bigdata_cli.sources.blocks import (
    LOOKAHEAD_BYTES,
    MAX_RECORD_BYTES,
    BlockReader,
    ByteRange,
    guess_record_start,
)
from bigdata_cli.sources.odd import NeedMore, RecordError
from bigdata_cli.sources.records import Chunk, ParsePlan, parse_block
from bigdata_cli.sources.source import Source, SourceFile


class Unit(NamedTuple):
    """What became of a unit: where its first record starts, and its chunk or what is wrong."""

    piece: ByteRange
    start: int
    chunk: Chunk | None
    error: RecordError | None


def parse_unit(
    reader: BlockReader,
    source: Source,
    piece: ByteRange,
    start: int | None,
    fields: Sequence[int],
    plan: ParsePlan,
) -> Unit:
    """Parse the records that start in `piece`, from `start` or from where a record seems to start.

    A record that cannot be kept is returned and not raised: where the start was a guess, the guess
    may be what is wrong.
    """
    if start is None:
        start = guess_record_start(reader, piece, source)
    try:
        chunk = _parse(reader, piece, start, fields, plan)
    except RecordError as error:
        return Unit(piece, start, None, error)
    return Unit(piece, start, chunk, None)


def _parse(
    reader: BlockReader,
    piece: ByteRange,
    start: int,
    fields: Sequence[int],
    plan: ParsePlan,
) -> Chunk:
    beyond = LOOKAHEAD_BYTES
    while True:
        block = reader.read(piece.file, start, max(start, piece.stop) + beyond)
        try:
            return parse_block(block, start, max(start, piece.stop), fields, plan)
        except NeedMore:
            if beyond >= MAX_RECORD_BYTES:
                raise RecordError(
                    _last_record(block.offset, piece),
                    f"a record is longer than {MAX_RECORD_BYTES:,} bytes",
                    hint="a quote that is never closed? --quote none reads quotes as characters",
                ) from None
            beyond *= 4


def _last_record(offset: int, piece: ByteRange) -> int:
    return max(offset, piece.stop - 1)


def located(file: SourceFile, error: RecordError) -> DataError:
    """The error of a record as the user reads it: file, line, byte, what, why."""
    line, beginning = _line_of(file, error.offset)
    shown = f": {beginning!r}" if beginning else ""
    return DataError(
        f"{file.name} line {line:,} (byte {error.offset:,}): {error.problem}{shown}",
        hint=error.hint,
    )


def _line_of(file: SourceFile, offset: int) -> tuple[int, str]:
    """The line number (from 1) of a byte of a file, and the beginning of what stands there."""
    line, done, last = 1, 0, b""
    with file.path.open("rb") as stream:
        while done < offset:
            piece = stream.read(min(1 << 24, offset - done))
            if not piece:
                break
            # A line ends with LF, or with a CR that no LF follows.
            line += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")
            line -= last == b"\r" and piece[:1] == b"\n"
            last = piece[-1:]
            done += len(piece)
        beginning = stream.read(60)
    return line, beginning.splitlines()[0].decode("utf-8", "replace") if beginning else ""
