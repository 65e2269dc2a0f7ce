"""Cells of one column as an Arrow array, and their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.schema.buffers import array_of, numbers_of
from bigdata_cli.schema.dtype import Kind, arrow_type, kind_of
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.schema.vocabulary import MAX_CATEGORIES, may_be_categories
from bigdata_cli.sources import kernel
from bigdata_cli.sources.blocks import Block
from bigdata_cli.sources.cells import (
    dictionary_slots,
    encode_dictionary,
    gather_text,
    measure,
    measure_all,
    text_offsets,
)
from bigdata_cli.sources.encoding import encoding_hint
from bigdata_cli.sources.odd import OddValue
from bigdata_cli.sources.rules import Rules

_SHOWN_FOREIGN = 1000
_WORD_BYTES = 8


def validity(flags: np.ndarray) -> tuple[pa.Buffer | None, int]:
    """Arrow's validity bitmap of the cells, None where all are valid, and the number of nulls."""
    # Most columns have no flags, which is told faster than what they are.
    n_nulls = int(np.count_nonzero(flags == kernel.NO_VALUE)) if np.count_nonzero(flags) else 0
    if not n_nulls:
        return None, 0
    return pa.py_buffer(np.packbits(flags != kernel.NO_VALUE, bitorder="little")), n_nulls


def chunk_column(
    block: Block,
    cells: np.ndarray,
    flags: np.ndarray,
    state: ColumnState,
    rules: Rules,
) -> tuple[pa.Array, frozenset[str] | None]:
    """The Arrow array of a column's cells, and its distinct texts (empty for other kinds).

    The distinct texts are None where there are too many, or where they are not collected.
    """
    if kind_of(state.dtype) in (Kind.TEXT, Kind.CATEGORY):
        return _text_column(block, cells, flags, state, rules, *validity(flags))
    return typed_array(cells, flags, state.dtype), frozenset()


def typed_array(cells: np.ndarray, flags: np.ndarray, dtype: str) -> pa.Array:
    """The Arrow array of cells that hold values of a dtype, which is not text: a copy."""
    kind = kind_of(dtype)
    bitmap, n_nulls = validity(flags)
    values: np.ndarray
    if kind in (Kind.NULL, Kind.BOOL):
        values = np.packbits(cells != 0, bitorder="little")
    elif kind is Kind.FLOAT:
        wide = cells.view(np.float64)
        with np.errstate(over="ignore"):
            values = wide.astype(dtype)
    elif kind is Kind.INT:
        values = cells.astype(dtype)
    else:
        values = cells.astype(np.int32 if kind is Kind.DATE else np.int64)
    buffers = [bitmap, pa.py_buffer(values)]
    return pa.Array.from_buffers(arrow_type(dtype), len(cells), buffers, n_nulls)


def _text_column(
    block: Block,
    cells: np.ndarray,
    flags: np.ndarray,
    state: ColumnState,
    rules: Rules,
    bitmap: pa.Buffer | None,
    n_nulls: int,
) -> tuple[pa.Array, frozenset[str] | None]:
    n_rows = len(cells)
    offsets = np.empty(n_rows + 1, np.int32)
    n_bytes = text_offsets(block.data, cells, flags, rules, offsets)
    data = np.empty(n_bytes + _WORD_BYTES, np.uint8)
    is_ascii = gather_text(block.data, cells, flags, rules, offsets, data)
    data[n_bytes:] = 0
    buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(data[:n_bytes])]
    text = pa.Array.from_buffers(pa.string(), n_rows, buffers, n_nulls)
    if not is_ascii:
        try:
            text.validate(full=True)
        except pa.ArrowInvalid as error:
            raise not_utf8(text, state.name) from error
    if state.distinct is None:
        return text, None
    codes = np.empty(n_rows, np.int32)
    max_values = min(n_rows, MAX_CATEGORIES)
    firsts = np.empty(max_values, np.int32)
    hashes = np.empty(max_values, np.uint64)
    slots = np.empty(dictionary_slots(max_values), np.int32)
    n_values = encode_dictionary(offsets, data, flags, codes, firsts, hashes, slots)
    if n_values < 0:
        return text, None
    values = text.take(array_of(firsts[:n_values]))
    if not state.fixed and not may_be_categories(values):
        return text, None
    distinct = frozenset(values.to_pylist())
    if state.dtype != "category":
        return text, distinct
    indices = pa.Array.from_buffers(pa.int32(), n_rows, [bitmap, pa.py_buffer(codes)], n_nulls)
    return pa.DictionaryArray.from_arrays(indices, values), distinct


