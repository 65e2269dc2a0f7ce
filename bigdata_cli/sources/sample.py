"""A sample spread over a source, and the types it suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bigdata_cli.schema.dtype import Kind, Schema, kind_of
from bigdata_cli.schema.lattice import TypeOptions, resolve
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.schema.vocabulary import MAX_CATEGORIES
from bigdata_cli.sources.blocks import MAX_RECORD_BYTES, BlockReader, ByteRange
from bigdata_cli.sources.odd import RecordError
from bigdata_cli.sources.records import Chunk, ParsePlan
from bigdata_cli.sources.source import Source
from bigdata_cli.sources.units import located, parse_unit

SAMPLE_BYTES = 8 << 20
_MOST_PIECES = 32
_FEWEST_PIECES = 4
_PIECE_COLUMNS = 6_400


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What pieces of a source show of the whole.

    plan: the types to parse with. schema: the same as columns. statistics: of the sampled rows, by
    column. ranges: where the sampled records stand in the source (`read_sample`); bytes: of all.
    exact: the sample is the whole source.
    """

    plan: ParsePlan
    schema: Schema
    statistics: Mapping[str, ColumnStatistics]
    rows: int
    bytes: int
    estimated_rows: int
    exact: bool
    ranges: tuple[ByteRange, ...]


def keep_columns(source: Source, keep: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Per file and field of a record, the index of its column in `keep`, -1 for a dropped one."""
    place = {name: index for index, name in enumerate(keep)}
    return tuple(
        tuple(place.get(source.names[column], -1) for column in file.fields)
        for file in source.files
    )


def sample_pieces(source: Source, max_bytes: int) -> tuple[tuple[ByteRange, ...], bool]:
    """Byte ranges spread evenly over the files, first and last bytes included; and if it is all."""
    if source.data_bytes <= max_bytes:
        whole = (ByteRange(i, file.data_start, file.size) for i, file in enumerate(source.files))
        return tuple(whole), True
    pieces = []
    # Each piece costs time per column: of wide tables fewer and longer ones are taken.
    n_pieces = min(_MOST_PIECES, max(_FEWEST_PIECES, _PIECE_COLUMNS // len(source.names)))
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


def take_sample(
    source: Source,
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
    fields = keep_columns(source, keep)
    states = tuple(_first_state(name, types) for name in keep)
    plan = ParsePlan(
        dialect=source.dialect,
        columns=states,
        float_mode=types.float_mode,
        skip_bad_rows=skip_bad_rows,
        max_record_bytes=max_record_bytes,
    )
    pieces, exact = sample_pieces(source, max_bytes)
    chunks: list[Chunk] = []
    ranges: list[ByteRange] = []
    with BlockReader(source) as reader:
        failed: tuple[ByteRange, RecordError] | None = None
        for piece in pieces:
            unit = parse_unit(reader, source, piece, None, fields[piece.file], plan)
            if unit.chunk is None or unit.error is not None:
                # Its start may have been guessed wrong; conversion will tell.
                failed = failed or (piece, unit.error or RecordError(piece.start, ""))
                continue
            chunks.append(unit.chunk)
            plan = replace(plan, columns=_learn(plan.columns, unit.chunk))
            ranges.append(ByteRange(piece.file, unit.start, unit.chunk.position))
        if failed is not None and (exact or not chunks):
            raise located(source.files[failed[0].file], failed[1])
    return _summarise(source, plan, chunks, ranges, exact)


def read_sample(source: Source, sample: Sample) -> bytes:
    """The sampled records as they stand in the source, without header."""
    with BlockReader(source) as reader:
        blocks = [reader.read(*part) for part in sample.ranges]
    return b"".join(block.data[: block.size].tobytes() for block in blocks)


def _first_state(name: str, types: TypeOptions) -> ColumnState:
    dtype = types.fixed.get(name)
    if dtype is None:
        return ColumnState(name=name)
    collects = kind_of(dtype) is Kind.CATEGORY
    return ColumnState(
        name=name, dtype=dtype, fixed=True, distinct=frozenset() if collects else None
    )


def _learn(columns: tuple[ColumnState, ...], chunk: Chunk) -> tuple[ColumnState, ...]:
    """The column states after a chunk: its types, what it showed, its distinct texts."""
    return tuple(
        replace(
            seen,
            observed=seen.observed.join(observed),
            distinct=join_distinct(state.distinct, values),
        )
        for state, seen, observed, values in zip(
            columns, chunk.columns, chunk.observed, chunk.distinct, strict=True
        )
    )


def join_distinct(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    """Distinct texts of both, None where there are more than a vocabulary holds."""
    if a is None or b is None:
        return None
    joined = a | b if not b <= a else a
    return joined if len(joined) <= MAX_CATEGORIES else None


def _summarise(
    source: Source,
    plan: ParsePlan,
    chunks: list[Chunk],
    ranges: list[ByteRange],
    exact: bool,
) -> Sample:
    rows = sum(chunk.rows for chunk in chunks)
    n_bytes = sum(part.stop - part.start for part in ranges)
    estimated = rows if exact else round(rows * source.data_bytes / max(n_bytes, 1))
    states = tuple(
        replace(state, dtype=settle(state, plan.float_mode, rows)) for state in plan.columns
    )
    plan = replace(plan, columns=states)
    statistics = {state.name: ColumnStatistics() for state in states}
    for chunk in chunks:
        for state, seen in zip(states, chunk.statistics, strict=True):
            statistics[state.name] = statistics[state.name].merge(seen)
    return Sample(
        plan=plan,
        schema=plan.schema(),
        statistics=statistics,
        rows=rows,
        bytes=n_bytes,
        estimated_rows=estimated,
        exact=exact,
        ranges=tuple(ranges),
    )


def settle(state: ColumnState, float_mode: str, n_rows: int) -> str:
    """The dtype of a column once all its values are known."""
    if state.fixed:
        return state.dtype
    n_distinct = None if state.distinct is None else len(state.distinct)
    return resolve(state.observed, float_mode=float_mode, n_distinct=n_distinct, n_rows=n_rows)
