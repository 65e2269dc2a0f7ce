"""Memory outside the heap, which returns to the system when it is released."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress

import numpy as np

_LARGE_PAGE = 2 << 20
_ALIGNMENT = 64
"""Bytes that arrays begin at multiples of."""


def pages(n_bytes: int) -> np.ndarray:
    """Zeros, uint8 (n_bytes,), in large pages where there are such.

    Of pages of 4 KB the first touch of each costs more than all that is written to it. The heap
    would keep them, and threads have heaps of their own.
    """
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
    # Of other sizes a kernel may put a mapping where no large page can begin.
    size = -(-max(1, n_bytes) // _LARGE_PAGE) * _LARGE_PAGE
    mapped = mmap.mmap(-1, size, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            mapped.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(mapped, np.uint8, n_bytes)


def zeros(n_bytes: int) -> np.ndarray:
    """Zeros, uint8 (n_bytes,), in pages of their own where they are many."""
    return pages(n_bytes) if n_bytes >= _LARGE_PAGE // 2 else np.zeros(n_bytes, np.uint8)


class Slabs:
    """Arrays of zeros that are cut from larger ones, each of which lives as long as its parts."""

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._slab = np.empty(0, np.uint8)
        self._used = 0

    def zeros(self, n: int, dtype: np.dtype) -> np.ndarray:
        """An array (n,) that no other shares memory with."""
        n_bytes = n * dtype.itemsize
        if n_bytes > len(self._slab) - self._used:
            slab = zeros(max(n_bytes, self._n_bytes) + _ALIGNMENT)
            self._slab, self._used = slab[-slab.ctypes.data % _ALIGNMENT :], 0
        start, stop = self._used, self._used + n_bytes
        self._used = -(-stop // _ALIGNMENT) * _ALIGNMENT
        return self._slab[start:stop].view(dtype)
