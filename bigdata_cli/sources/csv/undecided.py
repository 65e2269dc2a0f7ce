"""Values that the parser leaves to Python: long decimals, and values beyond a fixed dtype."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bigdata_cli.native import parser as native
from bigdata_cli.sources.bad_values import (
    InvalidValue,
    check_float32,
    contradiction,
    converter_of,
    other_format,
    plain_number,
    too_many_categories,
)
from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.column_plan import Parsed, storage_of
from bigdata_cli.sources.csv.columns import not_utf8
from bigdata_cli.sources.csv.rules import Rules
from bigdata_cli.types.dtype import Kind, integer_range, kind_of
from bigdata_cli.types.state import ColumnState, arrow_schema


def flagged_columns(parsed: Parsed, undecided: np.ndarray) -> list[int]:
    """The columns that need a second look, in order."""
    plan, results = parsed.plan, parsed.results
    flagged = results["is_utf8"] == 0
    flagged[undecided["column"]] = True
    is_category = plan.storage == native.STORAGES["category"]
    flagged |= is_category & (results["n_distinct"] < 0)
    narrow = plan.fixed & np.isin(plan.modes, (native.INT64, native.UINT64))
    flagged |= narrow & (results["has_range"] != 0)
    may_overflow = plan.fixed & (plan.storage == native.STORAGES["float32"])
    flagged |= may_overflow & (results["float32_error"] >= 1.0)
    return np.flatnonzero(flagged).tolist()


def check_column(
    parsed: Parsed, block: Block, index: int, undecided: np.ndarray, rules: Rules
) -> np.ndarray:
    """The values of the column that were not decided: native.DECISION (n,), by row.

    A category with too many values becomes text. Raises InvalidValue where the column cannot
    hold one of its values.
    """
    state = parsed.columns[index]
    own = undecided[undecided["column"] == index]
    decisions = np.zeros(len(own), native.DECISION)
    decisions["column"] = index
    decisions["row"] = own["row"]
    values = decisions["value"]
    if kind_of(state.dtype) is Kind.FLOAT:
        values = values.view(np.float64)
    elif state.dtype == "uint64":
        values = values.view(np.uint64)
    texts = [_text_of(block, *place) for place in own[["start", "size"]].tolist()]
    is_hard = own["is_hard"].astype(bool)
    _decide_long_decimals(values, own, texts, is_hard, state, rules)
    expected = parsed.plan.formats[index] if parsed.plan.formats else None
    if expected is not None and len(own):
        raise other_format(own["row"], texts[0], state, expected)
    if state.fixed and kind_of(state.dtype) not in (Kind.TEXT, Kind.CATEGORY):
        _convert(values, own, texts, ~is_hard, state, rules)
    if state.fixed and kind_of(state.dtype) is Kind.INT:
        _check_range(parsed, index, state, decisions)
    if state.fixed and state.dtype == "float32":
        _check_float32(parsed, index, state, decisions)
    if not parsed.results["is_utf8"][index]:
        _raise_not_utf8(parsed, index)
    if state.dtype == "category" and parsed.results["n_distinct"][index] < 0:
        columns = list(parsed.columns)
        columns[index] = too_many_categories(state, parsed.rows)
        parsed.columns = tuple(columns)
    return decisions


def _text_of(block: Block, start: int, size: int) -> str:
    raw = block.data[start : start + size].tobytes()
    return raw.decode("utf-8", "replace")


def _decide_long_decimals(
    values: np.ndarray,
    own: np.ndarray,
    texts: list[str],
    is_hard: np.ndarray,
    state: ColumnState,
    rules: Rules,
) -> None:
    """Put Python's float in place of the decimals that the parser could not decide."""
    for place in np.flatnonzero(is_hard).tolist():
        values[place] = float(plain_number(texts[place], rules))
        if np.isinf(values[place]) or values[place] == 0.0:
            raise InvalidValue(
                own["row"][place : place + 1],
                f'column "{state.name}": {texts[place]!r} lies beyond float64',
                reason=f'column "{state.name}" lies beyond float64',
                hint=f"--type {state.name}=text keeps it as it is",
            )


def _convert(
    values: np.ndarray,
    own: np.ndarray,
    texts: list[str],
    is_odd: np.ndarray,
    state: ColumnState,
    rules: Rules,
) -> None:
    """Read texts as values of the dtype that the user fixed; raises InvalidValue."""
    kind = kind_of(state.dtype)
    convert = converter_of(state.dtype)
    refused: list[int] = []
    first = ""
    for place in np.flatnonzero(is_odd).tolist():
        text = texts[place].strip()
        number = plain_number(text, rules) if kind in (Kind.INT, Kind.FLOAT) else text
        try:
            values[place] = convert(number)
        except (ValueError, OverflowError):
            first = first or text
            refused.append(place)
    if refused:
        raise contradiction(own["row"][refused], first, state)


def _check_range(parsed: Parsed, index: int, state: ColumnState, decisions: np.ndarray) -> None:
    """Raise InvalidValue where an integer column of fixed dtype has values beyond it."""
    if state.dtype in ("int64", "uint64"):
        return
    low, high = integer_range(state.dtype)
    result = parsed.results[index]
    smallest, largest = (int(result[end].view(np.int64)) for end in ("low", "high"))
    if not len(decisions) and low <= smallest and largest <= high:
        return
    values, valid = parsed.parser.integers(index, parsed.rows)
    values[decisions["row"]] = decisions["value"]
    wrong = np.flatnonzero(valid & ((values < low) | (values > high)))
    if len(wrong):
        raise contradiction(wrong, str(values[wrong[0]]), state)


def _check_float32(parsed: Parsed, index: int, state: ColumnState, decisions: np.ndarray) -> None:
    """Raise InvalidValue where a float32 of fixed dtype has values beyond it."""
    # The others are not settled yet.
    columns = [state if s is state else replace(s, dtype="null") for s in parsed.columns]
    storage = np.array([storage_of(one.dtype) for one in columns], np.int32)
    batch = parsed.parser.batch(storage, parsed.rows, arrow_schema(columns))
    stored = batch.column(index).fill_null(0.0).to_numpy().copy()
    stored[decisions["row"]] = 0.0
    check_float32(stored, int(parsed.results["n_infinite"][index]), state)
    decided = np.zeros(parsed.rows)
    decided[decisions["row"]] = decisions["value"].view(np.float64)
    with np.errstate(over="ignore"):
        check_float32(decided.astype(np.float32), np.isinf(decided), state)


def _raise_not_utf8(parsed: Parsed, index: int) -> None:
    columns = list(parsed.columns)
    columns[index] = ColumnState(name=columns[index].name, dtype="text")
    parsed.columns = tuple(columns)
    raise not_utf8(parsed.batch().column(index), columns[index].name)
