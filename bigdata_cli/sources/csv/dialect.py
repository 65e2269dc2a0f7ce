"""The dialect of a CSV: given by options, or detected at the beginning of a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from bigdata_cli.errors import UsageError

if TYPE_CHECKING:
    from bigdata_cli.sources.csv.transcript import Transcriber

MAX_TOKEN_BYTES = 255
"""Of a text that is true or false."""
LONG_ROWS = ("error", "cut", "join")
"""What becomes of fields that are too many, by the number that the C library has for it."""
WHITESPACE = "whitespace"
"""The delimiter that is a run of spaces and tabs; those around a line are none."""
NULL_TOKENS = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "\\N", "#N/A", "<NA>")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How records are written.

    delimiter: one or more ASCII characters, WHITESPACE, or None for text, where a line is a row.
    quote: one ASCII character, or None for no quoting; doubled inside a quoted field it is a
    character.
    escape: a character that makes the next one plain, in quoted and unquoted fields, or None.
    header: whether the first record (after `skip_rows` lines) names the columns; header_rows: how
    many do. names: the columns as the user names them, in place of a header. comment: lines that
    begin with it are not records. trim: spaces before and after a field are not part of it.
    decimal: the decimal mark of numbers; thousands: a mark between groups of three digits, or None.
    null_tokens: texts that are null; column_null_tokens: in place of these, per column.
    true_tokens, false_tokens: texts that are so,
    besides those of every dialect. strip: characters around numbers that are no part of them.
    date_formats: of columns whose dates and times are written in another way than ISO 8601.
    keep_blank_lines: of text, as empty rows. encoding: the codec of the (first) file; records are
    parsed as UTF-8. skip_footer: lines at the end of each file that are no records.
    trailing_delimiter: a delimiter ends records, and no field follows it. short_rows, long_rows:
    what becomes of records with too few or too many fields; row_names: the header has no name for
    the first column; join_field: the one that takes the
    surplus under "join". repeated_header: what becomes of records that are the header again;
    header_line: its text, where they are left out.
    """

    delimiter: str | None
    quote: str | None = '"'
    escape: str | None = None
    header: bool = True
    header_rows: int = 1
    names: tuple[str, ...] | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool = False
    decimal: str = "."
    thousands: str | None = None
    null_tokens: tuple[str, ...] = NULL_TOKENS
    column_null_tokens: tuple[tuple[str, tuple[str, ...]], ...] = ()
    true_tokens: tuple[str, ...] = ()
    false_tokens: tuple[str, ...] = ()
    strip: str = ""
    date_formats: tuple[tuple[str, str], ...] = ()
    keep_blank_lines: bool = False
    encoding: str = "utf-8"
    skip_footer: int = 0
    trailing_delimiter: bool = False
    row_names: bool = False
    short_rows: Literal["error", "null"] = "error"
    long_rows: Literal["error", "cut", "join"] = "error"
    join_field: int = -1
    repeated_header: Literal["keep", "drop"] = "keep"
    header_line: str = ""

    def mended(self) -> Dialect:
        """The dialect of its records with the number of fields that was to be."""
        # Where no field can be empty, fields that lack are still not there.
        short = self.short_rows if self.is_spaced else "error"
        return replace(self, trailing_delimiter=False, short_rows=short, long_rows="error")

    @property
    def is_text(self) -> bool:
        return self.delimiter is None

    @property
    def is_spaced(self) -> bool:
        """Whether a run of spaces and tabs is one delimiter."""
        return self.delimiter == WHITESPACE

    @property
    def transcriber(self) -> Transcriber | None:
        """What makes CSV of records that are lines in another form; None for CSV and text."""
        return None

    def option_values(self) -> dict[str, Any]:
        """The options, by field of `SourceOptions`, under which any file is read like this."""
        nulls = list(self.null_tokens) if self.null_tokens != NULL_TOKENS else []
        nulls += [f"{column}={one}" for column, own in self.column_null_tokens for one in own]
        of_lines = {
            "skip_rows": self.skip_rows,
            "skip_footer": self.skip_footer,
            "comment": self.comment,
            "encoding": None if self.encoding == "utf-8" else self.encoding,
        }
        if self.is_text:
            return {**of_lines, "text": True, "keep_blank_lines": self.keep_blank_lines}
        return {
            **of_lines,
            "delimiter": self.delimiter,
            "quote": self.quote or "none",
            "escape": self.escape or "none",
            "header": self.header,
            "header_rows": self.header_rows if self.header else None,
            "names": self.names,
            "trim": self.trim,
            "decimal": self.decimal,
            "thousands": self.thousands,
            "null_tokens": tuple(nulls) or None,
            "true_tokens": self.true_tokens or None,
            "false_tokens": self.false_tokens or None,
            "strip": self.strip or None,
            "date_formats": tuple(f"{name}={text}" for name, text in self.date_formats) or None,
            "trailing_delimiter": self.trailing_delimiter,
            "row_names": self.row_names,
            "short_rows": self.short_rows,
            "long_rows": self.long_rows,
            "repeated_header": self.repeated_header,
            "text": False,
        }

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "names": None if self.names is None else list(self.names),
            "null_tokens": list(self.null_tokens),
            "column_null_tokens": {name: list(tokens) for name, tokens in self.column_null_tokens},
            "true_tokens": list(self.true_tokens),
            "false_tokens": list(self.false_tokens),
            "date_formats": dict(self.date_formats),
        }

    def tokens_of(self, column: str) -> tuple[str, ...]:
        """The null tokens of a column."""
        return dict(self.column_null_tokens).get(column, self.null_tokens)


MADE_UP = ("auto",)
"""`--names auto`: those of the header, and others where it has none."""
TEXT_LINES = Dialect(delimiter=None, quote=None, header=False, null_tokens=())


