"""Hashes of the values of Arrow arrays, which tell values apart as they are stored."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bigdata_cli.native.library import address, lib
from bigdata_cli.types.buffers import booleans_of, numbers_of

_NULL = np.uint64(0xA24BAED4963EE407)
_PADDING_BYTES = 8
"""That must be readable after texts which are hashed."""


def value_hashes(array: pa.Array, *, is_float: bool = False) -> np.ndarray:
    """A hash of each value: uint64 (n,); the same for the same value in integers of any width.

    Different numbers, dates and bools have different ones. is_float: integers are hashed as the
    floats that they are.
    """
    if pa.types.is_dictionary(array.type):
        array = array.dictionary.take(array.indices)
    if array.null_count == len(array):
        return np.full(len(array), _NULL, np.uint64)
    valid = booleans_of(array.is_valid()) if array.null_count else None
    hashes = _texts(array) if pa.types.is_string(array.type) else _numbers(array, is_float=is_float)
    if valid is not None:
        hashes = np.where(valid, hashes, _NULL)
    return hashes


def _texts(array: pa.StringArray) -> np.ndarray:
    n_rows = len(array)
    offsets = np.frombuffer(array.buffers()[1], np.int32, n_rows + 1, array.offset * 4)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + _PADDING_BYTES, np.uint8)
    if last > first:
        data[:-_PADDING_BYTES] = np.frombuffer(array.buffers()[2], np.uint8, last - first, first)
    offsets = offsets - offsets[0]
    hashes = np.empty(n_rows, np.uint64)
    lib.bd_hash_texts(n_rows, address(offsets), address(data), address(hashes))
    return hashes


def _numbers(array: pa.Array, *, is_float: bool) -> np.ndarray:
    """The bits of numbers as uint64; one for all NaNs, and 0 and -0 differ."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_date32(kind):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    if array.null_count:
        array = array.fill_null(0)
    values = numbers_of(array)
    if is_float or pa.types.is_floating(kind):
        values = values.astype(np.float64)
        values[np.isnan(values)] = np.nan
        return values.view(np.uint64)
    return values.astype(np.int64).view(np.uint64) if values.dtype != np.uint64 else values
