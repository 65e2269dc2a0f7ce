"""How this process takes memory from the system."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
_MMAP_THRESHOLDS = (1 << 28, 1 << 25)
"""What is larger is not of the heap. Some versions take no more than the second."""
_KEPT_BYTES = 1 << 30


def reuse_freed_memory() -> None:
    """Let all threads share one heap that keeps what is freed; for a process of its own.

    Blocks of a few MB are made in one thread and freed in another, thousands of times. With a heap
    for each thread, and pyarrow's beside them, as much again lay idle, and a tenth of the time went
    into taking pages from the system that had just been given back. Does nothing where the C
    library has no such settings.
    """
    import pyarrow as pa

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_ARENA_MAX, 1)
    any(mallopt(_M_MMAP_THRESHOLD, n_bytes) for n_bytes in _MMAP_THRESHOLDS)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    pa.set_memory_pool(pa.system_memory_pool())
