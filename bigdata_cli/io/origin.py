"""Where a source comes from, and how its bytes are opened: files, archives, pipes, stdin.

Compression and encoding are recognised by content, not by name. A plain UTF-8 file can be read
anywhere; everything else is a stream, read from its start as UTF-8.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from bigdata_cli.errors import BigdataError, DataError, SourceLostError, UsageError, closest, lost
from bigdata_cli.io.archive import ZIP_SIGNATURES, find_member, member_start, open_member
from bigdata_cli.io.content import Expected
from bigdata_cli.io.decompress import ByteStream, DecompressedStream, compression_of
from bigdata_cli.io.encoding import (
    UTF8,
    DecodedStream,
    check_encoding,
    check_unmarked,
    marked_encoding,
)
from bigdata_cli.io.paths import COMPRESSED_EXTENSIONS
from bigdata_cli.io.places import absolute, look_at, open_file, read_all
from bigdata_cli.io.remote.web import WebStream
from bigdata_cli.io.streams import (
    STDIN,
    FileStream,
    ObjectStream,
    PeekedStream,
    PipeStream,
    open_stdin,
)
from bigdata_cli.url import Place, Snapshot, Url

_DIGEST_BYTES = 1 << 16
_SNIFFED_BYTES = 4096
_MAX_LAYERS = 3


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where bytes come from.

    name: as the user gave it, without secrets. path: where the file is; None: stdin. member: of a
    zip archive. layers: compressions, the outermost first. encoding: as Python calls it. size:
    bytes to be read of the file or the member, before they are decompressed; 0: not known. held:
    what cannot be opened again, opened. is_copy: it is a copy of what cannot, which is removed in
    the end.
    """

    name: str
    path: Place | None
    member: str | None = None
    layers: tuple[str, ...] = ()
    encoding: str = UTF8
    size: int = 0
    held: Held | None = field(default=None, compare=False, repr=False)
    is_copy: bool = False

    @property
    def is_stream(self) -> bool:
        """Whether it can only be read from its start."""
        return bool(self.held is not None or self.member or self.layers or self.encoding != UTF8)

    def __getstate__(self) -> dict[str, Any]:
        """A process that it is sent to may be in another folder."""
        return vars(self) | {"path": None if self.path is None else absolute(self.path)}

    @property
    def stem(self) -> str:
        """Its name without folders and extensions.

        >>> Origin(name="data/trips.csv.gz", path=Path("data/trips.csv.gz"), layers=("gzip",)).stem
        'trips'
        """
        if self.path is None or (self.held is not None and _is_device(self.path)):
            return "stdin"
        named = self.name.endswith(f"::{self.member}") and self.member
        place = PurePosixPath(named or self.path.name)
        if self.layers and place.suffix.lower() in COMPRESSED_EXTENSIONS:
            place = place.with_suffix("")
        # What is no Unicode, or a path on another system, is no name for a file.
        stem = place.stem.encode("utf-8", "replace").decode().replace("\\", "_")
        return stem.replace(":", "_", 1) if PureWindowsPath(stem).drive else stem

    def open(self, *, strict: bool = True, stop: threading.Event | None = None) -> ByteStream:
        """The bytes as UTF-8, from the start.

        strict: a byte that does not decode raises DataError; otherwise it becomes one that is not
        UTF-8. stop: ends the waiting for a pipe with Cancelled.
        """
        if self.held is not None:
            return self.held.open(strict=strict, stop=stop)
        try:
            stream = _open_raw(self)
        except OSError as error:
            raise lost(self.name, error) or error from error
        for kind in self.layers:
            stream = DecompressedStream(stream, kind, self.name)
        if self.encoding != UTF8:
            stream = DecodedStream(stream, self.encoding, self.name, strict=strict)
        return stream

    def head(self, n_bytes: int, *, strict: bool = False) -> tuple[bytes, int]:
        """The first bytes as UTF-8, all of them where there are fewer, and the bytes read for that.

        strict: as for `open`.
        """
        if self.held is not None:
            return self.held.head(n_bytes, strict=strict), 0
        stream = PeekedStream(self.open(strict=strict))
        try:
            return stream.peek(n_bytes), stream.consumed
        finally:
            stream.close()

    def fingerprint(self) -> tuple[int, int, str]:
        """(bytes of the file, mtime in ns, sha256 of its size and its first and last 64 KiB)."""
        if self.held is not None or self.path is None:
            return 0, 0, ""
        found = snapshot_of(self.path)
        size = found.bytes or 0
        with open_file(self.path) as file:
            digest = hashlib.sha256(str(size).encode() + read_all(file, _DIGEST_BYTES))
            file.seek(max(0, size - _DIGEST_BYTES))
            digest.update(read_all(file, _DIGEST_BYTES))
        return size, found.mtime_ns, digest.hexdigest()


