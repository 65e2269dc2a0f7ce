"""Generated files: the size asked for, the same bytes from a seed, and CSV that others read."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.cells import (
    days,
    decimals,
    grid,
    hexadecimals,
    integers,
    long_tailed,
    moments,
    rows,
    texts,
    times,
)
from benchmarks.commands import layouts_of
from benchmarks.shapes import SHAPES, write_shape
from benchmarks.suites import CSV_SHAPES, DOMAIN_SHAPES, WIDE

SIZE = 300_000


def made(name: str, **options) -> bytes:
    stream = io.BytesIO()
    write_shape(name, stream, **options)
    return stream.getvalue()


def records(name: str, text: bytes) -> list[list[str]]:
    before = csv.field_size_limit(1 << 30)
    try:
        delimiter = SHAPES[name].delimiter
        return list(csv.reader(io.StringIO(text.decode(), newline=""), delimiter=delimiter))
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_has_its_size_and_comes_back_from_its_seed(name):
    data = made(name, size=SIZE)
    assert 0.8 * SIZE < len(data) < 1.2 * SIZE
    assert data == made(name, size=SIZE, seed=0)
    assert data != made(name, size=SIZE, seed=1)


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if not shape.is_text])
def test_every_record_has_all_columns(name):
    shape = SHAPES[name]
    header, *found = records(name, made(name, n_rows=7))
    assert len(found) == 7
    assert {len(record) for record in found} == {len(header)}
    assert not shape.columns or tuple(header) == shape.columns
    assert {shape.label, *shape.others} <= set(header)


def test_rows_go_on_where_a_block_ends():
    name = "reviews"
    more = SHAPES[name].block_rows + 5
    found = records(name, made(name, n_rows=more))[1:]
    assert [int(record[0]) for record in found] == list(range(1, more + 1))


def test_pixels_are_mostly_zero_and_reviews_have_quotes_and_line_ends():
    pixels = np.array(records("pixels", made("pixels", n_rows=200))[1:], int)[:, 1:]
    assert 0.7 < (pixels == 0).mean() < 0.9
    assert (pixels.min(), pixels.max()) == (0, 255)
    text = [record[-1] for record in records("reviews", made("reviews", n_rows=200))[1:]]
    assert any('"' in value for value in text)
    assert any("\n" in value for value in text)


def test_clicks_have_nulls_and_columns_of_few_and_of_many_values():
    found = records("clicks", made("clicks", n_rows=20_000))[1:]
    columns = list(zip(*found, strict=True))
    assert all(0.15 < column.count("") / len(found) < 0.25 for column in columns[1:14])
    counts = [len(set(column)) for column in columns[14:]]
    assert counts[0] <= 12
    assert counts == sorted(counts)
    assert counts[-1] > 10_000


def test_quoted_transactions_differ_from_the_others_by_their_quotes():
    lines = made("transactions_quoted", n_rows=50).decode().splitlines()[1:]
    assert all(line.count('"') == 6 for line in lines)
    plain = made("transactions", n_rows=1).decode().splitlines()[0]
    assert made("transactions_quoted", n_rows=0).decode().splitlines() == [plain]


def test_cells_are_written_as_they_should_be():
    assert decimals(np.array([5, -5, 1234, -1234, 0]), 2).to_pylist() == [
        "0.05", "-0.05", "12.34", "-12.34", "0.00",
    ]  # fmt: skip
    assert integers(np.array([1, 2]), np.array([False, True])).to_pylist() == ["1", ""]
    assert times(np.array([0, 86_399])).to_pylist() == [
        "1970-01-01 00:00:00",
        "1970-01-01 23:59:59",
    ]
    assert moments(np.array([1_500])).to_pylist() == ["1970-01-01T00:00:01.500Z"]
    assert days(np.array([-1, 59]), np.array([False, True])).to_pylist() == ["1969-12-31", ""]
    assert texts(["a ", "b "], np.array([0, 1, 1]), np.array([2, 0, 1])).to_pylist() == [
        "a b ", "", "b ",
    ]  # fmt: skip
    assert bytes(grid(np.array([[0, 1], [1, 1]]), ["x", ""])) == b"x,\n,\n"
    assert bytes(rows([pa.array(["a", "b"]), pa.array(["1", ""])], end="\r\n")) == b"a,1\r\nb,\r\n"


def test_names_are_of_eight_digits_and_the_same_for_the_same_key():
    names = hexadecimals(np.array([7, 8, 7, 10**12])).to_pylist()
    assert all(len(name) == 8 and int(name, 16) >= 0 for name in names)
    assert names[0] == names[2]
    assert len(set(names)) == 3
    assert hexadecimals(np.array([7]), quotes=True).to_pylist() == [f'"{names[0]}"']


def test_small_numbers_are_far_more_frequent():
    found = long_tailed(np.random.default_rng(0), 10_000, 1_000)
    assert found.min() == 0
    assert found.max() < 1_000
    assert (found < 10).mean() > 5 * (found > 900).mean()


def test_every_shape_is_measured():
    assert {*CSV_SHAPES, *DOMAIN_SHAPES, *(kind for kind, _, _ in WIDE), "log"} == set(SHAPES)
    assert all(layouts_of(name) for name in SHAPES)
