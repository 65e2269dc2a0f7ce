"""Columns and matrices by the C library, against NumPy and Python, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.arrays.table import TableArrays, label_values, texts_of_fixed
from bigdata_cli.errors import DataError
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type, numpy_dtype
from tests.examples import examples

VOCABULARY = ("", "a", "b" * 7, "b" * 8, "b" * 9, "é", "日本" * 12, "zz")
NUMBERS = {
    "bool": st.booleans(),
    "float32": st.floats(width=32),
    "float64": st.floats(allow_nan=True),
    "date": st.integers(-(2**31), 2**31 - 1),
    "timestamp[us]": st.integers(-(2**63) + 1, 2**63 - 1),
    "timestamp[ns, UTC]": st.integers(-(2**63) + 1, 2**63 - 1),
    "category": st.sampled_from(VOCABULARY),
    "null": st.none(),
    **{
        f"{sign}int{bits}": st.integers(
            0 if sign else -(2 ** (bits - 1)), 2 ** (bits - (not sign)) - 1
        )
        for bits in (8, 16, 32, 64)
        for sign in ("", "u")
    },
}
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def column_of(name: str, dtype: str) -> Column:
    vocabulary = VOCABULARY if dtype == "category" else None
    return Column(name=name, dtype=dtype, vocabulary=vocabulary)


def array_of(values: list[Any], dtype: str) -> pa.Array:
    if dtype in ("date", "timestamp[us]", "timestamp[ns, UTC]"):
        integer = pa.int32() if dtype == "date" else pa.int64()
        return pa.array(values, integer).view(arrow_type(dtype))
    if dtype == "category":
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, arrow_type(dtype))


@st.composite
def tables(draw: st.DrawFn, dtypes: dict[str, st.SearchStrategy]) -> tuple[pa.Table, Schema, dict]:
    """A table in chunks, some of them slices whose first row is no first row of a buffer."""
    names = draw(st.lists(st.sampled_from(sorted(dtypes)), min_size=1, max_size=20))
    schema = Schema(tuple(column_of(f"c{i}", dtype) for i, dtype in enumerate(names)))
    sizes = draw(st.lists(st.integers(0, 150), min_size=1, max_size=3))
    values: dict[str, list] = {f"c{i}": [] for i in range(len(names))}
    has_nulls = draw(st.booleans())
    batches = []
    for size in sizes:
        skipped = draw(st.integers(0, 9))
        arrays = []
        for i, dtype in enumerate(names):
            element = dtypes[dtype] | st.none() if has_nulls else dtypes[dtype]
            pool = draw(st.lists(element, min_size=1, max_size=6))
            seed = draw(st.integers(0, 2**20))
            picks = np.random.default_rng(seed).integers(0, len(pool), size + skipped)
            column = [pool[pick] for pick in picks]
            arrays.append(array_of(column, dtype).slice(skipped))
            values[f"c{i}"] += column[skipped:]
        batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema.arrow()))
    return pa.Table.from_batches(batches), schema, values


def expected_column(values: list[Any], column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Values as NumPy stores them, and which there are."""
    valid = np.array([value is not None for value in values], bool)
    dtype = numpy_dtype(column.dtype, n_values=column.n_values)
    fill: Any = 0
    if dtype.kind == "f":
        fill = np.nan
    if dtype.kind == "M":
        fill = np.iinfo(np.int64).min  # NaT
    if column.kind is Kind.CATEGORY:
        values = [None if value is None else VOCABULARY.index(value) for value in values]
    filled = [fill if value is None else value for value in values]
    if dtype.kind == "M":
        return np.array(filled, np.int64).view(dtype), valid
    return np.array(filled, dtype), valid


