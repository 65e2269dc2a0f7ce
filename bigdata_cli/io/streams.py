"""The bytes of files and pipes as they come, not decompressed or decoded yet."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import Any

from bigdata_cli.errors import DataError, SourceLostError, UsageError
from bigdata_cli.io.decompress import ByteStream, Cancelled
from bigdata_cli.io.places import open_file
from bigdata_cli.url import Place

STDIN = "-"
_READ_BYTES = 1 << 20
_MILLISECONDS_BETWEEN_LOOKS = 200


class FileStream:
    """A piece of a file; a `ByteStream`."""

    def __init__(self, path: Place, name: str, start: int, size: int) -> None:
        self._name = name
        self._size = size
        self.consumed = 0
        try:
            self._file = open_file(path, from_start=True)
            self._file.seek(start)
        except OSError as error:
            raise SourceLostError(f"{name} cannot be opened again: {error.strerror}") from error

    def read(self, n_bytes: int) -> bytes:
        wanted = min(n_bytes, self._size - self.consumed)
        if wanted <= 0:
            return b""
        try:
            data = self._file.read(wanted)
        except OSError as error:
            raise SourceLostError(
                f"{self._name}: reading byte {self.consumed:,}: {error}"
            ) from error
        if not data:
            raise DataError(
                f"{self._name} became shorter while it was read: {self._size:,} bytes were there, "
                f"now it ends at {self.consumed:,}"
            )
        self.consumed += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class PipeStream:
    """Bytes that come once, from a pipe or stdin; a `ByteStream`.

    The waiting for them ends with Cancelled where `stop` is set.
    """

    def __init__(self, descriptor: int, name: str, *, owned: bool = True) -> None:
        self._descriptor = descriptor
        self._name = name
        self._owned = owned
        self._closed = False
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
        self.stop: threading.Event | None = None
        self.consumed = 0

    def read(self, n_bytes: int) -> bytes:
        try:
            while not self._poll.poll(_MILLISECONDS_BETWEEN_LOOKS):
                if self.stop is not None and self.stop.is_set():
                    raise Cancelled
            data = os.read(self._descriptor, n_bytes)
        except OSError as error:
            raise DataError(f"{self._name}: reading byte {self.consumed:,}: {error}") from error
        self.consumed += len(data)
        return data

    def close(self) -> None:
        if self._owned and not self._closed:
            self._closed = True
            os.close(self._descriptor)


class ObjectStream:
    """Bytes of a file object without a descriptor of its own; a `ByteStream`."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.stop: threading.Event | None = None
        self.consumed = 0

    def read(self, n_bytes: int) -> bytes:
        data = self._file.read(n_bytes)
        self.consumed += len(data)
        return data

    def close(self) -> None:
        """It is not ours to close."""


def open_stdin() -> ByteStream:
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError("- is stdin, which is closed", hint="zcat x.gz | bigdata convert - …")
    if sys.stdin.isatty():
        raise UsageError(
            "- is stdin, and nothing is piped into it", hint="zcat x.gz | bigdata convert - …"
        )
    try:
        return PipeStream(sys.stdin.fileno(), STDIN, owned=False)
    except (OSError, ValueError):
        return ObjectStream(sys.stdin.buffer)


class PeekedStream:
    """A stream whose first bytes can be looked at before they are read; a `ByteStream`."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._pieces: list[bytes] = []
        self._held = 0

    @property
    def consumed(self) -> int:
        return self.stream.consumed

    def peek(self, n_bytes: int) -> bytes:
        """The next `n_bytes`, fewer only where there are not more."""
        while self._held < n_bytes:
            piece = self.stream.read(min(_READ_BYTES, n_bytes - self._held))
            if not piece:
                break
            self._pieces.append(piece)
            self._held += len(piece)
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0][:n_bytes] if self._pieces else b""

    def read(self, n_bytes: int) -> bytes:
        if not self._pieces:
            return self.stream.read(n_bytes)
        held = self._pieces.pop(0)
        if len(held) > n_bytes:
            self._pieces.insert(0, held[n_bytes:])
        self._held -= min(len(held), n_bytes)
        return held[:n_bytes]

    def close(self) -> None:
        self.stream.close()
