"""Files of addresses, kept in a folder of this machine that processes share.

A file is called by what it was made of (its address, size and version) and by the checksum of its
bytes, which is compared when a process first uses it. The time of its last use is its mtime: those
that were used longest ago go first.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import xxhash

from bigdata_cli.errors import UsageError
from bigdata_cli.io.places import look_at, open_file
from bigdata_cli.url import CacheFolder, Snapshot, Url

_SUFFIX = ".cached"
_PIECE_BYTES = 1 << 22
_GRACE_SECONDS = 10.0
"""What was used so lately stays, whatever the bound: its user may not have opened it yet."""


def cached_path(url: Url, cache: CacheFolder) -> Path:
    """The file of an address on this machine: the one that is kept, or fetched now.

    Raises OSError as the address does, and UsageError where it cannot be kept.
    """
    snapshot = look_at(url)
    folder = Path(cache.path)
    key = xxhash.xxh3_128_hexdigest(repr((str(url), snapshot)).encode())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{key[:2]}.lock"):
            path = _kept(folder, key) or _fetch(url.with_snapshot(snapshot), snapshot, folder, key)
    except OSError as error:
        if error.filename is None:  # of the address
            raise
        raise UsageError(
            f"--cache {folder}: {error.strerror}", hint="--cache DIR in a folder with room"
        ) from error
    _evict(folder, cache.max_bytes, path)
    return path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Have one process at a time fetch a file; the lock ends with its process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kept(folder: Path, key: str) -> Path | None:
    """The file that is kept under a key, if its bytes are those that were written."""
    for path in folder.glob(f"{key}-*{_SUFFIX}"):
        stat = path.stat()
        if _is_whole(path, stat.st_ino, stat.st_size):
            os.utime(path)
            return path
        path.unlink(missing_ok=True)
    return None


@functools.lru_cache(1 << 16)
def _is_whole(path: Path, inode: int, n_bytes: int) -> bool:
    """Whether the bytes of a file are those that were written; a process reads them once for it."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest() == path.name.removesuffix(_SUFFIX).rpartition("-")[2]


def _fetch(url: Url, snapshot: Snapshot, folder: Path, key: str) -> Path:
    """Write the bytes of an address into a file, which gets its name when it is whole."""
    partial = folder / f"{key}-{os.getpid()}.partial"
    digest = xxhash.xxh3_128()
    n_bytes = 0
    try:
        with open_file(url, from_start=True) as source, partial.open("wb") as file:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                file.write(piece)
                n_bytes += len(piece)
        if n_bytes != snapshot.bytes:
            raise OSError(f"{n_bytes:,} bytes came of {snapshot.bytes:,}")
        path = folder / f"{key}-{digest.hexdigest()}{_SUFFIX}"
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return path


def _evict(folder: Path, max_bytes: int, used: Path) -> None:
    """Remove the files that were used longest ago, until the rest has room."""
    now = time.time()
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # removed by another process
            stat = path.stat()
            found.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in found)
    for used_at, size, path in sorted(found):
        if total <= max_bytes:
            return
        if path == used or now - used_at < _GRACE_SECONDS:
            continue
        path.unlink(missing_ok=True)
        total -= size
