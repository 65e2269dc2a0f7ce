"""What commands print: JSON, tables and lines, safe to show in a terminal."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import IO, TYPE_CHECKING, Any

import click

from bigdata_cli.cli.table_layout import GAP, lay_out
from bigdata_cli.printable import sanitize

if TYPE_CHECKING:
    from bigdata_cli.url import Place

# The marks that reorder text, and controls: they could hide or forge what is shown.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NUMBER = re.compile(r"[-+]?(\d[\d,]*)(\.\d+)?(e[-+]?\d+)?( ?(%|[kMGTP]?B(/s)?|s|rows/s))?")


def emit_json(value: Any) -> None:
    """Print a value as JSON on stdout; NaN and infinities become null, paths strings."""
    plain = _json_value(value)
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    text = _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(plain, indent=1, allow_nan=False)
    click.echo(text)


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_json_value(item) for item in value]
    if isinstance(value, PathLike):
        return fspath(value)
    if callable(getattr(value, "tolist", None)):  # NumPy scalars and arrays
        return _json_value(value.tolist())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(
    title: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    subtitles: Sequence[str] | None = None,
    right: Sequence[bool] | None = None,
    more: str | None = None,
    hide_first: Sequence[str] = (),
    shown_by: str = "--json",
) -> None:
    """Print a table on stdout: as wide as the terminal allows, in full elsewhere.

    Cells are sanitized; None is shown empty. `subtitles` stand below the names of the columns.
    `right`: which columns align right; None for those of numbers and sizes. On a terminal that is
    too narrow, texts are shortened with an ellipsis and the columns of `hide_first` are left out,
    in this order; the last line names them, and the flag `shown_by`. `more` is a last line such as
    "… and 970 more columns".
    """
    cells = [["" if cell is None else sanitize(cell) for cell in row] for row in rows]
    headers = [[sanitize(name) for name in names] for names in (columns, subtitles) if names]
    if right is None:
        right = [_are_numbers([row[place] for row in cells]) for place in range(len(columns))]
    if sys.stdout.isatty():
        _print_fitted(title, headers, cells, right, hide_first, shown_by)
    else:
        _print_plain(title, headers, cells, right)
    if more is not None:
        click.echo(sanitize(more))


def _are_numbers(cells: Sequence[str]) -> bool:
    return any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells if cell not in ("", "-"))


def _print_fitted(
    title: str | None,
    headers: list[list[str]],
    cells: list[list[str]],
    right: Sequence[bool],
    hide_first: Sequence[str],
    shown_by: str,
) -> None:
    """Print what a terminal has room for, the title and the headers in bold."""
    names = headers[0]
    shown, widths, hidden = lay_out(
        _widths(headers, cells),
        _widths(headers, []),
        is_text=[not is_right for is_right in right],
        hide_first=[names.index(name) for name in hide_first if name in names],
        max_width=terminal_width(),
    )
    if title is not None:
        print_title(title)
    for place, row in enumerate([*headers, *cells]):
        padded = [
            _pad(shorten(row[i], width=width), width, right[i])
            for i, width in zip(shown, widths, strict=True)
        ]
        line = GAP.join(padded).rstrip()
        click.echo(click.style(line, bold=True) if place == 0 else line)
    if hidden:
        left_out = ", ".join(names[i] for i in hidden)
        print_note(f"(no room for: {left_out}; a wider window or {shown_by} shows them)")


def print_title(title: str) -> None:
    """Print a heading on stdout, in bold on a terminal."""
    click.echo(click.style(sanitize(title), bold=True))


def terminal_width() -> int:
    """Cells of a line of the terminal: COLUMNS if it is set."""
    return shutil.get_terminal_size().columns


def _widths(headers: list[list[str]], cells: list[list[str]]) -> list[int]:
    rows = [*headers, *cells]
    return [max(display_width(row[i]) for row in rows) for i in range(len(headers[0]))]


def _print_plain(
    title: str | None, headers: list[list[str]], cells: list[list[str]], right: Sequence[bool]
) -> None:
    if title is not None:
        print_title(title)
    widths = _widths(headers, cells)
    rule = ["-" * width for width in widths]
    for row in [*headers, rule, *cells]:
        padded = (
            _pad(cell, width, is_right)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        click.echo(GAP.join(padded).rstrip())


def shorten(text: str, *, width: int) -> str:
    """The text, cut with an ellipsis where it takes more than `width` cells of a terminal.

    >>> shorten("abcdef", width=4)
    'abc…'
    >>> shorten("日本語", width=4)
    '日…'
    """
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[:-1]
    return text + "…"


def print_note(text: str) -> None:
    """Print a sentence on stdout; on a terminal, lines end between words."""
    clean = sanitize(text)
    click.echo(click.wrap_text(clean, terminal_width()) if sys.stdout.isatty() else clean)


def print_pairs(pairs: Mapping[str, object], *, file: IO[str] | None = None) -> None:
    """Print names and values, aligned: one per line, None left out."""
    shown = {sanitize(name): sanitize(value) for name, value in pairs.items() if value is not None}
    width = max((display_width(name) for name in shown), default=0)
    wraps = file is None and sys.stdout.isatty()
    for name, value in shown.items():
        line = _pad(name, width, False) + GAP + value
        if wraps and display_width(line) > terminal_width():
            rest = " " * (width + len(GAP))
            line = click.wrap_text(value, terminal_width(), _pad(name, width, False) + GAP, rest)
        click.echo(line, file=file)


def rejected_text(n_records: int, dataset: Place | str) -> str | None:
    """How many records were rejected, and the command that shows them; None where none were."""
    if not n_records:
        return None
    folder = shlex.quote(str(dataset))
    return f"{n_records:,} (bigdata cat {folder} --rejected shows them)"


_MARKS = (
    ("escape", "escape {}"),
    ("comment", "comment {}"),
    ("thousands", "thousands {}"),
)


def _header(dialect: Mapping[str, Any]) -> str:
    n_rows = dialect.get("header_rows", 1)
    if not dialect["header"]:
        return "no header"
    return f"header of {n_rows} rows" if n_rows > 1 else "header"


def dialect_text(dialect: Mapping[str, Any]) -> str:
    """A dialect in a few words.

    >>> dialect_text({"delimiter": "\\t", "quote": '"', "header": True})
    'delimiter tab, quote ", header'
    >>> dialect_text({"delimiter": None})
    'lines of text'
    >>> dialect_text({"table": "parquet"})
    'Parquet'
    """
    if "table" in dialect:
        return {"dataset": "a dataset"}.get(dialect["table"], "Parquet")
    if dialect.get("records") == "json":
        return "JSON lines" + (", nested values as text" if dialect["nested"] == "text" else "")
    words = []
    if dialect["delimiter"] is None:
        words.append("lines of text")
    else:
        words += [
            f"delimiter {_mark(dialect['delimiter'])}",
            f"quote {dialect['quote']}" if dialect["quote"] else "no quotes",
            _header(dialect),
        ]
    words += [text.format(_mark(dialect[key])) for key, text in _MARKS if dialect.get(key)]
    if dialect.get("decimal", ".") != ".":
        words.append(f"decimal {dialect['decimal']}")
    if dialect.get("trim"):
        words.append("spaces trimmed")
    if dialect.get("skip_rows"):
        words.append(f"{dialect['skip_rows']:,} lines skipped")
    if dialect.get("skip_footer"):
        words.append(f"{dialect['skip_footer']:,} at the end")
    if dialect.get("trailing_delimiter"):
        words.append("rows end with a delimiter")
    if dialect.get("row_names"):
        words.append("row names")
    words += [
        f"{kind} rows {dialect[f'{kind}_rows']}"
        for kind in ("short", "long")
        if dialect.get(f"{kind}_rows", "error") != "error"
    ]
    if dialect.get("encoding", "utf-8") != "utf-8":
        words.append(f"encoding {dialect['encoding']}")
    return ", ".join(words)


def confidence_text(confidence: float, reasons: Sequence[str]) -> str | None:
    """How sure a detected dialect is, and why, where that is not certain.

    >>> confidence_text(0.7, ("all columns are text",))
    '70 % (all columns are text)'
    >>> confidence_text(0.95, ())
    """
    from bigdata_cli.sources.csv.detect import CERTAIN

    if confidence >= CERTAIN:
        return None
    return f"{100 * confidence:.0f} % ({'; '.join(reasons)})"


def _mark(mark: str) -> str:
    return {"\t": "tab", " ": "space"}.get(mark, mark)


def display_width(text: str) -> int:
    """Terminal cells that a text takes: wide characters two, combining marks none.

    >>> display_width("abc"), display_width("日本"), display_width("e\\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _pad(text: str, width: int, is_right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if is_right else text + space
