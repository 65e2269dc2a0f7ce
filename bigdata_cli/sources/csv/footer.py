"""Lines at the end of a file that are no records: where they begin, and a stream without them."""

from __future__ import annotations

import re

from bigdata_cli.io.decompress import ByteStream
from bigdata_cli.io.places import open_file, read_all
from bigdata_cli.url import Place

_LINE_END = re.compile(rb"\r\n|\n|\r")
_TAIL_BYTES = 1 << 16


def footer_start(data: bytes, n_lines: int) -> int:
    """Where the last lines of some data begin; 0 where there are not more.

    >>> footer_start(b"a\\n1\\n\\nSource: x\\n", 2), footer_start(b"1\\nx", 1)
    (4, 2)
    """
    ends = [found.end() for found in _LINE_END.finditer(data)]
    if not ends or ends[-1] < len(data):
        ends.append(len(data))
    return ends[-n_lines - 1] if n_lines < len(ends) else 0


def data_end(path: Place, size: int, n_lines: int) -> int:
    """Where the last lines of a file begin."""
    n_bytes = _TAIL_BYTES
    while True:
        data = tail_of(path, size, n_bytes)
        start = footer_start(data, n_lines)
        # The first line of a tail may be the rest of one.
        if n_bytes >= size or (start and _LINE_END.search(data, 0, start)):
            return size - len(data) + start
        n_bytes *= 4


def tail_of(path: Place, size: int, n_bytes: int) -> bytes:
    """The last bytes of a file of that size."""
    with open_file(path) as file:
        file.seek(max(0, size - n_bytes))
        return read_all(file, min(n_bytes, size))


class WithoutFooter:
    """A stream of text less its last lines; a `ByteStream`."""

    def __init__(self, stream: ByteStream, n_lines: int) -> None:
        self._stream = stream
        self._n_lines = n_lines
        self._held = b""
        self._at_end = False

    @property
    def consumed(self) -> int:
        return self._stream.consumed

    def read(self, n_bytes: int) -> bytes:
        while not self._at_end:
            data = self._stream.read(n_bytes)
            self._at_end = not data
            self._held += data
            # A CR at the end may be the half of a line end: one line more is held.
            start = footer_start(self._held, self._n_lines + (not self._at_end))
            given, self._held = self._held[:start], self._held[start:]
            if given:
                return given
        return b""

    def close(self) -> None:
        self._stream.close()
