"""Compression of Parquet pages: the codec of each column chunk, and zstd's level, from its pages.

The choice follows from the pages alone, so that the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

UNCOMPRESSED = 0
CODECS = {"none": UNCOMPRESSED, "snappy": 1, "gzip": 2, "brotli": 4, "zstd": 6, "lz4": 7}
"""Numbers of the codecs in parquet.thrift; lz4 is LZ4_RAW."""

_MAX_SHARE = 0.98
"""Pages that do not become smaller than this share stay as they are, which readers are glad of."""
_MIN_BYTES = 48
"""Less is not tried."""
_USUAL_LEVEL = 1
_DENSE_LEVEL = 3
_LEVELS = (_USUAL_LEVEL, 2)
_NEARLY_AS_GOOD = 1.03
_MIN_TRIAL_BYTES = 1 << 16

Compress = Callable[[memoryview], bytes]


class PageCompressor:
    """Compresses pages with one codec. It holds the state of the compressors: one thread a time."""

    def __init__(self, codec: str, level: int | None) -> None:
        self.number = CODECS[codec]
        self._codec = codec
        self._level = level
        self._by_level: dict[int | None, Compress] = {}

    def chunk(self, pages: Sequence[memoryview], *, is_text: bool) -> list[bytes] | None:
        """The pages of a column chunk compressed, or None where they should stay as they are.

        is_text: whether the pages hold text or plain numbers, for which a level of zstd is looked
        for; packed bits are best at the usual one.
        """
        n_bytes = sum(map(len, pages))
        if self.number == UNCOMPRESSED or n_bytes < _MIN_BYTES:
            return None
        if self._codec == "zstd" and self._level is None:
            if is_text and n_bytes >= _MIN_TRIAL_BYTES:
                compressed = self._at_best_level(pages)
            else:
                compressed = self._at(_USUAL_LEVEL, pages)
        else:
            compressed = self._at(self._level, pages)
        return compressed if sum(map(len, compressed)) <= _MAX_SHARE * n_bytes else None

    def _at(self, level: int | None, pages: Sequence[memoryview]) -> list[bytes]:
        compress = self._compress(level)
        return [compress(page) for page in pages]

    def _at_best_level(self, pages: Sequence[memoryview]) -> list[bytes]:
        """By the fastest level that makes the largest page nearly as small as the dense one does."""
        trial = max(range(len(pages)), key=lambda i: len(pages[i]))
        level = _DENSE_LEVEL
        best = self._compress(level)(pages[trial])
        enough = _NEARLY_AS_GOOD * len(best)
        for lower in _LEVELS:
            tried = self._compress(lower)(pages[trial])
            if len(tried) <= enough:
                level, best = lower, tried
                break
        compress = self._compress(level)
        return [best if i == trial else compress(page) for i, page in enumerate(pages)]

    def _compress(self, level: int | None) -> Compress:
        if level not in self._by_level:
            self._by_level[level] = _compressor(self._codec, level)
        return self._by_level[level]


def _compressor(codec: str, level: int | None) -> Compress:
    if codec == "zstd":
        # A compressor that is kept takes a microsecond for a small page, pyarrow's takes ten.
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from backports import zstd
        compressor = zstd.ZstdCompressor(level=level)
        whole = compressor.FLUSH_FRAME
        return lambda page: compressor.compress(page, whole)
    made: Any = pa.Codec("lz4_raw" if codec == "lz4" else codec, level)
    return lambda page: made.compress(page, asbytes=True)
