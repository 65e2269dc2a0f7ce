"""Checksums of files: XXH3 with 128 bits, over the digests of pieces.

A file is cut into pieces of 64 KiB. Its checksum is the XXH3 of the digests of its pieces, one
after the other. So a header that is written anew at the end costs the checksum of one piece, and
not a second reading of the file. Checksums find damage; they do not keep out somebody who wants to
change a file unnoticed. Older datasets have SHA-256.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from collections.abc import Buffer

PIECE_BYTES = 1 << 16
_XXH3, _SHA256 = "xxh3-128-pieces", "sha256"
_READ_BYTES = 1 << 18
_DIGITS = {_XXH3: 32, _SHA256: 64}


class Checksum:
    """The checksum of bytes that come one after the other."""

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
        """Put other bytes in the place of the first piece, or of all where they are fewer."""
        if self._digests:
            self._digests[0] = xxhash.xxh3_128_digest(piece)
        else:
            self._piece.reset()
            self._piece.update(piece)

    def text(self) -> str:
        """The algorithm and the digest of all bytes so far."""
        last = [self._piece.digest()] if self._filled else []
        return f"{_XXH3}:{xxhash.xxh3_128_hexdigest(b''.join([*self._digests, *last]))}"


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file of a dataset, in its folder. checksum: the algorithm, a colon, hex digits."""

    name: str
    bytes: int
    checksum: str


def entry_of_bytes(name: str, data: bytes) -> FileEntry:
    """The entry of a file with that content."""
    checksum = Checksum()
    checksum.update(data)
    return FileEntry(name=name, bytes=len(data), checksum=checksum.text())


def entry_of_file(path: Path, name: str) -> FileEntry:
    """The entry of a file that is called `name` in its dataset; reads it."""
    with path.open("rb", buffering=0) as file:
        return FileEntry(
            name=name, bytes=os.fstat(file.fileno()).st_size, checksum=read_checksum(file)
        )


def read_checksum(file: FileIO, like: str = _XXH3) -> str:
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
    """What the algorithm of a checksum is called.

    >>> algorithm_name("xxh3-128-pieces:00"), algorithm_name("sha256:00")
    ('XXH3', 'SHA-256')
    """
    return "SHA-256" if checksum.startswith(_SHA256) else "XXH3"


def checked(checksum: str) -> str:
    """The checksum, where it is one; raises ValueError for what is not."""
    algorithm, _, digits = checksum.partition(":")
    if len(digits) != _DIGITS.get(algorithm, -1) or not set(digits) <= set("0123456789abcdef"):
        raise ValueError(f"{checksum!r} is not a checksum")
    return checksum
