"""Numbers of the C library against Python's int and float, and NumPy's float32."""

from __future__ import annotations

import math
import re
import runpy
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bigdata_cli.native.compile import SOURCES
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import compile_rules
from tests.examples import examples
from tests.native.scanners import (
    DECIMAL,
    HARD_DECIMAL,
    INFINITE,
    INTEGER,
    NOT_A_NUMBER,
    decimals_to_floats,
    scan_numbers,
)

FLOATS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])
SMALLEST_NORMAL = 2.2250738585072014e-308


def scan(text: str) -> tuple[int, bool, int, int]:
    return scan_numbers([text])[0].item()


def floats(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(values of decimals and integers, which of them the library decided)."""
    found = scan_numbers(texts)
    assert np.isin(found["form"], (DECIMAL, HARD_DECIMAL, INTEGER)).all()
    values, exact, _ = decimals_to_floats(found["significand"], found["exponent"])
    values[found["negative"]] *= -1
    return values, exact & (found["form"] != HARD_DECIMAL)


def assert_as_python(texts: list[str]) -> np.ndarray:
    """What is decided has the bits of Python's float; returns which are."""
    values, decided = floats(texts)
    expected = np.array([float(text) for text in texts])
    wrong = decided & (values.view(np.int64) != expected.view(np.int64))
    assert [texts[i] for i in np.flatnonzero(wrong)] == []
    return decided


def survives(value: float, significand: int, exponent: int) -> bool:
    """What the library says of the decimal; it must have read this value."""
    values, exact, kept = decimals_to_floats(np.array([significand]), np.array([exponent]))
    assert (values[0], exact[0]) == (value, True)
    return bool(kept[0])


def test_the_tables_are_those_of_the_script() -> None:
    script = runpy.run_path(str(Path(SOURCES, "powers.py")))
    assert Path(SOURCES, "powers.c").read_text() == script["source"]()


@examples(600)
@given(FLOATS.filter(math.isfinite), st.integers(1, 18))
def test_decimals_are_read_as_python_reads_them(value: float, digits: int) -> None:
    text = f"{value:.{digits}e}"
    decided = assert_as_python([text])
    assert decided[0] or abs(float(text)) <= SMALLEST_NORMAL


def test_decimals_of_all_exponents() -> None:
    random = np.random.default_rng(3)
    exponents = np.repeat(np.arange(-330, 309), 40).tolist()
    significands = random.integers(0, 10**19, len(exponents), np.uint64).tolist()
    texts = [f"{s}e{e:+}" for s, e in zip(significands, exponents, strict=True)]
    decided = assert_as_python(texts)
    undecided = [float(texts[i]) for i in np.flatnonzero(~decided)]
    assert all(value <= SMALLEST_NORMAL for value in undecided)


def test_shortest_decimals_are_decided() -> None:
    bits = np.random.default_rng(4).integers(0, 2**64, 50_000, np.uint64)
    values = bits.view(np.float64)
    values = values[np.isfinite(values) & (abs(values) > SMALLEST_NORMAL)]
    texts = [re.sub(r"^(-?\d)e", r"\1.0e", f"{value!r}") for value in values.tolist()]
    assert assert_as_python(texts).all()


def test_halfway_between_two_floats() -> None:
    """Decimals that are exactly between, and the nearest ones below and above."""
    random = np.random.default_rng(6)
    texts = []
    for power in range(53, 64):  # 54 bits and more, the ones that are lost are 10…0
        for upper in [*random.integers(2**52, 2**53, 200).tolist(), 2**52, 2**53 - 1]:
            halfway = (2 * upper + 1) << (power - 53)
            for integer in (halfway - 1, halfway, halfway + 1):
                texts += [f"{integer}.0", f"{integer}e+0"]
                if integer % 2 == 0:
                    texts.append(f"{integer * 5 // 10}.{integer * 5 % 10}")
    decided = assert_as_python(texts)
    short = np.array([len(text.split("e")[0].replace(".", "")) <= 19 for text in texts])
    assert decided[short].all()


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993.0", "9007199254740992.0", "9007199254740991.5", "9007199254740995.0",
        "1.0e22", "1.0e23", "8.5e22", "9.999999999999999e22", "123456789012345678e-5",
        "1.7976931348623157e308", "1.7976931348623158e308", "2.2250738585072014e-308",
        "4.4501477170144023e-308", "0.1", "1e-5", "0.0e999", "1.0e-400", "-0.0",
        "7.2057594037927933e16", "1.00000005960464477539", "6.02214076e23", "0.000001",
    ],
)  # fmt: skip
def test_chosen_decimals(text: str) -> None:
    is_long = text == "1.00000005960464477539"
    assert assert_as_python([text])[0] != is_long


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.8e308", math.inf), ("1.7976931348623159e308", math.inf), ("1.0e99999", math.inf),
     ("1.0e999999999999999999999", math.inf), ("1.0e-9999", 0.0), ("9.9e-370", 0.0)],
)  # fmt: skip
def test_beyond_float64(text: str, value: float) -> None:
    assert [array.tolist() for array in floats([text])] == [[value], [True]]


