"""What is at an address: a file and its snapshot, a folder and its names, the matches of a pattern.

All raise OSError with a text that can be shown: FileNotFoundError, PermissionError, or another.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bigdata_cli.io.remote import web
from bigdata_cli.io.remote.faults import MAX_ATTEMPTS, Transient, as_os_error, retried, wait
from bigdata_cli.io.remote.filesystems import address_of, file_system
from bigdata_cli.url import Snapshot, Url

_MIN_RANGE_BYTES = 1 << 16
_VERSIONS = ("ETag", "etag", "generation", "blob_id", "lfs", "md5Hash", "checksum")
_MOMENTS = ("LastModified", "last_modified", "mtime", "updated", "created")


class Listed(NamedTuple):
    """A name in a folder."""

    name: str
    is_folder: bool


def look_at(url: Url, *, attempts: int = MAX_ATTEMPTS) -> Snapshot:
    """The file at an address, as it is now; IsADirectoryError for a folder."""

    def look() -> Snapshot:
        if url.is_web:
            return web.look_at(url)
        system = file_system(url)
        info = system.info(url.address)
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        return _snapshot(info)

    return retried(look, url, attempts=attempts)


def look_at_object(url: Url) -> Snapshot:
    """`look_at` of what is no folder: where nothing is, nobody asks for files below it."""
    if url.scheme != "s3":
        return look_at(url)
    bucket, _, key = url.address.partition("://")[2].partition("/")

    def look() -> Snapshot:
        info = file_system(url).call_s3("head_object", Bucket=bucket, Key=key)
        return _snapshot({**info, "size": info["ContentLength"]})

    return retried(look, url)


def _snapshot(info: Mapping[str, Any]) -> Snapshot:
    version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
    moment = next((info[key] for key in _MOMENTS if info.get(key)), None)
    return Snapshot(int(info["size"]), _nanoseconds(moment), version)


def _nanoseconds(moment: Any) -> int:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return 0
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1_000_000) * 1000
    return int(moment * 1_000_000_000) if isinstance(moment, int | float) else 0


def read_range(url: Url, start: int, stop: int) -> bytes:
    """The bytes [start, stop) of a file.

    What broke off is asked for from there, in pieces half as long: so a slow or a bad connection
    comes to the end of it too.
    """
    wanted = stop - start
    pieces = bytearray()
    longest, failures = wanted, 0
    while len(pieces) < wanted:
        first, n_before = start + len(pieces), len(pieces)
        try:
            if url.is_web:
                web.read_into(url, first, min(stop, first + longest), pieces)
            else:
                end = min(stop, first + longest)
                data = file_system(url).cat_file(url.address, start=first, end=end)
                if len(data) == wanted:
                    return data  # not copied
                pieces += data
            if len(pieces) == n_before:
                raise Transient(errno.EIO, "the server sends nothing of it")
        except MemoryError:
            raise
        except Exception as raised:
            error = as_os_error(raised, url)
            failures = 1 if len(pieces) > n_before else failures + 1
            if not isinstance(error, Transient) or failures == MAX_ATTEMPTS:
                raise error from (None if url.has_secrets else raised)
            longest = max(_MIN_RANGE_BYTES, longest // 2)
            wait(failures)
        else:
            failures = 0
    return bytes(memoryview(pieces)[:wanted])


def is_folder(url: Url) -> bool:
    """Whether files are below an address; never so on web servers."""
    if url.is_web:
        return False

    def look() -> bool:
        system = file_system(url)
        try:
            return system.info(url.address).get("type") == "directory"
        except FileNotFoundError:
            return False

    return retried(look, url)


def list_folder(url: Url) -> list[Listed]:
    """What is in a folder, by name; FileNotFoundError where it is not there."""

    folder = Url(url.address.rstrip("/"))

    def listing() -> list[Listed]:
        system = file_system(url)
        found = system.ls(url.address, detail=True)
        return sorted(
            Listed(posixpath.basename(entry["name"].rstrip("/")), entry["type"] == "directory")
            for entry in found
            if address_of(url, entry["name"]) != folder
        )

    return retried(listing, url)


def matches(url: Url) -> list[Url]:
    """The files that a pattern of addresses means, by name."""

    def match() -> list[Url]:
        system = file_system(url)
        found = system.glob(url.address, detail=True)
        files = [path for path, info in found.items() if info.get("type") != "directory"]
        return [address_of(url, path) for path in sorted(files)]

    return retried(match, url)
