"""A CSV read independently of the project: records, nulls, dtypes and values.

Slow and plain on purpose. It follows docs/design.md and shares no code with the parser: records
are split by a regular expression, numbers are read by Python's `int` and `float`, dates by
`datetime`. Values are compared in a canonical form, as Arrow arrays: bool; int64 (uint64 for
uint64); float64 (a float32 widened); dates as int64 days and timestamps as int64 units since 1970;
text and categories as strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

NULL_TOKENS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "\\N", "#N/A", "<NA>")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BARE_EXPONENT = re.compile(r"[^.]*[eE][0-9]+")
_INFINITY = re.compile(r"-?(inf|infinity)", re.IGNORECASE)
_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MAX_CATEGORIES = 65_536
_INTEGER_DTYPES = (
    ("int8", -(2**7), 2**7), ("uint8", 0, 2**8), ("int16", -(2**15), 2**15),
    ("uint16", 0, 2**16), ("int32", -(2**31), 2**31), ("uint32", 0, 2**32),
    ("int64", -(2**63), 2**63), ("uint64", 0, 2**64),
)  # fmt: skip


class Cell(NamedTuple):
    """The text of a field, without its quotes, and whether it had any."""

    text: str
    quoted: bool


def read_records(text: str, *, delimiter: str, quote: str | None = '"') -> Iterator[list[Cell]]:
    """The records of a CSV; blank lines are none. Raises ValueError for text after a quote."""
    sep = re.escape(delimiter)
    plain = f"([^{sep}\r\n]*)"
    pattern = plain
    if quote is not None:
        q = re.escape(quote)
        pattern = f"{q}((?:[^{q}]|{q}{q})*){q}|{plain}"
    field = re.compile(f"(?:{pattern})({sep}|\r\n|\n|\r|\\Z)")
    record: list[Cell] = []
    position = 0
    while position < len(text) or record:
        match = field.match(text, position)
        if match is None:
            raise ValueError(f"a field that cannot be read at character {position:,}")
        groups = match.groups()
        quoted = quote is not None and groups[0] is not None
        value = groups[0] if quoted or quote is None else groups[1]
        if quoted and quote is not None:
            value = value.replace(quote * 2, quote)
        record.append(Cell(value, quoted))
        position = match.end()
        if groups[-1] != delimiter:
            if len(record) > 1 or quoted or value:
                yield record
            record = []


def read_lines(text: str) -> list[Cell]:
    """The lines of a text; none of them is null."""
    lines = re.split("\r\n|\n|\r", text)
    if lines[-1] == "":
        lines.pop()
    return [Cell(line, quoted=True) for line in lines]


def is_null(cell: Cell, *, is_text: bool) -> bool:
    """Whether a field has no value in a column that is text, or is not."""
    if is_text:
        return not cell.quoted and cell.text in NULL_TOKENS
    return cell.text.strip(" \t") in NULL_TOKENS


def dtype_of(cells: Sequence[Cell]) -> str:
    """The dtype that the design gives to a column of these fields."""
    values = [cell.text.strip(" \t") for cell in cells if not is_null(cell, is_text=False)]
    if not values:
        # Quoted nulls are values only where something else makes the column text.
        return "null"
    dtype = _number_dtype(values) or _other_dtype(values)
    if dtype is not None:
        return dtype
    texts = [cell.text for cell in cells if not is_null(cell, is_text=True)]
    n_distinct = len(set(texts))
    return "category" if n_distinct <= _MAX_CATEGORIES and 2 * n_distinct < len(cells) else "text"


def _number_dtype(values: Sequence[str]) -> str | None:
    integers = [int(v) for v in values if _INTEGER.fullmatch(v) and v != "-0"]
    if len(integers) == len(values):
        for dtype, low, end in _INTEGER_DTYPES:
            if low <= min(integers) and max(integers) < end:
                return dtype
        return None
    if not all(_is_decimal(v) for v in values) or any(abs(i) > 2**53 for i in integers):
        return None
    # Of integers only the largest is known where the dtype is chosen.
    is_narrow = all(abs(i) <= 2**24 for i in integers) and all(map(_survives_float32, values))
    return "float32" if is_narrow else "float64"


def _is_decimal(text: str) -> bool:
    if _INFINITY.fullmatch(text):
        return True
    return bool(_DECIMAL.fullmatch(text)) and not _BARE_EXPONENT.fullmatch(text)


def _survives_float32(text: str) -> bool:
    exact = float(text)
    with np.errstate(over="ignore", under="ignore"):
        narrow = np.float32(exact)
    if float(narrow) == exact:
        return True
    if not np.isfinite(narrow) or abs(narrow) < np.finfo(np.float32).tiny:
        return False
    return Decimal(np.format_float_scientific(narrow, unique=True)) == Decimal(text)


def _other_dtype(values: Sequence[str]) -> str | None:
    if all(v in _BOOLS for v in values):
        return "bool"
    if all(_day(v) is not None for v in values):
        return "date"
    matches = [_TIMESTAMP.fullmatch(v) for v in values if _day(v) is None]
    if not all(m and _day(m[1]) is not None and _in_a_day(m) for m in matches):
        return None
    has_date = len(matches) < len(values)
    zones = {m[6] is not None for m in matches if m}
    if len(zones) > 1 or (has_date and True in zones):
        return None
    unit = "ns" if any(m and len(m[5] or "") > 6 for m in matches) else "us"
    if unit == "ns" and any(abs(_units(v, "us")) >= 2**63 // 1000 for v in values):
        return None
    return f"timestamp[{unit}, UTC]" if True in zones else f"timestamp[{unit}]"


def _in_a_day(match: re.Match[str]) -> bool:
    """Whether the time and the offset are such, and the instant is in the years 1 to 9999."""
    hours, minutes = _offset(match[6])
    if not (int(match[2]) < 24 and int(match[3]) < 60 and int(match[4] or 0) < 60):
        return False
    if abs(hours) > 23 or abs(minutes) > 59:
        return False
    try:
        _instant(match)
    except OverflowError:
        return False
    return True


def _offset(text: str | None) -> tuple[int, int]:
    """Hours and minutes of an offset from UTC, both of its sign."""
    if text in (None, "Z"):
        return 0, 0
    digits = text[1:].replace(":", "")
    sign = -1 if text[0] == "-" else 1
    return sign * int(digits[:2]), sign * int(digits[2:] or 0)


def _instant(match: re.Match[str]) -> datetime:
    """The instant in UTC of a timestamp, without its fraction; OverflowError beyond datetime."""
    hours, minutes = _offset(match[6])
    time = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    return datetime.fromisoformat(match[1]) + (time - timedelta(hours=hours, minutes=minutes))


def _day(text: str) -> int | None:
    """Days since 1970 of an ISO date, or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        return None


