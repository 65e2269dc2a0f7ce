"""How a process takes memory: for processes that do nothing but convert.

Only the command line calls this for its own process, and a worker that a conversion has started.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
_MMAP_THRESHOLDS = (1 << 28, 1 << 25)
"""What is larger is not of the heap. Some versions take no more than the second."""
_KEPT_BYTES = 1 << 30
_SMALL_BYTES = 1 << 20


def use_one_heap() -> None:
    """Have all threads of this process share one heap: before the first thread takes memory.

    The C library decides with the second thread that takes memory how many heaps there may be.
    """
    libc = _libc()
    if libc is not None and hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)


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
    libc.mallopt(_M_ARENA_MAX, 1)
    import pyarrow as pa

    any(libc.mallopt(_M_MMAP_THRESHOLD, n_bytes) for n_bytes in mmap_thresholds)
    libc.mallopt(_M_TRIM_THRESHOLD, kept_bytes)
    pa.set_memory_pool(pa.system_memory_pool())


def _libc() -> ctypes.CDLL | None:
    import ctypes

    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
