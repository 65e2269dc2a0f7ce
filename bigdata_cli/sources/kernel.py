"""The compiled CSV parser: records to typed 64-bit cells in one pass over the bytes.

Every field is tokenised and, where its column has a type, parsed at once. What does not fit its
column's type is not an error here: the cell keeps the place of the text and is flagged, and the
caller decides. Records with too few or too many fields end the parse with their position.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import byte_at, float_to_bits, load_u64, trailing_zeros
from bigdata_cli.sources.classify import DATE as DATE_FORM
from bigdata_cli.sources.classify import (
    FLOAT,
    FLOAT32_LOSES,
    INT,
    LOOSE,
    NANOSECONDS,
    NOT_SHORTEST,
    TIMESTAMP,
    TIMESTAMP_UTC,
    is_null,
    scan_bool,
    trim,
)
from bigdata_cli.sources.number import (
    DECIMAL,
    INFINITE,
    INTEGER,
    NOT_A_NUMBER,
    POWERS_OF_TEN,
    SURE_IN_FLOAT32,
    decimal_to_float,
    is_shortest,
    out_of_range,
    scan_digits,
    scan_local_number,
    survives_float32,
)
from bigdata_cli.sources.scan import (
    AFTER_QUOTE,
    DONE,
    FULL,
    MORE,
    TOO_FEW,
    TOO_MANY,
    UNTERMINATED,
    is_delimiter,
    line_end,
    scan_field,
    skip_line,
    skip_record,
)
from bigdata_cli.sources.temporal import MICROSECONDS_PER_DAY, scan_date, scan_timestamp

SKIP, NULL, BOOLEAN, INT64, UINT64, FLOAT64, DATE, TIMESTAMP_US, TIMESTAMP_NS, TEXT = range(10)
"""How a column is parsed. SKIP: tokenised only. NULL: every value is odd."""

VALUE, NO_VALUE, ESCAPED, ODD, HARD = range(5)
"""Flags of a cell. ESCAPED: text with doubled quotes. ODD: does not fit the mode; HARD: a decimal
that Python's float has to decide. Text, ODD and HARD cells hold start << 32 | length."""

_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_RETURNS = np.uint64(0x0D0D0D0D0D0D0D0D)
_MAX_NANOSECONDS_US = 9223372036854775


@compiled(error_model="numpy")
def parse_value(
    block, start, end, mode, zoned, forms, magnitudes, column, rules, scratch
):  # fmt: skip
    """(flag, cell) of the trimmed text of a column that is not text.

    forms (int64) and magnitudes (uint64, (columns, 2)) of the column are updated for values.
    """
    odd = (ODD, (start << 32) | (end - start))
    if mode == INT64 or mode == UINT64 or mode == FLOAT64:
        form, negative, significand, exponent = scan_local_number(block, start, end, rules, scratch)
        if form == NOT_A_NUMBER:
            return odd
        if mode != FLOAT64:
            limit = np.uint64(9223372036854775807)
            if form != INTEGER or (mode == UINT64 and negative):
                return odd
            if mode == INT64 and significand > limit + np.uint64(1 if negative else 0):
                return odd
            value = np.int64(significand)
            return VALUE, -value if negative else value
        if form == INTEGER:
            forms[column] |= INT
            side = 0 if negative else 1
            if significand > magnitudes[column, side]:
                magnitudes[column, side] = significand
            number, exact = decimal_to_float(significand, np.int64(0))
        elif form == INFINITE:
            forms[column] |= FLOAT
            number, exact = np.inf, True
        else:
            forms[column] |= FLOAT
            number, exact = decimal_to_float(significand, exponent)
            if exact and out_of_range(number, significand):
                return odd
            if form != DECIMAL or not exact:
                forms[column] |= FLOAT32_LOSES
                return HARD, (start << 32) | (end - start)
            if not survives_float32(number, significand, exponent):
                forms[column] |= FLOAT32_LOSES
            elif not is_shortest(number, significand, exponent):
                forms[column] |= NOT_SHORTEST
        return VALUE, float_to_bits(-number if negative else number)
    if mode == BOOLEAN:
        value = scan_bool(block, start, end)
        return (VALUE, value) if value >= 0 else odd
    if mode == DATE:
        found, days = scan_date(block, start, end)
        return (VALUE, days) if found else odd
    if mode == TIMESTAMP_US or mode == TIMESTAMP_NS:
        return _timestamp(block, start, end, mode, zoned, forms, magnitudes, column)
    return odd


@compiled
def _timestamp(block, start, end, mode, zoned, forms, magnitudes, column):
    odd = (ODD, (start << 32) | (end - start))
    found, micros, nanos, n_fraction, utc = scan_timestamp(block, start, end)
    if found:
        if utc != (zoned != 0):
            return odd
        seen = TIMESTAMP_UTC if utc else TIMESTAMP
        if n_fraction > 6:
            seen |= NANOSECONDS
            if mode == TIMESTAMP_US:
                return odd
    else:
        found, days = scan_date(block, start, end)
        if not found or zoned != 0:
            return odd
        seen = DATE_FORM
        micros = days * MICROSECONDS_PER_DAY
        nanos = 0
    if mode == TIMESTAMP_NS and abs(micros) >= _MAX_NANOSECONDS_US:
        return odd
    forms[column] |= seen
    side = 0 if micros < 0 else 1
    magnitude = np.uint64(abs(micros))
    if magnitude > magnitudes[column, side]:
        magnitudes[column, side] = magnitude
    return VALUE, micros * 1000 + nanos if mode == TIMESTAMP_NS else micros


