"""Line numbers of byte offsets."""

from __future__ import annotations

from bigdata_cli.io.places import open_file
from bigdata_cli.url import Place

_PIECE_BYTES = 1 << 24


class LineCounter:
    """Line numbers (from 1) of growing byte offsets of a file, in one pass over it."""

    def __init__(self, path: Place) -> None:
        self._path = path
        self._done = 0
        self._line = 1
        self._last = b""

    def line_of(self, offset: int) -> int:
        """The line of the byte; offsets must not go back."""
        with open_file(self._path, from_start=True) as stream:
            stream.seek(self._done)
            while self._done < offset:
                piece = stream.read(min(_PIECE_BYTES, offset - self._done))
                if not piece:
                    break
                # A line ends with LF, or with a CR that no LF follows.
                self._line += piece.count(b"\n") + piece.count(b"\r") - piece.count(b"\r\n")
                self._line -= self._last == b"\r" and piece[:1] == b"\n"
                self._last = piece[-1:]
                self._done += len(piece)
        return self._line


def beginning_of(path: Place, offset: int) -> str:
    """The first characters at a byte of a file, up to the end of the line."""
    with open_file(path) as stream:
        stream.seek(offset)
        return first_line_of(stream.read(60))


def first_line_of(data: bytes) -> str:
    """The first line of some bytes, without its end."""
    lines = data.splitlines()
    return lines[0].decode("utf-8", "replace") if lines else ""
