"""The C library: found, loaded and declared here, and nowhere else.

`lib` is the library for the best instruction set that the processor has. All calls run without
the GIL. A function gets the addresses of arrays (`address`) and their lengths; who calls it keeps
the arrays alive.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import c_bool, c_int32, c_int64, c_uint32, c_void_p
from typing import Any

import numpy as np

from bigdata_cli.native.compile import FOLDER, LEVELS, family, library_name

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    # processor.c
    "bd_instruction_sets": (c_uint32, []),
    # crc32c.c
    "bd_crc32c": (c_uint32, [c_void_p, c_int64]),
    "bd_crc32c_by_tables": (c_uint32, [c_void_p, c_int64]),
    # tfrecord_plan.c, tfrecord_encode.c
    "bd_tfrecord_heads_bytes": (c_int64, [c_void_p]),
    "bd_tfrecord_heads": (None, [c_void_p]),
    "bd_tfrecord_bound": (c_int64, [c_void_p, c_void_p, c_void_p]),
    "bd_tfrecord_encode": (c_int64, [c_void_p, c_void_p, c_void_p, c_void_p]),
    # tfrecord_records.c
    "bd_tfrecord_scan": (
        c_int64,
        [c_void_p, c_int64, c_void_p, c_bool, c_void_p, c_void_p, c_int64, c_void_p],
    ),
    "bd_tfrecord_count_rows": (
        c_int64,
        [c_void_p, c_void_p, c_void_p, c_int64, c_bool, c_void_p, c_void_p],
    ),
    "bd_tfrecord_keys": (c_int64, [c_void_p, c_int64, c_int64, c_void_p]),
    # tfrecord_decode.c
    "bd_tfrecord_decode": (
        None,
        [
            c_void_p,
            c_void_p,
            c_void_p,
            c_void_p,
            c_int64,
            c_bool,
            c_bool,
            c_void_p,
            c_void_p,
            c_void_p,
        ],
    ),
    "bd_tfrecord_list_rows": (
        None,
        [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_void_p],
    ),
    "bd_text_offsets": (c_int64, [c_void_p, c_int64, c_void_p]),
    "bd_gather_text": (None, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]),
    # tfrecord_arrays.c
    "bd_tfrecord_arrays": (
        c_int64,
        [c_void_p, c_int64, c_void_p, c_int64, c_int64, c_void_p],
    ),
}
"""Per function its result and its arguments, in the order of the source files."""


class TfrecordPlan(ctypes.Structure):
    """`struct bd_tfrecord_plan`."""

    _fields_ = (
        ("layout", c_int32),
        ("n_columns", c_int32),
        ("n_lists", c_int32),
        ("block_rows", c_int32),
        ("columns", c_void_p),
        ("lists", c_void_p),
        ("keys", c_void_p),
        ("heads", c_void_p),
    )


class TfrecordBatches(ctypes.Structure):
    """`struct bd_tfrecord_batches`."""

    _fields_ = (("n_batches", c_int64), ("batches", c_void_p), ("lookups", c_void_p))


class TfrecordPlaces(ctypes.Structure):
    """`struct bd_tfrecord_places`."""

    _fields_ = tuple(
        (name, c_void_p)
        for name in (
            *("firsts", "strides", "steps", "offsets", "rows"),
            *("floats", "slots", "lengths", "absent", "absences"),
        )
    )


class TfrecordScratch(ctypes.Structure):
    """`struct bd_tfrecord_scratch`."""

    _fields_ = (
        ("spans", c_void_p),
        ("places", c_void_p),
        ("moves", c_void_p),
        ("mask", c_void_p),
        ("mask_bytes", c_int64),
    )


class TfrecordWrong(ctypes.Structure):
    """`struct bd_tfrecord_wrong`."""

    _fields_ = (("status", c_int64), ("record", c_int64), ("list", c_int64))


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
