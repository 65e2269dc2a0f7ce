"""Errors of records and values; values of a dtype that the user fixed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bigdata_cli.sources.csv.advice import Ragged
from bigdata_cli.sources.csv.rules import Rules
from bigdata_cli.types.dtype import Kind, integer_range, kind_of
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.vocabulary import MAX_CATEGORIES

_BOOLS = {
    **dict.fromkeys(("1", "t", "true", "y", "yes"), 1),
    **dict.fromkeys(("0", "f", "false", "n", "no"), 0),
}
_EPOCH = dt.datetime(1970, 1, 1)


UNCLOSED_HINT = (
    "a quote that is never closed? --quote none reads quotes as characters; "
    "--max-line-size allows more, and a larger --memory-limit has room for more"
)


class InvalidValue(Exception):
    """Values that their column cannot hold.

    Attributes:
        rows: Of the values, in the block.
        problem: The message about the first value.
        reason: The reason for all of them, as rejected records have it.
        hint: What helps; a function if finding it takes time.
        is_of_column: No single value is wrong, so no record can be set aside.
    """

    def __init__(
        self,
        rows: np.ndarray,
        problem: str,
        *,
        reason: str,
        hint: str | Callable[[], str],
        is_of_column: bool = False,
    ) -> None:
        super().__init__(problem)
        self.is_of_column = is_of_column
        self.rows = rows
        self.problem = problem
        self.reason = reason
        self._hint = hint

    @property
    def hint(self) -> str:
        return self._hint if isinstance(self._hint, str) else self._hint()


def contradiction(rows: np.ndarray, text: str, state: ColumnState) -> InvalidValue:
    """The error for values (the first one's text) that contradict a dtype which the user fixed."""
    shown = text if len(text) <= 60 else text[:60] + "…"
    option = f"--type {state.name}="
    return InvalidValue(
        rows,
        f'column "{state.name}": {shown!r} is not {state.dtype} ({option}{state.dtype})',
        reason=f'column "{state.name}" is not {state.dtype}',
        hint=f"{option}text keeps it as it is",
    )


def check_float32(stored: np.ndarray, was_infinite: np.ndarray | int, state: ColumnState) -> None:
    """Raise InvalidValue where a float32 is infinite and its value was not.

    Args:
        stored: float32 (rows,); 0 for nulls.
        was_infinite: The values that were so, bool (rows,); or how many they were, where nobody
            knows which: then all that are infinite are taken for wrong if some are.
        state: Of the column, whose dtype the user fixed.
    """
    wrong = np.isinf(stored)
    if isinstance(was_infinite, np.ndarray):
        wrong &= ~was_infinite
    elif np.count_nonzero(wrong) <= was_infinite:
        return
    if wrong.any():
        raise InvalidValue(
            np.flatnonzero(wrong),
            f'column "{state.name}": a value lies beyond float32 (--type {state.name}=float32)',
            reason=f'column "{state.name}" lies beyond float32',
            hint=f"--type {state.name}=float64 holds it",
        )


def other_format(rows: np.ndarray, text: str, state: ColumnState, expected: str) -> InvalidValue:
    """The error for values (the first one's text) that are not in the format of their column."""
    shown = text if len(text) <= 60 else text[:60] + "…"
    return InvalidValue(
        rows,
        f'column "{state.name}": {shown!r} is no {state.dtype} that is written {expected}',
        reason=f'column "{state.name}" is not written {expected}',
        hint=f"--date-format '{state.name}={expected}' was said, or found; without it the column "
        "stays text. --on-bad-row skip sets such rows aside",
    )


class RecordError(Exception):
    """A record that cannot be kept: its byte offset in the file, and what is wrong with it.

    line, beginning: its line number and first bytes, if they are known already. ragged: its number
    of fields, where that is wrong.
    """

    def __init__(
        self,
        offset: int,
        problem: str,
        *,
        hint: str | None = None,
        ragged: Ragged | None = None,
    ) -> None:
        super().__init__(offset, problem)
        self.ragged = ragged
        self.offset = offset
        self.problem = problem
        self.hint = hint
        self.line: int | None = None
        self.beginning = ""


class NeedMore(Exception):
    """The last record of a block goes on beyond it: the byte offset where it starts."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def too_many_categories(state: ColumnState, n_rows: int) -> ColumnState:
    """The state of a category column that turned out to be text.

    Raises InvalidValue where the user fixed it.
    """
    if state.fixed:
        raise InvalidValue(
            np.zeros(min(n_rows, 1), np.int64),
            f'column "{state.name}" has more than {MAX_CATEGORIES:,} distinct values',
            reason="too many distinct values",
            hint=f"--type {state.name}=text",
            is_of_column=True,
        )
    return replace(state, dtype="text", distinct=None)


def plain_number(text: str, rules: Rules) -> str:
    """A number as Python reads it: a decimal point, no thousands marks."""
    if len(rules.strip):
        text = text.translate(dict.fromkeys([*rules.strip.tolist(), ord(" ")]))
    if rules.thousands >= 0:
        text = text.replace(chr(rules.thousands), "")
    return text if rules.decimal == ord(".") else text.replace(chr(rules.decimal), ".")


def converter_of(dtype: str) -> Callable[[str], int | float]:
    """What reads a text as a dtype that the user fixed: it raises ValueError or OverflowError."""
    kind = kind_of(dtype)
    if kind is Kind.INT:
        low, high = integer_range(dtype)
        return lambda text: _integer(text, low, high)
    if kind is Kind.FLOAT:
        return _float
    if kind is Kind.BOOL:
        return _bool
    if kind is Kind.DATE:
        return lambda text: (dt.date.fromisoformat(text) - _EPOCH.date()).days
    if kind is Kind.TIMESTAMP:
        return lambda text: _timestamp(text, dtype)
    return _refuse


def _refuse(text: str) -> int:
    raise ValueError(text)


def _integer(text: str, low: int, high: int) -> int:
    if "_" in text:
        raise ValueError(text)
    try:
        value = int(text)
    except ValueError:
        as_float = _float(text)
        value = int(as_float)
        if value != as_float or abs(value) > 2**53:
            raise ValueError(text) from None
    if not low <= value <= high:
        raise ValueError(text)
    return value


def _float(text: str) -> float:
    if "_" in text:
        raise ValueError(text)
    value = float(text)
    digits = text.lower().partition("e")[0].strip("+-0. ")
    if digits[:1].isdigit() and (math.isinf(value) or value == 0.0):  # beyond float64
        raise ValueError(text)
    return value


def _bool(text: str) -> int:
    if text.lower() not in _BOOLS:
        raise ValueError(text)
    return _BOOLS[text.lower()]


def _timestamp(text: str, dtype: str) -> int:
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is not None:
        if "UTC" not in dtype:  # the offset would be lost
            raise ValueError(text)
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    micros = (value - _EPOCH) // dt.timedelta(microseconds=1)
    if "ns" not in dtype:
        fraction = text.partition(".")[2]
        digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
        if len(digits) > 6 and digits[6:].strip("0"):
            raise ValueError(text)
        return micros
    if not -(2**63) <= micros * 1000 < 2**63:
        raise ValueError(text)
    return micros * 1000
