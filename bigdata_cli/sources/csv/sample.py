"""A sample spread over a source, and the types that follow from it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.advice import FIRST_ROWS, check_first_rows
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES, Block, BlockReader, ByteRange
from bigdata_cli.sources.csv.evidence import Evidence
from bigdata_cli.sources.csv.feed import read_head, read_pieces
from bigdata_cli.sources.csv.files import TextFiles
from bigdata_cli.sources.csv.parse import compile_grammar, record_starts
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.select_fields import without
from bigdata_cli.sources.csv.units import Unit, UnitReader, located
from bigdata_cli.types.dtype import Kind, Schema, kind_of
from bigdata_cli.types.lattice import TYPE_FORMS, Form, Observed, TypeOptions, resolve
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.summary import Summary, range_of
from bigdata_cli.types.vocabulary import join_distinct

SAMPLE_BYTES = 8 << 20
_MAX_PIECES = 32
_MIN_PIECES = 4
_PIECE_BYTES = 1 << 18
_PIECE_COLUMNS = 6_400


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What pieces of a source show of the whole.

    plan: the types to parse with. schema: the same as columns. statistics: of the sampled rows, by
    column. ranges: where the sampled records stand in the source (`read_sample`); bytes: of all.
    exact: the sample is the whole source. size_known: estimated_rows is an estimate of all rows,
    and not only the rows that were seen, as of a pipe. rejected: records that were set aside.
    """

    plan: ParsePlan
    schema: Schema
    statistics: Mapping[str, ColumnStatistics]
    rows: int
    bytes: int
    estimated_rows: int
    exact: bool
    ranges: tuple[ByteRange, ...]
    size_known: bool = True
    rejected: int = 0


def sample_pieces(source: TextFiles, max_bytes: int) -> tuple[tuple[ByteRange, ...], bool]:
    """Byte ranges spread evenly over the files, first and last bytes included; and if it is all."""
    if source.data_bytes <= max_bytes:
        whole = (ByteRange(i, file.data_start, file.size) for i, file in enumerate(source.files))
        return tuple(whole), True
    pieces = []
    n_pieces = _n_pieces(source, max_bytes)
    piece_bytes = max_bytes // n_pieces
    total = source.data_bytes
    for k in range(n_pieces):
        begin = (total - piece_bytes) * k // (n_pieces - 1)
        for index, file in enumerate(source.files):
            if begin < file.data_bytes:
                start = file.data_start + begin
                pieces.append(ByteRange(index, start, min(start + piece_bytes, file.size)))
                break
            begin -= file.data_bytes
    return tuple(pieces), False


