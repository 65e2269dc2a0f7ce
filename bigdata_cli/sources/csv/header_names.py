"""Names of columns where a header does not say them as it should."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bigdata_cli.errors import DataError
from bigdata_cli.sources.csv.detect import DELIMITERS
from bigdata_cli.sources.csv.dialect import MADE_UP, Dialect

OUT_OF_PLACE = "the header has a quote that is out of place: it is part of a name"
NO_DELIMITER = "a delimiter lacks beside a quote of the header: two names are taken apart there"
_MAX_STRAY_QUOTES = 4
_LINE_END = re.compile(rb"\r\n|\n|\r")


def mend_names(
    names: Sequence[str], line: str, dialect: Dialect, n_columns: int, *, where: str
) -> tuple[list[str], tuple[str, ...]]:
    """The names of a header that has another number of them than there are columns, and notes.

    Raises DataError where neither the header nor the user says which they are.
    """
    n_names = len(names)
    if dialect.row_names:
        if n_names != n_columns - 1:
            raise DataError(
                f"{where}: --row-names, but the header has {n_names} names and the rows below have "
                f"{n_columns} fields, not one more"
            )
        return ["", *names], ("the first column has no name in the header: it names rows",)
    loose = _loose_fields(line, dialect) if (dialect.quote or "\0") in line else []
    if len(loose) == n_columns:
        return loose, (OUT_OF_PLACE,)
    apart = names_beside_quote(line, dialect, n_columns) if n_names == n_columns - 1 else []
    if apart:
        return apart, (NO_DELIMITER,)
    other, mark = ([], "") if n_names > 1 else _fields_by_another_mark(line, dialect, n_columns)
    if other:
        return other, (f"{mark!r} separates the names, and {dialect.delimiter!r} the rows",)
    filled = [name for name in names if name]
    if len(filled) == n_columns:
        return filled, (f"the header has {n_names} fields and {n_columns} names, as many as rows",)
    if (n_names > n_columns and dialect.short_rows == "null") or (
        n_names < n_columns and dialect.long_rows != "error"
    ):
        return list(names), ()
    fewer = n_names < n_columns
    if dialect.names == MADE_UP:
        made = [f"column{i}" for i in range(n_names, n_columns)]
        what = f"{', '.join(made)} made up" if fewer else "the others are left out"
        note = f"the header has {n_names} names, the rows have {n_columns} fields: {what}"
        return [*names[:n_columns], *made], (note,)
    rows = "--long-rows cut" if fewer else "--short-rows null"
    unnamed = "--row-names, if it is the first column that has no name; "
    raise DataError(
        f"{where}: the header has {n_names} name{'s'[: n_names != 1]}, the rows below have "
        f"{n_columns} field{'s'[: n_columns != 1]}",
        hint=(unnamed if n_names == n_columns - 1 else "")
        + f"--names auto makes names up where the header has none; --names A,B,… gives all "
        f"{n_columns}; --skip-rows N, if it is no header; {rows} takes it as it is; --delimiter, "
        f"if it is not {dialect.delimiter!r}",
    )


def names_before_open_quote(
    head: bytes, start: int, stop: int, dialect: Dialect, n_columns: int
) -> tuple[list[bytes], int] | None:
    """The names of a first line, and its end, where a quote that is not closed leads beyond it."""
    found = _LINE_END.search(head, start, stop)
    if found is None or found.end() == stop:
        return None
    loose = _loose_fields(head[start : found.start()].decode("utf-8", "surrogateescape"), dialect)
    if len(loose) != n_columns:
        return None
    return [name.encode("utf-8", "surrogateescape") for name in loose], found.end()


def names_beside_quote(line: str, dialect: Dialect, n_columns: int) -> list[str]:
    """The names of a header in which one delimiter lacks before or after a quoted name.

    [] where no quote stands between two names, or one delimiter more does not make them all.

    >>> names_beside_quote('id,town"street",n', Dialect(delimiter=","), 4)
    ['id', 'town', 'street', 'n']
    """
    delimiter, quote = dialect.delimiter or "", dialect.quote
    if dialect.is_spaced or quote is None or not delimiter or "\n" in line or "\r" in line:
        return []
    mark, edge = re.escape(quote), re.escape(delimiter)
    inner = re.compile(rf"(?<!^)(?<!{edge}){mark}(?!{edge}|$)")
    places = [found.start() for found in inner.finditer(line)]
    if len(places) > _MAX_STRAY_QUOTES:
        return []
    ways = set()
    for place in {*places, *(one + 1 for one in places)}:
        names = _loose_fields(line[:place] + delimiter + line[place:], dialect)
        if len(names) == n_columns and all(names) and not any(quote in name for name in names):
            ways.add(tuple(names))
    return list(ways.pop()) if len(ways) == 1 else []


def _loose_fields(line: str, dialect: Dialect) -> list[str]:
    """The fields of a line where a quote is one only if its field ends with another."""
    delimiter, quote = dialect.delimiter or "", dialect.quote
    if dialect.is_spaced or quote is None or "\n" in line or "\r" in line:
        return []
    mark, edge = re.escape(quote), re.escape(delimiter)
    quoted = rf"{mark}(?:[^{mark}]|{mark}{mark})*{mark}(?={edge}|$)"
    pattern = re.compile(rf"({quoted}|(?:(?!{edge}).)*)(?:{edge}|$)")
    fields, place = [], 0
    while place <= len(line):
        found = pattern.match(line, place)
        if found is None:
            return []
        field = found[1]
        if re.fullmatch(quoted.removesuffix(rf"(?={edge}|$)"), field):
            field = field[1:-1].replace(quote * 2, quote)
        fields.append(field.strip())
        if found.end(1) == len(line):
            break
        place = found.end()
    return fields


def _fields_by_another_mark(line: str, dialect: Dialect, n_columns: int) -> tuple[list[str], str]:
    """The names of a header that another delimiter separates, and that; [] where not just one does.

    Spaces separate the words of a title, too, in which none is quoted.
    """
    found = []
    for mark in DELIMITERS:
        fields = _loose_fields(line, replace(dialect, delimiter=mark))
        may_be = mark != dialect.delimiter and (mark != " " or (dialect.quote or "\0") in line)
        if may_be and len(fields) == n_columns and all(fields):
            found.append((fields, mark))
    return found[0] if len(found) == 1 else ([], "")
