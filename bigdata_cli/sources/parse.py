"""One run of the compiled parser over a block, and what its cells showed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bigdata_cli.schema.dtype import Kind, kind_of
from bigdata_cli.schema.lattice import Form, Observed
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.sources import kernel, scan
from bigdata_cli.sources.blocks import Block
from bigdata_cli.sources.classify import classify_cells
from bigdata_cli.sources.dialect import Dialect
from bigdata_cli.sources.number import scratch_bytes
from bigdata_cli.sources.odd import NeedMore, RecordError
from bigdata_cli.sources.rules import Nulls, Rules, compile_nulls, compile_rules
from bigdata_cli.sources.temporal import MICROSECONDS_PER_DAY


@dataclass(frozen=True)
class Grammar:
    """A dialect and the columns of its records, compiled for the kernel."""

    rules: Rules
    nulls: Nulls
    fields: np.ndarray
    is_text: bool


@dataclass(frozen=True)
class Cells:
    """What the kernel gave: see `kernel.parse_records`. bad: the records that are wrong.

    cells and flags are those of the thread: the next block that it parses overwrites them.
    """

    cells: np.ndarray
    flags: np.ndarray
    forms: np.ndarray
    magnitudes: np.ndarray
    record_starts: np.ndarray
    bad: np.ndarray
    rows: int
    position: int
    blank_lines: int


class _Scratch(threading.local):
    """Arrays of the thread, used for one block after the other."""

    def __init__(self) -> None:
        self._cells = np.empty(0, np.int64)
        self._flags = np.empty(0, np.uint8)

    def arrays(self, n_columns: int, capacity: int) -> tuple[np.ndarray, np.ndarray]:
        """Cells with any content and flags of zero, both (columns, capacity)."""
        size = n_columns * capacity
        if len(self._cells) < size:
            self._cells = np.empty(size + size // 8, np.int64)
            self._flags = np.empty(size + size // 8, np.uint8)
        flags = self._flags[:size]
        flags.fill(0)
        shape = n_columns, capacity
        return self._cells[:size].reshape(shape), flags.reshape(shape)


_scratch = _Scratch()


def compile_grammar(
    dialect: Dialect, fields: Sequence[int], columns: Sequence[ColumnState]
) -> Grammar:
    """The grammar of records whose fields are these columns (-1: left out)."""
    return Grammar(
        rules=compile_rules(dialect),
        nulls=compile_nulls(dialect, tuple(state.name for state in columns)),
        fields=np.array(fields, np.int64),
        is_text=dialect.is_text,
    )


def mode_of(state: ColumnState) -> tuple[int, int]:
    """The kernel's mode of a column, and whether its timestamps are UTC."""
    return _mode_of(state.dtype)


@cache
def _mode_of(dtype: str) -> tuple[int, int]:
    kind = kind_of(dtype)
    if kind is Kind.INT:
        return (kernel.UINT64 if dtype == "uint64" else kernel.INT64), 0
    if kind is Kind.TIMESTAMP:
        nanoseconds = "ns" in dtype
        return kernel.TIMESTAMP_NS if nanoseconds else kernel.TIMESTAMP_US, int("UTC" in dtype)
    return {
        Kind.NULL: kernel.NULL,
        Kind.BOOL: kernel.BOOLEAN,
        Kind.FLOAT: kernel.FLOAT64,
        Kind.DATE: kernel.DATE,
        Kind.CATEGORY: kernel.TEXT,
        Kind.TEXT: kernel.TEXT,
    }[kind], 0


def run_kernel(
    block: Block,
    start: int,
    limit: int,
    grammar: Grammar,
    columns: Sequence[ColumnState],
    *,
    collect_bad: bool,
) -> Cells:
    """Parse the records of a block that start in [start, limit), offsets in the file.

    Raises NeedMore where the block is too short. A record that is wrong raises RecordError, or is
    collected.
    """
    begin, stop = start - block.offset, min(limit - block.offset, block.size)
    capacity = scan.most_records(block.data, begin, stop) if begin < stop else 0
    modes = [mode_of(columns[c]) if c >= 0 else (kernel.SKIP, 0) for c in grammar.fields]
    most_bad = 1024 if collect_bad else 0
    while True:
        cells, flags = _scratch.arrays(len(columns), capacity)
        forms = np.zeros(len(columns), np.int64)
        magnitudes = np.zeros((len(columns), 2), np.uint64)
        record_starts = np.empty(capacity if collect_bad else 0, np.int64)
        bad = np.empty((most_bad, 4), np.int64)
        status, position, rows, n_fields, blank, n_bad = kernel.parse_records(
            block.data, begin, stop, block.size, block.at_eof, grammar.rules, grammar.nulls,
            np.array([mode for mode, _ in modes], np.int64),
            np.array([zoned for _, zoned in modes], np.int64),
            grammar.fields, cells, flags, forms, magnitudes, record_starts, bad, scratch_bytes(),
        )  # fmt: skip
        if status != scan.FULL:
            break
        most_bad *= 4
    if status == scan.MORE:
        raise NeedMore(block.offset + position)
    if status != scan.DONE:
        problem, hint = describe(status, n_fields, len(grammar.fields))
        raise RecordError(block.offset + position, problem, hint=hint)
    return Cells(
        cells,
        flags,
        forms,
        magnitudes,
        record_starts,
        bad[:n_bad],
        rows,
        block.offset + position,
        blank,
    )


