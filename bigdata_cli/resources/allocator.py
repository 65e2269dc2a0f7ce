"""Settings of the heap: how this process takes memory from the system, and returns it."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
_MMAP_THRESHOLDS = (1 << 28, 1 << 25)
"""What is larger is not of the heap. Some versions take no more than the second."""
_KEPT_BYTES = 1 << 30
_SMALL_BYTES = 1 << 20
_SMALL_LIMIT_BYTES = 400_000_000
"""Below it the sample alone may take more of a heap that keeps what is freed than there is."""
_MAPS = Path("/proc/self/maps")


def set_up_heap(limit_bytes: int | None) -> None:
    """The heap of a process that only converts, whose memory stays below a limit."""
    # Nothing here multiplies matrices, and the threads for it would spin as NumPy starts them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if limit_bytes is not None and limit_bytes < _SMALL_LIMIT_BYTES:
        return_freed_memory()
    else:
        reuse_freed_memory()


def reuse_freed_memory() -> None:
    """Let all threads share one heap that keeps what is freed; for a process of its own.

    Blocks of a few MB are made in one thread and freed in another, thousands of times. With a heap
    for each thread, and pyarrow's beside them, as much again lay idle, and a tenth of the time went
    into taking pages from the system that had just been given back. Does nothing where the C
    library has no such settings.
    """
    _one_heap(mmap_thresholds=_MMAP_THRESHOLDS, kept_bytes=_KEPT_BYTES)


def return_freed_memory() -> None:
    """Let all threads share one heap, and give what is freed back at once: slower, and smaller.

    For a process whose memory limit is so low that it must not keep what it may need again.
    """
    _one_heap(mmap_thresholds=(_SMALL_BYTES,), kept_bytes=_SMALL_BYTES)


def _one_heap(*, mmap_thresholds: tuple[int, ...], kept_bytes: int) -> None:
    libc = _libc()
    if libc is None or not hasattr(libc, "mallopt"):
        return
    # Else pyarrow's own allocator reserves a GB of address space, where there may be less.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    import pyarrow as pa

    libc.mallopt(_M_ARENA_MAX, 1)
    any(libc.mallopt(_M_MMAP_THRESHOLD, n_bytes) for n_bytes in mmap_thresholds)
    libc.mallopt(_M_TRIM_THRESHOLD, kept_bytes)
    pa.set_memory_pool(pa.system_memory_pool())


def drop_idle_pages() -> None:
    """Give back pages that can be had again: free ones of the heap, and code of libraries.

    Code counts as resident once it has run, and most of it ran once, when a library or a compiled
    kernel was loaded: a third of all that a small conversion takes. Mappings that are executable
    and not writable hold only the content of their file, from which the kernel reads it again
    where it is called. Does nothing where that cannot be done.
    """
    libc = _libc()
    if libc is None or not hasattr(mmap, "MADV_DONTNEED"):
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


def _libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
