"""Columns that are parsed several fields at a time, at the edges of what is read that way."""

from __future__ import annotations

import random
import struct
from datetime import UTC, date, datetime

import numpy as np
import pytest

from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.types.lattice import Form
from bigdata_cli.types.state import ColumnState

ROWS = 5


def parsed(texts: list[str], dtype: str) -> Chunk:
    """The texts as the second of two columns, each of them five times."""
    texts = [text for text in texts for _ in range(ROWS)]
    data = "".join(f"{i},{text}\n" for i, text in enumerate(texts)).encode()
    padded = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    columns = (ColumnState(name="i", dtype="int64"), ColumnState(name="c", dtype=dtype))
    plan = ParsePlan(dialect=Dialect(delimiter=","), columns=columns)
    return parse_block(Block(padded, 0, len(data), at_eof=True), 0, len(data), (0, 1), plan)


def column(texts: list[str], dtype: str) -> list[object]:
    """One value for each text."""
    values = parsed(texts, dtype).batch.column(1).to_pylist()
    assert all(len(set(map(repr, values[i : i + ROWS]))) == 1 for i in range(0, len(values), ROWS))
    return values[::ROWS]


def bits(values: list[object]) -> list[bytes | None]:
    return [None if value is None else struct.pack("<d", value) for value in values]


def decimals() -> list[str]:
    """Decimals of all lengths, with the point in every place, signs and exponents."""
    chance = random.Random(5)
    texts = []
    for n_digits in range(1, 21):
        for point in range(1, n_digits + 1):
            digits = "".join(chance.choices("0123456789", k=n_digits))
            whole = digits[:point].lstrip("0") or "0"
            texts += [f"{whole}.{digits[point:]}", f"-{whole}.{digits[point:]}"]
    for exponent in (-307, -100, -23, -22, -5, -1, 0, 1, 5, 22, 23, 100, 307):
        for mantissa in ("1.5", "-9.999999", "7.628088", "1.397247463464736938", "0.25", "2."):
            texts += [f"{mantissa}e{exponent:+03d}", f"{mantissa}E{exponent}"]
        texts.append(f"7e{exponent:+d}")
    edges = [2**53, 2**53 + 1, 2**53 - 1, 2**63, 2**64 - 1, 10**16, 10**16 - 1, 10**15]
    texts += [f"{edge}.0" for edge in edges] + [str(edge) for edge in edges if edge <= 2**53]
    texts += ["0.0001", "0.00000000000000012345", "0.000000000000000000000012345", "-0.0", "-0"]
    texts += ["0.e-127", "-0.0e+99", "0.000e-23", "0e+23"]
    texts += ["8388607.0", "8388608.5", "16777217.0", "0.1", "9.9999994", "3.4e38", "1e+39"]
    return texts


def test_decimals_are_what_python_reads() -> None:
    texts = decimals()
    assert bits(column(texts, "float64")) == bits([float(text) for text in texts])


@pytest.mark.parametrize("text", decimals()[::7])
def test_the_evidence_of_a_decimal_is_that_of_a_text(text: str) -> None:
    """However a number is read, it shows the same: as text each field is classified by itself."""
    found = parsed([text], "float64").observed[1]
    expected = parsed([text], "category").observed[1]
    assert found.forms & ~Form.NOT_SHORTEST == expected.forms & ~Form.NOT_SHORTEST
    assert (found.negative, found.positive) == (expected.negative, expected.positive)


@pytest.mark.parametrize(
    "text",
    [
        *("1.2.3", "1..2", "1.23456789.1234567", "1.2345678901234567.8", "12345678.1234567.1"),
        *("1e5", "1e", "1.0e", "1.0e+", "1.0e+-1", "1.0ee5", "1e5.0", "e5", ".e5", "1.0e1e1"),
        *("-", "--1", "-.", "01.5", "00", "-01.5", "+1.5", "1.5x", "1,5", "1:5.0", "1/5.0"),
        *("1.0e+0x", "123456789012345678901234567890x", "1.5 5", "0x10", "1_0.5"),
    ],
)
def test_what_is_no_number_is_text(text: str) -> None:
    chunk = parsed(["1.5", f'"{text}"'], "float64")
    assert chunk.columns[1].dtype in ("category", "text")
    assert chunk.batch.column(1).to_pylist() == ["1.5"] * ROWS + [text] * ROWS


