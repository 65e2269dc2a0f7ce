"""Records of a block as columns, with the dtypes that hold their values, and their evidence."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from bigdata_cli.native import parser as native
from bigdata_cli.native.library import address
from bigdata_cli.native.parser import thread_parser
from bigdata_cli.native.structs import ParserInput
from bigdata_cli.sources.bad_values import NeedMore, RecordError
from bigdata_cli.sources.csv.advice import Ragged
from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.column_plan import ColumnPlan, Parsed, column_plan
from bigdata_cli.sources.csv.dialect import WHITESPACE, Dialect
from bigdata_cli.sources.csv.rules import Nulls, Rules, compile_nulls, compile_rules
from bigdata_cli.sources.csv.undecided import check_column, flagged_columns
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.lattice import Form
from bigdata_cli.types.state import ColumnState

_NO_DECISIONS = np.empty(0, native.DECISION)
_BAD_AT_FIRST = 1024
_MAX_BLOCK_BYTES = 2**31 - 1
_BYTES_A_ROW = 4
"""Where records are shorter, their starts are found by themselves."""


class Grammar(msgspec.Struct, frozen=True):
    """A dialect and the columns of its records, as the C library takes them."""

    rules: Rules
    nulls: Nulls
    fields: np.ndarray
    is_text: bool
    formats: tuple[str | None, ...] = ()


class OfRows(msgspec.Struct, frozen=True):
    """What is asked of rows beside their values.

    salts: the rows are hashed, uint64 (fields,); 0 leaves a field out. starts: where their records
    start is noted.
    """

    salts: np.ndarray | None = None
    starts: bool = False


_NOTHING = OfRows()


def compile_grammar(
    dialect: Dialect, fields: Sequence[int], columns: Sequence[ColumnState]
) -> Grammar:
    """The grammar of records whose fields are these columns (-1: left out)."""
    return Grammar(
        rules=compile_rules(dialect),
        nulls=compile_nulls(dialect, tuple(state.name for state in columns)),
        fields=np.array(fields, np.int64),
        is_text=dialect.is_text,
        formats=_formats(dialect, columns),
    )


def _formats(dialect: Dialect, columns: Sequence[ColumnState]) -> tuple[str | None, ...]:
    """The formats of the dates of columns; empty where all are ISO 8601."""
    if not dialect.date_formats:
        return ()
    formats = dict(dialect.date_formats)
    return tuple(formats.get(state.name) for state in columns)


class _Pass:
    """One block on its way through the parser."""

    def __init__(
        self,
        block: Block,
        start: int,
        limit: int,
        grammar: Grammar,
        *,
        n_columns: int,
        max_bad: int,
    ) -> None:
        assert block.size <= _MAX_BLOCK_BYTES
        self.block = block
        self.grammar = grammar
        self.bad = np.empty((max_bad, 4), np.int64)
        self.records = ParserInput(
            block=address(block.data),
            begin=start - block.offset,
            stop=min(limit - block.offset, block.size),
            size=block.size,
            at_eof=block.at_eof,
            rules=ctypes.pointer(grammar.rules.native),
            nulls=ctypes.pointer(grammar.nulls.native),
            n_fields=len(grammar.fields),
            targets=address(grammar.fields),
            n_columns=n_columns,
            max_bad=max_bad,
            bad=address(self.bad),
        )

    def note_starts(self) -> np.ndarray:
        """Have the starts of records noted: int64 (n,), of the first n of them."""
        starts = np.empty((self.records.stop - self.records.begin) // _BYTES_A_ROW + 1, np.int64)
        self.records.record_starts, self.records.max_starts = address(starts), len(starts)
        return starts

    def run(self, plan: ColumnPlan, active: np.ndarray, decisions: np.ndarray, results: np.ndarray):
        """Parse the active columns; raises NeedMore, and RecordError where a record is wrong."""
        while True:
            outcome = thread_parser().parse(self.records, plan.plan, active, decisions, results)
            if outcome.status != native.FULL:
                break
            self.bad = np.empty((4 * len(self.bad), 4), np.int64)
            self.records.bad, self.records.max_bad = address(self.bad), len(self.bad)
        position = self.block.offset + outcome.position
        if outcome.status == native.MORE:
            raise NeedMore(position)
        if outcome.status != native.DONE:
            n_fields = len(self.grammar.fields) - self.grammar.rules.drops_last
            problem, hint = describe(outcome.status, outcome.n_seen, n_fields)
            ragged = None
            if outcome.status in (native.TOO_FEW, native.TOO_MANY):
                seen = outcome.n_seen + (outcome.status == native.TOO_MANY)
                rules = self.grammar.rules
                delimiter = chr(rules.delimiter) + rules.tail.tobytes().decode()
                delimiter = WHITESPACE if rules.runs else delimiter
                ragged = Ragged(n_fields=seen, n_columns=n_fields, delimiter=delimiter)
            raise RecordError(position, problem, hint=hint, ragged=ragged)
        return outcome


def parse_records(
    block: Block,
    start: int,
    limit: int,
    grammar: Grammar,
    columns: tuple[ColumnState, ...],
    *,
    float_mode: str,
    collect_bad: bool,
    of_rows: OfRows = _NOTHING,
) -> Parsed:
    """Parse the records of a block that start in [start, limit), offsets in the file.

    Columns whose type does not hold their values are parsed again as what they are. With
    `collect_bad` records that are wrong are listed; then there is nothing else. Raises NeedMore
    where the block is too short, RecordError for a record that is wrong, and InvalidValue for
    values that their column cannot hold.
    """
    max_bad = _BAD_AT_FIRST if collect_bad else 0
    one_pass = _Pass(block, start, limit, grammar, n_columns=len(columns), max_bad=max_bad)
    salts = of_rows.salts
    one_pass.records.salts = None if salts is None else address(salts)
    starts = one_pass.note_starts() if of_rows.starts else None
    results = np.zeros(len(columns), native.RESULT)
    plan, outcome, undecided, is_hashed = _parse_columns(one_pass, columns, results, float_mode)
    parser = thread_parser()
    parsed = Parsed(
        parser=parser,
        plan=plan,
        results=results,
        rows=outcome.n_rows,
        position=block.offset + outcome.position,
        tally=Tally(
            blank_lines=outcome.n_blank,
            short_rows=outcome.n_short,
            long_rows=outcome.n_long,
        ),
        bad=one_pass.bad[: outcome.n_bad],
    )
    if outcome.n_bad:
        return parsed
    is_hashed = not _settle(parsed, one_pass, undecided) and is_hashed
    if salts is not None and not is_hashed:  # a column became another after it was hashed
        one_pass.records.salts = address(salts)
        parser.hash_again(one_pass.records, outcome.n_rows)
    if starts is not None:
        has_all = outcome.n_rows <= len(starts)
        parsed.starts = starts[: outcome.n_rows].copy() if has_all else None
        if not has_all:
            parsed.starts = record_starts(block, start, limit, grammar, outcome.n_rows)
    return parsed


def _parse_columns(
    one_pass: _Pass, columns: tuple[ColumnState, ...], results: np.ndarray, float_mode: str
) -> tuple[ColumnPlan, Any, np.ndarray, bool]:
    """Parse columns until each is of a type that holds its values.

    Returns how they were parsed at last, the outcome of that, what is undecided, and whether rows
    were hashed by it.
    """
    grammar, parser = one_pass.grammar, thread_parser()
    active = np.ones(len(columns), np.uint8)
    undecided = np.empty(0, native.UNDECIDED)
    how: dict[str, Any] = {
        "is_text": grammar.is_text,
        "float_mode": float_mode,
        "formats": grammar.formats,
    }
    plan = column_plan(columns, **how)
    while True:
        outcome = one_pass.run(plan, active, _NO_DECISIONS, results)
        is_hashed = one_pass.records.salts is not None
        one_pass.records.salts, one_pass.records.max_starts = None, 0
        if outcome.n_bad:
            break
        kept = undecided[active[undecided["column"]] == 0]
        undecided = np.concatenate([kept, parser.undecided(outcome.n_undecided)])
        if grammar.is_text:
            _observe_lines(results, outcome.n_rows)
        widened = plan.widened(results)
        if widened is plan.columns:
            break
        wider = column_plan(widened, **how)
        active = (plan.modes != wider.modes).astype(np.uint8)
        active |= plan.plan["zoned"] != wider.plan["zoned"]
        plan = wider
        if not active.any():
            break
    return plan, outcome, undecided, is_hashed


def _observe_lines(results: np.ndarray, n_rows: int) -> None:
    """Lines of text are text, whatever they look like."""
    results["forms"] = Form.TEXT if n_rows else 0
    results["negative"] = results["positive"] = 0


def _settle(parsed: Parsed, one_pass: _Pass, undecided: np.ndarray) -> bool:
    """Decide what the parser could not; whether there was something.

    Raises InvalidValue, of the first column that has a value which cannot be.
    """
    flagged = flagged_columns(parsed, undecided)
    decisions = [
        check_column(parsed, one_pass.block, index, undecided, one_pass.grammar.rules)
        for index in flagged
    ]
    decided = [decision for decision in decisions if len(decision)]
    if decided:
        active = np.zeros(len(parsed.columns), np.uint8)
        for decision in decided:
            active[decision["column"]] = 1
        one_pass.run(parsed.plan, active, np.concatenate(decided), parsed.results)
    return bool(decided)


def record_starts(
    block: Block, start: int, limit: int, grammar: Grammar, n_rows: int
) -> np.ndarray:
    """Where the records of the first rows start in the block: int64 (n_rows,)."""
    n_columns = len(grammar.nulls.first)
    one_pass = _Pass(block, start, limit, grammar, n_columns=n_columns, max_bad=0)
    starts = np.empty(n_rows, np.int64)
    one_pass.records.record_starts, one_pass.records.max_starts = address(starts), n_rows
    nothing = np.zeros(n_columns, np.uint8)
    plan, results = np.zeros(n_columns, native.COLUMN_PLAN), np.zeros(n_columns, native.RESULT)
    thread_parser().parse(one_pass.records, plan, nothing, _NO_DECISIONS, results)
    return starts


def record_start(block: Block, start: int, limit: int, grammar: Grammar, row: int) -> int:
    """The position in the block of a row's record."""
    return int(record_starts(block, start, limit, grammar, row + 1)[row])


def describe(status: int, n_seen: int, n_fields: int) -> tuple[str, str | None]:
    """What is wrong with a record that the parser refused, and what may help.

    None where that follows from the record: see `advice`.
    """
    unquoted = "--quote none reads quotes as characters; --on-bad-row skip sets such rows aside"
    if status == native.TOO_FEW:
        seen = f"{n_seen} field{'s'[: n_seen != 1]}"
        return f"the record has {seen}, {n_fields} were expected", None
    if status == native.TOO_MANY:
        return f"the record has more than the {n_fields} field{'s'[: n_fields != 1]} expected", None
    if status == native.AFTER_QUOTE:
        return f"field {n_seen} goes on after its closing quote", unquoted
    return f"field {n_seen} has an opening quote and no closing one", unquoted
