"""Streams of bytes, and compressed ones: recognised by content, read whole or not at all.

Data that are damaged, end too early, or are followed by something else are an error, never a
shorter dataset. The command-line tools report this too, but most readers in Python do not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Protocol

from bigdata_cli.errors import DataError

_INPUT_BYTES = 1 << 16
"""Read at a time: little, so that what was read tells how much was decompressed."""
_SIGNATURE_BYTES = 10
_SIGNATURES = {
    "gzip": re.compile(rb"\x1f\x8b\x08"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    # A frame, or one that is to be skipped.
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}
MAX_DICTIONARY_BYTES = 1 << 27
"""Of what was decompressed before and may come again, which is held in memory: `xz -9` has 64 MB,
`zstd --ultra -22` 128 MB. Files of `xz --lzma2=dict=` and `zstd --long` may ask for gigabytes."""
_WINDOW_LOG = MAX_DICTIONARY_BYTES.bit_length() - 1
_XZ_MEMORY_BYTES = MAX_DICTIONARY_BYTES + (1 << 24)
_MAY_BE_PADDED = ("gzip", "xz")
_TOOLS = {"gzip": "gzip -t", "bzip2": "bzip2 -t", "xz": "xz -t", "zstd": "zstd -t"}


class Cancelled(Exception):
    """Reading was stopped from outside."""


class ByteStream(Protocol):
    """Bytes, in order."""

    def read(self, n_bytes: int) -> bytes:
        """Some bytes, about `n_bytes` at the most; none only at the end."""
        ...

    @property
    def consumed(self) -> int:
        """Bytes of the file that were read so far."""
        ...

    def close(self) -> None: ...


class Decompressor(Protocol):
    """One member of a compressed file: what the standard library's decompressors have."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


def compression_of(head: bytes) -> str | None:
    """How data that begin so are compressed: gzip, bzip2, xz or zstd; None: not so.

    >>> compression_of(b"\\x1f\\x8b\\x08\\0"), compression_of(b"BZh9,name")
    ('gzip', None)
    """
    for kind, signature in _SIGNATURES.items():
        if signature.match(head):
            return kind
    return None


def _maker(kind: str) -> Callable[[], Decompressor]:
    """A constructor of decompressors; "deflate" is what members of a zip are."""
    if kind in ("gzip", "deflate"):
        from isal import igzip_lib

        flag = igzip_lib.DECOMP_GZIP if kind == "gzip" else igzip_lib.DECOMP_DEFLATE
        return lambda: igzip_lib.IgzipDecompressor(flag=flag)
    if kind == "bzip2":
        from bz2 import BZ2Decompressor

        return BZ2Decompressor
    if kind == "xz":
        from lzma import LZMADecompressor

        return lambda: LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd
    options = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return lambda: zstd.ZstdDecompressor(options=options)


class DecompressedStream:
    """The members of compressed data, one after the other; a `ByteStream`.

    Raises DataError where the data are damaged or end too early, and where something follows them
    that is not compressed in the same way (zeros may, after gzip and xz).
    """

    def __init__(self, raw: ByteStream, kind: str, name: str) -> None:
        self._raw = raw
        self._kind = kind
        self._name = name
        self._new_member = _maker(kind)
        self._member: Decompressor | None = None
        self._n_members = 0
        self._input = b""
        self._produced = 0

    @property
    def consumed(self) -> int:
        return self._raw.consumed

    def read(self, n_bytes: int) -> bytes:
        while True:
            if self._member is None and not self._begin_member():
                return b""
            assert self._member is not None
            data, self._input = self._input, b""
            if not data and self._member.needs_input:
                data = self._raw.read(_INPUT_BYTES)
                if not data:
                    raise self._damaged("end in the middle")
            try:
                decompressed = self._member.decompress(data, n_bytes)
            except MemoryError:
                raise
            except Exception as error:  # each library has an error of its own
                if "memory" in str(error).lower():
                    raise dictionary_error(self._name, self._kind) from error
                raise self._damaged(f"are damaged: {error}") from error
            if self._member.eof:
                self._input, self._member = self._member.unused_data, None
            if decompressed:
                self._produced += len(decompressed)
                return decompressed

    def _begin_member(self) -> bool:
        """Begin the next member; False where there is none."""
        padding = b"\0" if self._n_members and self._kind in _MAY_BE_PADDED else b""
        while True:
            self._input = self._input.lstrip(padding) if padding else self._input
            more = b"" if len(self._input) >= _SIGNATURE_BYTES else self._raw.read(_INPUT_BYTES)
            if not more:
                break
            self._input += more
        if not self._input and self._n_members:
            return False
        is_one = self._kind == "deflate" and not self._n_members
        if not is_one and compression_of(self._input) != self._kind:
            raise self._damaged("are followed by something else")
        self._member = self._new_member()
        self._n_members += 1
        return True

    def _damaged(self, what: str) -> DataError:
        tool = _TOOLS.get(self._kind, "unzip -t")
        return DataError(
            f"{self._name}: the {self._kind} data {what}, after {self._produced:,} bytes of "
            "decompressed data",
            hint=f"get the file again; {tool} checks it",
        )

    def close(self) -> None:
        self._raw.close()


def dictionary_error(name: str, kind: str) -> DataError:
    """The error for data that ask for more memory than is given to any."""
    tool = {"xz": "xz -dc", "zstd": "zstd -dc --long=31"}.get(kind, "unzip -p")
    return DataError(
        f"{name}: the {kind} data need more memory than {MAX_DICTIONARY_BYTES:,} bytes for what "
        "was decompressed before",
        hint=f"{tool} {shlex.quote(name)} | bigdata convert - …",
    )