def assert_same_bits(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    assert found.dtype == expected.dtype, what
    assert found.tobytes() == expected.tobytes(), what


@given(tables(NUMBERS))
@examples(150)
def test_columns_are_those_of_numpy(case: tuple[pa.Table, Schema, dict]) -> None:
    table, schema, values = case
    dtypes = [numpy_dtype(column.dtype, n_values=column.n_values) for column in schema]
    found = TableArrays(schema, schema.columns, dtypes).arrays(table)
    for column, stored, mask in zip(schema, found.values, found.valid, strict=True):
        expected, valid = expected_column(values[column.name], column)
        assert stored is not None
        if column.kind is Kind.FLOAT:
            np.testing.assert_array_equal(stored, expected)
        else:
            assert_same_bits(stored, expected, column.dtype)
        assert (mask is None) == bool(valid.all())
        assert mask is None or (mask == valid).all()


@given(tables(NUMBERS), st.sampled_from(["float32", "float64"]))
@examples(150)
def test_a_matrix_is_that_of_numpys_casts(
    case: tuple[pa.Table, Schema, dict], matrix_dtype: str
) -> None:
    table, schema, values = case
    expected = np.empty((table.num_rows, len(schema)), matrix_dtype)
    is_too_large = False
    for i, column in enumerate(schema):
        stored, valid = expected_column(values[column.name], column)
        if stored.dtype.kind == "M":
            ticks = stored.view(np.int64)
            seconds = {"timestamp[us]": 1e6, "timestamp[ns, UTC]": 1e9}
            stored = ticks if column.dtype == "date" else ticks / seconds[column.dtype]
        with np.errstate(over="ignore", invalid="ignore"):
            expected[:, i] = stored
        is_too_large |= bool((np.isinf(expected[:, i]) & valid & ~np.isinf(stored)).any())
        expected[~valid, i] = np.nan
    arrays = TableArrays(schema, schema.columns)
    if is_too_large:
        with pytest.raises(DataError, match="beyond the range of float32"):
            arrays.matrix(table, matrix_dtype)
        return
    found = arrays.matrix(table, matrix_dtype)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected))[~np.isnan(expected)].all()


@given(tables({"text": TEXTS, "int8": NUMBERS["int8"]}), st.integers(0, 9))
@examples(150)
def test_texts_in_every_form(case: tuple[pa.Table, Schema, dict], extra: int) -> None:
    table, schema, values = case
    dtypes = [None if c.kind is Kind.TEXT else np.dtype(np.int8) for c in schema]
    arrays = TableArrays(schema, schema.columns, dtypes)
    found = arrays.arrays(table, looks_inside_text=True)
    for i in arrays.texts:
        texts = [(value or "").encode() for value in values[schema.columns[i].name]]
        longest = max(map(len, texts), default=0)
        assert found.longest(i) == longest
        assert not found.measured["has_nul"][:, i].any()
        content = b"".join(texts)
        assert b"".join(map(bytes, arrays.text_bytes(found, i))) == content
        assert arrays.ends(found, i).tolist() == np.cumsum([len(t) for t in texts]).tolist()
        width = max(1, longest + extra)
        fixed = arrays.fixed_text(found, i, width)
        assert fixed.tobytes() == b"".join(text.ljust(width, b"\0") for text in texts)
        offsets, back = texts_of_fixed(fixed.reshape(-1).view(f"S{width}"))
        assert back.tobytes() == content
        assert offsets.tolist() == [0, *np.cumsum([len(t) for t in texts]).tolist()]
        ended, places = arrays.ended_text(found, i)
        assert ended.tobytes() == b"".join(text + b"\0" for text in texts)
        assert places.tolist() == [sum(len(t) + 1 for t in texts[:k]) for k in range(len(texts))]


def wide_batches(n_rows: int, n_columns: int) -> Iterator[tuple[pa.Table, np.ndarray]]:
    numbers = np.arange(n_rows * n_columns).reshape(n_columns, n_rows)
    for dtype in (np.uint8, np.int16, np.float32, np.int64, np.float64):
        values = numbers.astype(dtype)
        yield (
            pa.table([pa.array(v) for v in values], names=[f"c{i}" for i in range(n_columns)]),
            (values.T),
        )


@pytest.mark.parametrize("shape", [(1, 1), (127, 15), (128, 16), (129, 17), (300, 100)])
def test_matrices_whose_tiles_are_not_full(shape: tuple[int, int]) -> None:
    for table, expected in wide_batches(*shape):
        schema = Schema(
            tuple(Column(name=name, dtype=str(expected.dtype)) for name in table.column_names)
        )
        for dtype in ("float32", "float64"):
            found = TableArrays(schema, schema.columns).matrix(table, dtype)
            np.testing.assert_array_equal(found, expected.astype(dtype))


