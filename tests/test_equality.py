"""Datasets equal their source: every format and layout, read with the format's own library.

The source is read by `benchmarks.oracle`, which shares no code with the project.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from benchmarks.equality import (
    LAYOUTS,
    Dialect,
    DifferenceError,
    check,
    check_dtypes,
    compare,
    read_source,
)
from benchmarks.oracle import NULL_TOKENS, Cell, cast_cells, dtype_of, read_records
from benchmarks.readers import StoredDataset
from bigdata_cli import convert
from tests.datasets import LAYOUTS as ALL_LAYOUTS
from tests.examples import n_examples

SAMPLE_DATA = Path(__file__).parent.parent / "sample_data"

NUMBERS = [
    "0", "7", "-7", "127", "128", "-128", "-129", "255", "256", "65535", "65536", "2147483648",
    "4294967296", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "-9223372036854775809", "16777217",
    "9007199254740993", "100000000000000001",
]  # fmt: skip
FLOATS = [
    "-0", "0.1", "1.5", "-2.25", ".5", "5.", "3.4028235e38", "1e+39", "1e-5", "1.0E4", "1e-45",
    "2.2250738585072014e-308", "1.7976931348623157e308", "0.30000000000000004", "16777217.0",
    "123456.789", "1234567.89", "33.333332", "33.3333321", "8.5899346e9", "inf", "-Infinity",
    "9007199254740993.0",
]  # fmt: skip
ODD_NUMBERS = ["1E4", "1e5", "+1", "007", "-01", "1_000", "1,5", "0x10", "1.2.3", "- 1", "--1", "."]
TIMES = [
    "1970-01-01", "2024-02-29", "0001-01-01", "9999-12-31", "2024-03-01T12:00",
    "1969-12-31 23:59:59", "2024-03-01T12:00:00.5", "2024-03-01T12:00:00.123456",
    "2024-03-01T12:00:00.123456789",
]  # fmt: skip
ZONED_TIMES = ["2024-03-01T12:00:00Z", "2024-03-01 12:00:00.25+00:00", "2024-03-01T12:00:00+00"]
ODD_TIMES = [
    "2023-02-29",
    "2024-13-01",
    "01/02/03",
    "2024-03-01T24:00",
    "2024-03-01T12:00:00+01:00",
]
BOOLS = ["true", "False", "TRUE", "false"]
TEXTS = [
    "a",
    "A",
    "é",
    "e\u0301",
    "👩‍🚀",
    'say "hi"',
    "two\nlines",
    "two\r\nlines",
    "a,b",
    " a ",
    "t",
    "tRue",
]
POOLS = [
    NUMBERS, NUMBERS[:6], FLOATS, NUMBERS[:9] + FLOATS[:9], TIMES, TIMES[:4], ZONED_TIMES, BOOLS,
    TEXTS, ODD_NUMBERS + NUMBERS[:3], ODD_TIMES + TIMES[:2], TIMES[:2] + ZONED_TIMES,
    NUMBERS[:4] + BOOLS[:2], [],
]  # fmt: skip


@st.composite
def columns_of_cells(draw) -> list[Cell]:
    """The fields of one column: values of a kind, nulls, spaces, quotes or none."""
    pool = draw(st.sampled_from(POOLS))
    nulls = draw(st.sampled_from([[], [""], ["NA", "\\N", ""], list(NULL_TOKENS)]))
    texts = [*pool, *nulls] or [""]
    return [Cell(text, quoted) for text in texts for quoted in draw(_quoting(text))]


def _quoting(text: str) -> st.SearchStrategy[list[bool]]:
    if any(character in text for character in '",\r\n'):
        return st.sampled_from([[], [True]])
    return st.sampled_from([[], [True], [False], [False], [False, True]])


@st.composite
def tables(draw) -> list[list[Cell]]:
    """Records of up to four columns; no record is a blank line."""
    pools = draw(st.lists(columns_of_cells(), min_size=1, max_size=4))
    cell = [st.sampled_from(pool or [Cell("", True)]) for pool in pools]
    rows = draw(st.lists(st.tuples(*cell), min_size=1, max_size=40))
    return [list(row) for row in rows if len(row) > 1 or row[0].text or row[0].quoted]


def written(records: list[list[Cell]], end: str) -> str:
    header = ",".join(f"c{place}" for place in range(len(records[0])))
    lines = (",".join(_field(cell) for cell in record) for record in records)
    return end.join([header, *lines, ""])


def _field(cell: Cell) -> str:
    return '"' + cell.text.replace('"', '""') + '"' if cell.quoted else cell.text


def test_all_formats_and_layouts_are_compared():
    assert sorted(LAYOUTS) == sorted(ALL_LAYOUTS)


@pytest.mark.parametrize("name", ["messy.csv", "log.txt"])
def test_sample_files_in_every_format_and_layout(tmp_path, name):
    assert check(SAMPLE_DATA / name, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transactions.csv", "sensors.csv"])
def test_larger_sample_files_in_every_format_and_layout(tmp_path, name):
    assert check(SAMPLE_DATA / name, tmp_path) == []


@given(tables(), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 3))
@settings(
    max_examples=n_examples(40),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking converts for minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_values_are_kept_under_the_dtype_that_the_design_gives_them(
    tmp_path, records, end, shards
):
    assume(records)
    path, output = tmp_path / "any.csv", tmp_path / "any"
    path.write_bytes(written(records, end).encode())
    shutil.rmtree(output, ignore_errors=True)
    convert([path], to="parquet", output=output, shards=shards, delimiter=",", header=True)
    assert compare(path, [output]) == {output: None}
    check_dtypes(path, StoredDataset.open(output))


def test_a_difference_is_found_and_located(tmp_path):
    path, changed = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("n,s\n1,x\n2,y\n3,z\n")
    changed.write_text("n,s\n1,x\n2,Y\n3,z\n")
    output = tmp_path / "a"
    convert([path], to="npy", output=output)
    assert compare(path, [output]) == {output: None}
    difference = compare(changed, [output])[output] or ""
    assert "row 1" in difference
    assert "'Y'" in difference
    for text, what in [("n,s\n1,x\n", "more than"), ("n,s\n1,x\n2,y\n3,z\n4,a\n", "ends after")]:
        changed.write_text(text)
        assert what in (compare(changed, [output])[output] or "")


def test_a_dtype_that_is_too_wide_is_found(tmp_path):
    path, output = tmp_path / "a.csv", tmp_path / "a"
    path.write_text("n,s\n1,x\n2,y\n")
    convert([path], to="parquet", output=output, types={"n": "int64"})
    with pytest.raises(DifferenceError, match="not int8"):
        check_dtypes(path, StoredDataset.open(output))


def test_the_oracle_and_duckdb_read_alike(tmp_path, monkeypatch):
    rows = (f"{n},{n / 8},2024-01-{n % 28 + 1:02d},,t{n % 3}\n" for n in range(1000))
    path = tmp_path / "plain.csv"
    path.write_text("a,b,c,d,e\n" + "".join(rows))
    dtypes = ["int16", "float32", "date", "null", "text"]
    by_oracle = read_source(path, Dialect(","))
    monkeypatch.setattr("benchmarks.equality.SMALL_BYTES", 0)
    by_duckdb = read_source(path, Dialect(","))
    assert by_oracle.names == by_duckdb.names == ("a", "b", "c", "d", "e")
    (one,), (other,) = list(by_oracle.chunks), list(by_duckdb.chunks)
    assert one.rows == other.rows == 1000
    for place, dtype in enumerate(dtypes):
        assert one.cast(place, dtype).equals(other.cast(place, dtype))


def test_the_oracle_tells_quoted_from_unquoted():
    records = list(read_records('a,"b ""c""",""\r\n\n"x\ny",,NA\n', delimiter=","))
    assert records == [
        [Cell("a", False), Cell('b "c"', True), Cell("", True)],
        [Cell("x\ny", True), Cell("", False), Cell("NA", False)],
    ]


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["1", " 2", ""], "int8"),
        (["-1", "200"], "int16"),
        (["18446744073709551615"], "uint64"),
        (["18446744073709551616"], "text"),
        (["-0", "1"], "float32"),
        (["00501", "1"], "text"),
        (["1E4"], "text"),
        (["0.1"], "float32"),
        (["16777217", "0.5"], "float64"),
        (["9007199254740993", "0.5"], "text"),
        (["true", "False"], "bool"),
        (["2024-01-01", "2024-01-01T00:00"], "timestamp[us]"),
        (["2024-01-01", "2024-01-01T00:00Z"], "text"),
        (["NA", ""], "null"),
        (["a", "a", "a", "b", "b"], "category"),
    ],
)
def test_the_oracle_follows_the_design(texts, dtype):
    cells = [Cell(text, False) for text in texts]
    assert dtype_of(cells) == dtype
    assert len(cast_cells(cells, dtype)) == len(cells)
