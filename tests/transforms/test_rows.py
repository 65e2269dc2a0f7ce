"""Selected rows of a chunk are what parsing only those rows gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.sources.tables.rows import parse_rows
from bigdata_cli.transforms.rows import select_rows
from bigdata_cli.types.state import ColumnState
from tests.examples import examples

KINDS: dict[str, st.SearchStrategy[str]] = {
    "bool": st.sampled_from(["true", "false"]),
    "int8": st.integers(-100, 100).map(str),
    "uint64": st.integers(2**63, 2**64 - 1).map(str),
    "float32": st.integers(-(10**5), 10**5).map(lambda n: f"{n}.25"),
    "float64": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "date": st.dates().map(str),
    "timestamp[us]": st.datetimes().map(lambda t: t.isoformat(sep=" ")),
    "category": st.sampled_from(["a", "bb", "ccc", "é"]),
    "text": st.text("abcé", min_size=1, max_size=9).map(lambda text: f"x{text}"),
}
NAMES = tuple(KINDS)
DECIMALS = st.integers(0, 10**5).map(lambda n: f"0.{n:05d}1")


def states() -> tuple[ColumnState, ...]:
    return tuple(ColumnState(name=name) for name in NAMES)


def parse(rows: list[tuple[str, ...]], columns: tuple[ColumnState, ...]) -> Chunk:
    data = "".join(",".join(row) + "\n" for row in rows).encode()
    padded = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    plan = ParsePlan(dialect=Dialect(delimiter=","), columns=columns)
    block = Block(padded, 0, len(data), at_eof=True)
    return parse_block(block, 0, len(data), tuple(range(len(columns))), plan)


def assert_equal(got: Chunk, expected: Chunk) -> None:
    assert got.batch.to_pydict() == expected.batch.to_pydict()
    assert got.batch.schema == expected.batch.schema
    assert got.rows == got.summary.rows == expected.rows
    for mine, theirs in zip(got.statistics, expected.statistics, strict=True):
        assert (mine.count, mine.nulls, mine.infinite) == (
            theirs.count,
            theirs.nulls,
            theirs.infinite,
        )
        assert (mine.minimum, mine.maximum) == (theirs.minimum, theirs.maximum)
        if theirs.mean is None:
            assert (mine.mean, mine.m2) == (None, None)
        else:
            assert mine.mean == pytest.approx(theirs.mean, rel=1e-12, abs=1e-300)
            assert mine.m2 == pytest.approx(theirs.m2, rel=1e-6, abs=1e-300)
        assert (mine.text_bytes, mine.max_text_bytes) == (theirs.text_bytes, theirs.max_text_bytes)
        assert mine.float32_error == theirs.float32_error
    assert got.distinct == expected.distinct


cells = st.tuples(*(st.one_of(st.just(""), kind) for kind in KINDS.values()))


@examples(40)
@given(rows=st.lists(cells, min_size=1, max_size=40), data=st.data())
def test_selected_rows_are_those_that_would_be_parsed_alone(rows, data) -> None:
    columns = parse(rows, states()).columns
    as_category = tuple(
        ColumnState(name=s.name, dtype="category") if s.name == "category" else s for s in columns
    )
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    whole = parse(rows, as_category)
    kept = [row for row, is_kept in zip(rows, mask, strict=True) if is_kept]
    assert_equal(select_rows(whole, mask), parse(kept, whole.columns))


@examples(30)
@given(values=st.lists(DECIMALS, min_size=1, max_size=30), data=st.data())
def test_statistics_of_float32_are_those_of_the_decimals_that_were_read(values, data) -> None:
    rows = [(value,) for value in values]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    whole = parse(rows, (ColumnState(name="f"),))
    assert whole.columns[0].dtype in ("float32", "float64")
    kept = [row for row, is_kept in zip(rows, mask, strict=True) if is_kept]
    assert_equal(select_rows(whole, mask), parse(kept, whole.columns))


def test_the_evidence_of_types_is_that_of_all_rows() -> None:
    whole = parse([("7",), ("70000",)], (ColumnState(name="n"),))
    first = select_rows(whole, np.array([True, False]))
    assert first.batch.column(0).type == pa.int32()
    assert first.observed == whole.observed
    assert first.statistics[0].maximum == 7


def test_rows_of_tables_are_selected_as_those_of_text() -> None:
    table = pa.record_batch(
        {
            "n": pa.array([1, None, 300], pa.int64()),
            "f": [0.1, 0.5, float("inf")],
            "t": ["a", "b", None],
            "z": pa.nulls(3),
        }
    )
    columns = tuple(ColumnState(name=name) for name in table.schema.names)
    plan = ParsePlan(dialect=Dialect(delimiter=None), columns=columns)
    whole = parse_rows(table, 0, 0, plan).chunk
    assert whole is not None
    mask = np.array([True, False, True])
    alone = parse_rows(
        table.filter(pa.array(mask)),
        0,
        0,
        ParsePlan(dialect=Dialect(delimiter=None), columns=whole.columns),
    ).chunk
    assert alone is not None
    assert_equal(select_rows(whole, mask), alone)


def test_all_rows_are_the_chunk_itself_and_none_is_empty() -> None:
    whole = parse([("a",), ("b",)], (ColumnState(name="c", dtype="category"),))
    assert select_rows(whole, np.ones(2, bool)) is whole
    none = select_rows(whole, np.zeros(2, bool))
    assert none.rows == 0
    assert none.distinct == (frozenset(),)
    assert len(none.batch.column(0).dictionary) == 0


def test_a_dictionary_holds_only_the_texts_of_its_rows_in_their_order() -> None:
    whole = parse(
        [("a",), ("b",), ("NA",), ("c",), ("b",)], (ColumnState(name="c", dtype="category"),)
    )
    some = select_rows(whole, np.array([False, False, True, True, True]))
    assert some.batch.column(0).dictionary.to_pylist() == ["c", "b"]
    assert some.batch.column(0).to_pylist() == [None, "c", "b"]


def test_texts_that_were_too_many_in_all_rows_are_counted_where_they_are_few() -> None:
    rows = [(f"x{i}",) for i in range(70_000)]
    whole = parse(rows, (ColumnState(name="t", dtype="text"),))
    assert whole.distinct == (None,)
    mask = np.zeros(len(rows), bool)
    mask[:3] = True
    assert select_rows(whole, mask).distinct == (frozenset({"x0", "x1", "x2"}),)
