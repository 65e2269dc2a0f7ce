"""Sizes and checksums of files that are written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bigdata_cli.formats.base import partial_path
from bigdata_cli.manifest import FileEntry
from bigdata_cli.resources.stages import stage


def file_entry(folder: Path, name: str) -> FileEntry:
    """Flush a finished file to the disk, and its size and checksum."""
    path = partial_path(folder / name)
    with stage("hash"), path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(
            name=name, bytes=os.fstat(file.fileno()).st_size, sha256=digest.hexdigest()
        )


def text_entry(name: str, text: str) -> FileEntry:
    """Size and checksum of a file that is to be written, as UTF-8."""
    data = text.encode("utf-8")
    return FileEntry(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
