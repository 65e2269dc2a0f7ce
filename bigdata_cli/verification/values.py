"""Which values of two columns differ, and how a value is shown."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.types.buffers import booleans_of, numbers_of
from bigdata_cli.types.dtype import Column, Kind

_SHOWN_CHARACTERS = 60


def as_text(array: pa.Array) -> pa.Array:
    """A category as its texts; anything else as it is."""
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array


def differing_rows(expected: pa.Array, found: pa.Array) -> np.ndarray:
    """The rows in which two arrays of the same type differ: int64, ascending.

    0 and -0 differ, a NaN and another one do not.
    """
    if pa.types.is_floating(expected.type):
        a, b = _bits(expected), _bits(found)
        return np.flatnonzero(a != b)
    if expected.equals(found):
        return np.empty(0, np.int64)
    unequal = pc.fill_null(pc.not_equal(expected, found), False)
    return np.flatnonzero(booleans_of(pc.or_(unequal, pc.xor(expected.is_null(), found.is_null()))))


def _bits(array: pa.Array) -> np.ndarray:
    """Floats as int64: their bits, one for all NaNs, and one that is no float's for null."""
    width = np.int32 if pa.types.is_float32(array.type) else np.int64
    values = numbers_of(array.fill_null(0.0) if array.null_count else array)
    bits = values.view(width).astype(np.int64)
    nan = np.isnan(values)
    if nan.any():
        bits[nan] = np.array(np.nan, values.dtype).view(width)
    if array.null_count:
        bits[booleans_of(array.is_null())] = np.iinfo(np.int64).min + 1
    return bits


def shown(array: pa.Array, row: int, column: Column) -> str:
    """A value as a message has it."""
    value = array.slice(row, 1)
    if value.null_count:
        return "null"
    text = value.cast(pa.string())[0].as_py()
    if column.kind in (Kind.TEXT, Kind.CATEGORY):
        return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
    return text
