"""Where the data of a file begin, and what its columns are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bigdata_cli.errors import DataError
from bigdata_cli.io.encoding import encoding_hint
from bigdata_cli.sources.csv.dialect import MADE_UP, Dialect, unique_names
from bigdata_cli.sources.csv.header_names import OUT_OF_PLACE, mend_names, names_before_open_quote
from bigdata_cli.sources.csv.header_rows import join_names

BOM = b"\xef\xbb\xbf"
_SPACES = (b" ", b"\t")
_LINE_END = re.compile(rb"\r\n|\n|\r")


def skip_lines(head: bytes, n_lines: int, name: str) -> int:
    """The offset after a byte order mark and `n_lines` lines; DataError where there are fewer."""
    position = len(BOM) if head.startswith(BOM) else 0
    for _ in range(n_lines):
        end = _LINE_END.search(head, position)
        if end is None:
            raise DataError(
                f"{name}: --skip-rows {n_lines} skips more than the "
                f"first {len(head):,} bytes of the file",
                hint="--skip-rows counts lines before the header",
            )
        position = end.end()
    return position


class HeaderRead(NamedTuple):
    """Column names of a file, the offset of its first data byte, notes, the header's line."""

    names: tuple[str, ...]
    end: int
    notes: tuple[str, ...] = ()
    line: str = ""


def header_start(head: bytes, name: str, dialect: Dialect) -> int:
    """The offset of the first record: after skipped lines, blank lines and comments."""
    return _skip_comments(head, skip_lines(head, dialect.skip_rows, name), dialect)


def read_header(
    head: bytes, name: str, dialect: Dialect, *, is_whole: bool, n_expected: int | None = None
) -> HeaderRead:
    """The column names of a file and the offset of its first data byte.

    head: the beginning of the file as UTF-8; is_whole: nothing comes after it. n_expected: the
    columns that most records have, None where no number of them is that of most: then names that
    the user gave say it, and records that differ from them are bad rows.
    """
    start = skip_lines(head, dialect.skip_rows, name)
    if dialect.is_text:
        return HeaderRead(("text",), start)
    start = _skip_comments(head, start, dialect)
    if start == len(head) and is_whole and dialect.names not in (None, MADE_UP):
        return HeaderRead(dialect.names or (), start)
    if dialect.header and dialect.header_rows > 1:
        return _read_rows(head, start, name, dialect, is_whole=is_whole, n_expected=n_expected)
    fields, end = first_record(head, start, dialect, is_whole=is_whole)
    opened = None
    if dialect.header and n_expected is not None and len(fields or ()) != n_expected:
        opened = names_before_open_quote(head, start, end, dialect, n_expected)
    if opened is not None:
        fields, end = opened
    if fields is None:
        raise _no_end(name, head)
    n_columns = len(fields) if n_expected is None else n_expected
    if dialect.names is not None and dialect.names != MADE_UP:
        if n_expected is not None:
            _check_names(name, dialect, n_expected)
        return HeaderRead(dialect.names, end if dialect.header else start)
    if not dialect.header:
        return HeaderRead(tuple(f"column{i}" for i in range(n_columns)), start)
    try:
        names = [field.decode("utf-8").strip() for field in fields]
        line = head[start:end].rstrip(b"\r\n").decode("utf-8")
        if opened is not None:
            return HeaderRead(unique_names(names), end, (OUT_OF_PLACE,), line)
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error, head) from error
    notes: tuple[str, ...] = ()
    if len(names) != n_columns or dialect.row_names:
        n_line = 1 + len(_LINE_END.findall(head[:start]))
        names, notes = mend_names(names, line, dialect, n_columns, where=f"{name} line {n_line:,}")
    return HeaderRead(unique_names(names), end, notes, line)


def _read_rows(
    head: bytes,
    start: int,
    name: str,
    dialect: Dialect,
    *,
    is_whole: bool,
    n_expected: int | None,
) -> HeaderRead:
    """`read_header` of a header of several rows, the first of them at `start`."""
    rows, end = header_records(head, start, dialect, is_whole=is_whole)
    if rows is None:
        raise _no_end(name, head)
    if len(rows) < dialect.header_rows:
        raise DataError(
            f"{name}: --header-rows {dialect.header_rows}, but there "
            f"{'are' if len(rows) != 1 else 'is'} {len(rows)} row{'s'[: len(rows) != 1]}",
            hint="--header-rows says how many rows name the columns",
        )
    n_columns = max(map(len, rows)) if n_expected is None else n_expected
    if dialect.names is not None and dialect.names != MADE_UP:
        if n_expected is not None:
            _check_names(name, dialect, n_expected)
        return HeaderRead(dialect.names, end)
    try:
        texts = [[field.decode("utf-8").strip() for field in row] for row in rows]
        lines = head[start:end].rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error, head) from error
    n_line = 1 + len(_LINE_END.findall(head[:start]))
    names = join_names(texts, dialect, n_columns, where=f"{name} line {n_line:,}")
    return HeaderRead(unique_names(names), end, (), lines)


def _not_utf8(name: str, error: UnicodeDecodeError, head: bytes) -> DataError:
    return DataError(f"{name}: the header is not UTF-8: {error}", hint=encoding_hint(head))


def _no_end(name: str, head: bytes) -> DataError:
    return DataError(
        f"{name}: the first record does not end within {len(head):,} bytes",
        hint="--text reads lines, --quote none reads quotes as characters",
    )


