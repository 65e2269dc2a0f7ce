"""Memory that a process holds and does not use, given back at once; no setting is changed."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def drop_idle_pages() -> None:
    """Give back pages that can be had again: free ones of the heaps, and code of libraries.

    Code counts as resident once it has run, and most of it ran once, when a library or a compiled
    kernel was loaded: a third of all that a small conversion takes. Mappings that are executable
    and not writable hold only the content of their file, from which the kernel reads it again
    where it is called. Does nothing where that cannot be done.
    """
    import pyarrow as pa

    pool = pa.default_memory_pool()
    if pool.backend_name != "system":  # that one is trimmed below
        pool.release_unused()
    try:
        libc = ctypes.CDLL(None)
    except OSError:
        return
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, stop in _code_mappings():
        libc.madvise(start, stop - start, mmap.MADV_DONTNEED)


def _code_mappings() -> list[tuple[int, int]]:
    """The addresses of the files that are mapped as code, private and never written."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[1] == "r-xp" and words[5].startswith("/"):
            start, _, stop = words[0].partition("-")
            found.append((int(start, 16), int(stop, 16)))
    return found
