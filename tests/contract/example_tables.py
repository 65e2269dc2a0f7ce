"""Tables with every dtype and every oddity that a format must keep."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.types.dtype import (
    DTYPES,
    FLOAT_DTYPES,
    INTEGER_DTYPES,
    Column,
    Kind,
    Schema,
    arrow_type,
    integer_range,
)

LABEL = Column(name="label", dtype="int8")
VOCABULARY = ("", "Zürich", "a", "b", "日本語", '🙂 c,d\n"e"')
TEXTS = ("", "x", "naïve", "日本語", "🙂", 'a "quoted", line\nand another', "0", "nan", "y" * 3000)
DATES = (
    datetime.date(1, 1, 1),
    datetime.date(1969, 12, 31),
    datetime.date(1970, 1, 1),
    datetime.date(2024, 2, 29),
    datetime.date(9999, 12, 31),
)
TICKS = {
    "us": (-62_135_596_800_000_000, -1, 0, 1_709_164_800_123_456, 253_402_300_799_999_999),
    "ns": (-(2**63) + 1, -1, 0, 1_709_164_800_123_456_789, 2**63 - 1),
}


def example_values(dtype: str) -> pa.Array:
    """The values that a column of that dtype is tested with: extremes and oddities, no null."""
    if dtype in INTEGER_DTYPES:
        low, high = integer_range(dtype)
        return pa.array(sorted({low, max(low, -1), 0, 1, 100, high - 1, high}), arrow_type(dtype))
    if dtype in FLOAT_DTYPES:
        numbers = [0.0, -0.0, 1.5, -2.25, float("inf"), float("-inf"), 3.0e38, 1e-45, 0.1]
        return pa.array(np.array(numbers, dtype))
    if dtype == "bool":
        return pa.array([True, False])
    if dtype == "null":
        return pa.array([None], pa.bool_())
    if dtype == "date":
        return pa.array(DATES)
    if dtype == "category":
        return pa.array(VOCABULARY)
    if dtype == "text":
        return pa.array(TEXTS)
    return pa.array(TICKS["ns" if "ns" in dtype else "us"], pa.int64()).cast(arrow_type(dtype))


def example_schema(*, text: bool = True, dtypes: Sequence[str] = DTYPES) -> Schema:
    """A column of each dtype, and a label between them."""
    columns = [
        Column(
            name=f"c {dtype}", dtype=dtype, vocabulary=VOCABULARY if dtype == "category" else None
        )
        for dtype in dtypes
        if text or dtype != "text"
    ]
    columns.insert(len(columns) // 2, LABEL)
    return Schema(tuple(columns))


def cut_chunks(table: pa.Table, chunk_rows: int) -> pa.Table:
    """The same rows in chunks, each category column with a dictionary of the chunk's own values."""
    batches = []
    for start in range(0, table.num_rows, chunk_rows):
        piece = table.slice(start, chunk_rows).combine_chunks()
        arrays = [_chunk_of(piece.column(i), seed=start) for i in range(piece.num_columns)]
        batches.append(pa.RecordBatch.from_arrays(arrays, names=table.column_names))
    return pa.Table.from_batches(batches, schema=table.schema)


def _chunk_of(column: pa.ChunkedArray, *, seed: int) -> pa.Array:
    if not pa.types.is_dictionary(column.type):
        return pa.concat_arrays(column.chunks)
    strings = pa.concat_arrays(column.cast(pa.string()).chunks)
    encoded = strings.dictionary_encode()
    n_values = len(encoded.dictionary)
    order = np.random.default_rng(seed).permutation(n_values)
    place = np.argsort(order).astype(np.int32)
    valid = np.asarray(encoded.indices.is_valid())
    indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    codes = place[indices] if n_values else indices
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32), mask=~valid), encoded.dictionary.take(pa.array(order))
    )


def decoded(array: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column as one array, a category as strings."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    if not isinstance(array, pa.ChunkedArray):
        return array
    return pa.concat_arrays(array.chunks or [pa.array([], array.type)])


def assert_same_rows(actual: pa.Table, expected: pa.Table) -> None:
    """The same columns, types, nulls and values, floats bit by bit."""
    assert actual.column_names == expected.column_names
    assert actual.num_rows == expected.num_rows
    for name in expected.column_names:
        assert actual.column(name).type == expected.column(name).type, name
        mine, theirs = decoded(actual.column(name)), decoded(expected.column(name))
        assert mine.is_valid().equals(theirs.is_valid()), f"nulls of {name}"
        if pa.types.is_floating(mine.type):
            bits = {32: pa.uint32(), 64: pa.uint64()}[mine.type.bit_width]
            mine, theirs = mine.fill_null(0.0).view(bits), theirs.fill_null(0.0).view(bits)
        if not mine.equals(theirs):
            pairs = zip(mine.to_pylist(), theirs.to_pylist(), strict=True)
            row, pair = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
            raise AssertionError(f"{name}, row {row}: {pair[0]!r} is not {pair[1]!r}")


def matrix_number(
    array: pa.ChunkedArray, column: Column, options: StorageOptions
) -> pa.ChunkedArray | pa.Array:
    """A column as a matrix gives it back: numbers of the matrix dtype, categories, the label."""
    if column.name == options.label or column.kind is Kind.CATEGORY:
        return array
    whole = decoded(array)
    valid = np.asarray(whole.is_valid())
    if column.kind is Kind.DATE:
        numbers = whole.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)
    elif column.kind is Kind.TIMESTAMP:
        ticks = whole.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        numbers = ticks / (1e9 if "ns" in column.dtype else 1e6)
    else:
        numbers = whole.cast(pa.int8()) if column.kind in (Kind.BOOL, Kind.NULL) else whole
        numbers = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(numbers.astype(options.matrix_dtype), mask=~valid)
