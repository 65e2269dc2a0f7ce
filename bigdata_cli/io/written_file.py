"""A file of a shard while it is written: its checksum is made of the bytes as they pass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bigdata_cli.checksum import PIECE_BYTES, Checksum, FileEntry

if TYPE_CHECKING:
    from collections.abc import Buffer


class WrittenFile:
    """A new file, unbuffered, written from its start to its end."""

    def __init__(self, path: Path | str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        self._descriptor: int | None = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._checksum = Checksum()
        self._bytes = 0

    def write(self, data: Buffer) -> int:
        """Append all of the bytes; raises OSError where the disk does not take them."""
        view = memoryview(data).cast("B")
        self._write(view)
        self._checksum.update(view)
        self._bytes += len(view)
        return len(view)

    def _write(self, view: memoryview) -> None:
        assert self._descriptor is not None
        while len(view):
            view = view[os.write(self._descriptor, view) :]

    def write_over_start(self, data: bytes) -> None:
        """Put bytes in the place of the first ones, of which there are as many."""
        assert self._descriptor is not None
        assert len(data) <= min(self._bytes, PIECE_BYTES)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._write(memoryview(data))
        n_bytes = min(self._bytes, PIECE_BYTES)
        piece = bytearray(data)
        while len(piece) < n_bytes:
            rest = os.read(self._descriptor, n_bytes - len(piece))
            if not rest:
                raise OSError("a file became shorter while it was written")
            piece += rest
        self._checksum.replace_first(piece)

    def finish(self, name: str) -> FileEntry:
        """Close the file; returns its entry, under its final name."""
        self.close()
        return FileEntry(name=name, bytes=self._bytes, checksum=self._checksum.text())

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


class MeasuredFile:
    """In the place of a `WrittenFile` where only its size is asked for: there is no file."""

    def __init__(self) -> None:
        self._bytes = 0

    def write(self, data: Buffer) -> int:
        """Count the bytes."""
        n_bytes = memoryview(data).nbytes
        self._bytes += n_bytes
        return n_bytes

    def write_over_start(self, data: bytes) -> None:
        """As many bytes as before."""

    def finish(self, name: str) -> FileEntry:
        """The entry of the file that would be; its checksum is that of nothing."""
        return FileEntry(name=name, bytes=self._bytes, checksum=Checksum().text())

    def close(self) -> None:
        """Nothing is open."""