def named_character(text: str) -> str:
    """The character of a name: `\\t` and `tab` are a tab; others are themselves."""
    return {"\\t": "\t", "tab": "\t", "space": " "}.get(text, text)


def is_character(text: str) -> bool:
    """Whether a text is one ASCII character that a mark may be."""
    return len(text) == 1 and text.isascii() and text not in "\r\n\0"


def check_character(text: str, option: str) -> str:
    """The character that an option names; raises UsageError."""
    character = named_character(text)
    if not is_character(character):
        raise UsageError(f"{option} takes one ASCII character, not {text!r}")
    return character


def check_delimiter(text: str) -> str:
    """The delimiter that a user means: one or more ASCII characters; raises UsageError.

    >>> check_delimiter("tab"), check_delimiter("::"), check_delimiter("|\\\\t")
    ('\\t', '::', '|\\t')
    """
    if text == WHITESPACE:
        return text
    delimiter = named_character(text).replace("\\t", "\t")
    if not delimiter or not delimiter.isascii() or set(delimiter) & set("\r\n\0"):
        raise UsageError(f"--delimiter takes one or more ASCII characters, not {text!r}")
    if delimiter[0].isalnum() or delimiter[0] in "+-.":
        raise UsageError(
            f"--delimiter cannot begin with {delimiter[0]!r}, with which numbers and words begin"
        )
    return delimiter


def check_skip(n_lines: int | None, option: str) -> int:
    """A number of lines to leave out, 0 where none is given; raises UsageError."""
    if n_lines is not None and n_lines < 0:
        raise UsageError(f"{option} {n_lines} is negative")
    return n_lines or 0


def check_marks(dialect: Dialect) -> None:
    """Raise UsageError where one character would mean two things."""
    taken: dict[str, str] = {}
    marks = (
        ("--delimiter", " " if dialect.is_spaced else (dialect.delimiter or "")[:1]),
        ("--quote", dialect.quote),
        ("--comment", dialect.comment),
        ("--decimal", dialect.decimal),
        ("--thousands", dialect.thousands),
        ("--escape", dialect.escape if dialect.escape != dialect.quote else None),
    )
    for option, mark in marks:
        if not mark:
            continue
        if option in ("--decimal", "--thousands") and (mark.isalnum() or mark in "+-"):
            raise UsageError(f"{option} cannot be {mark!r}, which numbers contain")
        # Within quotes a number may have the delimiter between its groups: "1,234".
        if mark in taken and (option, taken[mark]) != ("--thousands", "--delimiter"):
            raise UsageError(
                f"{taken[mark]} and {option} are both {mark!r}",
                hint=f"{taken[mark]} or {option} has to be another character",
            )
        taken[mark] = option
    if dialect.quote and dialect.quote in (dialect.delimiter or "") and not dialect.is_spaced:
        raise UsageError(f"--delimiter has the quote {dialect.quote!r} in it", hint="--quote none")


def with_strip(dialect: Dialect, strip: str) -> Dialect:
    """The dialect that leaves out characters around numbers; a comma stands between thousands."""
    wrong = [c for c in strip if c.isalnum() or c in "+-.'\"" or c == dialect.decimal or c < " "]
    if wrong or not strip.isascii():
        shown = wrong[0] if wrong else next(c for c in strip if not c.isascii())
        raise UsageError(f"--strip {strip!r}: {shown!r} cannot be left out of numbers")
    if "," in strip and dialect.thousands is None:
        dialect = replace(dialect, thousands=",")
    return replace(dialect, strip=strip.replace(",", ""))


def check_tokens(dialect: Dialect) -> None:
    """Raise UsageError for texts that would be a bool and something else."""
    nulls = set(dialect.null_tokens).union(*(own for _, own in dialect.column_null_tokens))
    both = set(dialect.true_tokens) & set(dialect.false_tokens)
    if both:
        raise UsageError(f"--true and --false are both {min(both)!r}")
    for flag, tokens in (("--true", dialect.true_tokens), ("--false", dialect.false_tokens)):
        for token in tokens:
            if token in nulls:
                raise UsageError(f"{flag} {token!r} is a null, too", hint="--null replaces those")
            if not token.strip() or len(token.encode()) > MAX_TOKEN_BYTES:
                raise UsageError(f"{flag} {token!r} is no text of 1 to {MAX_TOKEN_BYTES} bytes")
            if token[0].isdigit() or token[0] in "+-.":
                raise UsageError(
                    f"{flag} {token!r}: a number is no bool in every column",
                    hint=f"--type COL=bool reads {token!r} as one, if it is 1 or 0",
                )


def resolve_nulls(
    tokens: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """Tokens as `--null` takes them: those of all columns, and those per column.

    "COL=TOKEN" is of one column where COL is one; all else is a token of every column. Where all
    are of single columns, the default list holds for the others.

    >>> resolve_nulls(("-", "country=", "a=b"), ("id", "country"))
    (('-', 'a=b'), (('country', ('',)),))
    """
    everywhere: list[str] = []
    own: dict[str, list[str]] = {}
    for token in tokens:
        splits = [i for i, character in enumerate(token) if character == "="]
        column = next((token[:i] for i in reversed(splits) if token[:i] in columns), None)
        if column is None:
            everywhere.append(token)
        else:
            own.setdefault(column, []).append(token[len(column) + 1 :])
    return (
        tuple(everywhere) if everywhere else NULL_TOKENS,
        tuple((column, tuple(found)) for column, found in own.items()),
    )


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
            candidate = f"{name if name.strip() else f'column{i}'}_{number}"
        seen.add(candidate)
        unique.append(candidate)
    return tuple(unique)
