"""A temporary folder; if its process is killed, the next process removes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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
