"""NumPy and Arrow arrays that share buffers. pyarrow would import pandas, which takes time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def numbers_of(array: pa.Array) -> np.ndarray:
    """The values of an array of integers or floats without nulls: (n,), not a copy, read-only."""
    width = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], width, len(array), array.offset * width.itemsize)


def booleans_of(array: pa.Array) -> np.ndarray:
    """The values of an array of booleans without nulls: bool (n,)."""
    first, n = array.offset, len(array)
    packed = np.frombuffer(array.buffers()[1], np.uint8, -(-(first + n) // 8))
    return np.unpackbits(packed, bitorder="little")[first : first + n].view(bool)


def array_of(values: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """An array of integers, floats or booleans; of numbers it is not a copy.

    valid: bool (n,), False where it is null; None where no value is.
    """
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    if values.dtype == bool:
        buffer = pa.py_buffer(np.packbits(values, bitorder="little"))
        return pa.Array.from_buffers(pa.bool_(), len(values), [bitmap, buffer])
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [bitmap, buffer])


def text_array(values: Sequence[str]) -> pa.Array:
    """An array of strings, none null."""
    encoded = [value.encode() for value in values]
    ends = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(value) for value in encoded], out=ends[1:])
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def concat_batches(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """The rows of batches of one schema, at least one, as one batch; a single one is not copied.

    pyarrow has this itself from version 19 on.
    """
    if len(batches) == 1:
        return batches[0]
    rows = pa.concat_arrays([batch.to_struct_array() for batch in batches])
    return pa.RecordBatch.from_struct_array(rows)


def scalar_of(value: float | str | None, kind: pa.DataType) -> pa.Scalar:
    """A value as a scalar of an Arrow type. `pyarrow.scalar` would import pandas."""
    if value is None:
        return pa.nulls(1, kind)[0]
    array = text_array([value]) if isinstance(value, str) else array_of(np.array([value]))
    return array[0] if array.type == kind else array[0].cast(kind)


def validity_of(array: pa.Array) -> np.ndarray | None:
    """Which values are not null: bool (n,); None where none is.

    `Array.is_valid` would import pyarrow.compute, which takes as long as all of pyarrow.
    """
    if array.null_count == 0:
        return None
    bitmap, first, n = array.buffers()[0], array.offset, len(array)
    if bitmap is None:  # of the type null
        return np.zeros(n, bool)
    packed = np.frombuffer(bitmap, np.uint8, -(-(first + n) // 8))
    return np.unpackbits(packed, bitorder="little")[first : first + n].view(bool)


def cast_array(array: pa.Array, target: pa.DataType) -> pa.Array:
    """`Array.cast`, which imports pyarrow.compute, and is not needed for integers that fit."""
    if not (pa.types.is_integer(array.type) and pa.types.is_integer(target)):
        return array.cast(target)
    values, valid = numbers_of(array), validity_of(array)
    cast = values.astype(target.to_pandas_dtype())
    fits = cast == values
    if not (fits if valid is None else fits | ~valid).all():
        raise OverflowError(f"a value of {array.type} is none of {target}")
    return array_of(cast, valid)