def not_utf8(text: pa.Array, name: str) -> OddValue:
    """The error for the texts of a column that are not UTF-8."""
    rows = []
    problem = ""
    for row, value in enumerate(text.view(pa.binary()).to_pylist()):
        try:
            (value or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            problem = problem or f"byte 0x{byte:02x} is not UTF-8 ({error.reason})"
            rows.append(row)
    return OddValue(
        np.array(rows),
        f'column "{name}": {problem}',
        reason=f'column "{name}" is not UTF-8',
        hint=lambda: encoding_hint(_foreign(text)),
    )


def _foreign(text: pa.Array) -> bytes:
    """The first values that are not ASCII."""
    found: list[bytes] = []
    for value in text.view(pa.binary()).to_pylist():
        if value and not value.isascii():
            found.append(value)
            if len(found) == _SHOWN_FOREIGN:
                break
    return b"\n".join(found)


def column_statistics(
    array: pa.Array, cells: np.ndarray, flags: np.ndarray, dtype: str
) -> ColumnStatistics:
    """The statistics of a column's cells, in float64 and exact integers."""
    kind = kind_of(dtype)
    n_rows = len(array)
    nulls = array.null_count
    if kind in (Kind.TEXT, Kind.CATEGORY):
        return text_statistics(array)
    if kind is Kind.NULL or n_rows == nulls:
        return ColumnStatistics(count=n_rows, nulls=nulls)
    typed = cells
    if kind is Kind.FLOAT:
        typed = cells.view(np.float64)
    elif dtype == "uint64":
        typed = cells.view(np.uint64)
    measured = None if nulls else measure_all(typed)
    if measured is None or measured[1] < 0:
        measured = measure(typed, flags)
    finite, infinite, low, high, mean, m2, error = measured
    minimum, maximum = _plain(low, dtype), _plain(high, dtype)
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        return ColumnStatistics(count=n_rows, nulls=nulls, minimum=minimum, maximum=maximum)
    if not finite:
        return ColumnStatistics(count=n_rows, nulls=nulls, infinite=infinite, float32_error=error)
    return ColumnStatistics(
        count=n_rows,
        nulls=nulls,
        minimum=minimum,
        maximum=maximum,
        mean=float(mean),
        m2=float(m2),
        infinite=infinite,
        float32_error=float(error),
    )


def _plain(value: Any, dtype: str) -> Any:
    """A cell's value as JSON holds it; dates and timestamps as ISO 8601."""
    kind = kind_of(dtype)
    if kind is Kind.FLOAT:
        return float(value)
    if kind is Kind.DATE:
        return str(np.datetime64(int(value), "D"))
    if kind is Kind.TIMESTAMP:
        return str(np.datetime64(int(value), "ns" if "ns" in dtype else "us"))
    return int(value)


def text_statistics(array: pa.Array) -> ColumnStatistics:
    """The statistics of texts, or of a dictionary of those that the rows have."""
    n_rows, nulls = len(array), array.null_count
    if n_rows == nulls:
        return ColumnStatistics(count=n_rows, nulls=nulls)
    if isinstance(array, pa.DictionaryArray):
        lengths = _lengths(array.dictionary)
        codes = numbers_of(array.indices.drop_null())
        counts = np.bincount(codes, minlength=len(lengths))
        total, longest = int((lengths * counts).sum()), int(lengths.max())
    else:
        lengths = _lengths(array)
        total, longest = int(lengths.sum()), int(lengths.max())
    return ColumnStatistics(count=n_rows, nulls=nulls, text_bytes=total, max_text_bytes=longest)


def _lengths(text: pa.Array) -> np.ndarray:
    offsets = np.frombuffer(text.buffers()[1], np.int32, len(text) + 1, text.offset * 4)
    return np.diff(offsets).astype(np.int64)
