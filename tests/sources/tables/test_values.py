"""Arrow arrays as cells: what they show, and what float32 keeps of them."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bigdata_cli.sources.bad_values import InvalidValue
from bigdata_cli.sources.tables.arrow_kinds import Family, family_of
from bigdata_cli.sources.tables.float32 import loses_float32
from bigdata_cli.sources.tables.values import cells_of, observe, simplify
from bigdata_cli.types.lattice import Form, Observed
from bigdata_cli.types.state import ColumnState


def survives(value: float) -> bool:
    return not loses_float32(np.array([value]), np.zeros(1, np.uint8))


@given(st.floats() | st.floats(width=32).map(float) | st.integers(-(10**9), 10**9).map(float))
@example(999999999.5)
@example(9.999999999e22)
@example(1e-37)
def test_float32_keeps_what_prints_alike(value):
    """The rule for CSV: equal, or the shortest decimal of both is the same."""
    with np.errstate(over="ignore"):
        narrow = np.float32(value)
    same = bool(np.float64(narrow) == value) or np.isnan(value)
    if not same and np.isfinite(narrow) and abs(value) >= np.finfo(np.float32).tiny:
        same = float(str(narrow)) == value
    assert survives(value) == same


@given(st.integers(-(10**9), 10**9), st.integers(-35, 25))
def test_float32_keeps_short_decimals(significand, exponent):
    value = float(f"{significand}e{exponent}")
    narrow = np.float32(value)
    if abs(significand) < 10**6 and abs(value) >= np.finfo(np.float32).tiny:
        assert survives(value)
    elif np.isfinite(narrow) and (value == 0 or abs(value) >= np.finfo(np.float32).tiny):
        expected = float(narrow) == value or float(str(narrow)) == value
        assert survives(value) == expected


def test_nulls_lose_nothing():
    values = np.array([0.5, 0.1 + 0.2])
    assert loses_float32(values, np.zeros(2, np.uint8))
    assert not loses_float32(values, np.array([0, 1], np.uint8))


DECIMALS = Form.FLOAT | Form.NOT_SHORTEST
"""Of tables is not told which numbers are shortest decimals."""
SHOWN = [
    (pa.array([-3, 200, None]), Observed(Form.INT, 3, 200)),
    (pa.array([2**64 - 1], pa.uint64()), Observed(Form.INT, 0, 2**64 - 1)),
    (pa.array([-(2**63)], pa.int64()), Observed(Form.INT, 2**63, 0)),
    (pa.array([None, None], pa.int8()), Observed()),
    (pa.array([0.5, None]), Observed(DECIMALS)),
    (pa.array([0.1 + 0.2]), Observed(DECIMALS | Form.FLOAT32_LOSES)),
    (pa.array([0.1], pa.float32()), Observed(DECIMALS)),
    (pa.array(["1", None]), Observed(Form.TEXT)),
    (pa.array([False]), Observed(Form.BOOL)),
    (pa.array([datetime.date(1970, 1, 2)]), Observed(Form.DATE, 0, 86_400_000_000)),
    (pa.array([-5], pa.timestamp("ms")), Observed(Form.TIMESTAMP, 5000, 0)),
    (pa.array([7], pa.timestamp("s", "Asia/Tokyo")), Observed(Form.TIMESTAMP_UTC, 0, 7_000_000)),
    (pa.array([7000], pa.timestamp("ns")), Observed(Form.TIMESTAMP, 0, 7)),
    (pa.array([7001], pa.timestamp("ns")), Observed(Form.TIMESTAMP | Form.NANOSECONDS, 0, 7)),
]


@pytest.mark.parametrize(("array", "expected"), SHOWN, ids=lambda value: str(value)[:20])
def test_what_values_show(array, expected):
    assert observe(simplify(array, "a")) == expected
    # A slice shows its own values only, whatever lies before and after.
    padded = pa.concat_arrays([pa.nulls(3, array.type), array, pa.nulls(2, array.type)])
    assert observe(simplify(padded.slice(3, len(array)), "a")) == expected


def test_a_slice_has_its_own_decimals():
    text = pa.array([None, "123456789.5", "7", "0.5"]).cast(pa.decimal128(20, 1))
    assert observe(simplify(text.slice(2, 1), "a")) == Observed(DECIMALS)
    assert observe(simplify(text, "a")).forms == DECIMALS | Form.FLOAT32_LOSES


def test_days_that_are_none_and_times_beyond_64_bits():
    days = pa.array([0, 5, 86_400_000], pa.int64()).view(pa.date64())
    with pytest.raises(InvalidValue, match="is no whole day") as caught:
        simplify(days, "a")
    assert caught.value.rows.tolist() == [1]
    for unit, ticks in (("s", 2**62), ("ms", -(2**60)), ("us", -(2**63)), ("ns", -(2**63))):
        times = pa.array([None, ticks, 0], pa.int64()).view(pa.timestamp(unit))
        with pytest.raises(InvalidValue, match="lies beyond"):
            simplify(times, "a")


def test_microseconds_that_nanoseconds_do_not_hold():
    times = simplify(pa.array([0, 2**60], pa.timestamp("us")), "a")
    state = ColumnState(name="a", dtype="timestamp[ns]", fixed=True)
    with pytest.raises(InvalidValue, match=r"is not timestamp\[ns\]"):
        cells_of(times, state)


def test_families():
    assert family_of(pa.dictionary(pa.int8(), pa.large_string())) is Family.TEXT
    assert family_of(pa.timestamp("ns", "+02:00")) is Family.INSTANT
    assert family_of(pa.dictionary(pa.int8(), pa.binary())) is None
    assert family_of(pa.float16()) is Family.NUMBER
