"""Records of a block as a typed Arrow chunk, with their evidence and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec
import numpy as np
import pyarrow as pa

from bigdata_cli.native.parser import TEXT, DistinctTexts
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.bad_values import UNCLOSED_HINT, InvalidValue, RecordError
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.fields import scan_field, skip_record
from bigdata_cli.sources.csv.parse import (
    Grammar,
    OfRows,
    compile_grammar,
    describe,
    parse_records,
    record_start,
    record_starts,
)
from bigdata_cli.sources.csv.repeated_header import find_repeated
from bigdata_cli.sources.csv.stray_quotes import end_of_bad_lines
from bigdata_cli.sources.tally import Tally
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.summary import Summary, mode_of


@dataclass(frozen=True, kw_only=True)
class ParsePlan:
    """How the records of a source are parsed: picklable, the same for all its blocks.

    skip_bad_rows: records that cannot be kept are set aside and do not end the parse.
    max_record_bytes: a record that does not end within them is an error. wants_places: chunks have
    the places of their rows. inputs: columns that transforms read, with the types that these go by.
    split: how rows are assigned to splits; divides: whether chunks have the rows of each apart,
    where their source can do that at once.
    """

    dialect: Dialect
    columns: tuple[ColumnState, ...]
    inputs: tuple[ColumnState, ...] = ()
    wants_places: bool = False
    float_mode: str = "auto"
    skip_bad_rows: bool = False
    max_record_bytes: int = MAX_RECORD_BYTES
    split: HashSplit | CutSplit | None = None
    divides: bool = False

    @property
    def hash_split(self) -> HashSplit | None:
        """The rule where it is by hashes of the values."""
        return self.split if isinstance(self.split, HashSplit) else None

    def schema(self) -> Schema:
        return Schema(tuple(state.column() for state in self.columns))


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was set aside: its byte offset in the file, why, its bytes, and its line.

    line: None where it is still to be counted.
    """

    offset: int
    reason: str
    raw: bytes
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The parsed records of a block.

    columns: the states that the chunk was parsed under, wider than the plan's where a value asked
    for it. summary: what the values of this chunk alone showed. texts: the distinct texts of the
    columns that counted them. position: offset in the file after the last record. rejects: in the
    order of the file; left_out: records that are the header again. places: where the record of each
    row starts in the file, int64 (rows,), as `position` counts; None where nobody asked for them.
    hashes: of the rows, uint64 (rows,), by which they are assigned to splits; None where there are
    none. splits: of the rows, uint8 (rows,), by their places; divided: the rows of each split and
    their statistics, native.RESULT (columns,), so that `batch` is empty; parts: these as chunks of
    their own, once they are divided.
    """

    batch: pa.RecordBatch
    columns: tuple[ColumnState, ...]
    summary: Summary
    texts: DistinctTexts | None
    rows: int
    position: int
    tally: Tally
    rejects: tuple[Reject, ...] = ()
    left_out: tuple[Reject, ...] = ()
    places: np.ndarray | None = None
    hashes: np.ndarray | None = None
    splits: np.ndarray | None = None
    divided: tuple[tuple[pa.RecordBatch, np.ndarray], ...] | None = None
    parts: tuple[Chunk, ...] = ()

    @property
    def set_aside(self) -> tuple[Reject, ...]:
        """All records of the block that are no rows."""
        return (*self.rejects, *self.left_out)

    @cached_property
    def observed(self) -> tuple[Observed, ...]:
        """The evidence of each column's values."""
        return self.summary.observed()

    @cached_property
    def statistics(self) -> tuple[ColumnStatistics, ...]:
        """The statistics of each column."""
        return self.summary.statistics([state.dtype for state in self.columns])

    @cached_property
    def distinct(self) -> tuple[frozenset[str] | None, ...]:
        """Per column the distinct texts, None for too many or untracked, empty for other kinds."""
        counted = {} if self.texts is None else self.texts.parts
        return tuple(
            self.texts.values(index)
            if self.texts is not None and index in counted
            else (None if mode_of(state.dtype) == TEXT else frozenset())
            for index, state in enumerate(self.columns)
        )


def parse_block(
    block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
) -> Chunk:
    """Parse the records of a block that start in [start, limit), offsets in the file.

    fields: per field of a record the index of its column in the plan, -1 for none. Raises
    RecordError for a record that cannot be kept, NeedMore where the block is too short.
    """
    transcriber = plan.dialect.transcriber
    if transcriber is not None:
        return transcriber.parse_block(block, start, limit, fields, plan)
    with stage("types"):
        return _parse_block(block, start, limit, fields, plan)


