"""What the command line does to its own process: how it takes memory, how many files it opens.

Nothing below `cli` changes a setting of the process: it may be someone's program.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

    from bigdata_cli.resources.budget import MemoryBudget

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
_MMAP_THRESHOLDS = (1 << 28, 1 << 25)
"""What is larger is not of the heap. Some versions take no more than the second."""
_KEPT_BYTES = 1 << 30
_SMALL_BYTES = 1 << 20
_SMALL_LIMIT_BYTES = 400_000_000
"""Below it the sample alone may take more of a heap that keeps what is freed than there is."""
_MAX_FILES = 1 << 20


def set_up_heap(limit_bytes: int | None) -> None:
    """The heap of a process that only converts, whose memory stays below a limit."""
    # Nothing here multiplies matrices, and the threads for it would spin as NumPy starts them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if limit_bytes is not None and limit_bytes < _SMALL_LIMIT_BYTES:
        return_freed_memory()
    else:
        reuse_freed_memory()


def fit_heap(budget: MemoryBudget) -> None:
    """Have the heap return what is freed where the budget of a conversion counts on that."""
    if budget.returns_memory:
        return_freed_memory()


def raise_file_limit() -> None:
    """Let this process have as many files open as the system allows it.

    Some datasets have a file for each column; the soft limit is often 1,024.
    """
    try:
        import resource
    except ImportError:  # not a POSIX system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft not in (resource.RLIM_INFINITY, -1) and wanted > soft:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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


def _libc() -> ctypes.CDLL | None:
    import ctypes

    try:
        return ctypes.CDLL(None)
    except OSError:
        return None
