"""Finished files: on the disk, their sizes and checksums."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from bigdata_cli.checksum import FileEntry, entry_of_file
from bigdata_cli.formats.base import partial_path
from bigdata_cli.io.whole_file import sync_path
from bigdata_cli.native.library import lib

_MAX_SINGLE_FLUSHES = 64
"""With more files the whole file system is flushed, by one call."""


def flush_files(folder: Path, names: Sequence[str], pool: Executor | None = None) -> None:
    """Wait until finished files, which have their partial names, are on the disk."""
    paths = [partial_path(folder / name) for name in names]
    if len(paths) > _MAX_SINGLE_FLUSHES:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if lib.bd_sync_file_system(descriptor) == 0:
                return
        finally:
            os.close(descriptor)
    for _ in map(sync_path, paths) if pool is None else pool.map(sync_path, paths):
        pass


def file_entry(folder: Path, name: str) -> FileEntry:
    """Flush a finished file to the disk; returns its size and checksum."""
    path = partial_path(folder / name)
    sync_path(path)
    return entry_of_file(path, name)
