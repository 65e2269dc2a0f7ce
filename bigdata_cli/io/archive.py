"""Members of zip archives, read without extracting them."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from bigdata_cli.errors import DataError, UsageError, closest, lost
from bigdata_cli.io.decompress import (
    MAX_DICTIONARY_BYTES,
    ByteStream,
    DecompressedStream,
    dictionary_error,
)
from bigdata_cli.io.paths import is_csv_name, is_text_name
from bigdata_cli.io.places import open_file, read_all
from bigdata_cli.url import Place

if TYPE_CHECKING:
    import zipfile  # which few runs need, and all would wait for

ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LZMA_HEADER = struct.Struct("<5xI")
_ENCRYPTED = 0x1
_SHOWN_MEMBERS = 12


def find_member(path: Place, name: str, wanted: str | None) -> zipfile.ZipInfo:
    """The member that is meant: the one named, or the only CSV (or text file, or file) in it.

    Raises UsageError, with the members, where the choice is not clear; DataError for a damaged
    archive.
    """
    members = _members(path, name)
    archive = name if wanted is None else name.removesuffix(f"::{wanted}")
    if wanted is not None:
        found = [member for member in members if member.filename == wanted]
        if not found:
            close = closest(wanted, [member.filename for member in members])
            raise UsageError(
                f"{name}: the archive has no member {wanted}",
                hint=f'Did you mean "{close}"?' if close else _listing(archive, members),
            )
        member = found[-1]  # as unzip does: a later entry of the same name replaces the one before
    else:
        member = _only_member(name, members)
    if member.flag_bits & _ENCRYPTED:
        raise UsageError(
            f"{name}: the member {member.filename} is encrypted", hint="unzip it first"
        )
    return member


def _members(path: Place, name: str) -> list[zipfile.ZipInfo]:
    """The files in the archive, without folders and what file managers put there."""
    import zipfile

    try:
        with _buffered(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as error:
        raise DataError(
            f"{name}: the zip archive is damaged or truncated: {error}",
            hint=f"get the file again; unzip -t {path.name} checks it",
        ) from error
    if any(entry.filename == "[Content_Types].xml" for entry in entries):
        raise DataError(f"{name} is an Office document", hint="save it as CSV first")
    return [entry for entry in entries if not entry.is_dir() and not _is_hidden(entry.filename)]


def _buffered(path: Place) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", open_file(path)))


def _is_hidden(filename: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(filename).parts)


def _only_member(name: str, members: Sequence[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if len(members) == 1:
        return members[0]
    for is_wanted in (is_csv_name, is_text_name):
        named = [member for member in members if is_wanted(member.filename)]
        if len(named) == 1:
            return named[0]
        if named:
            members = named
            break
    if not members:
        raise UsageError(f"{name}: the archive holds no files")
    raise UsageError(
        f"{name}: the archive holds {len(members):,} files; name one of them",
        hint=_listing(name, members),
    )


def _listing(archive: str, members: Sequence[zipfile.ZipInfo]) -> str:
    shown = ", ".join(f"'{archive}::{member.filename}'" for member in members[:_SHOWN_MEMBERS])
    more = len(members) - _SHOWN_MEMBERS
    return f"one of {shown}" + (f", … and {more:,} more" if more > 0 else "")


def member_start(path: Place, member: zipfile.ZipInfo, name: str) -> int:
    """The offset in the archive where the data of a member begin."""
    with open_file(path) as file:
        file.seek(member.header_offset)
        header = read_all(file, _LOCAL_HEADER.size)
    if len(header) == _LOCAL_HEADER.size:
        signature, n_name, n_extra = _LOCAL_HEADER.unpack(header)
        if signature == ZIP_SIGNATURES[0]:
            return member.header_offset + _LOCAL_HEADER.size + n_name + n_extra
    raise DataError(f"{name}: the zip archive is damaged: the member is not where it should be")


def open_member(path: Place, member: zipfile.ZipInfo, raw: ByteStream, name: str) -> ByteStream:
    """The data of a member. raw: its bytes in the archive."""
    import zipfile

    if member.compress_type == zipfile.ZIP_STORED:
        return _CheckedStream(raw, member, name)
    if member.compress_type == zipfile.ZIP_DEFLATED:
        return _CheckedStream(DecompressedStream(raw, "deflate", name), member, name)
    if member.compress_type == zipfile.ZIP_LZMA:
        _check_dictionary(raw, name)
    raw.close()
    return _ZipfileStream(path, member, name)


def _check_dictionary(raw: ByteStream, name: str) -> None:
    """Raise DataError where LZMA data ask for too much memory, which `zipfile` would give them.

    They begin with a version, the size of the properties, and these: a byte, and the dictionary's
    size.
    """
    head = b""
    while len(head) < _LZMA_HEADER.size and (piece := raw.read(_LZMA_HEADER.size - len(head))):
        head += piece
    if len(head) == _LZMA_HEADER.size and _LZMA_HEADER.unpack(head)[0] > MAX_DICTIONARY_BYTES:
        raise dictionary_error(name, "lzma")


class _CheckedStream:
    """Bytes whose number and CRC the archive knows."""

    def __init__(self, stream: ByteStream, member: zipfile.ZipInfo, name: str) -> None:
        from isal.isal_zlib import crc32

        self._crc32 = crc32
        self._stream = stream
        self._member = member
        self._name = name
        self._crc = 0
        self._produced = 0

    @property
    def consumed(self) -> int:
        return self._stream.consumed

    def read(self, n_bytes: int) -> bytes:
        data = self._stream.read(n_bytes)
        self._crc = self._crc32(data, self._crc)
        self._produced += len(data)
        if not data and (self._produced, self._crc) != (self._member.file_size, self._member.CRC):
            raise DataError(
                f"{self._name}: the zip archive is damaged: {self._produced:,} bytes of "
                f"decompressed data are not the {self._member.file_size:,} bytes that were packed",
                hint="get the file again; unzip -t checks it",
            )
        return data

    def close(self) -> None:
        self._stream.close()


class _ZipfileStream:
    """A member in a compression that few archives have: what the standard library reads."""

    def __init__(self, path: Place, member: zipfile.ZipInfo, name: str) -> None:
        import zipfile

        self._member = member
        self._name = name
        self._produced = 0
        self._opened = _buffered(path)
        self._archive = zipfile.ZipFile(self._opened)
        try:
            self._file = self._archive.open(member)
        except (NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
            self._archive.close()
            self._opened.close()
            raise DataError(
                f"{name}: the member cannot be read: {error}", hint="unzip it first"
            ) from error

    @property
    def consumed(self) -> int:
        share = self._produced / max(self._member.file_size, 1)
        return round(self._member.compress_size * min(share, 1.0))

    def read(self, n_bytes: int) -> bytes:
        try:
            data = self._file.read(n_bytes)
        except Exception as error:  # each library has an error of its own
            raise lost(self._name, error) or DataError(
                f"{self._name}: the zip archive is damaged: {error}, after {self._produced:,} "
                "bytes of decompressed data",
                hint="get the file again; unzip -t checks it",
            ) from error
        self._produced += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        self._archive.close()
        self._opened.close()
