"""Files that a user names; written atomically, but for those that grow: all of a file, or none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path to write a file to; it gets its name when the block ends without an error.

    What is written is on the disk before the rename. The extension is kept, for writers that go
    by it. A process that is killed leaves a file `_NAME.partial.EXT`, which the next one replaces.
    What is no file, such as a pipe, is written as it is.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "a.json") as partial:
    ...     _ = partial.write_text("{}")
    ...     print(partial.name, [p.name for p in folder.iterdir()])
    _a.partial.json ['_a.partial.json']
    >>> [p.name for p in folder.iterdir()]
    ['a.json']
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()  # a link stays
    partial = path.with_name(f"_{path.stem}.partial{path.suffix}")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        sync_path(partial)
        os.replace(partial, path)
        sync_path(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def open_whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to; see `whole_file`."""
    with whole_file(path) as partial, partial.open("wb") as file:
        yield file


def write_whole_file(path: Path, data: bytes | str) -> None:
    """Write a file; see `whole_file`."""
    with open_whole_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def new_growing_file(path: Path) -> BinaryIO:
    """A new file, and its folder, for what comes bit by bit: readers see what is flushed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def sync_path(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        if path.is_dir():  # on Windows
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