def find_origin(
    name: str,
    encoding: str | None,
    n_bytes: int,
    *,
    tables: Mapping[str, tuple[bytes, str]] | None = None,
    may_be_empty: bool = False,
) -> tuple[Origin, bytes]:
    """What a name means, and the first `n_bytes` of it as UTF-8 (all, where there are fewer).

    encoding: what the user said, else UTF-8 or what a byte order mark tells. tables: what files of
    tables begin with, which are no text, and what makes a source of them, by the name of their
    format. may_be_empty: nothing is no error. Raises UsageError for
    what is not there, DataError for what is no text.
    """
    encoding = None if encoding is None else check_encoding(encoding)
    expected = Expected(
        name=str(name), encoding=encoding, tables=tables or {}, may_be_empty=may_be_empty
    )
    if isinstance(name, Url):
        return _find_at_address(expected, name, n_bytes)
    path, member = _split_member(name)
    if name == STDIN:
        return _find_pipe(expected, None, open_stdin(), n_bytes)
    _check_exists(path, name)
    if not os.path.isfile(path):
        try:
            pipe: ByteStream = PipeStream(os.open(path, os.O_RDONLY), name)
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}") from error
        return _find_pipe(expected, path, pipe, n_bytes)
    return _find_file(expected, Path(os.path.abspath(path)), member, n_bytes)


def _find_at_address(expected: Expected, given: Url, n_bytes: int) -> tuple[Origin, bytes]:
    """`find_origin` of a file at an address; a pipe where its server has no ranges."""
    url, member = given, None
    if given.snapshot is None:
        archive, separator, wanted = given.address.partition("::")
        url, member = Url(archive), wanted if separator else None
    try:
        url = url if url.snapshot is not None else url.with_snapshot(look_at(url))
        assert url.snapshot is not None
        if not url.snapshot.has_ranges:
            if member is not None:
                raise UsageError(
                    f"{given}: a member of an archive is not read from a server without ranges",
                    hint="save the archive to a file first",
                )
            return _find_pipe(expected, url, WebStream(url, expected.name), n_bytes)
    except FileNotFoundError as error:
        raise UsageError(f"{given} does not exist: {error.strerror}") from error
    except OSError as error:
        raise UsageError(f"{given} cannot be read: {error.strerror}") from error
    return _find_file(expected, url, member, n_bytes)


def _find_file(
    expected: Expected, path: Place, member: str | None, n_bytes: int
) -> tuple[Origin, bytes]:
    """`find_origin` of a regular file, or of a member where it is an archive."""
    name = expected.name
    try:
        origin = Origin(name=name, path=path, size=snapshot_of(path).bytes or 0)
        raw = PeekedStream(_open_raw(origin))
        if member is not None or raw.peek(4) in ZIP_SIGNATURES:
            raw.close()
            info = find_member(path, name, member)
            origin = replace(origin, member=info.filename, size=info.compress_size)
            raw = PeekedStream(_open_raw(origin))
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    found = _Sniffed(raw, expected)
    try:
        head = found.stream.peek(n_bytes)
    finally:
        found.stream.close()
    expected.check_content(head)
    return replace(origin, layers=found.layers, encoding=found.encoding), head


def _split_member(name: str) -> tuple[Path, str | None]:
    """The path of a file, and the member of an archive where one is named."""
    archive, separator, member = name.partition("::")
    if separator and not os.path.lexists(name) and os.path.isfile(archive):
        return Path(archive), member
    return Path(name), None


def _check_exists(path: Path, name: str) -> None:
    if os.path.isdir(path):
        raise UsageError(
            f"{name} is a folder", hint=f"name the files: bigdata convert {name}/*.csv --to …"
        )
    try:
        path.stat()
    except FileNotFoundError as error:
        near = [p.name for p in path.parent.iterdir()] if os.path.isdir(path.parent) else []
        close = closest(path.name, near)
        raise UsageError(
            f"{name} does not exist", hint=None if close is None else f'Did you mean "{close}"?'
        ) from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error


