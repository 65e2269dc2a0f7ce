"""What a text is: dates, timestamps, bools, nulls, forms, and the cells of columns."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bigdata_cli.native import parser as kernel
from bigdata_cli.native.compile import SOURCES
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import compile_nulls, compile_rules
from bigdata_cli.types.lattice import Form
from tests.examples import examples
from tests.native import scanners
from tests.native.scanners import (
    HARD,
    HARD_DECIMAL,
    ODD,
    VALUE,
    Column,
    are_null,
    classify,
    scan_numbers,
    scan_timestamps,
)

EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)
FIRST, LAST = ((end - EPOCH) // MICROSECOND for end in (dt.datetime.min, dt.datetime.max))
STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)


def date_of(text: str) -> dt.date | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def timestamp_of(text: str) -> tuple[int, int, int, bool] | None:
    """(microseconds, nanoseconds beyond, digits of the fraction, utc)."""
    found = STAMP.fullmatch(text)
    day = date_of(found[1]) if found else None
    if found is None or day is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.group(2, 3, 4))
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = found[5] or ""
    nanos = int(fraction.ljust(9, "0"))
    moment = dt.datetime(day.year, day.month, day.day, hour, minute, second)
    micros = (moment - EPOCH) // MICROSECOND + nanos // 1000
    if found[6] and found[6] != "Z":
        hours, minutes = int(found[6][1:3]), int(found[6][3:].strip(":") or 0)
        if hours > 23 or minutes > 59:
            return None
        offset = (60 * hours + minutes) * 60_000_000
        micros += offset if found[6][0] == "-" else -offset
    if not FIRST <= micros <= LAST:
        return None
    return micros, nanos % 1000, len(fraction), bool(found[6])


def test_dates() -> None:
    every = np.arange("1890-01-01", "2110-01-01", dtype="datetime64[D]")
    some = np.arange("0001-01-01", "10000-01-01", 5, dtype="datetime64[D]")
    days = np.concatenate([every, some, np.array(["9999-12-31"], "datetime64[D]")])
    texts = np.datetime_as_string(days).tolist()
    kinds, found, _ = scan_timestamps(texts)
    assert (kinds == 1).all()
    assert (found == days.view(np.int64)).all()


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True))
@example("0000-01-01")
@example("1900-02-29")
@example("2000-02-29")
@example("2001-04-31")
@example("2001-1-011")
def test_dates_that_do_not_exist_are_not_dates(text: str) -> None:
    kinds, _, _ = scan_timestamps([text])
    assert (kinds[0] == 1) == (date_of(text) is not None)


def assert_timestamp(text: str) -> None:
    kinds, _, found = scan_timestamps([text])
    expected = timestamp_of(text)
    assert (kinds[0] == 2) == (expected is not None)
    if expected is not None:
        assert found[0].item() == expected


zones = st.sampled_from(["", "Z", "+00:00", "+00", "+0000", "+01:00", "-00:00", " Z", "+0", "+00:",
                         "-0930", "+14", "+23:59", "+24:00", "-12:60"])  # fmt: skip


@examples(400)
@given(st.datetimes(), st.sampled_from("T t"), st.integers(0, 11), zones)
def test_timestamps(moment: dt.datetime, separator: str, n_digits: int, zone: str) -> None:
    text = moment.replace(microsecond=0).isoformat(separator)
    if n_digits:
        text += "." + f"{moment.microsecond:06}12345"[:n_digits]
    assert_timestamp(text + zone)


def numbers(most: int) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda n: f"{n:02}")


@examples(200)
@given(
    st.builds(
        lambda year, month, day, mark, hour, minute, second, fraction, zone: (
            f"{year:04}-{month}-{day}{mark}{hour}:{minute}{second}{fraction}{zone}"
        ),
        st.integers(0, 9999), numbers(13), numbers(32), st.sampled_from(" T"), numbers(25),
        numbers(61), numbers(61).map(lambda n: f":{n}") | st.just(""),
        st.sampled_from(["", "", ".", ".5", ".123456", ".1234567", ".123456789", ".1234567891"]),
        zones,
    ),
    st.integers(0, 40),
    st.sampled_from(["", "0", "x", ":", "Z", " "]),
)  # fmt: skip
def test_timestamps_that_are_marred(text: str, at: int, change: str) -> None:
    assert_timestamp(text)
    assert_timestamp(text[:at] + change + text[at + 1 :])
    assert_timestamp(text[:at])


@pytest.mark.parametrize(
    "text",
    ["2020-01-01T24:00", "2020-01-01T10:60", "2020-01-01T10:00:60", "2020-01-01T10:00:00.",
     "2020-01-01T10:00:00.1234567890", "2020-01-01T10:00+24:00", "2020-01-01 10",
     "2020-01-01T10:00 Z", "2020-01-01X10:00", "2020-01-01T10:00:00+", "2020-01-01T10:00:00+0"],
)  # fmt: skip
def test_what_is_not_a_timestamp(text: str) -> None:
    assert scan_timestamps([text])[0].tolist() == [0]


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", 1), ("True", 1), ("TRUE", 1), ("false", 0), ("False", 0), ("FALSE", 0),
     ("tRUE", None), ("TRue", None), ("yes", None), ("trues", None), ("t", None), ("", None),
     ("fALSE", None), ("FALSe", None), ("tru", None), ("fals", None)],
)  # fmt: skip
def test_bools(text: str, value: int | None) -> None:
    flags, cells, _ = Column(scanners.BOOLEAN).parse([text])
    assert (flags, cells[0]) == (([VALUE], value) if value is not None else ([ODD], cells[0]))
    assert bool(classify([text])[0]["forms"] & Form.BOOL) == (value is not None)


def test_nulls_of_columns() -> None:
    dialect = Dialect(
        delimiter=",", null_tokens=("NA", "", "null", "-"), column_null_tokens=(("b", ("x", "yy")),)
    )
    nulls = compile_nulls(dialect, ("a", "b", "c"))
    texts = ["NA", "", "null", "-", "x", "yy", "N", "NAN", "nul", "y", "longer than any"]
    of_all = [text in dialect.null_tokens for text in texts]
    assert are_null(texts, nulls, 0) == of_all
    assert are_null(texts, nulls, 1) == [text in dialect.tokens_of("b") for text in texts]
    assert are_null(texts, nulls, 2) == of_all
    assert are_null([""], compile_nulls(Dialect(delimiter=",", null_tokens=()), ("a",)), 0) == [
        False
    ]


def expected_forms(text: str) -> tuple[int, bool, int]:
    """(forms, negative, magnitude) by what Python reads."""
    number = scan_numbers([text])[0]
    if number["form"] == scanners.INTEGER:
        return Form.INT, bool(number["negative"]), int(number["significand"])
    if number["form"] != scanners.NOT_A_NUMBER:
        value = float(text)
        if number["form"] == scanners.INFINITE:
            return Form.FLOAT, False, 0
        digits = re.split("[eE]", text)[0].strip("-0.")
        if np.isinf(value) or (value == 0 and digits):
            return Form.TEXT, False, 0
        with np.errstate(over="ignore"):
            narrow = np.float32(value)
        same = float(narrow) == value
        if not same and np.isfinite(narrow) and abs(value) >= np.finfo(np.float32).tiny:
            same = float(str(narrow)) == value and number["form"] != HARD_DECIMAL
        return (Form.FLOAT if same else Form.FLOAT | Form.FLOAT32_LOSES), False, 0
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return Form.BOOL, False, 0
    day, moment = date_of(text), timestamp_of(text)
    if day is not None:
        micros = (dt.datetime(day.year, day.month, day.day) - EPOCH) // MICROSECOND
        return Form.DATE, micros < 0, abs(micros)
    if moment is not None:
        forms = Form.TIMESTAMP_UTC if moment[3] else Form.TIMESTAMP
        return forms | (Form.NANOSECONDS if moment[2] > 6 else 0), moment[0] < 0, abs(moment[0])
    return Form.TEXT, False, 0


def of_float32(text: str, forms: int) -> int:
    """NOT_SHORTEST of a decimal that float32 equals, and prints otherwise."""
    number = Decimal(text)
    if forms != Form.FLOAT or not number.is_finite() or number == 0:
        return 0
    narrow = np.float32(float(text))
    is_normal = abs(float(text)) >= np.finfo(np.float32).tiny
    if float(narrow) != float(text) or (is_normal and Decimal(str(narrow)) == number):
        return 0
    return Form.NOT_SHORTEST


VALUES = st.one_of(
    st.floats(allow_nan=False, width=32).map(lambda x: f"{x:.30f}"),
    st.integers(-(2**65), 2**65).map(str),
    st.integers(-300, 300).map(str),
    st.floats(allow_nan=False).map(lambda x: re.sub(r"^(-?\d+)e", r"\1.0e", repr(x))),
    st.decimals(-1000, 1000, places=2).map(str),
    st.dates().map(str),
    st.datetimes().map(lambda x: x.isoformat()),
    st.datetimes().map(lambda x: x.isoformat(" ", "microseconds") + "125Z"),
    st.sampled_from(["true", "False", "TRUE", "tRue", "inf", "-Infinity", "1e400", "-1.0e-400"]),
    st.text("0123456789-:.TeZ +", max_size=12),
)


@examples(600)
@given(VALUES)
@example("1.0e-400")
@example("0.0e-400")
@example("9223372036854775808")
@example("-9223372036854775808")
@example("0001-01-01")
@example("9999-12-31T23:59:59.999999999Z")
def test_forms(text: str) -> None:
    assert classify([text])[0].item() == expected_forms(text)


@examples(800)
@given(VALUES, st.sampled_from(range(scanners.NULL, scanners.TEXT)), st.booleans())
@example("2262-04-11T23:47:16.854774", scanners.TIMESTAMP_NS, False)
@example("2262-04-11T23:47:16.854775", scanners.TIMESTAMP_NS, False)
@example("1677-09-21T00:12:43.145226", scanners.TIMESTAMP_NS, False)
@example("1677-09-21T00:12:43.145225", scanners.TIMESTAMP_NS, False)
@example("2000-01-01T00:00:00.0000001", scanners.TIMESTAMP_US, False)
@example("18446744073709551615", scanners.UINT64, False)
@example("18446744073709551615", scanners.FLOAT64, False)
@example("-9223372036854775808", scanners.INT64, False)
@example("0.10000000000000000555", scanners.FLOAT64, False)
@example("5e-324", scanners.FLOAT64, False)
@example("0.0001220703125", scanners.FLOAT64, False)
@example("1.1754943508222875e-38", scanners.FLOAT64, False)
def test_cells(text: str, mode: int, zoned: bool) -> None:
    """A cell holds the value where the mode can, and otherwise its place."""
    column = Column(mode, zoned=zoned)
    flags, cells, block = column.parse([text])
    forms, negative, magnitude = expected_forms(text)
    seen = forms, magnitude * negative, magnitude * (not negative)
    value, observed = None, (0, 0, 0)
    kept = forms if flags[0] == VALUE else 0
    if mode in (scanners.INT64, scanners.UINT64) and forms == Form.INT:
        number = int(text)
        low, high = (-(2**63), 2**63 - 1) if mode == scanners.INT64 else (0, 2**64 - 1)
        value = number if low <= number <= high else None
        observed = column.observed  # forms of integers are the caller's to note
        assert observed == (0, 0, 0)
    elif mode == scanners.FLOAT64 and forms & (Form.INT | Form.FLOAT):
        value, observed = float(text), (forms | of_float32(text, forms), *seen[1:])
    elif mode == scanners.BOOLEAN and forms == Form.BOOL:
        value = text.lower() == "true"
    elif mode == scanners.DATE and forms == Form.DATE:
        value = (date_of(text) - EPOCH.date()).days
    elif mode in (scanners.TIMESTAMP_US, scanners.TIMESTAMP_NS):
        micros = -magnitude if negative else magnitude
        fits = forms in (Form.DATE, Form.TIMESTAMP) if not zoned else forms == Form.TIMESTAMP_UTC
        if forms & Form.NANOSECONDS and mode == scanners.TIMESTAMP_NS:
            fits = bool(forms & Form.TIMESTAMP_UTC) == zoned
        if mode == scanners.TIMESTAMP_US:
            value = micros if fits else None
        elif fits and magnitude < (2**63 - 1) // 1000:
            value = micros * 1000 + (timestamp_of(text) or (0, 0))[1]
        observed = seen if value is not None else (0, 0, 0)
    if flags[0] == VALUE:
        assert kept == forms
        as_float = mode == scanners.FLOAT64
        assert value is not None
        found = cells.view(
            np.float64 if as_float else np.uint64 if mode == scanners.UINT64 else np.int64
        )
        assert (found[0], np.signbit(found[0])) == (value, np.signbit(value))
        assert column.observed == observed
        return
    start, length = int(cells[0]) >> 32, int(cells[0]) & 0xFFFFFFFF
    assert block.data[start : start + length].tobytes() == text.encode()
    if flags[0] == HARD:
        assert mode == scanners.FLOAT64
        assert value is not None
        assert column.observed[0] == Form.FLOAT | Form.FLOAT32_LOSES
    else:
        assert flags[0] == ODD
        assert value is None


def test_a_column_keeps_the_largest() -> None:
    column = Column(scanners.FLOAT64)
    flags, cells, _ = column.parse(["-7", "12", "-3", "0.5", "11", "inf"])
    assert flags == [VALUE] * 6
    assert cells.view(np.float64).tolist() == [-7, 12, -3, 0.5, 11, np.inf]
    assert column.observed == (Form.INT | Form.FLOAT, 7, 12)


def test_cells_of_local_numbers() -> None:
    rules = compile_rules(Dialect(delimiter=";", decimal=",", thousands=".")).native
    flags, cells, _ = Column(scanners.FLOAT64, rules=rules).parse(["1.234,5", "1.5", "-0,0"])
    assert flags == [VALUE, ODD, VALUE]
    assert cells.view(np.float64)[[0, 2]].tolist() == [1234.5, 0.0]
    assert np.signbit(cells.view(np.float64)[2])


def names(header: str, prefix: str) -> list[str]:
    """The names of an enumeration that counts from 0."""
    found = re.search(r"enum \{([^}=]*" + prefix + r"[^}=]*)\}", Path(SOURCES, header).read_text())
    return re.findall(prefix + r"(\w+)", found[1])


def test_the_numbers_of_forms_modes_and_flags() -> None:
    found = re.findall(r"BD_FORM_(\w+) = (\d+)", Path(SOURCES, "classify.h").read_text())
    forms = {name: value for name, value in vars(Form).items() if name.isupper()}
    assert {name: int(value) for name, value in found} == forms
    modes = names("careful.h", "BD_MODE_")
    assert [getattr(scanners, name) for name in modes] == list(range(len(modes)))
    assert [getattr(kernel, name) for name in modes] == list(range(len(modes)))
