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
from bigdata_cli.native.structs import KEY_COLUMN
from bigdata_cli.types.dtype import Kind, kind_of

_TYPES = (
    *("null", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float", "double", "date32[day]", "us", "ns", "string"),
)
"""The types of columns by their numbers in `bigdata.h`."""
_NUMBERS = {name: number for number, name in enumerate(_TYPES)}


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
        columns: Of dtypes of datasets, each of n_rows values; in each the values of all rows whose
            keys are compared are of one `family`, or null.
        n_rows: How many rows there are.
        secret: uint64 (2,).

    Returns:
        uint64 (n_rows, 2).
    """
    arrays = [one.dictionary_decode() if pat.is_dictionary(one.type) else one for one in columns]
    described = np.array([_described(array) for array in arrays], KEY_COLUMN)
    keys = np.empty((n_rows, 2), np.uint64)
    lib.bd_key_rows(n_rows, address(described), len(described), address(secret), address(keys))
    return keys


def _described(array: pa.Array) -> tuple[int, int, int, int, int]:
    """An array as the C library gets it; its buffers have to stay."""
    name = array.type.unit if pat.is_timestamp(array.type) else str(array.type)
    buffers = [0 if one is None else one.address for one in array.buffers()]
    validity = buffers[0] if array.null_count else 0
    return _NUMBERS[name], array.offset, validity, *(*buffers[1:], 0, 0)[:2]
