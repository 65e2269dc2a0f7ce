"""The dialect of a source: what the user said, and what a file's beginning says of the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from bigdata_cli.errors import UsageError
from bigdata_cli.io.content import check_may_be_csv
from bigdata_cli.io.paths import is_text_name
from bigdata_cli.options import given_options
from bigdata_cli.sources.csv.detect import (
    CERTAIN,
    Detection,
    detect,
    has_decimal_commas,
)
from bigdata_cli.sources.csv.dialect import (
    MADE_UP,
    TEXT_LINES,
    Dialect,
    check_character,
    check_delimiter,
    check_marks,
    check_skip,
    with_strip,
)
from bigdata_cli.sources.csv.header import skip_lines
from bigdata_cli.sources.csv.header_guess import is_word, looks_like_header, n_repeated
from bigdata_cli.sources.csv.header_names import names_beside_quote
from bigdata_cli.sources.csv.header_rows import choose_header_rows, merge_names
from bigdata_cli.sources.csv.layout import Layout, Record, find_layout, footer_lines
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.row_names import has_row_names
from bigdata_cli.sources.csv.sample_records import numbered_records

_OF_LINES = (
    *("skip_rows", "skip_footer", "comment", "text", "keep_blank_lines", "encoding", "jsonl"),
)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of a file as UTF-8; is_whole: it is all of it."""

    name: str
    data: bytes
    is_whole: bool


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect, how sure what was detected of it is, why, and what the user has to know.

    layout: of the table in the first file; None for lines of text.
    """

    dialect: Dialect
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    layout: Layout | None = None


def choose_dialect(head: Head, name: str, options: SourceOptions) -> Found:
    """The dialect of a source whose first file begins so; name: of the file within an archive."""
    of_csv = _csv_options(options)
    if options.text or (options.text is None and is_text_name(name) and not of_csv):
        if of_csv:
            raise UsageError(
                f"--text reads lines: it takes no {' and no '.join(of_csv)}",
                hint="--no-text reads the file as a CSV",
            )
        lines = replace(
            TEXT_LINES,
            skip_rows=check_skip(options.skip_rows, "--skip-rows"),
            skip_footer=check_skip(options.skip_footer, "--skip-footer"),
            comment=_character(options.comment, "--comment"),
            keep_blank_lines=options.keep_blank_lines,
        )
        return Found(dialect=lines)
    if options.keep_blank_lines:
        raise UsageError("--keep-blank-lines is for --text: a blank line of a CSV is no record")
    if options.delimiter is None and not options.skip_rows:
        check_may_be_csv(head.name, head.data)
    dialect = _given_dialect(options)
    text = sample_text(head, dialect)
    found = _detect(text, dialect, options)
    layout = _layout_of(found, options)
    notes: list[str] = []
    if layout.lines and options.skip_rows is None and layout.is_sure:
        notes.append(
            f"the first {_lines(layout.lines)} before the table: left out (--skip-rows "
            f"{layout.lines}; --skip-rows 0 reads them)"
        )
        dialect = replace(dialect, skip_rows=layout.lines)
        found = _detect(sample_text(head, dialect), dialect, options)
        layout = _layout_of(found, options)
    dialect = replace(
        dialect,
        delimiter=found.delimiter,
        quote=dialect.quote if found.quote is None else found.quote or None,
        escape=found.escape or None,
        trim=found.trim,
    )
    return _with_header(dialect, found, layout, options, notes, sample_text(head, dialect))


def _trailing_delimiter(
    dialect: Dialect,
    found: Detection,
    layout: Layout,
    options: SourceOptions,
    notes: list[str],
    text: str,
    *,
    header: bool,
) -> bool:
    """Whether rows end with a delimiter after which there is no field."""
    if options.trailing_delimiter is not None:
        return options.trailing_delimiter
    is_there = layout.trailing and (header or dialect.names is not None)
    if is_there and header and dialect.names is None:
        is_there = not names_beside_quote(_header_line(text, found), dialect, layout.n_fields)
    if is_there:
        notes.append(
            "rows end with a delimiter, after which there is no field (--trailing-delimiter; "
            "--no-trailing-delimiter, if a name lacks)"
        )
    return is_there


def _with_header(
    dialect: Dialect,
    found: Detection,
    layout: Layout,
    options: SourceOptions,
    notes: list[str],
    text: str,
) -> Found:
    """What is found of a dialect whose marks and first line are known; text: that was looked at."""
    confidence, reasons = 1.0, found.reasons
    if options.delimiter is None:
        confidence = found.confidence
    table = _table_of(found, layout)
    rows = choose_header_rows(found.records, table, options)
    table = [merge_names(table[: rows.n]), *table[rows.n :]] if rows.n > 1 else table
    header = options.header
    if header is None and options.header_rows is not None:
        header = True
    if header is None:
        header, header_confidence, reason = looks_like_header(table)
        confidence = min(confidence, header_confidence)
        reasons = (*reasons, ("header: " if header else "no header: ") + reason)
    notes += rows.notes(options) if header else []
    again = n_repeated(table) if header else 0
    if again and dialect.repeated_header == "keep":
        verb, them = ("are", "them") if again > 1 else ("is", "it")
        notes.append(
            f"{again:,} of the first {len(found.records):,} rows {verb} the header again: "
            f"--repeated-header drop leaves {them} out"
        )
    trailing = _trailing_delimiter(dialect, found, layout, options, notes, text, header=header)
    if layout.lines and options.skip_rows is None:
        confidence = min(confidence, 0.5)
        reasons = (
            *reasons,
            f"a table seems to begin below: --skip-rows {layout.lines} skips to it",
        )
    if options.decimal == "." and found.delimiter != "," and has_decimal_commas(found.records):
        confidence = min(confidence, 0.5)
        reasons = (*reasons, "numbers seem to have decimal commas: --decimal , reads them")
    dialect = replace(
        dialect,
        header=header,
        header_rows=rows.n if header and not rows.are_dropped(options) else 1,
        trailing_delimiter=trailing,
        row_names=_row_names(text, found, layout, dialect, options, header),
        join_field=_join_field(found, layout, trailing) if dialect.long_rows == "join" else -1,
    )
    if confidence < CERTAIN and layout.n_fields > 1 and 2 * layout.agreeing < len(found.records):
        notes.append("rows do not agree on their number of fields: --delimiter may be another one")
    check_marks(dialect)
    return Found(
        dialect=dialect,
        confidence=confidence,
        reasons=reasons,
        notes=tuple(notes),
        layout=layout,
    )


def layout_of_file(head: Head, dialect: Dialect, options: SourceOptions) -> Layout:
    """The layout of a file that is read in a dialect; lines: those that it seems to begin with."""
    if options.skip_rows is None:
        dialect = replace(dialect, skip_rows=0)
    records = numbered_records(
        sample_text(head, dialect),
        dialect.delimiter or "",
        dialect.quote or "",
        dialect.escape,
        trim=dialect.trim,
    )
    return _layout([Record(*record) for record in records], options)


def _detect(text: str, dialect: Dialect, options: SourceOptions) -> Detection:
    return detect(
        text,
        delimiter=None if options.delimiter is None else dialect.delimiter,
        quote=None if options.quote is None else dialect.quote or "",
        escape=None if options.escape is None else dialect.escape or "",
        trim=options.trim,
    )


def _n_names(options: SourceOptions) -> int | None:
    """The number of columns that the user named."""
    return None if options.names in (None, MADE_UP) else len(options.names or ())


def _layout_of(found: Detection, options: SourceOptions) -> Layout:
    records = [Record(*one) for one in zip(found.lines, found.records, strict=True)]
    return _layout(records, options)


def _layout(records: list[Record], options: SourceOptions) -> Layout:
    may_have_header = options.header is not False
    return find_layout(records, _n_names(options), may_have_header=may_have_header)


def _table_of(found: Detection, layout: Layout) -> list[list[str]]:
    """The first record of a table, and those that have as many fields as most."""
    first, *rest = found.records or [[]]
    if not first:
        return []
    regular = [record for record in rest if len(record) == layout.n_fields]
    n = layout.n_columns if layout.trailing else None
    return [first, *(record[:n] for record in regular or rest)]


def _row_names(
    text: str,
    found: Detection,
    layout: Layout,
    dialect: Dialect,
    options: SourceOptions,
    header: bool,
) -> bool:
    """Whether the header has no name for the first column; raises UsageError."""
    if options.row_names is not None:
        if options.row_names and (not header or _n_names(options) is not None):
            raise UsageError("--row-names is for a header whose names are taken")
        return options.row_names
    return (
        header
        and options.names is None
        and found.records != []
        and len(found.records[0]) == layout.n_columns - 1
        and has_row_names(text, found, dialect)
    )


def _join_field(found: Detection, layout: Layout, trailing: bool) -> int:
    """The field that takes a surplus: the last one of text, or the last one."""
    records = _table_of(found, layout)[1:]
    n_columns = layout.n_fields - trailing
    regular = [record for record in records if len(record) >= n_columns]
    for index in reversed(range(n_columns)):
        values = [record[index] for record in regular if record[index].strip()]
        if values and 2 * sum(map(is_word, values)) > len(values):
            return index
    return n_columns - 1


def find_footer(
    head: Head, tail: bytes, found: Found, *, is_alone: bool = True
) -> tuple[int, str | None]:
    """How many lines at the end of a file are no part of its table, and what to say of them.

    tail: the end of the file as UTF-8, with a line before it or all of the file. is_alone: no
    other file of the source would have to have as many rows of nothing at its end.
    """
    layout, dialect = found.layout, found.dialect
    if layout is None or layout.n_fields < 2:
        return 0, None
    text = tail.decode("utf-8", "replace")
    lines = _lines_of(text)
    is_whole = head.is_whole and len(tail) == len(head.data)
    lines = lines[dialect.skip_rows if is_whole else 1 :]
    records = numbered_records(
        "".join(lines),
        dialect.delimiter or "",
        dialect.quote or "",
        dialect.escape,
        trim=dialect.trim,
        most=len(lines),
    )
    n_lines, is_sure = footer_lines(
        [Record(*record) for record in records],
        layout.n_fields,
        len(lines),
        has_header=dialect.header,
    )
    is_of_nothing = not "".join(lines[-n_lines:]).strip(f"{dialect.delimiter}{dialect.quote} \r\n")
    if not n_lines or (is_of_nothing and not is_alone):
        return 0, None
    if is_sure:
        return n_lines, (
            f"the last {_lines(n_lines)} below the table: left out (--skip-footer {n_lines}; "
            "--skip-footer 0 reads them)"
        )
    return 0, f"lines below the table? --skip-footer {n_lines} leaves them out"


def expected_columns(layout: Layout | None, trailing: bool) -> int | None:
    """How many columns most records of a file have; None where too few records tell it."""
    if layout is None or layout.agreeing < layout.needed:
        return None
    return layout.n_fields - trailing


def _header_line(text: str, found: Detection) -> str:
    """The line of the first record, without its end."""
    return _lines_of(text)[found.lines[0] - 1].rstrip("\r\n")


def _lines(n: int) -> str:
    return f"{n:,} lines stand" if n > 1 else "line stands"


def _csv_options(options: SourceOptions) -> list[str]:
    """The flags that were given and mean nothing for lines of text."""
    return [
        one.flag_of(value) for one, value in given_options(options) if one.field not in _OF_LINES
    ]


def _given_dialect(options: SourceOptions) -> Dialect:
    """The dialect as far as the user said it, with defaults for the rest."""
    if options.names is not None and len(set(options.names)) < len(options.names):
        raise UsageError("--names has a name twice")
    quote = '"' if options.quote is None else options.quote
    dialect = Dialect(
        delimiter=None if options.delimiter is None else check_delimiter(options.delimiter),
        quote=None if quote in ("", "none") else check_character(quote, "--quote"),
        escape=None if options.escape in ("", "none") else _character(options.escape, "--escape"),
        names=options.names,
        skip_rows=check_skip(options.skip_rows, "--skip-rows"),
        skip_footer=check_skip(options.skip_footer, "--skip-footer"),
        short_rows=options.short_rows,
        long_rows=options.long_rows,
        repeated_header=options.repeated_header,
        comment=_character(options.comment, "--comment"),
        decimal=check_character(options.decimal, "--decimal"),
        thousands=_character(options.thousands, "--thousands"),
        true_tokens=options.true_tokens or (),
        false_tokens=options.false_tokens or (),
    )
    dialect = with_strip(dialect, options.strip or "")
    check_marks(dialect)
    return dialect


def _character(text: str | None, option: str) -> str | None:
    return None if text is None else check_character(text, option)


def sample_text(head: Head, dialect: Dialect) -> str:
    """The head as text, without skipped lines, and a last record that may be cut.

    Comments are blank lines, so that lines have their numbers.
    """
    data = head.data[skip_lines(head.data, dialect.skip_rows, head.name) :]
    text = data.decode("utf-8", "replace")
    if not head.is_whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    if dialect.comment is None:
        return text
    return "".join(_without_comment(line, dialect.comment) for line in _lines_of(text))


def _lines_of(text: str) -> Sequence[str]:
    """The lines with their ends, of which no other mark is one."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text)


def _without_comment(line: str, mark: str) -> str:
    return line[len(line.rstrip("\r\n")) :] if line.startswith(mark) else line
