"""Compiled classification of a field's text: which `Form`s it has."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import byte_at
from bigdata_cli.schema.lattice import Form
from bigdata_cli.sources.number import (
    INFINITE,
    INTEGER,
    NOT_A_NUMBER,
    decimal_to_float,
    out_of_range,
    scan_local_number,
    survives_float32,
)
from bigdata_cli.sources.temporal import MICROSECONDS_PER_DAY, scan_date, scan_timestamp

BOOL, INT, FLOAT, DATE = int(Form.BOOL), int(Form.INT), int(Form.FLOAT), int(Form.DATE)
TIMESTAMP, TIMESTAMP_UTC = int(Form.TIMESTAMP), int(Form.TIMESTAMP_UTC)
NANOSECONDS, FLOAT32_LOSES, TEXT = (
    int(Form.NANOSECONDS),
    int(Form.FLOAT32_LOSES),
    int(Form.TEXT),
)
LOOSE, NOT_SHORTEST = int(Form.LOOSE), int(Form.NOT_SHORTEST)
_NUMBER = INT | FLOAT
_TEMPORAL = DATE | TIMESTAMP | TIMESTAMP_UTC


@compiled
def trim(block, start, end):
    """(start, end) without the spaces and tabs around."""
    while start < end and (byte_at(block, start) == 32 or byte_at(block, start) == 9):
        start += 1
    while end > start and (byte_at(block, end - 1) == 32 or byte_at(block, end - 1) == 9):
        end -= 1
    return start, end


@compiled
def is_null(block, start, end, nulls, column):
    """Whether the text is one of the null tokens of a column (`rules.Nulls`)."""
    n = end - start
    if n > nulls.longest[column]:
        return False
    tokens = nulls.tokens
    begin = nulls.ends[nulls.first[column] - 1] if nulls.first[column] > 0 else 0
    for k in range(nulls.first[column], nulls.last[column]):
        stop = nulls.ends[k]
        if stop - begin == n:
            i = 0
            while i < n and byte_at(block, start + i) == byte_at(tokens, begin + i):
                i += 1
            if i == n:
                return True
        begin = stop
    return False


@compiled
def scan_bool(block, start, end):
    """1 for true, True, TRUE; 0 for false, False, FALSE; -1 for anything else."""
    n = end - start
    if n != 4 and n != 5:
        return -1
    first = byte_at(block, start)
    lower = (first == 116 if n == 4 else first == 102) or byte_at(block, start + 1) >= 97
    word = 0
    for i in range(n):
        c = byte_at(block, start + i)
        if i > 0 and (c >= 97) != lower:
            return -1
        word = (word << 8) | (c | 0x20)
    if n == 4:
        return 1 if word == 0x74727565 else -1
    return 0 if word == 0x66616C7365 else -1


@compiled
def classify(block, start, end, rules, scratch):
    """(forms, negative, magnitude) of a trimmed field that is not null.

    scratch: uint8 (SCRATCH_BYTES,), overwritten. magnitude (uint64): |v| of an integer,
    |microseconds| of a date or timestamp, otherwise 0.
    """
    zero = np.uint64(0)
    form, negative, significand, exponent = scan_local_number(block, start, end, rules, scratch)
    if form == INTEGER:
        return INT, negative, significand
    if form == INFINITE:
        return FLOAT, False, zero
    if form != NOT_A_NUMBER:
        value, exact = decimal_to_float(significand, exponent)
        if exact and out_of_range(value, significand):
            return TEXT, False, zero
        # A value that Python has to decide has more digits than float32 gives back.
        if exact and survives_float32(value, significand, exponent):
            return FLOAT, False, zero
        return FLOAT | FLOAT32_LOSES, False, zero
    if scan_bool(block, start, end) >= 0:
        return BOOL, False, zero
    found, days = scan_date(block, start, end)
    if found:
        return DATE, days < 0, np.uint64(abs(days) * MICROSECONDS_PER_DAY)
    found, micros, _nanos, n_fraction, utc = scan_timestamp(block, start, end)
    if found:
        forms = TIMESTAMP_UTC if utc else TIMESTAMP
        if n_fraction > 6:
            forms |= NANOSECONDS
        return forms, micros < 0, np.uint64(abs(micros))
    return TEXT, False, zero


@compiled
def classify_cells(
    block, cells, flags, wanted, rules, nulls, column, until_text, magnitudes, scratch
):  # fmt: skip
    """Forms of the fields at `cells` whose flag is `wanted`, or of all fields (wanted < 0).

    cells: int64 (n,), start << 32 | length; flags: uint8 (n,). magnitudes: uint64 (2,), the largest
    of the negative and other values, updated. With `until_text` it stops as soon as only text can
    hold what it saw. scratch: uint8 (SCRATCH_BYTES,), overwritten.
    """
    forms = 0
    for row in range(len(cells)):
        if wanted >= 0 and flags[row] != wanted:
            continue
        if wanted < 0 and flags[row] == 1:
            continue
        start = cells[row] >> 32
        end = start + (cells[row] & 0xFFFFFFFF)
        start, end = trim(block, start, end)
        if start == end or is_null(block, start, end, nulls, column):
            continue
        seen, negative, magnitude = classify(block, start, end, rules, scratch)
        forms |= seen
        side = 0 if negative else 1
        if magnitude > magnitudes[side]:
            magnitudes[side] = magnitude
        if until_text:
            kinds = 1 if forms & BOOL else 0
            kinds += 1 if forms & _NUMBER else 0
            kinds += 1 if forms & _TEMPORAL else 0
            if forms & TEXT or kinds > 1:
                break
    return forms