@pytest.mark.parametrize("text", ["5e-324", "3.0e-324", "2.2250738585072011e-308", "1.0e-310"])
def test_subnormals_are_left_to_python(text: str) -> None:
    assert not assert_as_python([text])[0]


@examples(600)
@given(st.integers(1, 10**9 - 1), st.integers(-12, 4))
@example(16777217, 0)
@example(999999999, -5)
def test_survives_float32_means_that_numpy_prints_the_decimal_again(
    significand: int, exponent: int
) -> None:
    value = float(f"{significand}e{exponent}")
    narrow = np.float32(value)
    printed = float(np.format_float_scientific(narrow, unique=True, trim="-"))
    expected = float(narrow) == value or printed == value
    assert survives(value, significand, exponent) == expected


@examples(200)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_what_float32_prints_survives_float32(value: float) -> None:
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    form, _, significand, exponent = scan(text)
    assert form == DECIMAL
    assert survives(abs(float(text)), significand, exponent)


@pytest.mark.parametrize(
    ("significand", "exponent", "expected"),
    [(1, -45, False), (1, -38, False), (12, -38, True), (3, 38, True), (35, 37, False),
     (8388607, -10, True), (1234567891, -3, False), (123456789, -3, False), (16777217, 0, False),
     (2**53, 0, True), (10**18, 0, True), (0, 0, True)],
)  # fmt: skip
def test_the_range_of_float32(significand: int, exponent: int, expected: bool) -> None:
    assert survives(float(f"{significand}e{exponent}"), significand, exponent) == expected


@given(st.integers(-(2**66), 2**66) | st.integers(-(10**20), 10**20))
@example(2**63)
@example(-(2**63))
@example(-(2**63) - 1)
@example(2**64 - 1)
@example(2**64)
@example(10**19)
@example(-(10**19))
@example(18446744073709551619)
def test_canonical_integers(value: int) -> None:
    form, negative, significand, _ = scan(str(value))
    if -(2**63) <= value < 2**64:
        assert (form, -significand if negative else significand) == (INTEGER, value)
    else:
        assert form == NOT_A_NUMBER


def test_integers_as_floats_are_always_decided() -> None:
    random = np.random.default_rng(8)
    integers = random.integers(0, 2**64, 20_000, np.uint64) >> random.integers(
        0, 64, 20_000, np.uint64
    )
    values, exact, _ = decimals_to_floats(integers, np.zeros(20_000))
    assert exact.all()
    assert values.tolist() == [float(integer) for integer in integers.tolist()]


FORM = re.compile(
    r"(?P<sign>-?)(?P<whole>\d*)(?P<point>\.?)(?P<fraction>\d*)([eE](?P<plus>[+-]?)(?P<power>\d+))?"
)