def _open_raw(origin: Origin) -> ByteStream:
    """The bytes as they are in the file or the archive."""
    assert origin.path is not None
    if origin.member is None:
        return FileStream(origin.path, origin.name, 0, origin.size)
    info = find_member(origin.path, origin.name, origin.member)
    start = member_start(origin.path, info, origin.name)
    raw = FileStream(origin.path, origin.name, start, info.compress_size)
    return open_member(origin.path, info, raw, origin.name)


def _is_device(path: Place) -> bool:
    return isinstance(path, Path) and path.is_relative_to("/dev")


def snapshot_of(path: Place) -> Snapshot:
    """A file as it was when it was found: at an address then, else now; raises OSError."""
    known = path.snapshot if isinstance(path, Url) else None
    return look_at(path) if known is None else known


def with_snapshot(path: Place) -> Place:
    """A place that knows what was found there, where it is an address; raises OSError."""
    return path.with_snapshot(snapshot_of(path)) if isinstance(path, Url) else path


def check_unchanged(name: str, path: Place, file_bytes: int | None, mtime_ns: int) -> None:
    """Raise SourceLostError where a file is gone, DataError where it was written to.

    file_bytes: None where only its time counts.
    """
    try:
        now = look_at(path)
    except OSError as error:
        raise SourceLostError(
            f"{name} vanished while it was read: {error.strerror}", hint="bring it back"
        ) from error
    then = path.snapshot if isinstance(path, Url) else None
    is_same_version = then is None or now.version == then.version
    if now.mtime_ns == mtime_ns and file_bytes in (None, now.bytes) and is_same_version:
        return
    change = "it was written to"
    if file_bytes is not None and now.bytes != file_bytes:
        change = f"it had {file_bytes:,} bytes, and has {now.bytes or 0:,} now"
    raise DataError(
        f"{name} changed while it was read: {change}",
        hint="convert it when nothing writes to it any more, or convert a copy",
    )


class _Sniffed:
    """A stream of bytes, and what they turned out to be."""

    def __init__(self, raw: PeekedStream, expected: Expected) -> None:
        name, encoding = expected.name, expected.encoding
        self.stream = raw
        self.decoder: DecodedStream | None = None
        layers: list[str] = []
        try:
            while len(layers) < _MAX_LAYERS:
                kind = compression_of(self.stream.peek(16))
                if kind is None:
                    break
                layers.append(kind)
                self.stream = PeekedStream(DecompressedStream(self.stream, kind, name))
            self.layers = tuple(layers)
            head = self.stream.peek(_SNIFFED_BYTES)
            expected.check_is_text(head)
            if encoding is None:
                encoding = marked_encoding(head) or UTF8
                if encoding == UTF8:
                    check_unmarked(head, name)
                    expected.check_looks_like_text(head)
            self.encoding = encoding
            if encoding != UTF8:
                self.decoder = DecodedStream(self.stream, encoding, name, strict=False)
                self.stream = PeekedStream(self.decoder)
        except BaseException:
            self.stream.close()
            raise


class Held:
    """A stream that comes once: its beginning is kept until it is read from its start."""

    def __init__(self, found: _Sniffed, pipe: PipeStream | ObjectStream | WebStream) -> None:
        self._stream = found.stream
        self._decoder = found.decoder
        self._pipe = pipe
        self._is_open = False

    def head(self, n_bytes: int, *, strict: bool) -> bytes:
        """The first bytes; they are not used up."""
        head = self._stream.peek(n_bytes)
        if strict and self._decoder is not None and self._decoder.error is not None:
            raise self._decoder.error
        return head

    def open(self, *, strict: bool, stop: threading.Event | None) -> ByteStream:
        """The stream, from its start; it can be read once."""
        if self._is_open:
            raise BigdataError("a stream that comes once cannot be read again")
        self._is_open = True
        self._pipe.stop = stop
        if self._decoder is not None:
            self._decoder.strict = strict
        return self._stream

    def close(self) -> None:
        self._stream.close()


def _find_pipe(
    expected: Expected, path: Place | None, pipe: Any, n_bytes: int
) -> tuple[Origin, bytes]:
    name = expected.name
    found = _Sniffed(PeekedStream(pipe), expected)
    head = found.stream.peek(n_bytes)
    if head[:4] in ZIP_SIGNATURES:
        raise UsageError(
            f"{name}: a zip archive cannot be read from a pipe", hint="save it to a file first"
        )
    expected.check_content(head)
    return (
        Origin(
            name=name,
            path=path,
            layers=found.layers,
            encoding=found.encoding,
            held=Held(found, pipe),
        ),
        head,
    )
