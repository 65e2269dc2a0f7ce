"""Where the data of a file begin, and what its columns are called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bigdata_cli.errors import DataError
from bigdata_cli.io.encoding import encoding_hint
from bigdata_cli.sources.csv.detect import first_records, is_number, is_temporal
from bigdata_cli.sources.csv.dialect import NULL_TOKENS, Dialect, unique_names

BOM = b"\xef\xbb\xbf"
_SENTENCE_CHARACTERS = 120
_LINE_END = re.compile(rb"\r\n|\n|\r")


def looks_like_header(records: Sequence[list[str]]) -> tuple[bool, float, str]:
    """Whether the first record names the columns, how sure that is (0 to 1), and why.

    A column whose name is of another kind than all its values tells it: a word over numbers. So
    does the opposite: a number over numbers. Where neither is there, a first record of different
    words that do not come again is taken for names.

    >>> looks_like_header([["id", "x"], ["1", "2.5"], ["2", "0.5"]])[0]
    True
    >>> looks_like_header([["1", "a"], ["2", "b"]])[0]
    False
    """
    if not records:
        return False, 0.0, "there is no record"
    first, *rest = (record for record in first_records(records) if record)
    kinds = [_kind(field) for field in first]
    if not rest:
        is_header = all(kind == "text" for kind in kinds)
        return is_header, 0.7, "there is one record"
    if _are_years(first, rest):
        return True, 0.9, "the first record has years, the others have not"
    n_for, n_against = 0, 0
    for index, kind in enumerate(kinds):
        below = {_kind(record[index]) for record in rest if index < len(record)} - {"", "null"}
        if kind == "null" or (kind not in ("", "text") and kind in below):
            n_against += 1
        elif kind and len(below) == 1 and kind not in below:
            n_for += 1
    if n_against:
        return False, 1.0, "the first record has values like those below it"
    if n_for:
        return True, 1.0, "the first record is of another kind than the others"
    return _names_of_text(first, rest)


def _names_of_text(first: Sequence[str], rest: Sequence[Sequence[str]]) -> tuple[bool, float, str]:
    """`looks_like_header` where all columns are text."""
    if len(set(first)) < len(first) or any(not field.strip() for field in first):
        return False, 0.8, "the first record has blank or repeated fields, all columns are text"
    if any(len(field) > _SENTENCE_CHARACTERS or field.endswith((".", "!", "?")) for field in first):
        return False, 0.8, "the first record is not made of names, all columns are text"
    again = sum(
        field in {record[index] for record in rest if index < len(record)}
        for index, field in enumerate(first)
    )
    if 2 * again > len(first):
        return False, 0.8, "the fields of the first record come again, all columns are text"
    return True, 0.7, "the fields of the first record do not come again, but all columns are text"


def _kind(field: str) -> str:
    field = field.strip()
    if not field:
        return ""
    if is_number(field):
        return "number"
    if is_temporal(field):
        return "time"
    if field.lower() in ("true", "false"):
        return "bool"
    return "null" if field in NULL_TOKENS else "text"


def _are_years(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record is names and then years, and no other record is."""

    def has_years(record: Sequence[str]) -> bool:
        numbers = [field.strip() for field in record if is_number(field)]
        return (
            len(numbers) > 1
            and not is_number(record[0])
            and all(re.fullmatch(r"(1[89]|2[01])\d\d", number) for number in numbers)
            and sorted(set(numbers)) in (numbers, numbers[::-1])
        )

    return has_years(first) and not any(has_years(record) for record in rest)


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


def read_header(
    head: bytes, name: str, dialect: Dialect, *, is_whole: bool
) -> tuple[tuple[str, ...], int]:
    """The column names of a file and the offset of its first data byte.

    head: the beginning of the file as UTF-8; is_whole: nothing comes after it.
    """
    start = skip_lines(head, dialect.skip_rows, name)
    if dialect.is_text:
        return ("text",), start
    start = _skip_comments(head, start, dialect)
    fields, end = first_record(head, start, dialect, is_whole=is_whole)
    if fields is None:
        raise DataError(
            f"{name}: the first record does not end within {len(head):,} bytes",
            hint="--text reads lines, --quote none reads quotes as characters",
        )
    if dialect.names is not None and len(dialect.names) != len(fields):
        raise DataError(
            f"{name}: --names gives {len(dialect.names)} names, the first record has "
            f"{len(fields)} fields",
            hint=f"--names takes {len(fields)} of them, unless --delimiter is not "
            f"{dialect.delimiter!r}",
        )
    if not dialect.header:
        return dialect.names or tuple(f"column{i}" for i in range(len(fields))), start
    if dialect.names is not None:
        return dialect.names, end
    try:
        names = [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: the header is not UTF-8: {error}",
            hint=encoding_hint(head),
        ) from error
    return unique_names([field.strip() for field in names]), end


def _skip_comments(head: bytes, start: int, dialect: Dialect) -> int:
    """The offset after blank lines and comments."""
    comment = dialect.comment.encode() if dialect.comment else None
    while start < len(head):
        c = head[start : start + 1]
        if c in (b"\n", b"\r"):
            start += 1
        elif c == comment:
            end = _LINE_END.search(head, start)
            start = len(head) if end is None else end.end()
        else:
            break
    return start


def first_record(
    head: bytes, start: int, dialect: Dialect, *, is_whole: bool
) -> tuple[list[bytes] | None, int]:
    """The fields of the record at `start`, unquoted, and the offset after it; None for no end."""
    delimiter = (dialect.delimiter or "").encode()
    fields: list[bytes] = []
    p = start
    while True:
        field, p = _field(head, p, delimiter, dialect)
        if field is None:
            return None, p
        fields.append(field)
        if p >= len(head):
            return (fields if is_whole else None), p
        if head.startswith(delimiter, p):
            p += len(delimiter)
            continue
        return fields, p + (2 if head.startswith(b"\r\n", p) else 1)


def _field(head: bytes, p: int, delimiter: bytes, dialect: Dialect) -> tuple[bytes | None, int]:
    """A field at `p` and where it ends: at a delimiter or a line end; None where it does not."""
    quote = dialect.quote.encode() if dialect.quote else None
    escape = dialect.escape.encode() if dialect.escape else None
    if dialect.trim:
        p = _skip_spaces(head, p, delimiter)
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
        if dialect.trim:
            p = _skip_spaces(head, p, delimiter)
    # After a closing quote nothing may follow: what does is reported where the data are parsed.
    while p < len(head) and head[p : p + 1] not in (b"\n", b"\r"):
        if head.startswith(delimiter, p):
            break
        if head[p : p + 1] == escape:
            p += 1
        field += head[p : p + 1]
        p += 1
    return bytes(field.strip(b" ") if dialect.trim else field), p


def _skip_spaces(head: bytes, p: int, delimiter: bytes) -> int:
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
            f"{name} has {len(file_names)} fields in a record, {first} has {len(names)}",
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
