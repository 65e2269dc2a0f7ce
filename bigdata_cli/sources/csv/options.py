"""Options of sources, which every command that reads a source shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import (
    NAMES,
    NATURAL,
    POSITIVE,
    TEXT,
    TEXTS,
    Kind,
    accept_text,
    choice,
)
from bigdata_cli.options import option, values_of
from bigdata_cli.sources.csv.dialect import (
    Dialect,
    check_delimiter,
    is_character,
    named_character,
)


def _character(text: str) -> str:
    character = named_character(text)
    if not is_character(character):
        raise UsageError(f'"{text}" is not one ASCII character')
    return character


def _character_or_none(text: str) -> str:
    return "" if text in ("none", "") else _character(text)


def _write_marks(marks: str) -> str:
    names = {"\t": "tab", " ": "space", "": "none"}
    return names.get(marks, marks.replace("\t", "\\t"))


CHARACTER = Kind("CHAR", parse=_character, accept=accept_text, write=_write_marks)
CHARACTER_OR_NONE = CHARACTER._replace(parse=_character_or_none)
DELIMITER = CHARACTER._replace(metavar="TEXT", parse=check_delimiter)

MAX_RECORD_BYTES = 16_000_000
"""A longer record is an error: a quote that is never closed."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What the user said of the source; None is detected, or the default of `Dialect`.

    The fields are those of `Dialect`. quote, escape: "" or "none" for none. null_tokens:
    "COL=TOKEN", where COL is a column, is a token of that column only, and replaces the default
    ones there.
    """

    delimiter: str | None = option(
        "What separates fields: one or more characters, such as ';', tab, space or '::'; "
        "whitespace: a run of spaces and tabs.",
        DELIMITER,
        group="Text files",
        default_text="detected",
        default=None,
    )
    quote: str | None = option(
        "The character around quoted fields; none: there are no quotes.",
        CHARACTER_OR_NONE,
        default_text='", or detected',
        default=None,
    )
    escape: str | None = option(
        "The character that makes the next one plain, such as '\\'; none: there is none.",
        CHARACTER_OR_NONE,
        default_text="none, or detected",
        default=None,
        is_rare=True,
    )
    header: bool | None = option(
        "Whether the first row names the columns.", default_text="detected", default=None
    )
    header_rows: int | None = option(
        "How many rows name the columns: their names are joined, from above, with spaces.",
        POSITIVE,
        default_text="detected",
        default=None,
        is_rare=True,
    )
    names: tuple[str, ...] | None = option(
        "The names of all columns, in place of a header; auto: those of the header, completed.",
        NAMES,
        default=None,
    )
    skip_rows: int | None = option(
        "Lines to leave out at the beginning of each file, before the header.",
        NATURAL,
        default_text="detected",
        default=None,
    )
    skip_footer: int | None = option(
        "Lines to leave out at the end of each file.",
        NATURAL,
        default_text="detected",
        default=None,
        is_rare=True,
    )
    trailing_delimiter: bool | None = option(
        "Whether rows end with a delimiter that no field follows.",
        default_text="detected",
        default=None,
        is_rare=True,
    )
    row_names: bool | None = option(
        "Whether the header has no name for the first column, which names rows, as R writes it.",
        default_text="detected",
        default=None,
        is_rare=True,
    )
    short_rows: Literal["error", "null"] = option(
        "A row with too few fields is a bad row, or missing fields are null.",
        choice(("error", "null")),
        default="error",
        is_rare=True,
    )
    long_rows: Literal["error", "cut", "join"] = option(
        "A row with too many fields is a bad row, or the surplus is cut, or joined to the last "
        "text column.",
        choice(("error", "cut", "join")),
        default="error",
        is_rare=True,
    )
    repeated_header: Literal["keep", "drop"] = option(
        "A row that repeats the header is kept, or left out.",
        choice(("keep", "drop")),
        default="keep",
        is_rare=True,
    )
    comment: str | None = option(
        "Leave out lines that begin with it, such as '#'.", CHARACTER, default=None
    )
    trim: bool | None = option(
        "Whether to remove spaces around fields.",
        default_text="detected",
        default=None,
        is_rare=True,
    )
    decimal: str = option("Decimal mark of numbers.", CHARACTER, default=".")
    thousands: str | None = option(
        "Mark between groups of three digits, such as ','.",
        CHARACTER,
        default_text="none",
        default=None,
        is_rare=True,
    )
    null_tokens: tuple[str, ...] | None = option(
        "Text that means null, in all columns or in one; replaces the default list.",
        TEXTS,
        argument="null",
        metavar="[COL=]TOKEN",
        default_text="empty NA N/A n/a NaN nan null NULL \\N #N/A <NA>",
        default=None,
    )
    true_tokens: tuple[str, ...] | None = option(
        "Text that means true, besides true, True and TRUE.",
        TEXTS,
        argument="true",
        metavar="TOKEN",
        default=None,
        is_rare=True,
    )
    false_tokens: tuple[str, ...] | None = option(
        "Text that means false, besides false, False and FALSE.",
        TEXTS,
        argument="false",
        metavar="TOKEN",
        default=None,
        is_rare=True,
    )
    strip: str | None = option(
        "Characters around numbers to leave out, such as '$%'; a comma is left out between groups "
        "of three digits.",
        TEXT,
        metavar="CHARS",
        default_text="none",
        default=None,
        is_rare=True,
    )
    date_formats: tuple[str, ...] | None = option(
        "How dates and times are written, in all text columns or in one, such as %d/%m/%Y; auto: "
        "the only format that all sampled values have.",
        TEXTS,
        argument="date_format",
        metavar="[COL=]FORMAT",
        default_text="ISO 8601",
        default=None,
    )
    text: bool | None = option(
        "Each line is a row of one column, text.", default_text="for .txt", default=None
    )
    keep_blank_lines: bool = option(
        "Blank lines of a text are rows too.", default=False, is_rare=True
    )
    jsonl: bool | None = option(
        "Each line is a JSON object; its keys are the columns. --names lists all keys.",
        default_text="for .jsonl, .ndjson and .json",
        default=None,
    )
    nested: Literal["refuse", "text"] = option(
        "An object or array within a JSON line: an error, or kept as its JSON text.",
        choice(("refuse", "text")),
        default="refuse",
        is_rare=True,
    )
    encoding: str | None = option(
        "Encoding of the file, such as cp1252 or utf-16-le.",
        TEXT,
        metavar="NAME",
        default_text="UTF-8, or UTF-16 or UTF-32 with a byte order mark",
        default=None,
    )


def source_options_of(dialect: Dialect) -> SourceOptions:
    """The options under which any file is read in a dialect."""
    return SourceOptions(**dialect.option_values())


def dialect_flags(dialect: Dialect) -> tuple[str, ...]:
    """The words of a command line under which any file is read in this dialect.

    What is as it is by default is left out; the delimiter and the header are always there.

    >>> from bigdata_cli.sources.csv.dialect import Dialect
    >>> dialect_flags(Dialect(delimiter="\\t", header=False, null_tokens=("-",)))
    ('--delimiter', 'tab', '--no-header', '--null', '-')
    """
    plain = source_options_of(Dialect(delimiter=","))
    return tuple(
        word
        for one, value in values_of(source_options_of(dialect))
        if value is not None
        and (one.field in ("delimiter", "header") or value != getattr(plain, one.field))
        for word in one.words(value)
    )
