"""A store that is a folder of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from bigdata_cli.io.lock import FolderLock
from bigdata_cli.io.store import ByteSink, FileStat
from bigdata_cli.io.whole_file import sync_path
from bigdata_cli.io.written_file import MeasuredFile, WrittenFile

_MAX_SINGLE_FLUSHES = 64
"""With more files the whole file system is flushed, by one call."""
_NOT_OURS = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.EACCES, errno.EPERM)
"""Why a folder is not removed that is somebody else's by now."""


def _open_at_once(path: str, flags: int) -> int:
    """A pipe would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def _folders_of(name: str) -> Iterator[str]:
    """The folders in the name of a file, the innermost first."""
    folder = os.path.dirname(name)
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _names_in(folder: Path, before: str = "") -> Iterator[str]:
    """The names of what is in a folder, and in those of its folders that are called KEY=VALUE."""
    with os.scandir(folder) as entries:
        for entry in entries:
            inner = None
            if "=" in entry.name and entry.is_dir(follow_symlinks=False):
                inner = list(_names_in(folder / entry.name, f"{before}{entry.name}/"))
            yield from inner or [before + entry.name]


@dataclass(frozen=True)
class LocalStore:
    """The files of a folder. What is written has its place at once: nothing is copied."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        """A process that it is sent to may be in another folder."""
        return type(self), (self.path.absolute(),)

    def where(self, name: str) -> str:
        return self._place(name)

    def _place(self, name: str) -> str:
        return os.path.join(self.path, name)

    def open(self, name: str) -> FileIO:
        file = FileIO(self._place(name), opener=_open_at_once)
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise OSError(errno.EINVAL, "it is not a file", self._place(name))
        return file

    def stat(self, name: str) -> FileStat:
        found = os.stat(self._place(name))
        return FileStat(found.st_size, found.st_mtime_ns)

    def local_path(self, name: str) -> Path:
        return self.path / name

    def names(self) -> list[str]:
        try:
            return list(_names_in(self.path))
        except FileNotFoundError:
            return []

    def problem(self, name: str) -> str | None:
        """It must be a regular file in the folder: no link that leads out of it, no pipe."""
        path = self.path / name
        try:
            is_linked = "/" in name or path.is_symlink()
            if is_linked and not path.resolve().is_relative_to(self.path.resolve()):
                return "the file is a link that leads out of the dataset's folder"
            if not path.exists():
                return "the file is missing"
            return None if path.is_file() else "is not a file"
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
            return f"the file cannot be examined: {error}"

    def create(self, name: str) -> ByteSink:
        return WrittenFile(self._place(name))

    def create_path(self, name: str) -> Path:
        return self.path / name

    def adopt(self, name: str) -> None:
        """It is where it should be."""

    def put(self, name: str, data: bytes, *, at: int = 0) -> None:
        with open(self._place(name), "r+b" if at else "wb") as file:
            file.truncate(at)
            file.seek(at)
            file.write(data)

    def rename(self, names: Mapping[str, str]) -> None:
        folders = {folder for new in names.values() for folder in _folders_of(new)}
        for folder in folders:
            os.makedirs(self._place(folder), exist_ok=True)
        for old, new in names.items():
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._place(old), self._place(new))
        for folder in folders:
            sync_path(self.path / folder)
        self.sync()

    def publish(self, old: str, new: str) -> bool:
        """The lock is held by the kernel: there is no other writer."""
        self.rename({old: new})
        return os.path.exists(self._place(new))

    def n_unfinished(self) -> int:
        return 0

    def discard_unfinished(self) -> None:
        """What is written has a name."""

    def remove(self, names: Iterable[str]) -> None:
        folders: set[str] = set()
        for name in names:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self._place(name))
            folders.update(_folders_of(name))
        for folder in sorted(folders, reverse=True):  # those within others first
            with contextlib.suppress(OSError):  # it holds files, or is gone
                os.rmdir(self._place(folder))

    def sync(self, names: Iterable[str] = (), pool: Executor | None = None) -> None:
        paths = [self.path / name for name in names]
        if not paths:
            sync_path(self.path)
            return
        if len(paths) > _MAX_SINGLE_FLUSHES:
            from bigdata_cli.native.library import lib

            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                if lib.bd_sync_file_system(descriptor) == 0:
                    return
            finally:
                os.close(descriptor)
        for _ in map(sync_path, paths) if pool is None else pool.map(sync_path, paths):
            pass

    def lock(self) -> FolderLock:
        return FolderLock(self.path)

    def free_bytes(self) -> int:
        folder = self.path.absolute()
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def inside(self, name: str) -> LocalStore:
        return LocalStore(self.path / name)

    def make(self) -> int:
        missing, n_folders = self.path, 0
        while not missing.exists():
            missing, n_folders = missing.parent, n_folders + 1
        self.path.mkdir(parents=True, exist_ok=True)
        return n_folders

    def unmake(self, n_folders: int) -> None:
        for folder in [self.path, *self.path.parents][:n_folders]:
            try:
                folder.rmdir()
            except OSError as error:
                if error.errno not in _NOT_OURS:
                    raise


class MeasuringStore(LocalStore):
    """A folder for files of which only the sizes are asked: those of `create` are not written."""

    def create(self, name: str) -> MeasuredFile:
        return MeasuredFile()
