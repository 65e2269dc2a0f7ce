"""Temporary folders and files; if their process is killed, the next process removes them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

_PREFIX = "bigdata-"
_LOCK_NAME = "_lock"


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder, removed at the end; those that killed processes left are removed first.

    It is in `parent`, by default where the system has temporary files. A lock that the kernel drops
    with its process tells which folders were left.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    _remove_stale(parent)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as name,
        Path(name, f"{_LOCK_NAME}.new").open("w") as lock,
    ):
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(lock.name, Path(name, _LOCK_NAME))  # locked before it is what others look for
        yield Path(name)


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            with (folder / _LOCK_NAME).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)


def free_bytes(folder: Path) -> int:
    """How many bytes may be written into a folder that is there."""
    return shutil.disk_usage(folder).free


def make_folder(folder: Path) -> None:
    """Make a folder within a temporary one."""
    folder.mkdir()


def remove_folder(folder: Path) -> None:
    """Remove a folder within a scratch folder, with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


class ScratchFile:
    """A new file of a scratch folder, written and read at any place; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    def write(self, at: int, data: memoryview) -> None:
        """Write bytes from a place on."""
        while data:
            done = os.pwrite(self._file, data, at)
            data, at = data[done:], at + done

    def extend(self, size: int) -> None:
        """Have the file so long, with zeros where nothing was written."""
        os.ftruncate(self._file, size)

    def read_into(self, at: int, data: memoryview) -> None:
        """Read bytes from a place on; OSError where there are not so many."""
        read_into(self._file, at, data)


def read_into(file: int, at: int, data: memoryview) -> None:
    """Read bytes of an open file from a place on; OSError where there are not so many."""
    while data:
        done = os.preadv(file, [data], at)
        if not done:
            raise OSError("a temporary file is shorter than what was written to it")
        data, at = data[done:], at + done
