"""Finished files: on the disk, their sizes and checksums."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from bigdata_cli.checksum import FileEntry, entry_of_bytes, entry_of_file
from bigdata_cli.formats.base import partial_path
from bigdata_cli.native.library import lib

_MAX_SINGLE_FLUSHES = 64
"""With more files the whole file system is flushed, by one call."""


def flush_files(folder: Path, names: Sequence[str], pool: Executor | None = None) -> None:
    """Wait until finished files, which bear their partial names, are on the disk."""
    paths = [partial_path(folder / name) for name in names]
    if len(paths) > _MAX_SINGLE_FLUSHES:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if lib.bd_sync_file_system(descriptor) == 0:
                return
        finally:
            os.close(descriptor)
    for _ in map(_flush_file, paths) if pool is None else pool.map(_flush_file, paths):
        pass


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_entry(folder: Path, name: str) -> FileEntry:
    """Flush a finished file to the disk, and its size and checksum."""
    path = partial_path(folder / name)
    _flush_file(path)
    return entry_of_file(path, name)


def text_entry(name: str, text: str) -> FileEntry:
    """Size and checksum of a file that is to be written, as UTF-8."""
    return entry_of_bytes(name, text.encode("utf-8"))
