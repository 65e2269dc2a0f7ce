"""The C library: found, loaded and declared here, and nowhere else.

`lib` is the library for the best instruction set that the processor has. All calls run without
the GIL. A function gets the addresses of arrays (`address`) and their lengths; who calls it keeps
the arrays alive.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import c_double, c_int32, c_int64, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np

from bigdata_cli.native.compile import FOLDER, LEVELS, family, library_name

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    # processor.c
    "bd_instruction_sets": (c_uint32, []),
    # parquet_encode.c
    "bd_parquet_room": (None, [c_void_p, c_int64, c_void_p, c_int64, c_void_p]),
    "bd_parquet_encode": (
        c_int64,
        [
            *(c_void_p, c_int64, c_void_p, c_int64, c_int64, c_int64),
            *(c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_void_p, c_void_p, c_void_p),
        ],
    ),
    # parquet_thrift.c
    "bd_parquet_assemble": (c_int64, [c_void_p, c_void_p, c_int64, c_int64, c_void_p]),
    "bd_parquet_row_group": (
        c_int64,
        [
            *(c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_void_p),
            *(c_int64, c_int64, c_int64, c_void_p),
        ],
    ),
    "bd_parquet_index": (
        c_int64,
        [c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_void_p],
    ),
    # parquet_values.c
    "bd_parquet_split": (None, [c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
}
"""Per function its result and its arguments, in the order of the source files."""


def address(array: np.ndarray) -> int:
    """Where the elements of a C-contiguous array lie."""
    assert array.flags.c_contiguous
    return int(array.__array_interface__["data"][0])


def _open(level: str) -> ctypes.CDLL:
    library = ctypes.CDLL(str(FOLDER / library_name(level)))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _load() -> tuple[ctypes.CDLL, str]:
    levels = list(LEVELS[family()])
    forced = os.environ.get("BIGDATA_SIMD")
    if forced:
        return _open(forced), forced
    lowest = _open(levels[0])
    found = lowest.bd_instruction_sets()
    best = max(i for i in range(len(levels)) if found >> i & 1)
    return (_open(levels[best]) if best else lowest), levels[best]


lib, level = _load()
