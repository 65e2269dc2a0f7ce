"""Where rows are cut into tables: by the rows alone."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.conversion.rebatch import Rebatcher, counted_bytes
from bigdata_cli.types.dtype import Column, Schema

TEXT = Schema((Column(name="n", dtype="int16"), Column(name="x", dtype="text")))
CATEGORY = Schema(
    (Column(name="n", dtype="int16"), Column(name="x", dtype="category", vocabulary=()))
)


def batch_of(texts: list[str | None], schema: Schema) -> pa.RecordBatch:
    values = pa.array(texts, pa.string())
    if schema is CATEGORY:
        values = values.dictionary_encode()
    numbers = pa.array(range(len(texts)), pa.int16())
    return pa.RecordBatch.from_arrays([numbers, values], schema=schema.arrow())


def cuts(
    texts: list[str | None], schema: Schema, step: int, widened: int | None = None
) -> tuple[list[int], float]:
    """Rows of the tables, and the room; `widened`: from which row on the column is text."""
    rebatcher = Rebatcher(schema, max_rows=7, max_bytes=120, text_categories=True)
    tables = []
    for start in range(0, len(texts), step):
        if widened is not None and start >= widened and schema is CATEGORY:
            schema = TEXT
            rebatcher.widen(schema)
        tables += rebatcher.push(batch_of(texts[start : start + step], schema))
    tables += rebatcher.flush()
    assert sum(table.num_rows for table in tables) == len(texts)
    return [table.num_rows for table in tables], rebatcher.room


lists = st.lists(
    st.one_of(st.none(), st.sampled_from(["", "a", "bc", "d" * 20, "e" * 200])), max_size=60
)


@given(lists, st.integers(1, 60), st.integers(1, 60), st.integers(0, 60))
def test_a_category_that_turns_out_to_be_text_is_cut_in_the_same_places(texts, a, b, widened):
    expected = cuts(texts, TEXT, a)
    assert cuts(texts, CATEGORY, b) == expected
    assert cuts(texts, CATEGORY, b, widened) == expected


@given(lists)
def test_bytes_of_a_category_are_those_of_its_texts(texts):
    n_bytes = 10 * len(texts) + sum(len(text or "") for text in texts)
    for schema in (TEXT, CATEGORY):
        assert counted_bytes(batch_of(texts, schema), schema, text_categories=True) == n_bytes
    fixed = counted_bytes(batch_of(texts, CATEGORY), CATEGORY, text_categories=False)
    assert fixed == 6 * len(texts)


@pytest.mark.parametrize("code", [-5, 99])
def test_the_code_of_a_null_may_be_any_number(code):
    numbers = pa.array([0, code, 1], pa.int32()).buffers()[1]
    codes = pa.Array.from_buffers(pa.int32(), 3, [pa.py_buffer(b"\x05"), numbers])
    array = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "bcd"]), safe=False)
    schema = Schema((Column(name="x", dtype="category", vocabulary=()),))
    batch = pa.RecordBatch.from_arrays([array], schema=schema.arrow())
    assert counted_bytes(batch, schema, text_categories=True) == 3 * 8 + 4