def record_start(block: Block, start: int, limit: int, grammar: Grammar, row: int) -> int:
    """The position in the block of a row's record: where the parser stops for lack of room."""
    skipping = np.full(len(grammar.fields), kernel.SKIP, np.int64)
    nothing = np.zeros(len(grammar.fields), np.int64)
    _, position, _, _, _, _ = kernel.parse_records(
        block.data, start - block.offset, min(limit - block.offset, block.size), block.size,
        block.at_eof, grammar.rules, grammar.nulls, skipping, nothing, nothing,
        np.empty((1, row), np.int64), np.zeros((1, row), np.uint8), np.zeros(1, np.int64),
        np.zeros((1, 2), np.uint64), np.empty(0, np.int64), np.empty((0, 4), np.int64),
        scratch_bytes(),
    )  # fmt: skip
    return position


def describe(status: int, n_seen: int, n_fields: int) -> tuple[str, str]:
    """What is wrong with a record that the kernel refused, and what may help."""
    detected = "--delimiter, --quote or --header may differ from what was detected"
    unquoted = "--quote none reads quotes as characters"
    if status == scan.TOO_FEW:
        return f"the record has {n_seen} fields, {n_fields} were expected", detected
    if status == scan.TOO_MANY:
        return f"the record has more than the {n_fields} fields expected", detected
    if status == scan.AFTER_QUOTE:
        return f"field {n_seen} goes on after its closing quote", unquoted
    return f"field {n_seen} has an opening quote and no closing one", unquoted


def observe(
    block: Block, parsed: Cells, index: int, state: ColumnState, grammar: Grammar
) -> Observed:
    """What the values of one column showed, those included that do not fit its dtype."""
    cells, flags = parsed.cells[index, : parsed.rows], parsed.flags[index, : parsed.rows]
    if state.fixed:
        return Observed()
    if grammar.is_text:
        return Observed(Form.TEXT) if parsed.rows else Observed()
    mode, _ = mode_of(state)
    magnitudes = parsed.magnitudes[index]
    forms = int(parsed.forms[index])
    if mode in (kernel.INT64, kernel.UINT64, kernel.DATE, kernel.BOOLEAN):
        forms |= _observe_typed(cells, flags, mode, magnitudes)
    flagged = np.count_nonzero(flags) > 0
    if mode == kernel.TEXT or (flagged and (flags == kernel.ODD).any()):
        forms |= classify_cells(
            block.data,
            cells,
            flags,
            -1 if mode == kernel.TEXT else kernel.ODD,
            grammar.rules,
            grammar.nulls,
            index,
            mode == kernel.TEXT,
            magnitudes,
            scratch_bytes(),
        )
    return Observed(forms, int(magnitudes[0]), int(magnitudes[1]))


def _observe_typed(cells: np.ndarray, flags: np.ndarray, mode: int, magnitudes: np.ndarray) -> int:
    """Forms of the cells that fit, for modes that the kernel does not track while parsing."""
    typed = cells.view(np.uint64) if mode == kernel.UINT64 else cells
    values = typed[flags == kernel.VALUE] if np.count_nonzero(flags) else typed
    if not len(values):
        return 0
    if mode == kernel.BOOLEAN:
        return Form.BOOL
    low, high = int(values.min()), int(values.max())
    scale = MICROSECONDS_PER_DAY if mode == kernel.DATE else 1
    if low < 0:
        magnitudes[0] = max(int(magnitudes[0]), -low * scale)
    if high >= 0:
        magnitudes[1] = max(int(magnitudes[1]), high * scale)
    return Form.DATE if mode == kernel.DATE else Form.INT
