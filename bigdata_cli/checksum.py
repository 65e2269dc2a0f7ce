"""The files of a dataset: their names, sizes and checksums.

A file is cut into pieces of 64 KiB. Its checksum is the XXH3 (128 bits) of the digests of its
pieces, one after the other. So a header that is rewritten at the end costs the checksum of one
piece, not a second reading of the file. Checksums find damage; they do not stop somebody who
changes a file on purpose. Older datasets have SHA-256.
"""

from __future__ import annotations

import hashlib
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec
import xxhash

from bigdata_cli.strict_json import Count

if TYPE_CHECKING:
    from collections.abc import Buffer

PIECE_BYTES = 1 << 16
ChecksumText = Annotated[
    str, msgspec.Meta(pattern=r"\A(xxh3-128-pieces:[0-9a-f]{32}|sha256:[0-9a-f]{64})\Z")
]
_XXH3, _SHA256 = "xxh3-128-pieces", "sha256"
_READ_BYTES = 1 << 18
_MAX_FOLDERS = 16
_MAX_NAME_BYTES = 255
"""What file systems allow for the name of a file."""


class _Source(Protocol):
    def readinto(self, buffer: Buffer, /) -> int | None: ...
    def tell(self) -> int: ...


class Checksum:
    """The running checksum of bytes."""

    def __init__(self) -> None:
        self._digests: list[bytes] = []
        self._piece = xxhash.xxh3_128()
        self._filled = 0
        """Bytes of the piece that is not whole."""

    def update(self, data: Buffer) -> None:
        """Take the next bytes."""
        view = memoryview(data).cast("B")
        if self._filled + len(view) < PIECE_BYTES:
            self._piece.update(view)
            self._filled += len(view)
            return
        at = 0
        if self._filled:
            at = PIECE_BYTES - self._filled
            self._piece.update(view[:at])
            self._digests.append(self._piece.digest())
            self._piece.reset()
        while at + PIECE_BYTES <= len(view):
            self._digests.append(xxhash.xxh3_128_digest(view[at : at + PIECE_BYTES]))
            at += PIECE_BYTES
        self._piece.update(view[at:])
        self._filled = len(view) - at

    def replace_first(self, piece: Buffer) -> None:
        """Replace the bytes of the first piece, or all bytes where they are fewer."""
        if self._digests:
            self._digests[0] = xxhash.xxh3_128_digest(piece)
        else:
            self._piece.reset()
            self._piece.update(piece)

    def text(self) -> str:
        """The algorithm and the digest of all bytes so far."""
        last = [self._piece.digest()] if self._filled else []
        return f"{_XXH3}:{xxhash.xxh3_128_hexdigest(b''.join([*self._digests, *last]))}"


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a dataset, in its folder. checksum: the algorithm, a colon, hex digits."""

    name: str
    bytes: Count
    checksum: ChecksumText

    def __post_init__(self) -> None:
        if not is_stored_name(self.name):
            raise ValueError(f"{self.name[:_MAX_NAME_BYTES]!r} is not a file name")


def is_file_name(text: str) -> bool:
    """Whether a text is the name of a file that cannot leave its folder, on any system."""
    return (
        text not in ("", ".", "..")
        and not any(mark in text for mark in "/\\\0")
        and not PureWindowsPath(text).drive
        and len(text.encode(errors="replace")) <= _MAX_NAME_BYTES
    )


def is_stored_name(text: str) -> bool:
    """Whether a text is the name of a file of a dataset: in its folder, or in folders KEY=VALUE."""
    *folders, name = text.split("/")
    return (
        len(folders) <= _MAX_FOLDERS
        and all(is_file_name(folder) and "=" in folder for folder in folders)
        and is_file_name(name)
    )


def entry_of_bytes(name: str, data: bytes) -> FileEntry:
    """The entry of a file with that content."""
    checksum = Checksum()
    checksum.update(data)
    return FileEntry(name=name, bytes=len(data), checksum=checksum.text())


def entry_of_source(file: _Source, name: str) -> FileEntry:
    """The entry of an open file that is called `name` in its dataset; reads all of it."""
    checksum = read_checksum(file)
    return FileEntry(name=name, bytes=file.tell(), checksum=checksum)


def read_checksum(file: _Source, like: str = _XXH3) -> str:
    """The checksum of an open file, by the algorithm of the checksum `like`."""
    buffer = memoryview(bytearray(_READ_BYTES))
    if like.partition(":")[0] == _SHA256:
        whole = hashlib.sha256()
        while n := file.readinto(buffer):
            whole.update(buffer[:n])
        return f"{_SHA256}:{whole.hexdigest()}"
    checksum = Checksum()
    while n := file.readinto(buffer):
        checksum.update(buffer[:n])
    return checksum.text()


def algorithm_name(checksum: str) -> str:
    """The name of the algorithm of a checksum.

    >>> algorithm_name("xxh3-128-pieces:00"), algorithm_name("sha256:00")
    ('XXH3', 'SHA-256')
    """
    return "SHA-256" if checksum.startswith(_SHA256) else "XXH3"