def _n_pieces(source: TextFiles, max_bytes: int) -> int:
    """Each piece costs time per column: of wide tables fewer and longer ones are taken."""
    n_pieces = min(_MAX_PIECES, _PIECE_COLUMNS // len(source.names), max_bytes // _PIECE_BYTES)
    return max(_MIN_PIECES, n_pieces)


def take_sample(
    source: TextFiles,
    types: TypeOptions | None = None,
    *,
    keep: Sequence[str] | None = None,
    max_bytes: int = SAMPLE_BYTES,
    skip_bad_rows: bool = False,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Sample:
    """Parse pieces of the source and say what types its columns seem to have.

    keep: the columns wanted, all by default. Raises DataError where no piece can be parsed.
    """
    types = types or TypeOptions()
    keep = source.names if keep is None else keep
    fields = source.fields_of(keep)
    states = tuple(initial_state(name, types) for name in keep)
    plan = ParsePlan(
        dialect=source.dialect,
        columns=states,
        float_mode=types.float_mode,
        skip_bad_rows=skip_bad_rows,
        max_record_bytes=max_record_bytes,
    )
    taker = SampleTaker(plan)
    if source.is_stream:
        return _sample_head(source, fields, taker, max_bytes)
    pieces, exact = sample_pieces(source, max_bytes)
    failed: tuple[ByteRange, RecordError] | None = None
    with UnitReader(source) as reader:
        reader.expect_sample(pieces)
        for piece in pieces:
            unit = reader.parse(piece, None, fields[piece.file], taker.plan)
            if not taker.chunks and unit.chunk is not None and unit.chunk.rejects:
                with BlockReader(source) as blocks:
                    block = blocks.read(piece.file, unit.start, unit.chunk.position)
                    _check_first_rows(source, unit, block, fields[piece.file], taker.plan)
            if not taker.take(unit):
                # Its start may have been guessed wrong; conversion will tell.
                failed = failed or (piece, unit.error or RecordError(piece.start, ""))
    if failed is not None and (exact or not taker.chunks):
        raise located(source.files[failed[0].file], failed[1])
    return taker.summarise(exact, taker.rows if exact else taker.scaled(source.data_bytes))


def sample_units(
    source: TextFiles, plan: ParsePlan, keep: Sequence[str], max_bytes: int
) -> Iterator[Unit]:
    """Parsed pieces of the source, of `max_bytes` in all."""
    fields = source.fields_of(keep)
    if source.is_stream:
        most = plan.max_record_bytes
        for fed in read_head(source, max_bytes, max_record_bytes=most).blocks:
            yield fed.parse(fields[fed.file], plan)
        return
    pieces, _ = sample_pieces(source, max_bytes)
    with UnitReader(source) as reader:
        reader.expect_sample(pieces)
        for piece in pieces:
            yield reader.parse(piece, None, fields[piece.file], plan)


class Counted(NamedTuple):
    """What is kept of a chunk of a sample; its values would be most of the memory until then."""

    rows: int
    summary: Summary
    columns: tuple[ColumnState, ...]


class SampleTaker:
    """Chunks of a sample, and the plan that follows from them."""

    def __init__(self, plan: ParsePlan) -> None:
        self.plan = plan
        self.chunks: list[Counted] = []
        self.ranges: list[ByteRange] = []
        self.rejected = 0
        self._evidence = Evidence(plan.columns)

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def bytes(self) -> int:
        return sum(part.stop - part.start for part in self.ranges)

    def take(self, unit: Unit) -> bool:
        """Learn from a unit; False for one that could not be parsed."""
        chunk = unit.chunk
        if chunk is None or unit.error is not None:
            return False
        overflowed = self._evidence.join(chunk)
        columns = chunk.columns
        if overflowed:
            columns = tuple(
                state if self._evidence.texts.is_tracked(i) else replace(state, distinct=None)
                for i, state in enumerate(columns)
            )
        self.plan = replace(self.plan, columns=columns)
        self.rejected += len(chunk.rejects)
        self.chunks.append(Counted(chunk.rows, chunk.summary, chunk.columns))
        self.ranges.append(ByteRange(unit.piece.file, unit.start, chunk.position))
        return True

    def _learn(self) -> None:
        """Put all that was seen into the states of the columns."""
        columns = tuple(
            replace(
                state,
                observed=state.observed.join(seen),
                distinct=join_distinct(state.distinct, distinct, fixed=state.fixed),
            )
            for state, seen, distinct in zip(
                self.plan.columns,
                self._evidence.observed(),
                self._evidence.distinct(),
                strict=True,
            )
        )
        self.plan = replace(self.plan, columns=columns)

    def scaled(self, all_bytes: int, sampled_bytes: int | None = None) -> int:
        """The rows of all bytes, if they are as long as those of the sample."""
        if sampled_bytes is None:
            sampled_bytes = self.bytes
        return round(self.rows * all_bytes / max(sampled_bytes, 1))

    def foresee(self, all_rows: int) -> None:
        """Widen the integers that only grow, as ids and dates do, to what the end will hold.

        Of a stream the beginning alone is seen; a right guess spares doing all shards again.
        """
        self._learn()
        columns = list(self.plan.columns)
        for index, state in enumerate(columns):
            if state.fixed or state.observed.forms & TYPE_FORMS != Form.INT:
                continue
            seen = [range_of(c.summary.results[index], c.columns[index].dtype) for c in self.chunks]
            if not _only_grows(seen):
                continue
            first, last = seen[0][0], seen[-1][1]
            at_end = first + (last - first) * all_rows // max(self.rows, 1)
            foreseen = Observed(Form.INT, positive=max(0, at_end))
            columns[index] = replace(state, observed=state.observed.join(foreseen))
        self.plan = replace(self.plan, columns=tuple(columns))

    def summarise(self, exact: bool, estimated_rows: int, *, size_known: bool = True) -> Sample:
        self._learn()
        rows = self.rows
        states = tuple(
            replace(state, dtype=settle(state, self.plan.float_mode, rows))
            for state in self.plan.columns
        )
        plan = replace(self.plan, columns=states)
        found = self._evidence.statistics()
        statistics = {state.name: seen for state, seen in zip(states, found, strict=True)}
        return Sample(
            plan=plan,
            schema=plan.schema(),
            statistics=statistics,
            rows=rows,
            bytes=self.bytes,
            estimated_rows=estimated_rows,
            exact=exact,
            ranges=tuple(self.ranges),
            size_known=size_known,
            rejected=self.rejected,
        )


def _sample_head(
    source: TextFiles, fields: tuple[tuple[int, ...], ...], taker: SampleTaker, max_bytes: int
) -> Sample:
    """The sample of a stream: its first records, up to one that cannot be kept."""
    head = read_head(
        source,
        max_bytes,
        unit_bytes=max(1, max_bytes // _n_pieces(source, max_bytes)),
        max_record_bytes=taker.plan.max_record_bytes,
        strict=not taker.plan.skip_bad_rows,
    )
    for fed in head.blocks:
        unit = fed.parse(fields[fed.file], taker.plan)
        if not taker.chunks and unit.chunk is not None and unit.chunk.rejects:
            _check_first_rows(source, unit, fed.block, fields[fed.file], taker.plan)
        if not taker.take(unit):
            if unit.error is not None and (head.is_whole or not taker.chunks):
                raise located(source.files[fed.file], unit.error)
            break
    if head.is_whole:
        return taker.summarise(True, taker.rows)
    if source.comes_once or not head.data_bytes:
        return taker.summarise(False, taker.rows, size_known=False)
    consumed = head.consumed * taker.bytes / head.data_bytes
    estimated_rows = taker.scaled(source.bytes, round(consumed))
    taker.foresee(estimated_rows)
    return taker.summarise(False, estimated_rows)


def _check_first_rows(
    source: TextFiles, unit: Unit, block: Block, fields: Sequence[int], plan: ParsePlan
) -> None:
    """Raise DataError where more than half of the first rows, which the unit has, are rejected."""
    if source.accepts_bad_rows:
        return
    chunk = unit.chunk
    assert chunk is not None
    bad = [(reject.offset, reject.reason) for reject in chunk.rejects]
    if 2 * len(bad) <= min(FIRST_ROWS, chunk.rows + len(bad)):
        return
    offsets: list[int] = []
    if plan.dialect.transcriber is None and chunk.rows:
        grammar = compile_grammar(plan.dialect, fields, plan.columns)
        kept = block._replace(data=without(block, chunk.set_aside))
        n_rows = min(chunk.rows, FIRST_ROWS)
        starts = record_starts(kept, unit.start, block.offset + block.size, grammar, n_rows)
        offsets = (starts + block.offset).tolist()
    elif chunk.rows:
        offsets = [chunk.position] * chunk.rows
    check_first_rows(source.files[unit.piece.file].name, offsets, bad)


def _only_grows(ranges: Sequence[tuple[int | None, int | None]]) -> bool:
    """Whether each piece's integers begin where those of the piece before it end, or later."""
    known = [(low, high) for low, high in ranges if low is not None and high is not None]
    return (
        len(known) == len(ranges) >= _MIN_PIECES
        and all(a[1] <= b[0] for a, b in itertools.pairwise(known))
        and known[0][0] < known[-1][1]
    )


def read_sample(source: TextFiles, sample: Sample) -> bytes:
    """The sampled records, unchanged, without header."""
    if source.is_stream:
        return read_pieces(source, sample.ranges)
    with BlockReader(source) as reader:
        blocks = (reader.read(*part) for part in sample.ranges)
        return b"".join(block.data[: block.size].tobytes() for block in blocks)


def initial_state(name: str, types: TypeOptions) -> ColumnState:
    """The state of a column before any row: of the dtype that the user fixed, or null."""
    dtype = types.fixed.get(name)
    if dtype is None:
        return ColumnState(name=name)
    collects = kind_of(dtype) is Kind.CATEGORY
    return ColumnState(
        name=name, dtype=dtype, fixed=True, distinct=frozenset() if collects else None
    )


def settle(state: ColumnState, float_mode: str, n_rows: int) -> str:
    """The dtype of a column once all its values are known."""
    if state.fixed:
        return state.dtype
    n_distinct = None if state.distinct is None else len(state.distinct)
    return resolve(state.observed, float_mode=float_mode, n_distinct=n_distinct, n_rows=n_rows)
