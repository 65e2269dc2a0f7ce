"""A store at an address: objects of S3 or of Google Cloud Storage, files of a web server.

An object has its name when all of it is there, and is never changed but as a whole. So nothing has
to be synchronised, and to rename is to copy. What grows line by line is a row of objects.
"""

from __future__ import annotations

import contextlib
import errno
import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import xxhash

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import SourceLostError
from bigdata_cli.io.cache import cached_path
from bigdata_cli.io.growing_object import GrowingObject, is_growing, is_piece
from bigdata_cli.io.object_lock import ObjectLock
from bigdata_cli.io.places import open_file
from bigdata_cli.io.remote import files, multipart, writing
from bigdata_cli.io.scratch import scratch_folder
from bigdata_cli.io.store import ByteSink, ByteSource, FileStat
from bigdata_cli.io.written_file import WrittenFile
from bigdata_cli.url import Url

if TYPE_CHECKING:
    from collections.abc import Buffer

_THREADS = 16
"""Of requests that wait for a server most of the time."""


class ObjectStore:
    """The objects below an address; equal to another one of that address."""

    def __init__(self, url: Url) -> None:
        self.url = url
        self._growing: dict[str, GrowingObject] = {}
        self._scratch: AbstractContextManager[Path] | None = None
        self._scratch_path: Path | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[Url]]:
        return ObjectStore, (self.url,)  # another process opens it anew

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectStore) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __str__(self) -> str:
        return str(self.url)

    def where(self, name: str) -> str:
        return str(self.url / name)

    def open(self, name: str) -> ByteSource:
        if is_growing(name):
            return cast("ByteSource", io.BytesIO(self._grown(name).read()))
        path = self.local_path(name)
        return FileIO(path) if path is not None else cast("ByteSource", open_file(self.url / name))

    def stat(self, name: str) -> FileStat:
        if is_growing(name):
            data = self._grown(name).read()
            return FileStat(len(data), xxhash.xxh3_64_intdigest(data))
        found = files.look_at_object(self.url / name)
        return FileStat(found.bytes or 0, xxhash.xxh3_64_intdigest(repr(found).encode()))

    def local_path(self, name: str) -> Path | None:
        """Its path in the cache, where there is one."""
        return None if self.url.cache is None else cached_path(self.url / name, self.url.cache)

    def names(self) -> list[str]:
        """Those of web servers are not known: none."""
        return [name for name in _names_below(self.url) if not is_piece(name)]

    def problem(self, name: str) -> str | None:
        try:
            files.look_at_object(self.url / name)
        except FileNotFoundError:
            return "the file is missing"
        except OSError as error:
            raise SourceLostError(
                f"{self.where(name)} cannot be read at present: {error.strerror}"
            ) from error
        return None

    def create(self, name: str) -> ByteSink:
        return _Upload(self.create_path(name), self.url / name)

    def create_path(self, name: str) -> Path:
        """In a folder of this machine, which is removed with the store."""
        with self._lock:
            if self._scratch_path is None:
                self._scratch = scratch_folder()
                self._scratch_path = self._scratch.__enter__()
        return self._scratch_path / quote(name, safe="")

    def adopt(self, name: str) -> None:
        path = self.create_path(name)
        try:
            writing.upload(path, self.url / name)
        finally:
            path.unlink(missing_ok=True)

    def put(self, name: str, data: bytes, *, at: int = 0) -> None:
        if is_growing(name):
            self._grown(name).put(data, at)
        elif at:
            raise OSError(errno.EINVAL, "objects do not grow")
        else:
            writing.put(self.url / name, data)

    def rename(self, names: Mapping[str, str]) -> None:
        _each(self._rename, names.items())

    def _rename(self, old: str, new: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            writing.copy(self.url / old, self.url / new)
            writing.remove(self.url / old)

    def publish(self, old: str, new: str) -> bool:
        try:
            data = self._content(old)
        except FileNotFoundError:
            return files.look_at_object(self.url / new).bytes is not None
        is_ours = writing.put_new(self.url / new, data) or self._content(new) == data
        if is_ours:
            writing.remove(self.url / old)
        return is_ours

    def _content(self, name: str) -> bytes:
        with open_file(self.url / name) as file:
            return file.read()

    def remove(self, names: Iterable[str]) -> None:
        _each(self._remove, ((name,) for name in names))

    def _remove(self, name: str) -> None:
        if is_growing(name):
            self._grown(name).remove()
        else:
            writing.remove(self.url / name)

    def n_unfinished(self) -> int:
        return len(multipart.unfinished_uploads(self.url))

    def discard_unfinished(self) -> None:
        multipart.abort_uploads(self.url)

    def sync(self, names: Iterable[str] = (), pool: Executor | None = None) -> None:
        """What was put is there."""

    def lock(self) -> ObjectLock:
        return ObjectLock(self.url)

    def free_bytes(self) -> int:
        """There is no end of it."""
        return sys.maxsize

    def inside(self, name: str) -> ObjectStore:
        return ObjectStore(self.url / name)

    def make(self) -> int:
        """There are no folders to be made."""
        return 0

    def unmake(self, n_folders: int) -> None:
        """Folders are gone with what was in them."""

    def _grown(self, name: str) -> GrowingObject:
        with self._lock:
            return self._growing.setdefault(name, GrowingObject(self.url, name))


def _names_below(folder: Url, before: str = "") -> Iterator[str]:
    """The names below an address, and those of its folders that are called KEY=VALUE."""
    try:
        listed = files.list_folder(folder)
    except FileNotFoundError:
        return
    for one in listed:
        if one.is_folder and "=" in one.name:
            yield from _names_below(folder / one.name, f"{before}{one.name}/")
        else:
            yield before + one.name


def _each(work: Callable[..., object], items: Iterable[tuple[str, ...]]) -> None:
    """Do the same with all items, some at a time."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="objects") as pool:
        for _ in pool.map(lambda item: work(*item), items):
            pass


class _Upload:
    """A new object, written into a file of this machine.

    The parts of a large one are sent as they are written, but for the first, which may change.
    """

    def __init__(self, path: Path, url: Url) -> None:
        self._path = path
        self._url = url
        self._file = WrittenFile(path)
        self._bytes = 0
        self._n_whole = 0
        self._parts: multipart.PartsUpload | None = None
        self.write_over_start = self._file.write_over_start

    def write(self, data: Buffer) -> int:
        n_bytes = self._file.write(data)
        self._bytes += n_bytes
        n_whole = self._bytes // multipart.PART_BYTES
        if n_whole > self._n_whole and multipart.is_sent_in_parts(self._url, self._bytes):
            if self._parts is None:
                self._parts = multipart.PartsUpload(self._path, self._url)
            for number in range(max(2, self._n_whole + 1), n_whole + 1):
                self._parts.send(number)
        self._n_whole = n_whole
        return n_bytes

    def finish(self, name: str) -> FileEntry:
        entry = self._file.finish(name)
        try:
            if self._parts is None:
                writing.upload(self._path, self._url)
            else:
                multipart.finish_parts(self._parts, self._path, self._url)
        finally:
            self._path.unlink(missing_ok=True)
        return entry

    def close(self) -> None:
        """Where it is not finished, there is no object; the parts that were sent stay."""
        if self._parts is not None:
            self._parts.close()
        self._file.close()
        self._path.unlink(missing_ok=True)
