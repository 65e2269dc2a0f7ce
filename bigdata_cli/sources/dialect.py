"""The dialect of a CSV: detected on the beginning of a file, or told."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bigdata_cli.errors import UsageError

DELIMITERS = (",", "\t", ";", "|")
NULL_TOKENS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "\\N", "#N/A", "<NA>")
_SNIFFED_RECORDS = 200


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How records are written.

    delimiter: one or more ASCII characters, or None for text, where a line is a row. quote: one
    ASCII character, or None for no quoting; doubled inside a quoted field it stands for itself.
    escape: a character that makes the next one plain, in quoted and unquoted fields, or None.
    header: whether the first record (after `skip_rows` lines) names the columns; names: the columns
    as the user names them, in place of a header. comment: lines that begin with it are not records.
    trim: spaces before and after a field are not part of it. decimal: the decimal mark of numbers;
    thousands: a mark between groups of three digits, or None. null_tokens: texts that are null;
    column_null_tokens: in place of these, per column. keep_blank_lines: of text, as empty rows.
    encoding: the codec of the file; records are parsed as UTF-8.
    """

    delimiter: str | None
    quote: str | None = '"'
    escape: str | None = None
    header: bool = True
    names: tuple[str, ...] | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool = False
    decimal: str = "."
    thousands: str | None = None
    null_tokens: tuple[str, ...] = NULL_TOKENS
    column_null_tokens: tuple[tuple[str, tuple[str, ...]], ...] = ()
    keep_blank_lines: bool = False
    encoding: str = "utf-8"

    @property
    def is_text(self) -> bool:
        return self.delimiter is None

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "names": None if self.names is None else list(self.names),
            "null_tokens": list(self.null_tokens),
            "column_null_tokens": {name: list(tokens) for name, tokens in self.column_null_tokens},
        }

    def tokens_of(self, column: str) -> tuple[str, ...]:
        """The null tokens of a column."""
        return dict(self.column_null_tokens).get(column, self.null_tokens)


TEXT_LINES = Dialect(delimiter=None, quote=None, header=False, null_tokens=())


def check_character(text: str, option: str) -> str:
    """The character that an option names (`\\t` and `tab` mean a tab); raises UsageError."""
    character = {"\\t": "\t", "tab": "\t", "space": " "}.get(text, text)
    if len(character) != 1 or not character.isascii() or character in "\r\n":
        raise UsageError(f"{option} takes one ASCII character, not {text!r}")
    return character


def read_records(text: str, delimiter: str, quote: str | None) -> list[list[str]]:
    """The records of a piece of CSV by Python's own reader, without blank lines."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or '"',
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    records = []
    try:
        for record in reader:
            if record:
                records.append(record)
            if len(records) > _SNIFFED_RECORDS:
                break
    except csv.Error:
        pass  # a field beyond csv's limit: what was read suffices to sniff
    return records


def detect_delimiter(text: str, quote: str | None) -> str:
    """The delimiter under which the records agree best on their number of fields.

    >>> detect_delimiter("a;b\\n1,5;2\\n2,5;3\\n", '"')
    ';'
    >>> detect_delimiter("one\\ntwo\\n", '"')
    ','
    """
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        records = read_records(text, delimiter, quote)
        if not records:
            continue
        n_fields, agreeing = Counter(map(len, records)).most_common(1)[0]
        if n_fields < 2:
            continue
        score = (round(agreeing / len(records), 2), n_fields)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def looks_like_header(records: list[list[str]], forms: list[list[bool]]) -> bool:
    """Whether the first record names the columns.

    forms: per record and field, whether the field is text (not a number, date, bool or null). A
    header is all text, without blanks and repetitions; a first record of numbers is data.
    """
    first = records[0]
    if not all(forms[0]) or len(set(first)) < len(first):
        return False
    if len(records) == 1:
        return True
    seen_again = sum(
        name in {record[i] for record in records[1:] if i < len(record)}
        for i, name in enumerate(first)
    )
    return 2 * seen_again <= len(first)


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Column names made unique, none lost: blanks are `column0`…, repeated ones get a number.

    >>> unique_names(["a", "", "a", "a_1"])
    ('a', 'column1', 'a_2', 'a_1')
    """
    taken = set(names)
    seen: set[str] = set()
    unique = []
    for i, name in enumerate(names):
        candidate = name if name.strip() else f"column{i}"
        number = 0
        while candidate in seen or (candidate != name and candidate in taken):
            number += 1
            candidate = f"{name or 'column'}_{number}"
        seen.add(candidate)
        unique.append(candidate)
    return tuple(unique)
