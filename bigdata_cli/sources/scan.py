"""Compiled scanning of records: fields, quotes, line ends."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import byte_at, count_ones

DONE, MORE, FULL, TOO_FEW, TOO_MANY, AFTER_QUOTE, UNTERMINATED = range(7)
"""Why the parser stopped. MORE: the record at `position` goes on beyond the bytes."""

_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_RETURNS = np.uint64(0x0D0D0D0D0D0D0D0D)


@compiled
def most_records(block, start, end):
    """An upper bound of the records in block[start:end]: every LF and CR, and one more.

    Eight bytes at a time: a byte x is zero where ((x & 127) + 127) | x has no high bit.
    """
    n = 1
    p = start
    while p < end and p % 8:
        n += block[p] == 10 or block[p] == 13
        p += 1
    n_words = max(0, end - p) // 8
    words = block[p : p + 8 * n_words].view(np.uint64)
    for i in range(n_words):
        x = words[i] ^ _FEEDS
        y = words[i] ^ _RETURNS
        x = ((x & _LOW) + _LOW) | x
        y = ((y & _LOW) + _LOW) | y
        n += count_ones(~(x & y) & ~_LOW)
    for rest in range(p + 8 * n_words, end):
        n += block[rest] == 10 or block[rest] == 13
    return n


@compiled
def is_delimiter(block, pos, rules):
    """Whether a delimiter stands at `pos`; the block has padding for the bytes after it."""
    if byte_at(block, pos) != rules.delimiter:
        return False
    for i in range(len(rules.tail)):
        if byte_at(block, pos + 1 + i) != byte_at(rules.tail, i):
            return False
    return True


@compiled
def scan_field(block, pos, end, rules):
    """(start, end of the content, quoted, escaped, position after, status) of the field at pos.

    The position after is at a delimiter, a line end, or `end`. block[end] is a line feed.
    """
    if rules.trim:
        while byte_at(block, pos) == 32 and not is_delimiter(block, pos, rules):
            pos += 1
    if pos < end and byte_at(block, pos) == rules.quote:
        return scan_quoted(block, pos, end, rules)
    p = pos
    escaped = False
    delimiter, escape = rules.delimiter, rules.escape
    c = byte_at(block, p)
    while True:
        # What is neither is passed over in a loop of its own: this is where long text goes through.
        while c != delimiter and c != 10 and c != 13 and c != escape:
            p += 1
            c = byte_at(block, p)
        if c == 10 or c == 13 or (c == delimiter and is_delimiter(block, p, rules)):
            break
        if c == escape:
            if p + 1 >= end:  # nothing to escape: the last character of the data is itself
                return pos, end, False, escaped, end, DONE
            escaped = True
            p += 1
        p += 1
        c = byte_at(block, p)
    stop = p
    if rules.trim:
        while stop > pos and byte_at(block, stop - 1) == 32:
            stop -= 1
    return pos, stop, False, escaped, p, DONE


@compiled
def scan_quoted(block, pos, end, rules):
    """`scan_field` of a field whose opening quote is at pos."""
    quote, escape = rules.quote, rules.escape
    p = pos + 1
    escaped = False
    while True:
        c = byte_at(block, p)
        while p < end and c != quote and c != escape:
            p += 1
            c = byte_at(block, p)
        if p >= end:
            return pos + 1, end, True, escaped, end, UNTERMINATED
        if c == escape and escape != quote:
            escaped = True
            p += 2
        elif p + 1 < end and byte_at(block, p + 1) == quote:
            escaped = True
            p += 2
        else:
            break
    after = p + 1
    if rules.trim:
        while byte_at(block, after) == 32 and not is_delimiter(block, after, rules):
            after += 1
    c = byte_at(block, after)
    if c != 10 and c != 13 and not is_delimiter(block, after, rules):
        return pos + 1, p, True, escaped, after, AFTER_QUOTE
    return pos + 1, p, True, escaped, after, DONE


@compiled
def line_end(block, pos):
    """Bytes of the line end at `pos`: 2 for CR LF, 1 for LF or CR, 0 for none."""
    c = byte_at(block, pos)
    if c == 10:
        return 1
    if c == 13:
        return 2 if byte_at(block, pos + 1) == 10 else 1
    return 0


@compiled
def skip_line(block, pos, end):
    """The position after the line end at or after `pos`, at most `end`."""
    while pos < end:
        n = line_end(block, pos)
        if n:
            return min(pos + n, end)
        pos += 1
    return end


@compiled
def skip_record(block, pos, end, rules):
    """The position after the record that goes on at the field boundary `pos`, at most `end`."""
    while pos < end:
        n = line_end(block, pos)
        if n:
            return min(pos + n, end)
        _, _, _, _, pos, status = scan_field(block, pos + 1 + len(rules.tail), end, rules)
        if status != DONE:
            return skip_line(block, pos, end)
    return end