@compiled
def _find_end(block, pos, delimiters, escapes):
    """The first delimiter, escape, LF or CR from `pos` on, looked for in words.

    In x - 0x01…01 & ~x the lowest high bit that is set marks the lowest byte of x that is zero.
    """
    while True:
        word = load_u64(block, pos)
        found = np.uint64(0)
        x = word ^ delimiters
        found |= (x - _ONES) & ~x
        x = word ^ escapes
        found |= (x - _ONES) & ~x
        x = word ^ _FEEDS
        found |= (x - _ONES) & ~x
        x = word ^ _RETURNS
        found |= (x - _ONES) & ~x
        found &= _HIGH_BITS
        if found:
            return pos + (trailing_zeros(found) >> 3)
        pos += 8


@compiled(error_model="numpy")
def parse_records(
    block, start, limit, end, at_eof, rules, nulls, modes, zoned, targets,
    cells, flags, forms, magnitudes, record_starts, bad, scratch,
):  # fmt: skip
    """Parse the records that start in [start, limit).

    Returns (status, position, rows, fields, blank lines, bad records).
    block: uint8, with a line feed at `end` and padding after it; at_eof: nothing follows `end`.
    modes, zoned, targets: per field of a record its mode, whether it is UTC, its column.
    cells: int64 (columns, capacity), flags: uint8 likewise, zero-initialised by the caller.
    forms: int64 (columns,), magnitudes: uint64 (columns, 2): see `schema.lattice.Observed`.
    record_starts: int64 (capacity,) filled with where the records of the rows start, or (0,).
    bad: int64 (n, 4) filled with start, stop, status and fields of records that are wrong; (0, 4)
    where the first one ends the parse. scratch: uint8 (SCRATCH_BYTES,), overwritten.
    `position` is where the record after the last parsed one starts; on an error status, where the
    wrong record starts, with the number of its fields seen in `fields`. The cells and flags of the
    row that was begun then are not valid.
    """
    n_fields = modes.shape[0]
    n_blank = 0
    n_bad = 0
    capacity = cells.shape[1]
    delimiter = rules.delimiter
    delimiter_bytes = 1 + len(rules.tail)
    point = rules.decimal
    longest = nulls.longest
    single = len(rules.tail) == 0
    quote, escape, plain = rules.quote, rules.escape, not rules.trim
    delimiters = np.uint64(delimiter if delimiter >= 0 else 10) * _ONES
    escapes = np.uint64(escape if escape >= 0 else 10) * _ONES
    row = 0
    pos = start
    while pos < limit:
        record = pos
        c = byte_at(block, pos)
        if c == rules.comment:
            after = skip_line(block, pos, end)
            if after >= end and not at_eof:
                return MORE, record, row, 0, n_blank, n_bad
            pos = after
            continue
        if not rules.keep_blank and (c == 10 or c == 13):
            skip = line_end(block, pos)
            if pos + skip >= end and not at_eof:
                return MORE, record, row, 0, n_blank, n_bad
            pos += skip
            n_blank += 1
            continue
        if row == capacity:
            return FULL, record, row, 0, n_blank, n_bad
        if len(record_starts):
            record_starts[row] = record
        wrong = DONE
        seen_fields = 0
        for field in range(n_fields):
            mode = modes[field]
            column = targets[field]
            done = False
            if (mode == INT64 or mode == FLOAT64) and not nulls.numeric[column]:
                p = pos
                negative = byte_at(block, p) == 45
                if negative:
                    p += 1
                first = p
                significand = np.uint64(0)
                d = byte_at(block, p) - 48
                while 0 <= d <= 9:
                    significand = significand * np.uint64(10) + np.uint64(d)
                    p += 1
                    d = byte_at(block, p) - 48
                n_digits = p - first
                canonical = n_digits == 1 or byte_at(block, first) != 48
                c = d + 48
                if mode == INT64:
                    if (
                        (
                            (c == delimiter and (single or is_delimiter(block, p, rules)))
                            or c == 10
                            or c == 13
                        )
                        and 0 < n_digits <= 18
                        and canonical
                        and not (negative and significand == np.uint64(0))
                    ):
                        value = np.int64(significand)
                        cells[column, row] = -value if negative else value
                        pos = p
                        done = True
                else:
                    exponent = 0
                    is_integer = c != point
                    if not is_integer:
                        p += 1
                        begin = p
                        fraction, n = scan_digits(block, p)
                        significand = significand * POWERS_OF_TEN[n] + fraction
                        p += n
                        d = byte_at(block, p) - 48
                        while n == 8 and 0 <= d <= 9:
                            significand = significand * np.uint64(10) + np.uint64(d)
                            p += 1
                            d = byte_at(block, p) - 48
                        exponent = begin - p
                        n_digits += p - begin
                        c = d + 48
                        if c == 101 or c == 69:
                            p += 1
                            sign = byte_at(block, p)
                            if sign == 45 or sign == 43:
                                p += 1
                            power = 0
                            begin = p
                            d = byte_at(block, p) - 48
                            while 0 <= d <= 9 and p - begin < 5:
                                power = power * 10 + d
                                p += 1
                                d = byte_at(block, p) - 48
                            exponent += -power if sign == 45 else power
                            c = d + 48 if p > begin else 0
                    if (
                        (
                            (c == delimiter and (single or is_delimiter(block, p, rules)))
                            or c == 10
                            or c == 13
                        )
                        and 0 < n_digits <= 19
                        and canonical
                    ):
                        number, exact = decimal_to_float(significand, exponent)
                        if exact and not out_of_range(number, significand):
                            if is_integer and not (negative and significand == np.uint64(0)):
                                forms[column] |= INT
                                side = 0 if negative else 1
                                if significand > magnitudes[column, side]:
                                    magnitudes[column, side] = significand
                            else:
                                seen = forms[column] | FLOAT
                                unsure = significand >= SURE_IN_FLOAT32
                                unsure |= not 1.2e-38 < abs(number) < 3.4e38
                                if unsure and not seen & FLOAT32_LOSES:
                                    if not survives_float32(number, significand, exponent):
                                        seen |= FLOAT32_LOSES
                                    elif not seen & NOT_SHORTEST:
                                        if not is_shortest(number, significand, exponent):
                                            seen |= NOT_SHORTEST
                                forms[column] = seen
                            cells[column, row] = float_to_bits(-number if negative else number)
                            pos = p
                            done = True
            if not done:
                begin, stop, quoted, escaped, status = pos, pos, False, False, MORE
                c = byte_at(block, pos)
                if c != quote and single and plain:
                    stop = _find_end(block, stop, delimiters, escapes)
                    c = byte_at(block, stop)
                    if c != escape:
                        pos, status = stop, DONE
                if status == MORE:  # quotes, escapes, spaces or a longer delimiter
                    begin, stop, quoted, escaped, pos, status = scan_field(block, pos, end, rules)
                if status != DONE:
                    wrong = status
                    seen_fields = field + 1
                    break
                if mode == TEXT:
                    cells[column, row] = (begin << 32) | (stop - begin)
                    if (
                        not quoted
                        and stop - begin <= longest[column]
                        and is_null(block, begin, stop, nulls, column)
                    ):
                        flags[column, row] = NO_VALUE
                    elif escaped:
                        flags[column, row] = ESCAPED
                elif mode != SKIP:
                    first, last = begin, stop
                    begin, stop = trim(block, begin, stop)
                    loose = begin != first or stop != last
                    if begin == stop or is_null(block, begin, stop, nulls, column):
                        flags[column, row] = NO_VALUE
                        cells[column, row] = 0
                        loose = loose or quoted
                    else:
                        flag, cell = parse_value(
                            block, begin, stop, mode, zoned[field], forms, magnitudes, column,
                            rules, scratch,
                        )  # fmt: skip
                        flags[column, row] = flag
                        cells[column, row] = cell
                        if mode == BOOLEAN:
                            loose = loose or byte_at(block, begin) < 97
                        elif rules.thousands >= 0:
                            loose = loose or mode == INT64 or mode == UINT64
                    if loose:
                        forms[column] |= LOOSE
            at_delimiter = byte_at(block, pos) == delimiter and pos < end
            if at_delimiter and not single:
                at_delimiter = is_delimiter(block, pos, rules)
            if field < n_fields - 1:
                if not at_delimiter:
                    wrong = TOO_FEW
                    seen_fields = field + 1
                    break
                pos += delimiter_bytes
            elif at_delimiter:
                wrong = TOO_MANY
                seen_fields = field + 1
        if wrong == DONE:
            pos += line_end(block, pos)
            if pos >= end:
                if not at_eof:
                    return MORE, record, row, 0, n_blank, n_bad
                pos = end
            row += 1
            continue
        if not at_eof and (wrong == UNTERMINATED or pos >= end):
            return MORE, record, row, 0, n_blank, n_bad
        if n_bad == len(bad):
            return (FULL if n_bad else wrong), record, row, seen_fields, n_blank, n_bad
        if wrong == AFTER_QUOTE:
            pos = skip_line(block, pos, end)
        else:
            pos = skip_record(block, pos, end, rules)
        if pos >= end and not at_eof:
            return MORE, record, row, 0, n_blank, n_bad
        bad[n_bad, 0] = record
        bad[n_bad, 1] = pos
        bad[n_bad, 2] = wrong
        bad[n_bad, 3] = seen_fields
        n_bad += 1
    return DONE, min(pos, end), row, 0, n_blank, n_bad
