"""The structs of the C library: what its functions are given and what they fill in.

`ctypes` has those that are made one at a time, NumPy those that come in arrays. The headers in
`native/src/` say what each field means.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_int64, c_uint8, c_void_p

import numpy as np


class DialectRules(ctypes.Structure):
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
        ("drops_last", c_uint8),
        ("fills_short", c_uint8),
        ("long_rows", c_uint8),
        ("runs", c_uint8),
        ("join_field", c_int32),
        ("tail_size", c_int64),
        ("tail", c_void_p),
        ("bools_size", c_int64),
        ("bools", c_void_p),
        ("n_strip", c_int64),
        ("strip", c_void_p),
    )


class NullTokens(ctypes.Structure):
    """`bd_nulls`: the null tokens of columns."""

    _fields_ = (
        ("tokens", c_void_p),
        ("ends", c_void_p),
        ("first", c_void_p),
        ("last", c_void_p),
        ("longest", c_void_p),
        ("numeric", c_void_p),
    )


class ParserInput(ctypes.Structure):
    """`bd_input`: a block of text, and the records in it that are to be parsed."""

    _fields_ = (
        ("block", c_void_p),
        ("begin", c_int64),
        ("stop", c_int64),
        ("size", c_int64),
        ("at_eof", c_int64),
        ("rules", ctypes.POINTER(DialectRules)),
        ("nulls", ctypes.POINTER(NullTokens)),
        ("n_fields", c_int64),
        ("targets", c_void_p),
        ("n_columns", c_int64),
        ("max_bad", c_int64),
        ("bad", c_void_p),
        ("max_starts", c_int64),
        ("record_starts", c_void_p),
        ("salts", c_void_p),
    )


class ParseOutcome(ctypes.Structure):
    """`bd_outcome`: how far a parse got, and why it ended."""

    _fields_ = (
        ("status", c_int64),
        ("position", c_int64),
        ("n_rows", c_int64),
        ("n_blank", c_int64),
        ("n_bad", c_int64),
        ("n_seen", c_int64),
        ("n_undecided", c_int64),
        ("n_short", c_int64),
        ("n_long", c_int64),
    )


class Division(ctypes.Structure):
    """`bd_division`: the rows of a block, divided among splits."""

    _fields_ = (
        ("n_splits", c_int64),
        ("splits", c_void_p),
        ("batches", c_void_p),
        ("results", c_void_p),
    )


class SampleFields(ctypes.Structure):
    """`bd_sample`: how the fields of sample data are rendered."""

    _fields_ = (
        ("n_fields", c_int64),
        ("max_row_bytes", c_int64),
        ("decimals", c_void_p),
        ("pools", c_void_p),
        ("texts", c_void_p),
        ("text_offsets", c_void_p),
        ("ends", c_void_p),
        ("end_offsets", c_void_p),
    )


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
KEY_COLUMN = np.dtype(
    [("type", "i8"), ("at", "i8"), ("validity", "u8"), ("values", "u8"), ("texts", "u8")]
)
"""`bd_key_column` of bigdata.h."""
NUMBER_COLUMN = np.dtype(
    [("values", "u8"), ("stride", "i8"), ("is_float32", "i8"), ("indicator", "i8"),
     ("center", "f8"), ("scale", "f8")],
    align=True,
)  # fmt: skip
"""`bd_number_column` of placing.c."""
CELL = np.dtype([("flag", "i4"), ("cell", "i8")], align=True)
"""`bd_cell` of careful.h."""
