"""Blocks of records whose columns turn out to be something else."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.types.state import ColumnState


def parse(data: bytes, *columns: ColumnState, skip: bool = False) -> Chunk:
    padded = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    plan = ParsePlan(dialect=Dialect(delimiter=","), columns=columns, skip_bad_rows=skip)
    block = Block(padded, 0, len(data), at_eof=True)
    return parse_block(block, 0, len(data), tuple(range(len(columns))), plan)


def category(name: str) -> ColumnState:
    return ColumnState(name=name, dtype="category")


def text(name: str) -> ColumnState:
    return ColumnState(name=name, dtype="text", distinct=None)


def test_a_category_with_a_long_value_is_text_and_a_later_column_is_not_utf8() -> None:
    long = b"z" * 5000
    data = b"a,x\n" * 3 + long + b",y\nb,\xff\nb,z\n"
    chunk = parse(data, category("c"), text("t"), skip=True)
    assert chunk.columns[0].dtype == "text"
    assert chunk.batch.column(0).to_pylist() == ["a", "a", "a", long.decode(), "b"]
    assert chunk.batch.column(1).to_pylist() == ["x", "x", "x", "y", "z"]
    assert [reject.raw for reject in chunk.rejects] == [b"b,\xff\n"]


def test_a_category_that_becomes_text_in_the_middle_keeps_its_rows() -> None:
    values = [f"v{i % 7}" for i in range(3000)]
    values[2500] = "z" * 5000
    values[10] = values[2900] = ""
    data = "".join(f"{value},1\n" for value in values).encode()
    chunk = parse(data, category("c"), ColumnState(name="n", dtype="int8"))
    expected = [value or None for value in values]
    assert chunk.batch.column(0).to_pylist() == expected
    assert chunk.distinct[0] is None
    assert chunk.statistics[0].max_text_bytes == 5000
    assert chunk.statistics[0].text_bytes == sum(map(len, values))


def test_integers_that_outgrow_their_width_are_widened_where_they_are() -> None:
    values = [i % 100 for i in range(5000)]
    values[4321] = 70_000
    data = "".join(f"{value}\n" for value in values).encode()
    chunk = parse(data, ColumnState(name="n", dtype="int8"))
    assert chunk.columns[0].dtype == "int32"
    assert chunk.batch.column(0).to_pylist() == values
    assert chunk.statistics[0].maximum == 70_000


def test_blank_lines_and_both_line_ends_between_records() -> None:
    data = b'\r\n1,a\r\n\r\n\r\n2,"b\r\n"\r\n\n3,c\r4,d'
    chunk = parse(data, ColumnState(name="n", dtype="int8"), text("t"))
    assert chunk.batch.column(0).to_pylist() == [1, 2, 3, 4]
    assert chunk.batch.column(1).to_pylist() == ["a", "b\r\n", "c", "d"]
    assert chunk.tally.blank_lines == 4


def test_a_category_whose_texts_are_no_longer_counted_is_text() -> None:
    data = "".join(f"v{i % 50}\n" for i in range(4000)).encode()
    parse(b"x\n" * 9000, category("c"))  # leaves codes behind
    uncounted = ColumnState(name="c", dtype="category", distinct=None)
    chunk = parse(data, uncounted)
    assert chunk.columns[0].dtype == "text"
    assert chunk.distinct[0] is None
    assert chunk.batch.column(0).to_pylist() == data.decode().split()


@pytest.mark.parametrize("data", [b"a\nb\n", b"\n"])
def test_a_category_that_the_user_asked_for_and_that_has_too_many_texts(data: bytes) -> None:
    """It is an error of the column: no record is set aside for it, and none has to be there."""
    asked = ColumnState(name="c", dtype="category", fixed=True, distinct=None)
    with pytest.raises(RecordError, match="more than 65,536 distinct values"):
        parse(data, asked, skip=True)
