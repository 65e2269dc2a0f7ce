"""What the user says of a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What the user said of the source; None is detected, or the default of `Dialect`.

    The fields are those of `Dialect`. quote, escape: "" or "none" for none. text: read lines.
    null_tokens: replace the default ones; "COL=TOKEN", where COL is a column, is a token of that
    column only, and replaces the default ones there.
    """

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    names: tuple[str, ...] | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool | None = None
    decimal: str = "."
    thousands: str | None = None
    null_tokens: tuple[str, ...] | None = None
    text: bool | None = None
    keep_blank_lines: bool = False
    encoding: str | None = None