def integers() -> list[int]:
    values = {0, 1, -1, 2**63 - 1, -(2**63) + 1}
    for n_digits in range(1, 19):
        low = 10 ** (n_digits - 1)
        values |= {low, 10 * low - 1, -low, 1 - 10 * low, low + 7}
    return sorted(values)


def test_integers_of_all_lengths() -> None:
    values = integers()
    assert column([str(value) for value in values], "int64") == values
    positive = [value for value in values if value >= 0] + [2**64 - 1, 2**63, 10**19]
    assert column([str(value) for value in positive], "uint64") == positive


@pytest.mark.parametrize("text", ["-0", "00", "-", "1 1", "0000000000000000001", "1234567890x"])
def test_what_is_no_integer_is_something_else(text: str) -> None:
    chunk = parsed(["12345678901234567", text], "int64")
    assert not chunk.columns[1].dtype.startswith("int")


@pytest.mark.parametrize("token", ["NA", "N/A", "null", "#N/A", "<NA>", "NaN"])
@pytest.mark.parametrize("dtype", ["int64", "float64", "date", "bool", "category", "text"])
def test_null_tokens_among_values(dtype: str, token: str) -> None:
    value = {"int64": "7", "float64": "7.5", "date": "2020-02-29", "bool": "true"}.get(dtype, "Nat")
    texts = [value, token, "", value, token, token, f"{value}"]
    nulls = [found is None for found in column(texts, dtype)]
    assert nulls == [False, True, True, False, True, True, False]


def test_what_only_begins_like_a_null_is_text() -> None:
    texts = ["N", "NA", "NAN", "nano", "n/b", "nul", "nulls", "#N", "<NAT>", "None", "nanananana"]
    assert column(texts, "category") == [None if text == "NA" else text for text in texts]


def moments() -> list[tuple[str, datetime]]:
    days = ("1970-01-01", "0001-01-01", "9999-12-31", "2000-02-29", "1900-02-28", "2024-03-01")
    clocks = ("00:00", "23:59", "12:34:56", "23:59:59.1", "00:00:00.000001", "07:08:09.123456")
    texts = [f"{day} {clock}" for day in days for clock in clocks]
    return [(text, datetime.fromisoformat(text)) for text in texts]


def test_timestamps_are_what_python_reads() -> None:
    expected = [moment for _, moment in moments()]
    texts = [text for text, _ in moments()]
    assert column(texts, "timestamp[us]") == expected
    assert column([text.replace(" ", "T") for text in texts], "timestamp[us]") == expected
    for zone in ("Z", "+00:00", "+0000"):
        zoned = column([text + zone for text in texts], "timestamp[us, UTC]")
        assert zoned == [moment.replace(tzinfo=UTC) for moment in expected]


@pytest.mark.parametrize(
    "text",
    [
        *("2023-02-29 00:00", "2023-13-01 00:00", "2023-00-01 00:00", "2023-01-00 00:00"),
        *("2023-01-01 24:00", "2023-01-01 00:60", "2023-01-01 00:00:60", "2023-01-01 00:0"),
        *(
            "2023-01-01 00:00:0",
            "2023-01-01 00:00:00.",
            "2023-01-01 00:00:00.12x",
            "2023-1-01 00:00",
        ),
        *("2023-01-01x00:00", "0000-01-01 00:00", "2023-01-01 0a:00", "2023:01-01 00:00"),
        *(
            "1900-02-29 00:00",
            "2023-04-31 00:00:00",
            "2023-01-01 00:00:00,5",
            "2023-01-01 00-00:00",
        ),
    ],
)
def test_what_is_no_timestamp_is_text(text: str) -> None:
    chunk = parsed(["2020-01-01 00:00:00", f'"{text}"'], "timestamp[us]")
    assert chunk.columns[1].dtype in ("category", "text")


