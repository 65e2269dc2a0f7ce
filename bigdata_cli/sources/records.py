"""Records of a block as a typed Arrow chunk, with what was observed on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bigdata_cli.schema.dtype import Kind, Schema, kind_of
from bigdata_cli.schema.lattice import Form, Observed
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.sources import kernel
from bigdata_cli.sources.blocks import Block, dialect_codes
from bigdata_cli.sources.classify import classify_cells
from bigdata_cli.sources.columns import chunk_column, column_statistics
from bigdata_cli.sources.dialect import Dialect
from bigdata_cli.sources.odd import (
    NeedMore,
    OddValue,
    RecordError,
    convert_odd_cells,
    hard_decimals,
    too_many_categories,
)


@dataclass(frozen=True, kw_only=True)
class ParsePlan:
    """How the records of a source are parsed: picklable, the same for all its blocks."""

    dialect: Dialect
    columns: tuple[ColumnState, ...]
    float_mode: str = "auto"

    def schema(self) -> Schema:
        return Schema(tuple(state.column() for state in self.columns))


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The parsed records of a block.

    columns: the states that the chunk was parsed under, wider than the plan's where a value asked
    for it. observed: what the values of this chunk alone showed. position: offset in the file
    after the last record. distinct: per column the distinct texts, None for too many or untracked.
    """

    batch: pa.RecordBatch
    columns: tuple[ColumnState, ...]
    observed: tuple[Observed, ...]
    statistics: tuple[ColumnStatistics, ...]
    distinct: tuple[frozenset[str] | None, ...]
    rows: int
    position: int
    blank_lines: int


@dataclass(frozen=True)
class _Cells:
    """What the kernel gave: see `kernel.parse_records`."""

    cells: np.ndarray
    flags: np.ndarray
    forms: np.ndarray
    magnitudes: np.ndarray
    rows: int
    position: int
    blank_lines: int


def parse_block(
    block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
) -> Chunk:
    """Parse the records of a block that start in [start, limit), offsets in the file.

    fields: per field of a record the index of its column in the plan, -1 for none. Raises
    RecordError for a record that cannot be kept, NeedMore where the block is too short.
    """
    columns = plan.columns
    while True:
        parsed = _run_kernel(block, start, limit, fields, columns, plan.dialect)
        observed = tuple(
            _observe(block, parsed, i, state, plan.dialect) for i, state in enumerate(columns)
        )
        widened = tuple(
            state.widened(seen, plan.float_mode)
            for state, seen in zip(columns, observed, strict=True)
        )
        if all(a is b for a, b in zip(columns, widened, strict=True)):
            break
        again = any(_mode(a) != _mode(b) for a, b in zip(columns, widened, strict=True))
        columns = widened
        if not again:
            break
    try:
        return _chunk(block, parsed, columns, observed, plan.dialect)
    except OddValue as odd:
        raise _located(odd, block, start, limit, fields, plan) from odd


def _located(
    odd: OddValue, block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
) -> RecordError:
    """The error of a value, with its record's offset: where the parser stops for lack of room."""
    skipping = np.full(len(fields), kernel.SKIP, np.int64)
    nothing = np.zeros(len(fields), np.int64)
    delimiter, quote = dialect_codes(plan.dialect)
    tokens, token_ends, longest = null_tokens(plan.dialect)
    _, position, _, _, _ = kernel.parse_records(
        block.data, start - block.offset, min(limit - block.offset, block.size), block.size,
        block.at_eof, delimiter, quote, False, skipping, nothing, nothing,
        tokens, token_ends, longest,
        np.empty((1, odd.row), np.int64), np.zeros((1, odd.row), np.uint8),
        np.zeros(1, np.int64), np.zeros((1, 2), np.uint64),
    )  # fmt: skip
    return RecordError(block.offset + position, odd.problem, hint=odd.hint)


def _mode(state: ColumnState) -> tuple[int, int]:
    """The kernel's mode of a column, and whether its timestamps are UTC."""
    kind = kind_of(state.dtype)
    if kind is Kind.INT:
        return (kernel.UINT64 if state.dtype == "uint64" else kernel.INT64), 0
    if kind is Kind.TIMESTAMP:
        nanoseconds = "ns" in state.dtype
        return (
            kernel.TIMESTAMP_NS if nanoseconds else kernel.TIMESTAMP_US,
            int("UTC" in state.dtype),
        )
    return {
        Kind.NULL: kernel.NULL,
        Kind.BOOL: kernel.BOOLEAN,
        Kind.FLOAT: kernel.FLOAT64,
        Kind.DATE: kernel.DATE,
        Kind.CATEGORY: kernel.TEXT,
        Kind.TEXT: kernel.TEXT,
    }[kind], 0


def null_tokens(dialect: Dialect) -> tuple[np.ndarray, np.ndarray, int]:
    """The null tokens for the kernel: their bytes, their ends, the longest one's bytes."""
    tokens = [token.encode() for token in dialect.null_tokens]
    joined = np.frombuffer(b"".join(tokens) + b"\0", np.uint8)
    ends = np.cumsum([len(token) for token in tokens], dtype=np.int64)
    return joined, ends, max(map(len, tokens), default=-1)


