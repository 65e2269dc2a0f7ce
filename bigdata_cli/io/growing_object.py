"""A file that grows line by line where objects do not grow: a row of objects.

The first has the name of the file. Each of the others says in its name at which byte it begins.
A put writes the last one anew, or a new one where that is large: so a long journal is not written
again for each of its lines.
"""

from __future__ import annotations

import re

from bigdata_cli.io.places import open_file
from bigdata_cli.io.remote import files, writing
from bigdata_cli.url import Url

_SUFFIX = ".jsonl"
_MAX_PIECE_BYTES = 1 << 18
_PIECE = re.compile(r"(.+\.jsonl)\.at-(\d{15})")


def is_growing(name: str) -> bool:
    """Whether a file of that name may grow: lines of JSON."""
    return name.endswith(_SUFFIX)


def is_piece(name: str) -> bool:
    """Whether it is the name of a later object of such a file."""
    return _PIECE.fullmatch(name) is not None


class GrowingObject:
    """A file in a store at an address; one thread at a time puts."""

    def __init__(self, store: Url, name: str) -> None:
        self._store = store
        self._name = name
        self._pieces: dict[int, bytes | None] | None = None
        """By the first byte of each object its content; None where it is not kept here."""

    def read(self) -> bytes:
        """All of its bytes, as they are now; FileNotFoundError where it is not there."""
        pieces = self._found()
        return b"".join(pieces.values())

    def put(self, data: bytes, at: int) -> None:
        """Write at the end, which is cut to `at` bytes before."""
        if not at:
            self.remove()
        pieces = self._pieces
        if pieces is None:
            pieces = {} if not at else {**self._found()}
        for start in [start for start in pieces if start >= max(at, 1)]:
            writing.remove(self._place(start))
            del pieces[start]
        last, before = 0, b""
        if pieces:
            last = max(pieces)
            held = pieces[last]
            before = (_content(self._place(last)) if held is None else held)[: at - last]
        if len(before) >= _MAX_PIECE_BYTES:
            last, before = at, b""
        content = before + data
        writing.put(self._place(last), content)
        self._pieces = {**dict.fromkeys(pieces), last: content}

    def remove(self) -> None:
        """Remove all objects of it."""
        for start in self._starts():
            writing.remove(self._place(start))
        writing.remove(self._place(0))
        self._pieces = None

    def _place(self, start: int) -> Url:
        return self._store / (self._name if not start else f"{self._name}.at-{start:015d}")

    def _starts(self) -> list[int]:
        """Where the objects after the first begin."""
        urls = files.matches(self._store / f"{self._name}.at-*")
        found = [_PIECE.fullmatch(url.name) for url in urls]
        return sorted(int(one[2]) for one in found if one is not None and one[1] == self._name)

    def _found(self) -> dict[int, bytes]:
        """The objects that follow each other without a gap."""
        pieces = {0: _content(self._place(0))}
        length = len(pieces[0])
        for start in self._starts():
            if start == length:
                pieces[start] = _content(self._place(start))
                length += len(pieces[start])
        return pieces


def _content(url: Url) -> bytes:
    with open_file(url) as file:
        return file.read()
