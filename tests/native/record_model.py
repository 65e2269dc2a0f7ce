"""What fields and records are, said with regular expressions: a slow model of scan.h."""

from __future__ import annotations

import re
from functools import cache

from bigdata_cli.sources.csv.dialect import Dialect

DONE, AFTER_QUOTE, UNTERMINATED = 0, 5, 6


@cache
def _patterns(dialect: Dialect) -> tuple[re.Pattern[bytes], re.Pattern[bytes] | None]:
    """An unquoted field, and a quoted one without the spaces around it."""
    delimiter, quote, escape = (
        re.escape(c.encode()) if c else None
        for c in (dialect.delimiter, dialect.quote, dialect.escape)
    )
    plain = rb"[^\r\n]" if delimiter is None else rb"(?!%b)[^\r\n]" % delimiter
    escaped = rb"%b.|(?!%b)" % (escape, escape) if escape else b""
    unquoted = re.compile(rb"(?:%b%b)*" % (escaped, plain), re.DOTALL)
    if quote is None:
        return unquoted, None
    other = rb"[^%b]" % quote
    if escape and escape != quote:
        other = rb"%b.|[^%b%b]" % (escape, quote, escape)
    quoted = re.compile(rb"%b((?:%b|%b%b)*)%b(?!%b)" % (quote, other, *[quote] * 4), re.DOTALL)
    return unquoted, quoted


def field(data: bytes, pos: int, dialect: Dialect) -> tuple[int, int, bool, bool, int, int]:
    """(start, stop, quoted, escaped, after, status) of the field at pos."""
    unquoted, quoted = _patterns(dialect)
    delimiter = dialect.delimiter.encode() if dialect.delimiter else None
    end = len(data)

    def at_delimiter(p: int) -> bool:
        return delimiter is not None and data.startswith(delimiter, p)

    def spaces(p: int) -> int:
        while dialect.trim and data[p : p + 1] == b" " and not at_delimiter(p):
            p += 1
        return p

    pos = spaces(pos)
    quote, escape = (c.encode() if c else None for c in (dialect.quote, dialect.escape))
    if quote is not None and data[pos : pos + 1] == quote:
        found = quoted.match(data, pos)
        content = data[pos + 1 : end] if found is None else found[1]
        marks = [quote + quote] if escape in (None, quote) else [quote + quote, escape]
        escaped = any(mark in content for mark in marks)
        if found is None:
            return pos + 1, end, True, escaped, end, UNTERMINATED
        after = spaces(found.end())
        right = after == end or data[after] in b"\r\n" or at_delimiter(after)
        return pos + 1, found.end(1), True, escaped, after, DONE if right else AFTER_QUOTE
    found = unquoted.match(data, pos)
    stop = after = found.end()
    escaped = escape is not None and escape in found[0]
    if escape is not None and data[after:] == escape:  # the last byte escapes nothing
        return pos, end, False, escaped, end, DONE
    if dialect.trim:
        stop = pos + len(data[pos:stop].rstrip(b" "))
    return pos, stop, False, escaped, after, DONE


def line_end(data: bytes, pos: int) -> int:
    """Bytes of the line end at pos."""
    return (
        2 if data[pos : pos + 2] == b"\r\n" else 1 if data[pos : pos + 1] in (b"\r", b"\n") else 0
    )


def next_line(data: bytes, pos: int) -> int:
    """The position after the first line end at or after pos."""
    found = re.compile(rb"\r\n|\r|\n").search(data, pos)
    return found.end() if found else len(data)


def after_record(data: bytes, pos: int, dialect: Dialect) -> int:
    """The position after the record, comment or blank line that starts at pos."""
    if dialect.comment and data.startswith(dialect.comment.encode(), pos):
        return next_line(data, pos)
    while True:
        *_, pos, status = field(data, pos, dialect)
        if status != DONE:
            return next_line(data, pos)
        if pos >= len(data):
            return len(data)
        if line_end(data, pos):
            return pos + line_end(data, pos)
        pos += len(dialect.delimiter.encode())


def starts(data: bytes, dialect: Dialect) -> list[int]:
    """Where records start, one after the other, and the end."""
    found = [0]
    while found[-1] < len(data):
        found.append(after_record(data, found[-1], dialect))
    return found