def _units(text: str, unit: str) -> int:
    """Microseconds or nanoseconds since 1970 of an ISO date or timestamp."""
    per_second = 10**9 if unit == "ns" else 10**6
    day = _day(text)
    if day is not None:
        return day * 86_400 * per_second
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no timestamp")
    seconds = (_instant(match) - datetime(1970, 1, 1)) // timedelta(seconds=1)
    return seconds * per_second + int((match[5] or "").ljust(9, "0")) * per_second // 10**9


def canonical_type(dtype: str) -> pa.DataType:
    """The Arrow type in which values of a dtype are compared."""
    if dtype in ("bool", "null"):
        return pa.bool_()
    if dtype == "uint64":
        return pa.uint64()
    if dtype.startswith("float"):
        return pa.float64()
    if dtype in ("category", "text"):
        return pa.string()
    return pa.int64()


def cast_cells(cells: Sequence[Cell], dtype: str) -> pa.Array:
    """The values of a column in the canonical form; raises ValueError for one that is not."""
    is_text = dtype in ("category", "text")
    values = [None if is_null(c, is_text=is_text) else _cast(c.text, dtype) for c in cells]
    return pa.array(values, canonical_type(dtype))


def _cast(text: str, dtype: str) -> object:
    if dtype in ("category", "text"):
        return text
    text = text.strip(" \t")
    if dtype == "bool":
        return _BOOLS[text]
    if dtype == "float32":
        with np.errstate(over="ignore"):
            return float(np.float32(float(text)))
    if dtype == "float64":
        return float(text)
    if dtype == "date":
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    if dtype.startswith("timestamp"):
        return _units(text, "ns" if "ns" in dtype else "us")
    if dtype == "null":
        raise ValueError(f"{text!r} in a column of nulls")
    return int(text)


def read_file(path: Path) -> str:
    """The text of a file, without a byte order mark, with its line ends as they are."""
    return path.read_bytes().decode("utf-8").removeprefix("\ufeff")