def test_nanoseconds() -> None:
    texts = [
        "2020-01-01T00:00:00.1234567",
        "2020-01-01T00:00:00.123456789",
        "2020-01-01T00:00:00.5",
    ]
    chunk = parsed(texts, "timestamp[ns]")
    values = chunk.batch.column(1).cast("int64").to_pylist()[::ROWS]
    start = 1_577_836_800_000_000_000
    assert values == [start + 123_456_700, start + 123_456_789, start + 500_000_000]
    assert chunk.observed[1].forms & Form.NANOSECONDS


def test_all_days_of_a_leap_cycle() -> None:
    first, last = date(1896, 1, 1).toordinal(), date(1905, 1, 1).toordinal()
    days = [date.fromordinal(day) for day in range(first, last)]
    assert column([day.isoformat() for day in days], "date") == days


def test_booleans() -> None:
    texts = ["true", "false", "True", "False", "TRUE", "FALSE"]
    chunk = parsed(texts, "bool")
    assert chunk.batch.column(1).to_pylist()[::ROWS] == [True, False] * 3
    assert chunk.observed[1].forms == Form.BOOL | Form.LOOSE
    assert parsed(texts[:2], "bool").observed[1].forms == Form.BOOL
    for text in (
        "tRUE",
        "TRue",
        "trUe",
        "fALSE",
        "FALSe",
        "falsE",
        "true1",
        "fals",
        "tru",
        "falsey",
    ):
        assert parsed(["true", text], "bool").columns[1].dtype in ("category", "text")


def test_texts_of_all_lengths_are_told_apart() -> None:
    """Texts that differ in one byte, of lengths around the words that are hashed and compared."""
    texts = []
    for n in [*range(1, 40), 63, 64, 65, 200]:
        base = "abcdefghijklmnopqrstuvwxyz" * 8
        for place in {0, n // 2, n - 1}:
            texts += [base[:place] + mark + base[place + 1 : n] for mark in "XY"]
    texts += ["é", "éa", "ab\u20ac", "日本語" * 9, "x" * 4096]
    assert column(texts, "category") == texts
    assert column(texts, "text") == texts
    quoted = [f'"{text}""q"' for text in texts]
    assert column(quoted, "category") == [f'{text}"q' for text in texts]


PADDED = {
    "int64": ["1", "-20", "300", "12345678901", "-9223372036854775808"],
    "uint64": ["1", "20", "18446744073709551615"],
    "float64": ["0.5", "-12.25", "1.397247463464736938e-01", "7"],
    "date": ["2024-02-29", "1969-12-31"],
    "timestamp[us]": ["2024-02-29 12:34:56", "2024-02-29T12:34:56.789"],
    "bool": ["true", "false"],
}


@pytest.mark.parametrize("dtype", PADDED)
@pytest.mark.parametrize("first_is_padded", [True, False])
def test_spaces_around_values_change_nothing_but_the_evidence(
    dtype: str, *, first_is_padded: bool
) -> None:
    plain = [text for text in PADDED[dtype] for _ in range(3)]
    padded = [f"{' ' * (i % 4)}{text}{' ' * (i % 3)}" for i, text in enumerate(plain)]
    plain += ["", "", ""]
    padded += ["  ", " NA ", " "]
    if first_is_padded:
        plain.insert(0, plain[0])
        padded.insert(0, f" {padded[0]}")
    assert column(padded, dtype) == column(plain, dtype)
    seen, expected = (parsed(texts, dtype).observed[1].forms for texts in (padded, plain))
    assert seen == expected | Form.LOOSE
    assert not expected & Form.LOOSE


@pytest.mark.parametrize("text", [" 1 2", "- 1", " +1", " 01", " 1 x", "1 -"])
def test_what_is_no_integer_within_spaces_is_text(text: str) -> None:
    chunk = parsed([" 5", text], "int64")
    assert chunk.batch.column(1).to_pylist()[ROWS] == text