def _check_names(name: str, dialect: Dialect, n_columns: int) -> None:
    """Raise DataError where the user gave another number of names than there are columns."""
    n_names = len(dialect.names or ())
    fits = (n_names > n_columns and dialect.short_rows == "null") or (
        n_names < n_columns and dialect.long_rows != "error"
    )
    if n_names != n_columns and not fits:
        raise DataError(
            f"{name}: --names gives {n_names} names, the records have {n_columns} "
            f"field{'s'[: n_columns != 1]}",
            hint=f"--names takes {n_columns} of them, unless --delimiter is not "
            f"{dialect.delimiter!r}",
        )


def _skip_comments(head: bytes, start: int, dialect: Dialect) -> int:
    """The offset after blank lines and comments."""
    comment = dialect.comment.encode() if dialect.comment else None
    while start < len(head):
        c = head[start : start + 1]
        line = _skip_spaces(head, start, dialect) if dialect.is_spaced else start
        if head[line : line + 1] in (b"\n", b"\r"):
            start = line + 1
        elif c == comment:
            end = _LINE_END.search(head, start)
            start = len(head) if end is None else end.end()
        else:
            break
    return start


def header_records(
    head: bytes, start: int, dialect: Dialect, *, is_whole: bool
) -> tuple[list[list[bytes]] | None, int]:
    """The records at `start` that name the columns, fewer where there are no more; None for no end.

    With them the offset after them.
    """
    rows: list[list[bytes]] = []
    end = start
    while len(rows) < (dialect.header_rows if dialect.header else 1):
        begin = _skip_comments(head, end, dialect)
        if begin == len(head):
            return (rows if is_whole else None), begin
        fields, end = first_record(head, begin, dialect, is_whole=is_whole)
        if fields is None:
            return None, end
        rows.append(fields)
    return rows, end


def first_record(
    head: bytes, start: int, dialect: Dialect, *, is_whole: bool
) -> tuple[list[bytes] | None, int]:
    """The fields of the record at `start`, unquoted, and the offset after it; None for no end."""
    delimiter = (dialect.delimiter or "").encode()
    delimiters = _SPACES if dialect.is_spaced else (delimiter,)
    fields: list[bytes] = []
    p = start
    while True:
        field, p = _field(head, p, delimiters, dialect)
        if field is None:
            return None, p
        fields.append(field)
        if dialect.is_spaced:
            p = _skip_spaces(head, p, dialect)
            if head[p : p + 1] not in (b"", b"\n", b"\r"):
                continue
        if p >= len(head):
            return (fields if is_whole else None), p
        if head.startswith(delimiter, p):
            p += len(delimiter)
            continue
        return fields, p + (2 if head.startswith(b"\r\n", p) else 1)


def _field(
    head: bytes, p: int, delimiters: tuple[bytes, ...], dialect: Dialect
) -> tuple[bytes | None, int]:
    """A field at `p` and where it ends: at a delimiter or a line end; None where it does not."""
    quote = dialect.quote.encode() if dialect.quote else None
    escape = dialect.escape.encode() if dialect.escape else None
    p = _skip_spaces(head, p, dialect)
    field = bytearray()
    if quote is not None and head.startswith(quote, p):
        p += 1
        while True:
            c = head[p : p + 1]
            if not c:
                return None, p
            if c == escape and c != quote:
                field += head[p + 1 : p + 2]
                p += 2
            elif c == quote and head.startswith(quote, p + 1):
                field += c
                p += 2
            elif c == quote:
                p += 1
                break
            else:
                field += c
                p += 1
        if not dialect.is_spaced:
            p = _skip_spaces(head, p, dialect)
    # After a closing quote nothing may follow: what does is reported where the data are parsed.
    while p < len(head) and head[p : p + 1] not in (b"\n", b"\r"):
        if head.startswith(delimiters, p):
            break
        if head[p : p + 1] == escape:
            p += 1
        field += head[p : p + 1]
        p += 1
    return bytes(field.strip(b" ") if dialect.trim else field), p


def _skip_spaces(head: bytes, p: int, dialect: Dialect) -> int:
    """The position after spaces that are no part of a field, nor a delimiter before one."""
    if dialect.is_spaced:
        while head.startswith(_SPACES, p):
            p += 1
    elif dialect.trim:
        delimiter = (dialect.delimiter or "").encode()
        while head.startswith(b" ", p) and not head.startswith(delimiter, p):
            p += 1
    return p


def match_columns(
    file_names: Sequence[str], names: Sequence[str], *, name: str, first: str, header: bool
) -> tuple[int, ...]:
    """For each field of a file's records, which column of the source it is.

    Raises DataError where the columns differ from those of the `first` file.
    """
    if tuple(file_names) == tuple(names):
        return tuple(range(len(names)))
    if not header:
        raise DataError(
            f"{name} has records of {len(file_names)} field{'s'[: len(file_names) != 1]}, those of "
            f"{first} have {len(names)}",
            hint="files without a header are matched by position: convert files with the same "
            "columns only",
        )
    missing = [column for column in names if column not in set(file_names)]
    extra = [column for column in file_names if column not in set(names)]
    if missing or extra:
        differences = [
            f"{what}: {', '.join(columns[:8])}{', …' if len(columns) > 8 else ''}"
            for what, columns in (("missing", missing), ("extra", extra))
            if columns
        ]
        raise DataError(
            f"{name} has other columns than {first} ({'; '.join(differences)})",
            hint="convert files with the same columns only; --names names them all anew",
        )
    place = {column: index for index, column in enumerate(names)}
    return tuple(place[column] for column in file_names)