def _parse_block(
    block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
) -> Chunk:
    grammar = compile_grammar(plan.dialect, fields, plan.columns)
    salts = None
    rule = plan.hash_split
    if rule is not None:
        salts = rule.salts([state.name for state in plan.columns])
    n_fields = len(fields) - grammar.rules.drops_last
    rejected: list[tuple[int, int, str]] = []
    original = block.data
    repeated = [
        (begin, stop, "the header again")
        for begin, stop in find_repeated(block, start, limit, plan.dialect)
    ]
    if repeated:
        block = _without(block, repeated)
    while True:
        try:
            with stage("parse"):
                parsed = parse_records(
                    block,
                    start,
                    limit,
                    grammar,
                    plan.columns,
                    float_mode=plan.float_mode,
                    collect_bad=plan.skip_bad_rows,
                    of_rows=OfRows(salts, plan.wants_places),
                )
            if not len(parsed.bad):
                break
            bad = parsed.bad.tolist()
            _check_lengths(bad, block.offset, plan.max_record_bytes)
            found = [
                (
                    begin,
                    end_of_bad_lines(block, begin, stop, status, grammar.rules, len(fields)),
                    describe(status, n_seen, n_fields)[0],
                )
                for begin, stop, status, n_seen in bad
            ]
        except InvalidValue as invalid:
            if invalid.is_of_column or not plan.skip_bad_rows:
                begin = start - block.offset
                if len(invalid.rows):
                    begin = record_start(block, start, limit, grammar, int(invalid.rows[0]))
                raise RecordError(
                    block.offset + begin, invalid.problem, hint=invalid.hint
                ) from invalid
            found = _records_of(invalid, block, start, limit, grammar)
        # What is set aside must leave no trace: the rest is parsed as if it were not there.
        rejected += found
        block = _without(block, found)
    places = None if parsed.starts is None else parsed.starts + block.offset
    # The parse may have ended among the line feeds of a record that goes on beyond `limit`.
    ended = parsed.position - block.offset
    blank = parsed.tally.blank_lines - sum(
        min(stop, ended) - begin for begin, stop, _ in (*rejected, *repeated)
    )
    ended = max([ended, *(stop for _, stop, _ in (*rejected, *repeated))])
    hashes = None if rule is None else parsed.hashes()
    splits = divided = None
    if plan.divides and rule is not None and hashes is not None:
        splits = rule.assign(hashes)
        divided = parsed.divided(splits, len(rule.names))
    return Chunk(
        batch=parsed.batch() if divided is None else pa.RecordBatch.from_arrays([], names=[]),
        columns=parsed.columns,
        summary=parsed.summary(),
        texts=parsed.parser.distinct(parsed.results),
        rows=parsed.rows,
        places=places,
        position=block.offset + ended,
        tally=replace(parsed.tally, blank_lines=blank, repeated_headers=len(repeated)),
        rejects=_rejects(original, block.offset, rejected),
        left_out=_rejects(original, block.offset, repeated),
        hashes=hashes,
        splits=splits,
        divided=divided,
    )


def _records_of(
    invalid: InvalidValue, block: Block, start: int, limit: int, grammar: Grammar
) -> list[tuple[int, int, str]]:
    """(start, stop, reason) in the block of the records with these invalid values."""
    starts = record_starts(block, start, limit, grammar, int(invalid.rows[-1]) + 1)
    found = []
    for begin in starts[invalid.rows].tolist():
        _, _, _, _, after, _ = scan_field(block.data, begin, block.size, grammar.rules)
        stop = skip_record(block.data, after, block.size, grammar.rules)
        found.append((begin, stop, invalid.reason))
    return found


def _check_lengths(
    bad: list[tuple[int, int, int, int]], offset: int, max_record_bytes: int
) -> None:
    """Raise RecordError where a quote that is never closed swallowed more than one record has."""
    for begin, stop, *_ in bad:
        if stop - begin > max_record_bytes:
            raise RecordError(
                offset + begin,
                f"a record is longer than {max_record_bytes:,} bytes",
                hint=UNCLOSED_HINT,
            )


def _without(block: Block, found: list[tuple[int, int, str]]) -> Block:
    """The block with line feeds in place of these records: blank lines are not rows."""
    data = block.data.copy()
    for begin, stop, _ in found:
        data[begin:stop] = 10
    return block._replace(data=data)


def _rejects(
    data: np.ndarray, offset: int, rejected: list[tuple[int, int, str]]
) -> tuple[Reject, ...]:
    return tuple(
        Reject(
            offset=offset + begin,
            reason=reason,
            raw=data[begin:stop].tobytes(),
        )
        for begin, stop, reason in sorted(rejected)
    )