def _run_kernel(
    block: Block,
    start: int,
    limit: int,
    fields: Sequence[int],
    columns: Sequence[ColumnState],
    dialect: Dialect,
) -> _Cells:
    begin, stop = start - block.offset, min(limit - block.offset, block.size)
    capacity = kernel.most_records(block.data, begin, stop) if begin < stop else 0
    modes = [_mode(columns[c]) if c >= 0 else (kernel.SKIP, 0) for c in fields]
    cells = np.empty((len(columns), capacity), np.int64)
    flags = np.zeros((len(columns), capacity), np.uint8)
    forms = np.zeros(len(columns), np.int64)
    magnitudes = np.zeros((len(columns), 2), np.uint64)
    delimiter, quote = dialect_codes(dialect)
    tokens, token_ends, longest = null_tokens(dialect)
    status, position, rows, n_fields, blank = kernel.parse_records(
        block.data, begin, stop, block.size, block.at_eof, delimiter, quote, False,
        np.array([mode for mode, _ in modes], np.int64),
        np.array([zoned for _, zoned in modes], np.int64),
        np.array(fields, np.int64),
        tokens, token_ends, longest, cells, flags, forms, magnitudes,
    )  # fmt: skip
    if status == kernel.MORE:
        raise NeedMore
    if status != kernel.DONE:
        raise _record_error(status, block.offset + position, n_fields, len(fields))
    position = min(position, block.size)
    return _Cells(cells, flags, forms, magnitudes, rows, block.offset + position, blank)


def _record_error(status: int, offset: int, n_seen: int, n_fields: int) -> RecordError:
    if status == kernel.TOO_FEW:
        return RecordError(
            offset,
            f"the record has {n_seen} fields, {n_fields} were expected",
            hint="--delimiter, --quote or --header may differ from what was detected",
        )
    if status == kernel.TOO_MANY:
        return RecordError(
            offset,
            f"the record has more than the {n_fields} fields expected",
            hint="--delimiter, --quote or --header may differ from what was detected",
        )
    if status == kernel.AFTER_QUOTE:
        return RecordError(
            offset,
            f"field {n_seen} goes on after its closing quote",
            hint="--quote none reads quotes as characters",
        )
    return RecordError(
        offset,
        f"field {n_seen} has an opening quote and no closing one",
        hint="--quote none reads quotes as characters",
    )


def _observe(
    block: Block, parsed: _Cells, index: int, state: ColumnState, dialect: Dialect
) -> Observed:
    """What the values of one column showed, those included that do not fit its dtype."""
    rows = parsed.rows
    cells, flags = parsed.cells[index, :rows], parsed.flags[index, :rows]
    mode, _ = _mode(state)
    magnitudes = parsed.magnitudes[index]
    forms = int(parsed.forms[index])
    if state.fixed:
        return Observed()
    if dialect.is_text:
        return Observed(Form.TEXT) if rows else Observed()
    if mode == kernel.TEXT:
        wanted = -1
    else:
        wanted = kernel.ODD
        if mode in (kernel.INT64, kernel.UINT64, kernel.DATE, kernel.BOOLEAN):
            forms |= _observe_typed(cells, flags, mode, magnitudes)
    if mode == kernel.TEXT or (flags == kernel.ODD).any():
        tokens, ends, _ = null_tokens(dialect)
        quote = dialect_codes(dialect)[1]
        forms |= classify_cells(
            block.data, cells, flags, wanted, quote, tokens, ends, mode == kernel.TEXT, magnitudes
        )
    return Observed(Form(forms), int(magnitudes[0]), int(magnitudes[1]))


def _observe_typed(cells: np.ndarray, flags: np.ndarray, mode: int, magnitudes: np.ndarray) -> int:
    """Forms of the cells that fit, for modes that the kernel does not track while parsing."""
    valid = flags == kernel.VALUE
    if not valid.any():
        return 0
    if mode == kernel.BOOLEAN:
        return int(Form.BOOL)
    typed = cells.view(np.uint64) if mode == kernel.UINT64 else cells
    values = typed if valid.all() else typed[valid]
    low, high = int(values.min()), int(values.max())
    scale = 86_400_000_000 if mode == kernel.DATE else 1
    if low < 0:
        magnitudes[0] = max(int(magnitudes[0]), -low * scale)
    if high >= 0:
        magnitudes[1] = max(int(magnitudes[1]), high * scale)
    return int(Form.DATE if mode == kernel.DATE else Form.INT)


def _chunk(
    block: Block,
    parsed: _Cells,
    columns: tuple[ColumnState, ...],
    observed: tuple[Observed, ...],
    dialect: Dialect,
) -> Chunk:
    arrays, statistics, distinct = [], [], []
    final_columns = list(columns)
    quote = dialect_codes(dialect)[1]
    for i, state in enumerate(columns):
        cells = parsed.cells[i, : parsed.rows]
        flags = parsed.flags[i, : parsed.rows]
        mode, _ = _mode(state)
        if mode == kernel.FLOAT64:
            hard_decimals(block, cells, flags)
        if state.fixed and mode != kernel.TEXT:
            convert_odd_cells(block, cells, flags, state)
        array, values = chunk_column(block, cells, flags, state, quote)
        if state.dtype == "category" and values is None:
            final_columns[i] = too_many_categories(state)
        arrays.append(array)
        distinct.append(values)
        statistics.append(column_statistics(array, cells, flags, state.dtype))
    batch = pa.RecordBatch.from_arrays(arrays, names=[state.name for state in columns])
    return Chunk(
        batch=batch,
        columns=tuple(final_columns),
        observed=observed,
        statistics=tuple(statistics),
        distinct=tuple(distinct),
        rows=parsed.rows,
        position=parsed.position,
        blank_lines=parsed.blank_lines,
    )
