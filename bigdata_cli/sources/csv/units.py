"""One unit of a source, read, aligned and parsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import structs

from bigdata_cli.errors import DataError
from bigdata_cli.io.encoding import UTF8
from bigdata_cli.sources.bad_values import UNCLOSED_HINT, NeedMore, RecordError
from bigdata_cli.sources.csv.advice import advice
from bigdata_cli.sources.csv.blocks import (
    LOOKAHEAD_BYTES,
    Block,
    BlockReader,
    ByteRange,
    guess_record_start,
)
from bigdata_cli.sources.csv.boundary import count_line_ends
from bigdata_cli.sources.csv.constants import parse_block_of_file
from bigdata_cli.sources.csv.files import SourceFile
from bigdata_cli.sources.csv.lines import LineCounter, beginning_of, first_line_of
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.select_fields import record_bytes


class Unit(NamedTuple):
    """What became of a unit: where its first record starts, and its chunk or what is wrong."""

    piece: ByteRange
    start: int
    chunk: Chunk | None
    error: RecordError | None


class UnitReader(BlockReader):
    """A `PieceReader` of text files."""

    def start_of(self, piece: ByteRange) -> int | None:
        data_start = self.source.files[piece.file].data_start
        return data_start if piece.start == data_start else None

    def parse(
        self, piece: ByteRange, start: int | None, fields: Sequence[int], plan: ParsePlan
    ) -> Unit:
        """A record that cannot be kept is returned and not raised: where the start was a guess, the
        guess may be what is wrong."""
        if start is None:
            start = guess_record_start(self, piece, self.source)
        try:
            chunk = _parse(self, piece, start, fields, plan)
        except RecordError as error:
            return Unit(piece, start, None, error)
        return Unit(piece, start, chunk, None)

    def record(self, file: int, position: int, plan: ParsePlan) -> bytes:
        block = self.read(file, position, position + plan.max_record_bytes)
        return record_bytes(block, position, plan.dialect)


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
            return parse_block_of_file(block, start, max(start, piece.stop), fields, plan)
        except NeedMore as more:
            if block.offset + block.size - more.offset > plan.max_record_bytes:
                raise RecordError(
                    more.offset,
                    f"a record is longer than {plan.max_record_bytes:,} bytes",
                    hint=UNCLOSED_HINT,
                ) from None
            # No further than tells that a record is too long.
            beyond = min(4 * beyond, plan.max_record_bytes + LOOKAHEAD_BYTES)


def parse_whole(
    block: Block, file: int, first_line: int, fields: Sequence[int], plan: ParsePlan
) -> Unit:
    """Parse a block of whole records, whose first byte is on line `first_line`.

    Records that cannot be kept have their lines.
    """
    piece = ByteRange(file, block.offset, block.offset + block.size)
    try:
        chunk = parse_block_of_file(block, piece.start, piece.stop, fields, plan)
    except RecordError as error:
        return Unit(piece, piece.start, None, locate(error, block, first_line))
    rejects = tuple(
        structs.replace(reject, line=line_of(block, first_line, reject.offset))
        for reject in chunk.rejects
    )
    return Unit(piece, piece.start, replace(chunk, rejects=rejects), None)


def line_of(block: Block, first_line: int, offset: int) -> int:
    """The line of a byte of the file in a block whose first byte is on line `first_line`."""
    return first_line + int(count_line_ends(block.data, 0, offset - block.offset))


def locate(error: RecordError, block: Block, first_line: int) -> RecordError:
    """The error with the line and the beginning of its record, which is in the block."""
    start = error.offset - block.offset
    error.line = line_of(block, first_line, error.offset)
    error.beginning = first_line_of(block.data[start : min(start + 60, block.size)].tobytes())
    return error


def located(file: SourceFile, error: RecordError) -> DataError:
    """The error of a record as the user reads it: file, line, byte, what, why."""
    line, beginning = error.line, error.beginning
    if line is None:
        line = LineCounter(file.path).line_of(error.offset)
        beginning = beginning_of(file.path, error.offset)
    shown = f": {beginning!r}" if beginning else ""
    of_text = " as UTF-8" if file.origin.encoding != UTF8 else ""
    hint = error.hint
    if error.ragged is not None:
        left = None if file.origin.is_stream else file.size - error.offset
        hint = advice(error.ragged, beginning=beginning, line=line, bytes_left=left)
    return DataError(
        f"{file.name} line {line:,} (byte {error.offset:,}{of_text}): {error.problem}{shown}",
        hint=hint,
    )
