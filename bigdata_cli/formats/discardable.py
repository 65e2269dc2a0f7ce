"""A file whose writes can be made to go nowhere."""

from __future__ import annotations

import io
from pathlib import Path


class DiscardableFile(io.FileIO):
    """A new file, unbuffered; after `discard` whatever is written to it is dropped.

    libhdf5 keeps what it could not write, tries again when the file is closed and when the process
    ends, and crashes where that fails too. With the writes of an abandoned file dropped it ends.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._discarding = False

    def discard(self) -> None:
        """Drop all further writes."""
        self._discarding = True

    def write(self, data) -> int:
        """Write all of the bytes; raises OSError where the disk does not take them."""
        view = memoryview(data).cast("B")
        if self._discarding:
            return len(view)
        done = 0
        while done < len(view):
            done += super().write(view[done:]) or 0
        return done

    def truncate(self, size: int | None = None) -> int:
        """Change the size; nothing is done to a file that is discarded."""
        return (size or 0) if self._discarding else super().truncate(size)
