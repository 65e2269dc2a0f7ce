"""How numba's machine code takes arguments and gives results.

    int32 status = code(result *, exception **, argument, argument, …)

Arguments are flat: a tuple is its elements, an array is (reference count, owner, elements, bytes of
an element, data, shape …, strides …), of which the first two may be null. A result is a number, or
a struct of numbers in C's alignment. See numba/core/callconv.py, CPUCallConv, and
numba/core/datamodel/models.py, ArrayModel.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

Kinds = tuple[Any, ...]
"""What tells the types of arguments apart: hashable, and with a `repr` that lasts."""

RESULT_CODES = {
    "int64": "q",
    "uint64": "Q",
    "int32": "i",
    "uint32": "I",
    "uint8": "B",
    "float64": "d",
    "float32": "f",
    "bool": "?",
    "none": "",
}
"""numba's names of what may be returned, and their codes in `struct`."""

_SCALARS = {int: "int64", float: "float64", bool: "bool", np.bool_: "bool"}
_C_TYPES = {
    "int64": ctypes.c_int64,
    "uint64": ctypes.c_uint64,
    "float64": ctypes.c_double,
    "bool": ctypes.c_uint8,
}
_C, _F, _ALIGNED, _WRITEABLE = 1, 2, 0x100, 0x400
"""Of an array's flags, as NumPy's C interface has them."""
_ARRAY_HEAD = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]


def taken_apart(arguments: Sequence[Any]) -> tuple[Kinds, list[Any]]:
    """The kinds of arguments, arrays of numbers, numbers and tuples of them; and the values of the
    flat ones. The arrays must outlive the call. Raises TypeError for other arguments.

    >>> taken_apart((1, (True, 2.0)))
    (('int64', ('tuple', 'bool', 'float64')), [1, True, 2.0])
    """
    values: list[Any] = []
    return tuple(_take_apart(argument, values) for argument in arguments), values


def _take_apart(value: Any, values: list[Any]) -> Any:
    """The kind of an argument, after its values have been appended."""
    if isinstance(value, np.ndarray):
        flags = value.flags.num
        if flags & _C:
            flags &= _C | _ALIGNED | _WRITEABLE
            data = pa.py_buffer(value).address  # four times as fast as value.ctypes
        else:
            flags &= _F | _ALIGNED | _WRITEABLE
            data = value.ctypes.data
        values += (None, None, value.size, value.itemsize, data, *value.shape, *value.strides)
        return value.dtype.str, value.ndim, flags
    if isinstance(value, tuple):
        return (type(value).__name__, *[_take_apart(element, values) for element in value])
    scalar = _SCALARS.get(type(value))
    if scalar is None:
        if not isinstance(value, np.generic):
            raise TypeError(f"a compiled function takes no {type(value).__name__}")
        scalar, value = value.dtype.name, value.item()
    values.append(value)
    return scalar


def c_types(kinds: Sequence[Any]) -> list[Any]:
    """The flat arguments as ctypes has them."""
    types: list[Any] = []
    for kind in kinds:
        if isinstance(kind, str):
            types.append(_C_TYPES[kind])
        elif isinstance(kind[1], int):
            types += _ARRAY_HEAD + [ctypes.c_int64] * (2 * kind[1])
        else:
            types += c_types(kind[1:])
    return types


def callable_at(
    address: int, name: str, kinds: Kinds, result: str, *, is_tuple: bool
) -> Callable[[Sequence[Any]], Any]:
    """The machine code at `address` as a function of its flat arguments, without Python's lock.

    result: codes of `struct`, of a tuple's elements or of one number, or "". Raises RuntimeError
    where the code ends with an exception.
    """
    types = c_types(kinds)
    code = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)(address)
    unpack = struct.Struct(f"@{result}").unpack_from
    room = ctypes.c_uint64 * (struct.calcsize(f"@{result}") // 8 + 1)

    def call(values: Sequence[Any]) -> Any:
        space, exception = room(), ctypes.c_void_p()
        status = code(ctypes.addressof(space), ctypes.addressof(exception), *values)
        if status != 0:
            raise RuntimeError(f"{name} ended with status {status}")
        results = unpack(space)
        return results if is_tuple else results[0] if results else None

    return call
