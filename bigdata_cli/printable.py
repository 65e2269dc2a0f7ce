"""Text from files and users, safe to show."""

from __future__ import annotations

import re

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
