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
_ARRAY_HEAD = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]


def kinds_of(arguments: Sequence[Any]) -> Kinds:
    """The kinds of arguments: arrays of numbers, numbers, and tuples of them.

    >>> kinds_of((np.zeros(3), 1, (True, 2.0)))
    (('d', 1, 'C', True), 'int64', ('tuple', 'bool', 'float64'))
    """
    return tuple(map(_kind, arguments))


def _kind(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        flags = value.flags
        layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
        return value.dtype.char, value.ndim, layout, flags.writeable
    if isinstance(value, tuple):
        return (type(value).__name__, *map(_kind, value))
    scalar = _SCALARS.get(type(value))
    if scalar is None:
        if not isinstance(value, np.generic):
            raise TypeError(f"a compiled function takes no {type(value).__name__}")
        scalar = value.dtype.name
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


def flat(arguments: Sequence[Any]) -> list[Any]:
    """The values of the flat arguments. The arrays must outlive the call."""
    values: list[Any] = []
    for value in arguments:
        if isinstance(value, np.ndarray):
            values += (None, None, value.size, value.itemsize, value.ctypes.data)
            values += value.shape
            values += value.strides
        elif isinstance(value, tuple):
            values += flat(value)
        else:
            values.append(value if type(value) in _SCALARS else value.item())
    return values


def callable_at(
    address: int, name: str, kinds: Kinds, result: str, *, is_tuple: bool
) -> Callable[[Sequence[Any]], Any]:
    """The machine code at `address` as a function of its arguments; it runs without Python's lock.

    result: codes of `struct`, of a tuple's elements or of one number, or "". Raises RuntimeError
    where the code ends with an exception.
    """
    types = c_types(kinds)
    code = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *types)(address)
    unpack = struct.Struct(f"@{result}").unpack_from
    room = ctypes.c_uint64 * (struct.calcsize(f"@{result}") // 8 + 1)

    def call(arguments: Sequence[Any]) -> Any:
        space, exception = room(), ctypes.c_void_p()
        status = code(ctypes.addressof(space), ctypes.addressof(exception), *flat(arguments))
        if status != 0:
            raise RuntimeError(f"{name} ended with status {status}")
        values = unpack(space)
        return values if is_tuple else values[0] if values else None

    return call