def expected_form(text: str) -> int:
    """The form by the words of number.h."""
    if re.fullmatch(r"-?inf(inity)?", text, re.IGNORECASE):
        return INFINITE
    found = FORM.fullmatch(text)
    if found is None or not text.isascii():
        return NOT_A_NUMBER
    sign, whole, point, fraction, _, plus, power = found.groups()
    if not whole + fraction or (fraction and not point) or (len(whole) > 1 and whole[0] == "0"):
        return NOT_A_NUMBER
    if not point and power is None:
        if int(text) == 0 and sign:
            return DECIMAL
        return INTEGER if -(2**63) <= int(text) < 2**64 else NOT_A_NUMBER
    if power is not None and not point and not plus:
        return NOT_A_NUMBER
    digits = (whole + fraction).lstrip("0")
    n_whole = len(whole.lstrip("0"))
    return HARD_DECIMAL if n_whole > 19 or digits[19:].strip("0") else DECIMAL


digits = st.text("0123456789", max_size=22)
exponents = st.sampled_from(["", "", "e", "E+", "e-"]).flatmap(
    lambda mark: st.text("0123456789", max_size=4).map(lambda power: mark + power * bool(mark))
)


@examples(600)
@given(
    st.tuples(
        st.sampled_from(["", "-"]), digits, st.sampled_from(["", "."]), digits, exponents
    ).map("".join)
    | st.text("0123456789-+.eEinfty _,x٢", max_size=8)
)
@example("1E4")
@example("1e")
@example("1e+")
@example("-")
@example(".")
@example("-.")
@example("")
@example("1.2.3")
@example("Infinity")
@example("-iNf")
@example("infin")
@example("0.10000000000000000555")
@example("12345678901234567890.0")
@example("00.5")
@example("+1")
@example("1_0")
@example("0x1F")
@example("nan")
def test_forms_of_numbers(text: str) -> None:
    form, negative, _, _ = scan(text)
    assert form == expected_form(text)
    if form != NOT_A_NUMBER:
        assert negative == text.startswith("-")


LOCAL = [(",", None), (",", "."), (".", ","), (",", " "), (".", "'")]


@pytest.mark.parametrize(("decimal", "thousands"), LOCAL)
def test_local_marks(decimal: str, thousands: str | None) -> None:
    dialect = Dialect(delimiter=";", decimal=decimal, thousands=thousands)
    rules = compile_rules(dialect).native
    random = np.random.default_rng(9)
    plain, local = [], []
    for _ in range(3000):
        number = f"{random.integers(-(10**9), 10**9) >> int(random.integers(0, 30))}"
        fraction = random.choice(["", ".", ".5", ".1234567", ".25e-3", ".0E+4"])
        grouped = f"{int(number):,}" if random.random() < 0.7 and thousands else number
        plain.append(number + fraction)
        local.append(grouped.replace(",", thousands or "") + fraction.replace(".", decimal))
    assert (scan_numbers(local, rules) == scan_numbers(plain)).all()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1.234.567,5", "1234567.5"), ("1.234", "1234"), ("-1.234", "-1234"), ("1,5", "1.5"),
        ("1.23", None), ("12.34.567", None), ("1234.567", None), (".123", None), ("1..234", None),
        ("1.234.", None), ("1,234.567", None), ("1.2345,6", None), ("1,2,3", None),
        ("1" + ".000" * 27, "1" + "0" * 81), ("0," + "1" * 109, "0." + "1" * 109),
        ("0," + "1" * 111, None), ("inf", "inf"), ("-", None), ("", None),
    ],
)  # fmt: skip
def test_marks_that_are_where_they_belong(text: str, plain: str | None) -> None:
    rules = compile_rules(Dialect(delimiter=";", decimal=",", thousands=".")).native
    expected = scan_numbers([plain if plain is not None else "x"])
    assert (scan_numbers([text], rules) == expected).all()
