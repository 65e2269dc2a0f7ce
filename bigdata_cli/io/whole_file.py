"""Files that are written atomically: readers see all of a file, or none of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path to write a file to; it gets its name when the block ends without an error.

    What is written is on the disk before the rename. The extension is kept, for writers that go
    by it. A process that is killed leaves a file `_NAME.partial.EXT`, which the next one replaces.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "a.json") as partial:
    ...     _ = partial.write_text("{}")
    ...     print(partial.name, [p.name for p in folder.iterdir()])
    _a.partial.json ['_a.partial.json']
    >>> [p.name for p in folder.iterdir()]
    ['a.json']
    """
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
