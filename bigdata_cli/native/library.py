"""The functions of the C library, declared here and nowhere else; structs.py has its structs.

`lib` is the library for the best instruction set that the processor has. All calls run without
the GIL. A function gets the addresses of arrays (`address`) and their lengths; who calls it keeps
the arrays alive.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    c_bool,
    c_char_p,
    c_double,
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
from bigdata_cli.native.structs import (
    DialectRules,
    Division,
    NullTokens,
    ParseOutcome,
    ParserInput,
    SampleFields,
)

_RULES, _NULLS = ctypes.POINTER(DialectRules), ctypes.POINTER(NullTokens)
_TEXTS = [c_void_p, c_void_p, c_void_p, c_int64]
"""A block, where its texts start and stop, how many there are."""

SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    # processor.c
    "bd_sources": (c_uint64, []),
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
        [*[c_void_p] * 4, c_int64, c_bool, c_bool, *[c_void_p] * 3],
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
    # parser.c
    "bd_parser_new": (c_void_p, []),
    "bd_parser_free": (None, [c_void_p]),
    "bd_parse": (
        None,
        [
            c_void_p,
            ctypes.POINTER(ParserInput),
            *[c_void_p] * 3,
            c_int64,
            c_void_p,
            ctypes.POINTER(ParseOutcome),
        ],
    ),
    "bd_undecided_fields": (c_void_p, [c_void_p]),
    "bd_copy_integers": (None, [c_void_p, c_int64, c_void_p, c_void_p]),
    "bd_copy_distinct": (None, [c_void_p, c_void_p, c_int64, c_void_p]),
    # hash_columns.c
    "bd_hash_rows": (c_int32, [c_void_p, ctypes.POINTER(ParserInput), c_int64]),
    "bd_copy_hashes": (None, [c_void_p, c_int64, c_void_p]),
    "bd_add_number_hashes": (None, [c_int64, c_void_p, c_void_p, c_uint64, c_void_p]),
    "bd_add_time_hashes": (None, [c_int64, c_void_p, c_int32, c_void_p, c_uint64, c_void_p]),
    "bd_add_text_hashes": (None, [c_int64, c_void_p, c_void_p, _RULES, c_uint64, c_void_p]),
    "bd_assign_splits": (None, [c_int64, c_void_p, c_uint64, c_void_p, c_int64, c_void_p]),
    # results.c
    "bd_measure_cells": (None, [c_int32, c_void_p, c_void_p, c_int64, c_void_p]),
    "bd_merge_results": (None, [c_void_p, c_void_p, c_void_p, c_int64]),
    # moments.c
    "bd_finish_moments": (None, [c_void_p, c_int64, c_void_p, c_void_p]),
    # export.c
    "bd_export": (c_int32, [c_void_p, c_void_p, c_int64, c_int64, c_void_p]),
    # divide.c
    "bd_divide": (
        c_int32,
        [c_void_p, c_void_p, c_int64, c_int64, ctypes.POINTER(Division)],
    ),
    # vocabulary.c
    "bd_vocabulary_new": (c_void_p, [c_int64, c_int64]),
    "bd_vocabulary_free": (None, [c_void_p]),
    "bd_vocabulary_add": (c_int64, [c_void_p, c_int64, *[c_void_p] * 3]),
    "bd_vocabulary_holds": (c_int32, [c_void_p, c_int64, *[c_void_p] * 3]),
    "bd_vocabulary_bytes": (c_int64, [c_void_p]),
    "bd_vocabulary_copy": (None, [c_void_p, c_void_p, c_void_p]),
    "bd_is_utf8": (c_bool, [c_char_p, c_int64]),
    "bd_hash_texts": (None, [c_int64, *[c_void_p] * 3]),
    # select_fields.c
    "bd_select_fields": (
        c_int64,
        [c_void_p, c_int64, _RULES, c_int64, c_void_p, c_uint8, c_void_p],
    ),
    "bd_record_offset": (c_int64, [c_void_p, c_int64, _RULES, c_int64]),
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
        [*_TEXTS, c_int32, ctypes.c_bool, c_void_p, c_void_p, _RULES, c_void_p],
    ),
    # formatted_time.c
    "bd_match_format": (None, [c_char_p, *_TEXTS, c_void_p]),
    # boundary.c
    "bd_next_record": (
        ctypes.c_bool,
        [c_void_p, ctypes.POINTER(c_int64), c_int64, c_int64, ctypes.c_bool, _RULES],
    ),
    "bd_after_record": (c_int64, [c_void_p, c_int64, c_int64, _RULES]),
    "bd_last_record": (c_int64, [c_void_p, c_int64, c_int64, _RULES]),
    # lines.c
    "bd_count_line_ends": (c_int64, [c_void_p, c_int64, c_int64]),
    # guess.c
    "bd_after_line_end": (c_int64, [c_void_p, c_int64]),
    "bd_after_unquoted_record": (c_int64, [c_void_p, c_int64, _RULES]),
    "bd_after_quoted_record": (c_int64, [c_void_p, c_int64, _RULES]),
    "bd_count_good_records": (
        c_int64,
        [c_void_p, c_int64, c_int64, ctypes.c_bool, _RULES, c_int64, c_int64],
    ),
    # json_lines.c
    "bd_json_index": (None, [c_void_p]),
    "bd_json_transcribe": (c_int64, [c_void_p]),
    # float32.c
    "bd_loses_float32": (ctypes.c_bool, [c_void_p, c_void_p, c_int64]),
    # buckets.c
    "bd_hash_buckets": (None, [c_void_p, c_void_p, c_int64, c_uint64, c_void_p]),
    # row_keys.c
    "bd_key_rows": (None, [c_int64, c_void_p, c_int64, c_void_p, c_void_p]),
    "bd_mark_known": (None, [c_int64, c_void_p, c_int64, c_void_p, c_void_p]),
    "bd_divide_rows": (None, [c_int64, *[c_void_p] * 5]),
    "bd_find_repeated": (
        c_int64,
        [c_int64, c_void_p, c_bool, c_uint64, c_int64, c_void_p, c_int64, c_int64, c_void_p],
    ),
    # placing.c
    "bd_place_numbers": (
        None,
        [c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_double],
    ),
    # render.c
    "bd_render_rows": (
        c_int64,
        [
            c_void_p,
            c_int64,
            c_int64,
            ctypes.POINTER(SampleFields),
            c_void_p,
            c_int64,
            ctypes.POINTER(c_int64),
        ],
    ),
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
    "bd_parquet_assemble": (c_int64, [c_void_p, c_void_p, *[c_int64] * 3, c_void_p]),
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
    # arrays_codes.c
    "bd_vocabulary_build": (None, [c_void_p]),
    # arrays_columns.c
    "bd_batch_columns": (c_int64, [c_void_p, c_void_p, c_int64, c_int64]),
    "bd_batch_measure": (None, [c_void_p, c_void_p, c_int64, c_int32, c_void_p]),
    # arrays_matrix.c
    "bd_batch_matrix": (c_int64, [c_void_p, c_void_p, c_int64, c_void_p, c_int32]),
    "bd_coded_bytes": (c_int64, [c_void_p, c_void_p, c_int64, c_int64, c_void_p]),
    # arrays_text.c
    "bd_text_ends": (None, [c_void_p, c_int64, c_int64, c_void_p]),
    "bd_text_fixed": (None, [c_void_p, c_int64, c_int64, c_void_p]),
    "bd_text_ended": (None, [c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
    "bd_text_from_fixed": (c_int64, [c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
    # text_rows.c
    "bd_text_rows": (
        c_int64,
        [c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_void_p],
    ),
    # files.c
    "bd_sync_file_system": (c_int32, [c_int32]),
    # parquet_values.c
    "bd_parquet_split": (None, [c_void_p, c_int64, c_int64, c_void_p, c_void_p]),
}
"""Per function its result and its arguments, in the order of the source files."""


def address(array: np.ndarray) -> int:
    """Where the elements of a C-contiguous array lie."""
    assert array.flags.c_contiguous
    return array.ctypes.data  # the array interface describes structs field by field: 80 µs


lib, level = load(SIGNATURES)
