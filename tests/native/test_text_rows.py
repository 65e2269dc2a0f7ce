"""Rows as text: the shortest decimals, dates, strings, and pieces of any size."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.native import text_rows
from bigdata_cli.native.text_rows import csv_rows, json_rows
from bigdata_cli.sources.csv.dialect import NULL_TOKENS

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def text_of(rows: text_rows.TextRows, arrays: list[pa.Array]) -> str:
    batch = pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])
    return b"".join(map(bytes, rows.render(batch))).decode()


def lines_of(array: pa.Array) -> list[str]:
    """The values of a column, as a CSV of that column alone has them."""
    return text_of(csv_rows([array.type]), [array]).split("\n")[:-1]


def some_floats() -> np.ndarray:
    """Floats of all exponents, and those where an algorithm may go wrong."""
    rng = np.random.default_rng(7)
    values = rng.integers(0, 2**64, 200_000, dtype=np.uint64).view(np.float64)
    powers = 2.0 ** np.arange(-1074, 1024)
    return np.concatenate([
        values[np.isfinite(values)], powers, np.nextafter(powers, 0), 10.0 ** np.arange(-323, 309),
        np.arange(0, 30_000) / 100, rng.integers(-(2**63), 2**63 - 1, 20_000).astype(float),
        [0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0],
        [1e15, 1e16, 1e17, 123456789012345680.0, 0.0001, 0.00001, 1e22, 1e23],
    ])  # fmt: skip


def test_float64_is_written_as_repr_does():
    values = some_floats()
    values = np.concatenate([values, -values])
    assert lines_of(pa.array(values)) == list(map(repr, values.tolist()))


@given(FLOATS)
def test_any_float64_is_written_as_repr_does(value):
    assert lines_of(pa.array([value])) == [repr(value)]


def test_float32_has_the_digits_that_numpy_finds():
    rng = np.random.default_rng(8)
    values = rng.integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    powers = (2.0 ** np.arange(-149, 128)).astype(np.float32)
    values = np.concatenate([
        values[np.isfinite(values)], powers, np.nextafter(powers, np.float32(0)),
        (np.arange(30_000) / 100).astype(np.float32),
        np.float32([0, 1e-45, 3.4028235e38, 16777216]),
    ])  # fmt: skip
    for text, value in zip(lines_of(pa.array(values)), values, strict=True):
        shortest = np.format_float_scientific(value, unique=True)
        assert _digits(text) == _digits(shortest), text
        assert np.float32(text) == value
        assert text == repr(float(text))


def _digits(text: str) -> str:
    return text.partition("e")[0].replace(".", "").strip("-0")


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@pytest.mark.parametrize("sign", ["", "u"])
def test_integers(sign, bits):
    info = np.iinfo(f"{sign}int{bits}")
    values = [info.min, info.max, 0, 1, 9, 10, 99, 100, info.max // 10, info.min // 10]
    assert lines_of(pa.array(values, f"{sign}int{bits}")) == list(map(str, values))


def test_dates_and_times_are_iso_8601():
    rng = np.random.default_rng(9)
    days = np.concatenate([np.arange(-1000, 1000), rng.integers(-719162, 2932896, 20_000)])
    dates = pa.array(days.astype(np.int32)).cast(pa.date32())
    assert lines_of(dates) == dates.cast(pa.string()).to_pylist()
    ticks = pa.array(rng.integers(-62135596800000000, 253402300799999999, 20_000))
    for type_ in (pa.timestamp("us"), pa.timestamp("us", tz="UTC")):
        times = ticks.cast(type_)
        assert lines_of(times) == [t.replace(" ", "T") for t in times.cast(pa.string()).to_pylist()]
    nanos = pa.array(rng.integers(-(2**63), 2**63 - 1, 20_000)).cast(pa.timestamp("ns"))
    assert lines_of(nanos) == [t.replace(" ", "T") for t in nanos.cast(pa.string()).to_pylist()]
    whole = pa.array([0, 1_500_000, -1]).cast(pa.timestamp("us", tz="UTC"))
    assert lines_of(whole) == [
        "1970-01-01T00:00:00Z", "1970-01-01T00:00:01.500000Z", "1969-12-31T23:59:59.999999Z",
    ]  # fmt: skip


def test_years_beyond_four_digits_have_a_sign():
    days = pa.array([-719529, -719528, 2932897], pa.int32()).cast(pa.date32())
    assert lines_of(days) == ["-0001-12-31", "0000-01-01", "+10000-01-01"]


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), min_size=1))
def test_the_csv_module_reads_any_text_and_null_apart_from_empty(rows):
    arrays = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    written = text_of(csv_rows([pa.string()] * 2, null_tokens=NULL_TOKENS), arrays)
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert read == [[text or "" for text in row] for row in rows]
    # Where there are no quotes, an empty field is a null.
    assert written.count('""') >= sum(row.count("") for row in rows)


def test_texts_that_would_be_read_as_something_else_have_quotes():
    texts = ["plain", "", "NA", "<NA>", " a", "a\t", "a,b", 'a"b', "a\nb", "a\rb", "NAB", "ü"]
    assert lines_of_texts(texts) == [
        "plain", '""', '"NA"', '"<NA>"', '" a"', '"a\t"', '"a,b"', '"a""b"', '"a\nb"', '"a\rb"',
        "NAB", "ü",
    ]  # fmt: skip


def lines_of_texts(texts: list[str]) -> list[str]:
    return [
        text_of(csv_rows([pa.string()], null_tokens=NULL_TOKENS), [pa.array([text])])[:-1]
        for text in texts
    ]


@given(st.lists(st.text(), min_size=1), st.text(min_size=1))
def test_json_is_read_back(texts, name):
    rows = json_rows([pa.string(), pa.bool_()], [name, f"{name}2"])
    flags = [[None, True, False][place % 3] for place in range(len(texts))]
    written = text_of(rows, [pa.array(texts), pa.array(flags, pa.bool_())])
    read = [json.loads(line) for line in written.split("\n")[:-1]]
    assert [row[name] for row in read] == texts
    assert [row[f"{name}2"] for row in read] == flags


def test_what_is_not_finite_is_counted_as_lost():
    values = pa.array([1.5, float("nan"), float("inf"), -float("inf"), None])
    rows = csv_rows([values.type, values.type])
    assert text_of(rows, [values, values]).split() == [
        "1.5,1.5", "NaN,NaN", "inf,inf", "-inf,-inf", ",",
    ]  # fmt: skip
    assert rows.lost == 2
    rows = json_rows([values.type], ["a"])
    assert text_of(rows, [values]).split() == ['{"a":1.5}', *['{"a":null}'] * 4]
    assert rows.lost == 3


def test_categories_and_slices():
    words = pa.array(["a", "b,c", None, "a"]).dictionary_encode()
    words = pa.DictionaryArray.from_arrays(words.indices.cast(pa.int32()), words.dictionary)
    flags = pa.array([True, None, False, True])
    batch = pa.RecordBatch.from_arrays([words, flags], names=["w", "f"]).slice(1, 3)
    rows = csv_rows(batch.schema.types)
    assert b"".join(map(bytes, rows.render(batch))) == b'"b,c",\n,false\na,true\n'
    assert text_of(csv_rows([words.type]), [words]).split("\n") == ["a", '"b,c"', "NA", "a", ""]


def test_rows_longer_than_the_room_for_them(monkeypatch):
    monkeypatch.setattr(text_rows, "_FIRST_BYTES", 64)
    texts = pa.array(["a", "b" * 100, "c" * 10_000, "", None, "d" * 50])
    rows = csv_rows([pa.string(), pa.int64()])
    written = text_of(rows, [texts, pa.array(range(6))])
    expected = [f"{text or ''},{i}" for i, text in enumerate(texts.to_pylist())]
    assert written.split("\n")[:-1] == [line if line != ",3" else '"",3' for line in expected]


def test_no_rows_and_no_text():
    assert text_of(csv_rows([pa.string()]), [pa.array([], pa.string())]) == ""
    assert text_of(csv_rows([pa.bool_()]), [pa.array([None, None], pa.bool_())]) == "NA\nNA\n"
