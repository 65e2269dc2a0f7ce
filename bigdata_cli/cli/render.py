"""What commands print: JSON, tables and lines, safe to show in a terminal."""

from __future__ import annotations

import itertools
import json
import math
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import IO, TYPE_CHECKING, Any

import click

from bigdata_cli.printable import sanitize

if TYPE_CHECKING:
    from rich.console import Console

    from bigdata_cli.resources.recorder import MemoryRecord

# The marks that reorder text, and controls: they could hide or forge what is shown.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_NUMBER = re.compile(r"[-+]?(\d[\d,]*)(\.\d+)?(e[-+]?\d+)?( ?(%|[kMGTP]?B(/s)?|s|rows/s))?")


def console(*, stderr: bool = False) -> Console:
    """A rich console on stdout or stderr; colour only on a terminal and without NO_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


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
) -> None:
    """Print a table on stdout: rich on a terminal, aligned text elsewhere.

    Cells are sanitized; None is shown empty. `subtitles` stand below the names of the columns.
    `right`: which columns align right; None for those of numbers and sizes. `more` is a last line
    such as "… and 970 more columns".
    """
    cells = [["" if cell is None else sanitize(cell) for cell in row] for row in rows]
    headers = [[sanitize(name) for name in names] for names in (columns, subtitles) if names]
    if right is None:
        right = [_are_numbers([row[place] for row in cells]) for place in range(len(columns))]
    if sys.stdout.isatty():
        _print_rich(title, headers, cells, right)
    else:
        _print_plain(title, headers, cells, right)
    if more is not None:
        click.echo(sanitize(more))


def _are_numbers(cells: Sequence[str]) -> bool:
    return any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells if cell not in ("", "-"))


def _print_rich(
    title: str | None, headers: list[list[str]], cells: list[list[str]], right: Sequence[bool]
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=None if title is None else Text(sanitize(title)),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for header, is_right in zip(zip(*headers, strict=True), right, strict=True):
        table.add_column(
            Text("\n".join(header)), justify="right" if is_right else "left", overflow="fold"
        )
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def _print_plain(
    title: str | None, headers: list[list[str]], cells: list[list[str]], right: Sequence[bool]
) -> None:
    if title is not None:
        click.echo(sanitize(title))
    widths = [max(display_width(row[i]) for row in [*headers, *cells]) for i in range(len(right))]
    rule = ["-" * width for width in widths]
    for row in [*headers, rule, *cells]:
        padded = (
            _pad(cell, width, is_right)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def print_pairs(pairs: Mapping[str, object], *, file: IO[str] | None = None) -> None:
    """Print names and values, aligned: one per line, None left out."""
    shown = {sanitize(name): sanitize(value) for name, value in pairs.items() if value is not None}
    width = max((display_width(name) for name in shown), default=0)
    for name, value in shown.items():
        click.echo(f"{_pad(name, width, False)}  {value}", file=file)


_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARKS = 48


def sparkline(values: Sequence[float], *, top: float | None = None, width: int = _SPARKS) -> str:
    """Values as a line of blocks, the largest of each part of them; top: of a full block.

    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7])
    '▁▂▃▄▅▆▇█'
    >>> sparkline([0, 9, 1, 1], width=2)
    '█▁'
    """
    parts = min(width, len(values))
    cuts = [len(values) * i // parts for i in range(parts + 1)] if parts else [0]
    highest = [max(values[a:b]) for a, b in itertools.pairwise(cuts)]
    top = max([top or 0.0, *highest])
    last = len(_BLOCKS) - 1
    return "".join(_BLOCKS[min(last, int(value * (last + 1) / (top or 1)))] for value in highest)


def print_memory(record: MemoryRecord) -> None:
    """Print memory over time as one line, on a terminal: the same time for each block."""
    from bigdata_cli.resources.sizes import format_size

    encoding = sys.stdout.encoding or "ascii"
    if not sys.stdout.isatty() or len(record.samples) < 2 or "utf" not in encoding.lower():
        return
    end = record.samples[-1].seconds
    values = [0.0] * min(_SPARKS, len(record.samples))
    for sample in record.samples:
        place = min(len(values) - 1, int(sample.seconds / max(end, 1e-9) * len(values)))
        values[place] = max(values[place], sample.rss_bytes)
    for place in range(1, len(values)):  # a pause of the sampler is no memory given back
        values[place] = values[place] or values[place - 1]
    click.echo(f"memory  {sparkline(values)}  up to {format_size(record.peak_bytes)}")


_MARKS = (
    ("escape", "escape {}"),
    ("comment", "comment {}"),
    ("thousands", "thousands {}"),
)


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
            "header" if dialect["header"] else "no header",
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
