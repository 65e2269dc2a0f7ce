"""The C library, declared here and nowhere else.

`lib` is the library for the best instruction set that the processor has. All calls run without
the GIL. A function gets the addresses of arrays (`address`) and their lengths; who calls it keeps
the arrays alive.
"""

from __future__ import annotations

from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_int32,
    c_int64,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

import numpy as np

from bigdata_cli.native.loading import load


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


class ParserInput(Structure):
    """`bd_input`: a block of text, and the records in it that are to be parsed."""

    _fields_ = (
        ("block", c_void_p),
        ("begin", c_int64),
        ("stop", c_int64),
        ("size", c_int64),
        ("at_eof", c_int64),
        ("rules", POINTER(DialectRules)),
        ("nulls", POINTER(NullTokens)),
        ("n_fields", c_int64),
        ("targets", c_void_p),
        ("n_columns", c_int64),
        ("max_bad", c_int64),
        ("bad", c_void_p),
        ("max_starts", c_int64),
        ("record_starts", c_void_p),
    )


class ParseOutcome(Structure):
    """`bd_outcome`: how far a parse got, and why it ended."""

    _fields_ = (
        ("status", c_int64),
        ("position", c_int64),
        ("n_rows", c_int64),
        ("n_blank", c_int64),
        ("n_bad", c_int64),
        ("n_seen", c_int64),
        ("n_undecided", c_int64),
    )


_RULES, _NULLS = POINTER(DialectRules), POINTER(NullTokens)
_TEXTS = [c_void_p, c_void_p, c_void_p, c_int64]
"""A block, where its texts start and stop, how many there are."""

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    # processor.c
    "bd_sources": (c_uint64, []),
    "bd_instruction_sets": (c_uint32, []),
    # parser.c
    "bd_parser_new": (c_void_p, []),
    "bd_parser_free": (None, [c_void_p]),
    "bd_parse": (
        None,
        [c_void_p, POINTER(ParserInput), *[c_void_p] * 3, c_int64, c_void_p, POINTER(ParseOutcome)],
    ),
    "bd_undecided_fields": (c_void_p, [c_void_p]),
    "bd_copy_integers": (None, [c_void_p, c_int64, c_void_p, c_void_p]),
    "bd_copy_distinct": (None, [c_void_p, c_void_p, c_int64, c_void_p]),
    # results.c
    "bd_measure_cells": (None, [c_int32, c_void_p, c_void_p, c_int64, c_void_p]),
    "bd_merge_results": (None, [c_void_p, c_void_p, c_void_p, c_int64]),
    # export.c
    "bd_export": (c_int32, [c_void_p, c_void_p, c_int64, c_int64, c_void_p]),
    # vocabulary.c
    "bd_vocabulary_new": (c_void_p, [c_int64]),
    "bd_vocabulary_free": (None, [c_void_p]),
    "bd_vocabulary_add": (c_int64, [c_void_p, c_int64, *[c_void_p] * 3]),
    "bd_vocabulary_holds": (c_int32, [c_void_p, c_int64, *[c_void_p] * 3]),
    "bd_vocabulary_bytes": (c_int64, [c_void_p]),
    "bd_vocabulary_copy": (None, [c_void_p, c_void_p, c_void_p]),
    "bd_hash_texts": (None, [c_int64, *[c_void_p] * 3]),
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


lib, level = load(_SIGNATURES)
