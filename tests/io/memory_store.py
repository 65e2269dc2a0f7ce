"""A store that has no folder: files are bytes in memory, and a name is all that a file has."""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from pathlib import Path

from bigdata_cli.checksum import Checksum, FileEntry
from bigdata_cli.errors import UsageError
from bigdata_cli.io.store import FileStat

LIMIT_BYTES = 1 << 28


class MemorySink:
    """A file of a `MemoryStore` while it is written; it is there when it is finished or closed."""

    def __init__(self, store: MemoryStore, name: str) -> None:
        self._store, self._name = store, name
        self._data: bytearray | None = bytearray()

    def write(self, data, /) -> int:
        assert self._data is not None
        view = memoryview(data).cast("B")
        if len(view) > self._store.free_bytes():
            raise OSError(errno.ENOSPC, "the memory store is full")
        self._data += view
        return len(view)

    def write_over_start(self, data: bytes) -> None:
        assert self._data is not None
        assert len(data) <= len(self._data)
        self._data[: len(data)] = data

    def finish(self, name: str) -> FileEntry:
        assert self._data is not None
        checksum = Checksum()
        checksum.update(self._data)
        entry = FileEntry(name=name, bytes=len(self._data), checksum=checksum.text())
        self.close()
        return entry

    def close(self) -> None:
        if self._data is not None:
            self._store.put(self._name, bytes(self._data))
            self._data = None


class MemoryLock:
    """Who writes into a `MemoryStore`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def acquire(self) -> None:
        if self._store.holder is not None:
            raise UsageError(f"another conversion is writing into {self._store}")
        self._store.holder = self

    def confirm(self) -> None:
        assert self._store.holder is self

    def release(self) -> None:
        if self._store.holder is self:
            self._store.holder = None


class MemoryStore:
    """The files of a store, and the paths where libraries make some of them."""

    def __init__(self) -> None:
        self.holder: MemoryLock | None = None
        self._files: dict[str, tuple[bytes, int]] = {}
        self._versions = 0
        self._scratch = tempfile.TemporaryDirectory()

    def __str__(self) -> str:
        return "memory:"

    def where(self, name: str) -> str:
        return f"memory:{name}"

    def _data(self, name: str) -> bytes:
        if name not in self._files:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", name)
        return self._files[name][0]

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self._data(name))

    def stat(self, name: str) -> FileStat:
        return FileStat(len(self._data(name)), self._files[name][1])

    def local_path(self, name: str) -> Path | None:
        return None

    def names(self) -> list[str]:
        return list(self._files)

    def problem(self, name: str) -> str | None:
        return None if name in self._files else "the file is missing"

    def create(self, name: str) -> MemorySink:
        return MemorySink(self, name)

    def create_path(self, name: str) -> Path:
        return Path(self._scratch.name, name)

    def adopt(self, name: str) -> None:
        path = self.create_path(name)
        self.put(name, path.read_bytes())
        path.unlink()

    def put(self, name: str, data: bytes, *, at: int = 0) -> None:
        before = self._data(name)[:at] if at else b""
        self._versions += 1
        self._files[name] = before + data, self._versions

    def rename(self, names: Mapping[str, str]) -> None:
        for old, new in names.items():
            if old in self._files:
                self._files[new] = self._files.pop(old)

    def publish(self, old: str, new: str) -> bool:
        data = self._files.get(old, self._files.get(new, (b"", 0)))[0]
        if new in self._files and self._files[new][0] != data:
            return False
        self.rename({old: new})
        return new in self._files

    def n_unfinished(self) -> int:
        return 0

    def discard_unfinished(self) -> None:
        """What is not finished is nowhere."""

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._files.pop(name, None)

    def sync(self, names: Iterable[str] = (), pool: Executor | None = None) -> None:
        for name in names:
            self._data(name)

    def lock(self) -> MemoryLock:
        return MemoryLock(self)

    def free_bytes(self) -> int:
        return LIMIT_BYTES - sum(len(data) for data, _ in self._files.values())

    def make(self) -> int:
        return 0

    def unmake(self, n_folders: int) -> None:
        assert n_folders == 0
