"""The C library: found, loaded and declared here, and nowhere else.

`lib` is the library for the best instruction set that the processor has. All calls run without
the GIL. A function gets the addresses of arrays (`address`) and their lengths; who calls it keeps
the arrays alive.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_void_p,
)
from typing import Any

import numpy as np

from bigdata_cli.native.compile import FOLDER, LEVELS, family, library_name


class DialectRules(Structure):
    """`bd_rules`: the bytes of a dialect, -1 for what it does not have."""

    _fields_ = (
        ("delimiter", c_int32),
        ("quote", c_int32),
        ("escape", c_int32),
        ("comment", c_int32),
        ("decimal", c_int32),
        ("thousands", c_int32),
        ("trim", c_uint8),
        ("keep_blank", c_uint8),
        ("tail_size", c_int64),
        ("tail", c_void_p),
    )


class NullTokens(Structure):
    """`bd_nulls`: the null tokens of columns."""

    _fields_ = (
        ("tokens", c_void_p),
        ("ends", c_void_p),
        ("first", c_void_p),
        ("last", c_void_p),
        ("longest", c_void_p),
        ("numeric", c_void_p),
    )


_RULES, _NULLS = POINTER(DialectRules), POINTER(NullTokens)
_TEXTS = [c_void_p, c_void_p, c_void_p, c_int64]
"""A block, where its texts start and stop, how many there are."""

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    # processor.c
    "bd_instruction_sets": (c_uint32, []),
    # select_fields.c
    "bd_select_fields": (
        c_int64,
        [c_void_p, c_int64, _RULES, c_int64, c_void_p, c_uint8, c_void_p],
    ),
    "bd_record_offset": (c_int64, [c_void_p, c_int64, _RULES, c_int64, c_int64]),
    # scanners.c
    "bd_scan_fields": (None, [c_void_p, c_void_p, c_int64, c_int64, _RULES, c_void_p]),
    "bd_skip_records": (None, [c_void_p, c_void_p, c_int64, c_int64, _RULES, c_void_p]),
    "bd_scan_numbers": (None, [*_TEXTS, _RULES, c_void_p]),
    "bd_decimals_to_floats": (
        None,
        [c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_void_p],
    ),
    "bd_scan_timestamps": (None, [*_TEXTS, c_void_p, c_void_p, c_void_p]),
    "bd_classify_texts": (None, [*_TEXTS, _RULES, c_void_p]),
    "bd_find_nulls": (None, [*_TEXTS, _NULLS, c_int64, c_void_p]),
    "bd_parse_values": (
        None,
        [*_TEXTS, c_int32, c_bool, c_void_p, c_void_p, _RULES, c_void_p],
    ),
}
"""Per function its result and its arguments, in the order of the source files."""


FIELD = np.dtype(
    [("start", "i8"), ("stop", "i8"), ("after", "i8"), ("quoted", "?"), ("escaped", "?"),
     ("status", "i4")],
    align=True,
)  # fmt: skip
"""`bd_field` of scan.h."""
NUMBER = np.dtype(
    [("form", "i4"), ("negative", "?"), ("significand", "u8"), ("exponent", "i8")], align=True
)
"""`bd_number` of number.h."""
TIMESTAMP = np.dtype(
    [("micros", "i8"), ("nanos", "i4"), ("n_fraction", "i4"), ("utc", "?")], align=True
)
"""`bd_timestamp` of temporal.h."""
CLASSIFIED = np.dtype([("forms", "i8"), ("negative", "?"), ("magnitude", "u8")], align=True)
"""`bd_classified` of classify.h."""
CELL = np.dtype([("flag", "i4"), ("cell", "i8")], align=True)
"""`bd_cell` of careful.h."""


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
