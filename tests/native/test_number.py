"""Numbers, dates and bools of the kernel against Python and NumPy."""

from __future__ import annotations

import datetime as dt
import math
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdata_cli.sources.classify import scan_bool
from bigdata_cli.sources.number import (
    DECIMAL,
    HARD_DECIMAL,
    INFINITE,
    INTEGER,
    NOT_A_NUMBER,
    decimal_to_float,
    scan_number,
    survives_float32,
)
from bigdata_cli.sources.temporal import scan_date, scan_timestamp


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode() + b"\n" * 16, np.uint8)


def scan(text: str):
    form, negative, significand, exponent = scan_number(as_bytes(text), 0, len(text.encode()))
    return form, negative, np.uint64(significand), exponent


def parsed(text: str) -> float | None:
    """The float64 of a decimal; None where the kernel leaves it to Python."""
    form, negative, significand, exponent = scan(text)
    assert form in (DECIMAL, HARD_DECIMAL, INTEGER), text
    value, exact = decimal_to_float(significand, exponent)
    if form == HARD_DECIMAL or not exact:
        return None
    return -value if negative else value


def same_bits(a: float, b: float) -> bool:
    return struct.pack("d", a) == struct.pack("d", b)


FLOATS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])


@settings(max_examples=2000)
@given(FLOATS.filter(math.isfinite), st.integers(1, 18))
def test_decimals_are_read_as_python_reads_them(value, digits):
    for text in (f"{value:.{digits}e}", repr(float(f"{value:.{digits}e}"))):
        if re.fullmatch(r"-?\d+e\d+", text) or ("." not in text and "e" not in text):
            continue
        got = parsed(text)
        if got is not None:
            assert same_bits(got, float(text))


def test_few_decimals_are_left_to_python():
    random = np.random.default_rng(5)
    texts = [repr(float(x)) for x in np.exp(random.normal(0, 100, 3000))]
    texts = [text for text in texts if "." in text]
    left = [text for text in texts if parsed(text) is None]
    assert len(left) < len(texts) / 1000


@settings(max_examples=2000)
@given(st.integers(1, 10**9 - 1), st.integers(-12, 4))
def test_survives_float32_means_that_numpy_prints_the_decimal_again(significand, exponent):
    text = f"{significand}e{exponent}"
    value = float(text)
    narrow = np.float32(value)
    printed = float(np.format_float_scientific(narrow, unique=True, trim="-"))
    expected = float(narrow) == value or printed == value
    assert survives_float32(value, np.uint64(significand), exponent) == expected


@settings(max_examples=500)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_what_float32_prints_survives_float32(value):
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    form, _, significand, exponent = scan(text)
    assert form == DECIMAL
    assert survives_float32(float(text), significand, exponent)


@given(st.integers(-(2**66), 2**66))
def test_canonical_integers(value):
    form, negative, significand, _ = scan(str(value))
    if -(2**63) <= value < 2**64:
        assert (form, -int(significand) if negative else int(significand)) == (INTEGER, value)
    else:
        assert form == NOT_A_NUMBER


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("007", NOT_A_NUMBER), ("+1", NOT_A_NUMBER), ("1_0", NOT_A_NUMBER), ("", NOT_A_NUMBER),
        ("-", NOT_A_NUMBER), (".", NOT_A_NUMBER), ("-.", NOT_A_NUMBER), ("1.2.3", NOT_A_NUMBER),
        ("1E4", NOT_A_NUMBER), ("12e5", NOT_A_NUMBER), ("1e+4", DECIMAL), ("1.0E4", DECIMAL),
        ("1.e", NOT_A_NUMBER), ("1e", NOT_A_NUMBER), ("1e+", NOT_A_NUMBER), ("0x1F", NOT_A_NUMBER),
        ("00.5", NOT_A_NUMBER), ("0.5", DECIMAL), (".5", DECIMAL), ("5.", DECIMAL),
        ("-0", DECIMAL), ("-0.0", DECIMAL), ("0", INTEGER), ("inf", INFINITE), ("-Inf", INFINITE),
        ("Infinity", INFINITE), ("infin", NOT_A_NUMBER), ("nan", NOT_A_NUMBER),
        ("0.10000000000000000555", HARD_DECIMAL), ("1٢", NOT_A_NUMBER),
    ],
)  # fmt: skip
def test_forms_of_numbers(text, form):
    assert scan(text)[0] == form


@given(st.dates())
def test_dates(day):
    assert scan_date(as_bytes(day.isoformat()), 0, 10) == (True, (day - dt.date(1970, 1, 1)).days)


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True))
def test_dates_that_do_not_exist_are_not_dates(text):
    try:
        dt.date.fromisoformat(text)
        exists = text.isascii()
    except ValueError:
        exists = False
    if text.isascii():
        assert scan_date(as_bytes(text), 0, 10)[0] == exists


@given(st.datetimes(), st.sampled_from("T "), st.sampled_from(["", "Z", "+00:00", "+00"]))
def test_timestamps(moment, separator, zone):
    text = moment.isoformat(separator) + zone
    found, micros, nanos, _, utc = scan_timestamp(as_bytes(text), 0, len(text))
    assert found
    assert micros == (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)
    assert (nanos, utc) == (0, bool(zone))


@pytest.mark.parametrize(
    "text",
    ["2020-01-01T24:00", "2020-01-01T10:60", "2020-01-01T10:00:60", "2020-01-01T10:00:00.",
     "2020-01-01T10:00:00.1234567890", "2020-01-01T10:00+02:00", "2020-01-01 10",
     "2020-01-01T10:00 Z",
     "2020-01-01X10:00", "2020-01-01T10:00:00+", "2020-01-01T10:00:00+0"],
)  # fmt: skip
def test_what_is_not_a_timestamp(text):
    assert not scan_timestamp(as_bytes(text), 0, len(text))[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", 1), ("True", 1), ("TRUE", 1), ("false", 0), ("False", 0), ("FALSE", 0),
     ("tRUE", -1), ("TRue", -1), ("yes", -1), ("trues", -1), ("t", -1), ("", -1)],
)  # fmt: skip
def test_bools(text, value):
    assert scan_bool(as_bytes(text), 0, len(text)) == value
