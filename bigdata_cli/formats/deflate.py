"""Deflate: by ISA-L where no level was asked for, else by zlib at that level.

On shuffled floats, prices and counters ISA-L's level 1 was about ten times as fast as zlib's level
4; whole files became a few percent larger (docs/benchmarks.md).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

Compress = Callable[[bytes | np.ndarray], bytes]
FAST_LEVEL = 1
_GZIP_WBITS = 31


def zlib_stream(level: int | None) -> Compress:
    """What makes a zlib stream, as HDF5's deflate filter reads it, of the bytes it is given."""
    if level is not None:
        return lambda data: zlib.compress(data, level)
    from isal import isal_zlib

    return lambda data: isal_zlib.compress(data, FAST_LEVEL)


def gzip_member(level: int | None) -> Compress:
    """What makes one whole member of a gzip file of the bytes it is given."""
    if level is not None:

        def by_zlib(data: bytes | np.ndarray) -> bytes:
            compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WBITS)
            return compressor.compress(data) + compressor.flush()

        return by_zlib
    from isal import isal_zlib

    def by_isal(data: bytes | np.ndarray) -> bytes:
        compressor = isal_zlib.compressobj(FAST_LEVEL, isal_zlib.DEFLATED, _GZIP_WBITS)
        return compressor.compress(data) + compressor.flush()

    return by_isal
