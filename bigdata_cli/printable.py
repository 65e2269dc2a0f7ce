"""Text from files and users, safe to show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

# C0 and C1 controls, and the marks that reorder text: they could hide or forge what is shown.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def sanitize(text: object) -> str:
    """The text on one line, with control characters written as escapes.

    >>> sanitize("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return _UNSAFE.sub(_escape, str(text))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    short = f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    return _SHORT_ESCAPES.get(character, short)


class ShortRepr:
    """A report whose representation has its main figures only, in a notebook as a table.

    `to_json()` has everything. A dataclass that inherits from this has `repr=False`.

    Attributes:
        shown: The names of the attributes that are shown, in order.
    """

    shown: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={text}" for name, text in self._figures())
        return f"{type(self).__name__}({figures})"

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, ("", ""), self._figures())

    def _figures(self) -> list[tuple[str, str]]:
        return [(name, _figure(getattr(self, name))) for name in self.shown]


def _figure(value: object) -> str:
    """A figure of a report.

    >>> _figure(0.123456789), _figure(1_000_000), _figure("a\\n"), _figure(("a", "b"))
    ('0.123457', '1,000,000', "'a\\\\n'", '2 items')
    """
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return f"{len(value):,} item{'' if len(value) == 1 else 's'}"
    return "'" + sanitize(value) + "'"


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as HTML for a notebook, with a line above it.

    >>> html_table("<a>", ("b",), [("c\\n",)])
    '<p>&lt;a&gt;</p><table><tr><th>b</th></tr><tr><td>c\\\\n</td></tr></table>'
    """
    body = [f"<tr>{''.join(f'<th>{html_text(name)}</th>' for name in header)}</tr>"]
    body += [f"<tr>{''.join(f'<td>{html_text(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f"<p>{html_text(title)}</p><table>{''.join(body)}</table>"


def html_text(text: object) -> str:
    """Text as it can stand anywhere in HTML; control characters are written as escapes."""
    import html  # here: its table of entities is only wanted where a page is made

    return html.escape(sanitize(text), quote=True)