def test_only_some_columns_in_another_order_and_other_types() -> None:
    schema = Schema((Column(name="a", dtype="int8"), Column(name="b", dtype="float64")))
    table = pa.table({"b": [0.5, None], "x": ["", ""], "a": pa.array([1, 2], pa.int64())})
    arrays = TableArrays(schema, [schema["b"], schema["a"]])
    np.testing.assert_array_equal(arrays.matrix(table, "float32"), [[0.5, 1], [np.nan, 2]])


def test_bytes_beneath_nulls_are_no_text() -> None:
    bitmap, offsets = pa.py_buffer(bytes([0b101])), np.array([0, 1, 4, 5], np.int32)
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(b"axyzb")]
    column = pa.Array.from_buffers(pa.string(), 3, buffers)
    schema = Schema((Column(name="t", dtype="text"),))
    arrays = TableArrays(schema, schema.columns, [None])
    for rows, expected in ((column, b"ab"), (column.slice(1), b"b")):
        found = arrays.arrays(pa.table({"t": rows}), looks_inside_text=True)
        assert b"".join(map(bytes, arrays.text_bytes(found, 0))) == expected
        assert found.longest(0) == 1


@pytest.mark.parametrize("value", ["c", "b" * 10, "\0"])
def test_a_category_without_a_code_is_an_error_and_one_beneath_a_null_is_not(value: str) -> None:
    schema = Schema((column_of("k", "category"),))
    dictionary = pa.array(["a", value])
    for indices, is_known in (([0, 0], True), ([0, None], True), ([0, 1], False)):
        values = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), dictionary)
        table = pa.table({"k": values})
        columns = TableArrays(schema, schema.columns, [np.dtype(np.uint8)])
        if is_known:
            assert columns.arrays(table).values[0].tolist() == [1, 1 if None not in indices else 0]
            continue
        with pytest.raises(DataError, match="not among its categories"):
            columns.arrays(table)
        with pytest.raises(DataError, match="not among its categories"):
            columns.matrix(table, "float32")


def test_a_vocabulary_of_all_sizes_is_found() -> None:
    for n_values in (1, 2, 255, 256, 257, 65_536):
        vocabulary = tuple(f"{i:06d}" * (1 + i % 3) for i in range(n_values))
        column = Column(name="k", dtype="category", vocabulary=vocabulary)
        schema = Schema((column,))
        order = np.random.default_rng(0).permutation(n_values)
        table = pa.table({"k": pa.array([vocabulary[i] for i in order]).dictionary_encode()})
        dtype = numpy_dtype("category", n_values=n_values)
        [codes] = TableArrays(schema, [column], [dtype]).arrays(table).values
        assert codes is not None
        np.testing.assert_array_equal(codes, order.astype(dtype))


def test_a_number_beyond_float32_beneath_a_null_is_none() -> None:
    schema = Schema((Column(name="a", dtype="float64"),))
    bitmap, numbers = pa.py_buffer(bytes([0b01])), np.array([1.0, 1e300])
    column = pa.Array.from_buffers(pa.float64(), 2, [bitmap, pa.py_buffer(numbers)])
    found = TableArrays(schema, schema.columns).matrix(pa.table({"a": column}), "float32")
    np.testing.assert_array_equal(found, [[1], [np.nan]])


def test_a_label_that_is_null() -> None:
    schema = Schema((Column(name="y", dtype="int8"), Column(name="z", dtype="float32")))
    table = pa.table({"y": pa.array([1, None], pa.int8()), "z": pa.array([1, None], pa.float32())})
    with pytest.raises(DataError, match="is null in 1 rows"):
        label_values(TableArrays(schema, [schema["y"]], [np.dtype(np.int8)]), table)
    found = label_values(TableArrays(schema, [schema["z"]], [np.dtype(np.float32)]), table)
    np.testing.assert_array_equal(found, np.array([1, np.nan], np.float32))
