"""The values of an Arrow array as cells of a dtype, or as text, and their evidence.

Cells are those of the CSV parser (int64 or the bits of float64, with flags), so that a value has
the same dtype, statistics and bytes whatever it was read from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import CLASSIFIED
from bigdata_cli.sources.bad_values import (
    InvalidValue,
    check_float32,
    contradiction,
    converter_of,
)
from bigdata_cli.sources.csv.blocks import PADDING_BYTES
from bigdata_cli.sources.csv.columns import NO_VALUE, not_utf8
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.tables.arrow_kinds import is_text
from bigdata_cli.sources.tables.float32 import loses_float32
from bigdata_cli.types.buffers import numbers_of, scalar_of, validity_of
from bigdata_cli.types.dtype import Kind, integer_range, kind_of
from bigdata_cli.types.lattice import NANOSECOND_RANGE_US, Form, Observed
from bigdata_cli.types.state import ColumnState

_PLAIN = Dialect(delimiter=",", null_tokens=())
"""How the text of a decimal is read."""
_MILLISECONDS_PER_DAY = 86_400_000
_MICROSECONDS_PER_DAY = 86_400_000_000


class Values(NamedTuple):
    """An array in one of few types: bool, integer, float32 or float64, date32, timestamp, string.

    is_decimal: strings that are numbers. Null beneath nulls.
    """

    array: pa.Array
    is_decimal: bool = False


class Cells(NamedTuple):
    """Cells of a column: int64 or the bits of float64 or uint64 (n,), and flags uint8 (n,)."""

    values: np.ndarray
    flags: np.ndarray


def simplify(array: pa.Array, name: str) -> Values:
    """The array in one of few types, with the same values; InvalidValue where that cannot be."""
    kind = array.type
    if pat.is_dictionary(kind):
        return simplify(array.dictionary_decode(), name)
    if is_text(kind):
        return Values(_checked_text(array.cast(pa.string()), name))
    if pat.is_decimal(kind):
        return Values(array.cast(pa.string()), is_decimal=True)
    if pat.is_float16(kind):
        return Values(array.cast(pa.float32()))
    if pat.is_date64(kind):
        return Values(_whole_days(array, name))
    if pat.is_timestamp(kind):
        return Values(_timestamps(array, name))
    return Values(array)


def observe(values: Values) -> Observed:
    """What the values show of their dtype."""
    array = values.array
    kind = array.type
    if array.null_count == len(array):
        return Observed()
    if values.is_decimal:
        return _observe_decimals(array)
    if pat.is_boolean(kind):
        return Observed(Form.BOOL)
    if pat.is_string(kind):
        return Observed(Form.TEXT)
    if pat.is_floating(kind):
        # Which of them are shortest decimals is not looked at: tables can be read again.
        forms = Form.FLOAT | Form.NOT_SHORTEST
        if pat.is_float64(kind):
            cells = _float_cells(array)
            if loses_float32(cells.values.view(np.float64), cells.flags):
                forms |= Form.FLOAT32_LOSES
        return Observed(forms)
    low, high = (int(end) for end in min_max(array))
    if pat.is_integer(kind):
        return _within(Form.INT, low, high)
    if pat.is_date(kind):
        return _within(Form.DATE, low * _MICROSECONDS_PER_DAY, high * _MICROSECONDS_PER_DAY)
    forms = Form.TIMESTAMP if kind.tz is None else Form.TIMESTAMP_UTC
    if kind.unit == "us":
        return _within(forms, low, high)
    if _remainders(array).any():
        forms |= Form.NANOSECONDS
    # All of them fit in nanoseconds, the first and the last microsecond too.
    most = NANOSECOND_RANGE_US - 1
    return _within(forms, max(-most, low // 1000), min(most, high // 1000))


def render(values: Values) -> pa.Array:
    """The values as text: shortest decimals, ISO 8601, true and false."""
    return values.array.cast(pa.string())


def cells_of(values: Values, state: ColumnState) -> Cells:
    """The values as cells of the column's dtype, which is not text.

    Raises InvalidValue for those that contradict a dtype which the user fixed.
    """
    kind, array = kind_of(state.dtype), values.array
    n_rows = len(array)
    if array.null_count == n_rows:
        return Cells(np.zeros(n_rows, np.int64), np.full(n_rows, NO_VALUE, np.uint8))
    if values.is_decimal and not state.fixed:
        dtype = state.dtype if state.dtype in ("int64", "uint64") else "int64"
        array = array.cast(pa.float64() if kind is Kind.FLOAT else pa.type_for_alias(dtype))
    if kind is Kind.BOOL and pat.is_boolean(array.type):
        return Cells(_numpy(array.cast(pa.uint8())).astype(np.int64), _flags(array))
    if kind is Kind.INT and pat.is_integer(array.type):
        return _integer_cells(array, state)
    if kind is Kind.FLOAT and (pat.is_integer(array.type) or pat.is_floating(array.type)):
        cells = _float_cells(array)
        if state.fixed and state.dtype == "float32":
            numbers = cells.values.view(np.float64)
            with np.errstate(over="ignore"):
                narrow = numbers.astype(np.float32)
            check_float32(narrow, np.isinf(numbers), state)
        return cells
    if kind is Kind.DATE and pat.is_date(array.type):
        return Cells(_numpy(array.view(pa.int32())).astype(np.int64), _flags(array))
    if kind is Kind.TIMESTAMP and pat.is_temporal(array.type):
        return _timestamp_cells(array, state)
    return _cells_of_text(render(Values(array)), state)


def min_max(array: pa.Array) -> tuple[int, int]:
    """The smallest and the largest value of an array of integers, dates or timestamps."""
    if not pat.is_integer(array.type):
        array = array.view(pa.int32() if pat.is_date(array.type) else pa.int64())
    low, high = pc.min_max(array).values()
    return low.as_py(), high.as_py()


def _within(forms: int, low: int, high: int) -> Observed:
    return Observed(forms, negative=max(0, -low), positive=max(0, high))


def _flags(array: pa.Array) -> np.ndarray:
    flags = np.zeros(len(array), np.uint8)
    valid = validity_of(array)
    if valid is not None:
        flags[~valid] = NO_VALUE
    return flags


def _numpy(array: pa.Array) -> np.ndarray:
    """The values of an array of numbers, 0 in place of nulls."""
    if array.null_count:
        array = array.fill_null(scalar_of(0, array.type))
    return numbers_of(array)


def _checked_text(text: pa.Array, name: str) -> pa.Array:
    try:
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise not_utf8(text, name) from error
    return text


def _whole_days(array: pa.Array, name: str) -> pa.Array:
    milliseconds = _numpy(array.view(pa.int64()))
    wrong = np.flatnonzero(milliseconds % _MILLISECONDS_PER_DAY)
    if len(wrong):
        raise _beyond(array, wrong, name, "is no whole day")
    return array.cast(pa.date32())


def _timestamps(array: pa.Array, name: str) -> pa.Array:
    """Timestamps in microseconds or nanoseconds, in UTC where they have a zone."""
    kind = array.type
    numbers = _numpy(array.view(pa.int64()))
    factor = {"s": 1_000_000, "ms": 1000}.get(kind.unit, 1)
    most = (2**63 - 1) // factor
    wrong = np.flatnonzero((numbers > most) | (numbers < -most))
    if len(wrong):
        raise _beyond(array, wrong, name, "lies beyond the microseconds that 64 bits hold")
    unit = "ns" if kind.unit == "ns" else "us"
    # What is stored of a zoned timestamp is the instant in UTC.
    plain = array.view(pa.timestamp(kind.unit)).cast(pa.timestamp(unit))
    return plain if kind.tz is None else plain.view(pa.timestamp(unit, tz="UTC"))


def _beyond(array: pa.Array, rows: np.ndarray, name: str, problem: str) -> InvalidValue:
    number = array.view(pa.int64())[int(rows[0])].as_py()
    return InvalidValue(
        rows,
        f'column "{name}": {number} ({array.type}) {problem}',
        reason=f'column "{name}" {problem}',
        hint=f"--drop '{name}', or --on-bad-row skip sets the row aside",
    )


def _observe_decimals(text: pa.Array) -> Observed:
    """What the text of decimals shows, read as a field of a CSV."""
    offsets = np.frombuffer(text.buffers()[1], np.int32, len(text) + 1, text.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.full(last - first + PADDING_BYTES, 10, np.uint8)
    data[: last - first] = np.frombuffer(text.buffers()[2], np.uint8, last - first, first)
    present = np.flatnonzero(_flags(text) != NO_VALUE)
    starts = offsets[:-1].astype(np.int64)[present] - first
    stops = offsets[1:].astype(np.int64)[present] - first
    found = np.empty(len(present), CLASSIFIED)
    lib.bd_classify_texts(
        address(data),
        address(starts),
        address(stops),
        len(present),
        compile_rules(_PLAIN).native,
        address(found),
    )
    magnitudes = found["magnitude"]
    forms = int(np.bitwise_or.reduce(found["forms"]))
    return Observed(
        forms | (Form.NOT_SHORTEST if forms & Form.FLOAT else 0),
        int(magnitudes[found["negative"]].max(initial=0)),
        int(magnitudes[~found["negative"]].max(initial=0)),
    )


def _integer_cells(array: pa.Array, state: ColumnState) -> Cells:
    low, high = integer_range(state.dtype)
    least, greatest = min_max(array)
    if least < low or greatest > high:
        texts = [value for value in array.to_pylist() if value is not None]
        first = next(value for value in texts if not low <= value <= high)
        numbers = [low if value is None else value for value in array.to_pylist()]
        rows = [row for row, value in enumerate(numbers) if not low <= value <= high]
        raise contradiction(np.array(rows), str(first), state)
    wide = np.uint64 if pat.is_uint64(array.type) else np.int64
    return Cells(_numpy(array).astype(wide).view(np.int64), _flags(array))


def _float_cells(array: pa.Array) -> Cells:
    return Cells(_numpy(array).astype(np.float64).view(np.int64), _flags(array))


def _remainders(array: pa.Array) -> np.ndarray:
    """The nanoseconds of timestamps beyond whole microseconds."""
    return _numpy(array.view(pa.int64())) % 1000


def _timestamp_cells(array: pa.Array, state: ColumnState) -> Cells:
    """Dates and timestamps as timestamps of the column's unit."""
    flags = _flags(array)
    if pat.is_date(array.type):
        numbers = _numpy(array.view(pa.int32())).astype(np.int64) * _MICROSECONDS_PER_DAY
        unit = "us"
    else:
        if array.type.tz is not None and "UTC" not in state.dtype:
            raise _contradicted(array, np.flatnonzero(flags != NO_VALUE), state)
        numbers, unit = _numpy(array.view(pa.int64())), array.type.unit
    if unit == "us" and "ns" in state.dtype:
        most = (2**63 - 1) // 1000
        wrong = np.flatnonzero((numbers > most) | (numbers < -most))
        numbers = numbers if len(wrong) else numbers * 1000
    elif unit == "ns" and "ns" not in state.dtype:
        wrong = np.flatnonzero(numbers % 1000)
        numbers = numbers // 1000
    else:
        wrong = np.empty(0, np.int64)
    if len(wrong):
        raise _contradicted(array, wrong, state)
    return Cells(numbers, flags)


def _contradicted(array: pa.Array, rows: np.ndarray, state: ColumnState) -> InvalidValue:
    return contradiction(rows, array[int(rows[0])].cast(pa.string()).as_py(), state)


def _cells_of_text(text: pa.Array, state: ColumnState) -> Cells:
    """Texts read as the dtype that the user fixed: each different one once."""
    encoded = text.dictionary_encode()
    convert = converter_of(state.dtype)
    kind = kind_of(state.dtype)
    numbers = np.zeros(len(encoded.dictionary) + 1, np.int64)
    typed: np.ndarray = numbers
    if kind is Kind.FLOAT or state.dtype == "uint64":
        typed = numbers.view(np.float64 if kind is Kind.FLOAT else np.uint64)
    refused = np.zeros(len(numbers), bool)
    texts = encoded.dictionary.to_pylist()
    for place, value in enumerate(texts):
        try:
            typed[place] = convert(value.strip())
        except (ValueError, OverflowError):
            refused[place] = True
    codes = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(refused[codes])
    if len(rows):
        raise contradiction(rows, texts[codes[rows[0]]], state)
    return Cells(numbers[codes], _flags(text))
