"""A file whose writes can be made to go nowhere."""

from __future__ import annotations

import io
import os
from pathlib import Path

_HELD_BYTES = 1 << 20
_LARGE_BYTES = 1 << 16
"""What is written with so many bytes is not held."""


class DiscardableFile(io.FileIO):
    """A new file; after `discard` whatever is written to it is dropped.

    libhdf5 keeps what it could not write, tries again when the file is closed and when the process
    ends, and crashes where that fails too. With the writes of an abandoned file dropped it ends.

    It writes texts and the headers of datasets in thousands of small pieces, one after the other:
    they are held here until there is a megabyte of them, or something else is asked for. So an
    error of the disk may be raised by a later call, at the latest by `close`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._discarding = False
        self._held = bytearray()
        self._held_at = 0
        self._position = 0

    def discard(self) -> None:
        """Drop all further writes, and what is held."""
        self._discarding = True
        self._held.clear()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence != os.SEEK_SET:
            self.flush()
            offset = super().seek(offset, whence)
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def write(self, data, /) -> int:
        """Take all of the bytes; raises OSError where the disk does not take them."""
        view = memoryview(data).cast("B")
        if not self._discarding:
            goes_on = self._position == self._held_at + len(self._held)
            if not goes_on or len(self._held) + len(view) > _HELD_BYTES:
                self.flush()
            if len(view) >= _LARGE_BYTES:
                self.flush()
                self._write(self._position, view)
            else:
                if not self._held:
                    self._held_at = self._position
                self._held += view
        self._position += len(view)
        return len(view)

    def readinto(self, buffer, /) -> int:
        self.flush()
        super().seek(self._position)
        n_bytes = super().readinto(buffer) or 0
        self._position += n_bytes
        return n_bytes

    def flush(self) -> None:
        """Write what is held; it stays held where that fails."""
        if self._held:
            with memoryview(self._held) as view:
                self._write(self._held_at, view)
            self._held.clear()

    def truncate(self, size: int | None = None, /) -> int:
        """Change the size; nothing is done to a file that is discarded."""
        if self._discarding:
            return size or 0
        self.flush()
        return super().truncate(size)

    def close(self) -> None:
        """Write what is held, and close; safe to call twice. Closed even where that fails."""
        try:
            if not self.closed:
                self.flush()
        finally:
            super().close()

    def _write(self, at: int, view: memoryview) -> None:
        super().seek(at)
        while len(view):
            view = view[super().write(view) or 0 :]
