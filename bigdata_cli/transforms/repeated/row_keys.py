"""Keys of rows: 128 bits that follow from their values, so that equal rows have equal keys.

A key is a hash under a secret that is drawn for each use: two different rows have the same key with
a probability of 2**-128, and nobody can make two that have.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from bigdata_cli.native.library import address, lib
from bigdata_cli.types.buffers import booleans_of, numbers_of, validity_of
from bigdata_cli.types.dtype import Kind, kind_of

_TEXT, _BOOL, _INTEGER, _BEYOND_INT64, _FLOAT, _MICROSECONDS, _NANOSECONDS = range(1, 8)
"""What a value is. Numbers that are equal are the same whatever their types, and so are times."""
_MICROSECONDS_PER_DAY = 86_400_000_000


def new_secret() -> np.ndarray:
    """A secret for keys: uint64 (2,)."""
    return np.frombuffer(os.urandom(16), np.uint64)


def family(dtype: str) -> Kind:
    """The kind of values among which equal ones have equal keys."""
    kind = kind_of(dtype)
    equivalent = {Kind.FLOAT: Kind.INT, Kind.TIMESTAMP: Kind.DATE, Kind.CATEGORY: Kind.TEXT}
    return equivalent.get(kind, kind)


def row_keys(columns: Sequence[pa.Array], n_rows: int, secret: np.ndarray) -> np.ndarray:
    """The keys of rows.

    Nulls are equal, and so are NaN; 1 and 1.0 are, and a date and the timestamp of its midnight.

    Args:
        columns: Of dtypes of datasets, each of n_rows values.
        n_rows: How many rows there are.
        secret: uint64 (2,).

    Returns:
        uint64 (n_rows, 2).
    """
    keys = np.zeros((n_rows, 2), np.uint64)
    for array in columns:
        if pat.is_dictionary(array.type):
            array = array.dictionary_decode()
        validity = validity_of(array)
        valid = None if validity is None else validity.view(np.uint8)
        if pat.is_string(array.type):
            _add_texts(array, valid, secret, keys)
        else:
            values, tags = map(np.ascontiguousarray, _numbers(array))
            tags = tags if valid is None else tags * valid
            lib.bd_key_numbers(
                n_rows, address(values), address(tags), address(secret), address(keys)
            )
    return keys


def _add_texts(
    array: pa.Array, valid: np.ndarray | None, secret: np.ndarray, keys: np.ndarray
) -> None:
    n = len(array)
    if not n:
        return
    tags = np.full(n, _TEXT, np.uint8) if valid is None else valid * np.uint8(_TEXT)
    offsets = np.frombuffer(array.buffers()[1], np.int32, n + 1, 4 * array.offset)
    data = array.buffers()[2]
    texts = np.frombuffer(data, np.uint8) if data is not None else np.zeros(1, np.uint8)
    lib.bd_key_texts(
        n, address(offsets), address(texts), address(tags), address(secret), address(keys)
    )


def _numbers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The bits of values that stand for them, uint64 (n,), and what they are, uint8 (n,)."""
    kind, n = array.type, len(array)
    if pat.is_null(kind):
        return np.zeros(n, np.uint64), np.zeros(n, np.uint8)
    if pat.is_boolean(kind):
        return booleans_of(array).astype(np.uint64), np.full(n, _BOOL, np.uint8)
    if pat.is_date(kind):
        days = numbers_of(array.view(pa.int32())).astype(np.int64)
        return (days * _MICROSECONDS_PER_DAY).view(np.uint64), np.full(n, _MICROSECONDS, np.uint8)
    if pat.is_timestamp(kind):
        return _times(numbers_of(array.view(pa.int64())), kind.unit)
    numbers = numbers_of(array)
    if numbers.dtype.kind == "f":
        return _floats(numbers.astype(np.float64))
    if numbers.dtype == np.uint64:
        is_large = numbers >= np.uint64(2**63)
        return numbers, np.where(is_large, _BEYOND_INT64, _INTEGER).astype(np.uint8)
    return numbers.astype(np.int64).view(np.uint64), np.full(n, _INTEGER, np.uint8)


def _times(numbers: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray]:
    if unit == "us":
        return numbers.view(np.uint64), np.full(len(numbers), _MICROSECONDS, np.uint8)
    whole, rest = np.divmod(numbers, 1000)
    values = np.where(rest == 0, whole, numbers).view(np.uint64)
    return values, np.where(rest == 0, _MICROSECONDS, _NANOSECONDS).astype(np.uint8)


def _floats(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        is_whole = np.floor(numbers) == numbers
        is_int64 = is_whole & (np.abs(numbers) < 2.0**63)
        is_uint64 = is_whole & (numbers >= 2.0**63) & (numbers < 2.0**64)
        bits = np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
        signed = np.where(is_int64, numbers, 0.0).astype(np.int64).view(np.uint64)
        unsigned = np.where(is_uint64, numbers, 0.0).astype(np.uint64)
    values = np.where(is_int64, signed, np.where(is_uint64, unsigned, bits))
    tags = np.where(is_int64, _INTEGER, np.where(is_uint64, _BEYOND_INT64, _FLOAT))
    return values, tags.astype(np.uint8)
