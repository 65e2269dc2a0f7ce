"""Compiled search for the boundaries of records in a stream that is read from its start.

Where a stream is read in order it is always known whether a byte is inside quotes. What a record is
follows `scan.py`; dialects with escapes, comments, trimmed spaces or delimiters of several
characters are scanned with its functions, the others by looking for quotes alone.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import byte_at, count_ones, trailing_zeros
from bigdata_cli.sources.scan import DONE, line_end, scan_field, skip_line

OUTSIDE, INSIDE, SPOILED = range(3)
"""Where a position is. SPOILED: in the rest of a line after a closing quote, where quotes are
characters."""

_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONES = np.uint64(0x0101010101010101)
_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_RETURNS = np.uint64(0x0D0D0D0D0D0D0D0D)


@compiled
def next_record(block, pos, state, limit, end, at_eof, rules):
    """(found, position, state): the start of the first record that starts at or after `limit`.

    block: uint8, begins with a record; line feeds stand at `end` and after it. pos, state: where to
    go on, first 0 and OUTSIDE, then what was returned. at_eof: nothing follows `end`, which is
    where the last record ends. Where it is not found, more bytes are needed.
    """
    words = block[: end // 8 * 8].view(np.uint64)
    quote, escape = rules.quote, rules.escape
    if len(rules.tail) == 0 and not rules.trim and escape < 0 and rules.comment < 0:
        return _next_plain(block, words, pos, state, limit, end, at_eof, quote, rules.delimiter)
    if (quote < 0 or _find(block, words, pos, end, quote) == end) and (
        escape < 0 or _find(block, words, pos, end, escape) == end
    ):
        # Every line is a record; where it is not found, quotes may come with the next bytes.
        found, after, _ = _next_plain(block, words, pos, OUTSIDE, limit, end, at_eof, -1, -1)
        return found, (after if found else pos), OUTSIDE
    return _next_scanned(block, pos, limit, end, at_eof, rules)


@compiled
def _next_scanned(block, pos, limit, end, at_eof, rules):
    record = pos
    while pos < limit:
        record = pos
        pos = after_record(block, pos, end, rules)
        if pos >= end:
            return at_eof, (end if at_eof else record), OUTSIDE
    return True, pos, OUTSIDE


@compiled
def after_record(block, pos, end, rules):
    """The position after the record, comment or blank line that starts at `pos`, at most `end`."""
    if byte_at(block, pos) == rules.comment:
        return skip_line(block, pos, end)
    while True:
        _, _, _, _, pos, status = scan_field(block, pos, end, rules)
        if status != DONE:
            return skip_line(block, pos, end)
        if pos >= end:
            return end
        n = line_end(block, pos)
        if n:
            return min(pos + n, end)
        pos += 1 + len(rules.tail)


@compiled
def last_record(block, pos, end, rules):
    """Where the last record, comment or blank line of block[pos:end] starts."""
    record = pos
    while pos < end:
        record = pos
        pos = after_record(block, pos, end, rules)
    return record


@compiled
def _next_plain(block, words, pos, state, limit, end, at_eof, quote, delimiter):
    while True:
        if state == INSIDE:
            pos = _find(block, words, pos, end, quote)
            if pos + 1 >= end:  # no quote, or one that may be doubled
                return at_eof, end if at_eof else pos, INSIDE
            if byte_at(block, pos + 1) == quote:
                pos += 2
                continue
            pos += 1
            c = byte_at(block, pos)
            state = OUTSIDE if c == delimiter or c == 10 or c == 13 else SPOILED
        if state == SPOILED:
            found, pos = _line_start(block, pos, end)
            if not found:
                return at_eof, end if at_eof else pos, SPOILED
            state = OUTSIDE
            if pos >= limit:
                return True, pos, OUTSIDE
        low = pos
        stop = min(limit, end)
        if pos < stop:
            pos = _find(block, words, pos, stop, quote) if quote >= 0 else stop
            if pos < stop:
                state = INSIDE if _is_field_start(block, pos, delimiter) else OUTSIDE
                pos += 1
                continue
        # No quote before the limit: look for the first line that starts at or after it.
        p = max(limit - 1, low)
        while p < end:
            c = byte_at(block, p)
            if c == 10 or c == 13:
                found, p = _line_start(block, p, end)
                if not found:
                    break
                return True, p, OUTSIDE
            p += 1
            if c == quote and _is_field_start(block, p - 1, delimiter):
                state = INSIDE
                break
        pos = p
        if state != INSIDE:
            return at_eof, end if at_eof else pos, OUTSIDE


@compiled
def _is_field_start(block, pos, delimiter):
    """Whether a field starts at a position that is outside quotes."""
    if pos == 0:
        return True
    before = byte_at(block, pos - 1)
    return before == delimiter or before == 10 or before == 13


@compiled
def _line_start(block, pos, end):
    """(found, the start of the next line); where it is not found, where to go on."""
    while pos < end:
        c = byte_at(block, pos)
        if c == 10:
            return True, pos + 1
        if c == 13:
            if pos + 1 >= end:
                return False, pos  # a line feed may follow
            return True, pos + (2 if byte_at(block, pos + 1) == 10 else 1)
        pos += 1
    return False, end


@compiled
def _find(block, words, start, end, byte):
    """The position of the first such byte in block[start:end], `end` for none.

    words: the block, eight bytes at a time. A byte x is zero where ((x & 127) + 127) | x has no
    high bit.
    """
    pattern = np.uint64(byte) * _ONES
    i = start >> 3
    before = np.uint64((start & 7) << 3)
    while i < len(words):
        x = words[i] ^ pattern
        zeros = ~(((x & _LOW) + _LOW) | x) & ~_LOW
        zeros = zeros >> before << before
        before = np.uint64(0)
        if zeros:
            return min((i << 3) + (trailing_zeros(zeros) >> 3), end)
        i += 1
        if i << 3 >= end:
            return end
    for p in range(max(start, len(words) << 3), end):
        if byte_at(block, p) == byte:
            return p
    return end


@compiled
def count_line_ends(block, start, end):
    """Line ends in block[start:end]: LF, CR, and CR LF as one."""
    n = 0
    p = start
    while p < end and p % 8:
        n += _ends_line(block, p, start)
        p += 1
    n_words = max(0, end - p) // 8
    words = block[p : p + 8 * n_words].view(np.uint64)
    for i in range(n_words):
        x = words[i] ^ _FEEDS
        y = words[i] ^ _RETURNS
        x = ~(((x & _LOW) + _LOW) | x) & ~_LOW
        y = ~(((y & _LOW) + _LOW) | y) & ~_LOW
        if y:
            # A CR here, or one just before: byte by byte.
            for k in range(p + 8 * i, p + 8 * i + 8):
                n += _ends_line(block, k, start)
        else:
            n += count_ones(x)
            if x and p + 8 * i > start and byte_at(block, p + 8 * i) == 10:
                n -= byte_at(block, p + 8 * i - 1) == 13
    for rest in range(p + 8 * n_words, end):
        n += _ends_line(block, rest, start)
    return n


@compiled
def _ends_line(block, pos, start):
    """1 for a CR, and for a LF that does not follow one."""
    c = byte_at(block, pos)
    if c == 13:
        return 1
    return 1 if c == 10 and (pos == start or byte_at(block, pos - 1) != 13) else 0
