"""Compression of Parquet pages: the codec of each column chunk, and zstd's level, from its pages.

The choice follows from the pages alone, so that the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

PLAIN, DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY = 0, 5, 6
"""Encodings, as parquet.thrift numbers them."""
UNCOMPRESSED = 0
CODECS = {"none": UNCOMPRESSED, "snappy": 1, "gzip": 2, "brotli": 4, "zstd": 6, "lz4": 7}
"""Numbers of the codecs in parquet.thrift; lz4 is LZ4_RAW."""

_MAX_SHARE = 0.98
"""Pages that do not become smaller than this share stay as they are, which readers are glad of."""
_MIN_BYTES = 128
"""Less is not tried."""
_SPLIT_TRIAL_BYTES, _ZSTD_BLOCK_BYTES = 1 << 16, 1 << 17
_SPLIT_SHARE = 1.02
"""Bytes apart are compressed two to four times as fast, and better where there are more of them."""

_MIN_PROBED_BYTES = 1 << 18
_PROBE_BYTES, _PROBE_SHARE = 1 << 16, 0.99
"""Packed differences often have nothing that zstd finds: a piece of them tells. Of numbers as they
are a page does, whose values may repeat at a distance."""

_USUAL = 1
"""zstd's level where no other way is better."""
_NUMBERS, _REPEATS, _PROSE, _NAMES, _PAGE_USUAL = (
    "numbers",
    "repeats",
    "prose",
    "names",
    "usual for a page",
)
"""Settings of our own, as `_SETTINGS` has them.

`_NUMBERS` is best for floats one after another: the sizes of level 3 in two thirds of its time,
measured on prices and balances. `_REPEATS` is for texts: two thirds of what level 3 gains on level
1, for a third of the time. `_PROSE` is nearly level 3, with tables that stay in the second cache:
nine tenths of its time. `_NAMES` is level 3 with longer matches, whose table stays in the first
cache: four fifths of its time. `_PAGE_USUAL` is what level 1 is for a page: zstd has other settings
for small pieces.
"""
_LONG_TEXT = 32
"""Bytes of a text in the mean from which on it may be `_PROSE`, and below it `_NAMES`."""
_MIN_TEXT_BYTES = 1 << 16
_TEXT_PIECE_BYTES, _MIN_TEXT_PIECE_BYTES, _TEXT_PIECES = 1 << 17, 1 << 14, 36
_MANY_PAGES = 8
_REPEATS_SHARE, _DENSE_SHARE = 0.985, 0.98
"""A piece of the texts, one of so many at the most, tells whether they gain. Prose, names and
addresses become 6 to 17 % smaller, in up to 1.5 times the time; identifiers do not."""

_SETTINGS = {
    _PAGE_USUAL: (False, 19, 14, 13, 7),
    _NUMBERS: (False, 20, 15, 13, 5),
    _REPEATS: (False, 20, 16, 13, 7),
    _PROSE: (True, 20, 16, 15, 5),
    _NAMES: (True, 21, 17, 13, 6),
}
"""Of a way: whether it looks for long and short matches (dfast), or for one kind (fast); the powers
of 2 of the window and of both tables; the bytes of a match at least."""

Compress = Callable[[memoryview], bytes]


class PageCompressor:
    """Compresses pages with one codec. It holds the state of the compressors: one thread a time."""

    def __init__(self, codec: str, level: int | None) -> None:
        self.number = CODECS[codec]
        self._codec = codec
        self._level = level
        self._is_free = codec == "zstd" and level is None
        self._by_way: dict[int | str | None, Compress] = {}

    def chunk(
        self, pages: Sequence[memoryview], *, encoding: int, n_values: int
    ) -> list[bytes] | None:
        """The pages of a column chunk compressed, or None where they should stay as they are."""
        n_bytes = sum(map(len, pages))
        if self.number == UNCOMPRESSED or n_bytes < _MIN_BYTES:
            return None
        if not self._is_free:
            compressed = self._at(self._level, pages)
        elif encoding == PLAIN:
            found = self._numbers(pages)
            if found is None:
                return None
            compressed = found
        elif encoding == DELTA_LENGTH_BYTE_ARRAY and n_bytes >= _MIN_TEXT_BYTES:
            compressed = self._texts(pages, n_bytes, n_values)
        elif (
            encoding == DELTA_BINARY_PACKED
            and n_bytes >= _MIN_PROBED_BYTES
            and not self._shrinks(pages)
        ):
            return None
        else:
            compressed = self._at(_USUAL, pages)
        return compressed if sum(map(len, compressed)) <= _MAX_SHARE * n_bytes else None

    def splitting_pays(self, values: np.ndarray) -> bool:
        """Whether the bytes of values (n, width) are smaller apart than one value after another."""
        if self.number == UNCOMPRESSED:
            return False
        n = max(1, _SPLIT_TRIAL_BYTES // values.shape[1])
        start = max(0, (len(values) - n) // 2)
        sample = values[start : start + n]
        plain = self._compress(_NUMBERS if self._is_free else self._level)
        split = self._compress(_USUAL if self._is_free else self._level)
        # zstd codes the bytes of a block alike: as many kinds stand in one as in a whole page.
        width = values.shape[1]
        kinds = max(1, min(width, _ZSTD_BLOCK_BYTES // len(values)))
        apart = np.ascontiguousarray(sample.T)
        blocks = [memoryview(apart[i : i + kinds]).cast("B") for i in range(0, width, kinds)]
        size = sum(len(split(block)) for block in blocks)
        return size <= _SPLIT_SHARE * len(plain(memoryview(sample).cast("B")))

    def _shrinks(self, pages: Sequence[memoryview]) -> bool:
        """Whether a piece of the largest page becomes smaller."""
        piece = _piece(pages, _PROBE_BYTES)
        return len(self._compress(_USUAL)(piece)) < _PROBE_SHARE * len(piece)

    def _numbers(self, pages: Sequence[memoryview]) -> list[bytes] | None:
        """Numbers as they are, compressed; None where the page in the middle does not shrink."""
        compress = self._compress(_NUMBERS)
        middle = len(pages) // 2
        first = compress(pages[middle])
        if len(first) > _PROBE_SHARE * len(pages[middle]):
            return None
        return [first if i == middle else compress(page) for i, page in enumerate(pages)]

    def _texts(self, pages: Sequence[memoryview], n_bytes: int, n_values: int) -> list[bytes]:
        """Texts compressed, in the way that a piece of them, and of many pages one, shows."""
        wanted = max(_MIN_TEXT_PIECE_BYTES, n_bytes // _TEXT_PIECES)
        piece = _piece(pages, min(_TEXT_PIECE_BYTES, wanted))
        dense = _PROSE if n_bytes >= _LONG_TEXT * n_values else _NAMES
        if self._gains(piece, _REPEATS, dense, _DENSE_SHARE):
            return self._at(dense, pages)
        if len(pages) < _MANY_PAGES:
            pays = self._gains(piece, _PAGE_USUAL, _REPEATS, _REPEATS_SHARE)
            return self._at(_REPEATS if pays else _USUAL, pages)
        # What repeats at a distance is not seen in a piece.
        middle = len(pages) // 2
        usual, repeats = (self._compress(way)(pages[middle]) for way in (_USUAL, _REPEATS))
        pays = len(repeats) <= _REPEATS_SHARE * len(usual)
        compress = self._compress(_REPEATS if pays else _USUAL)
        known = repeats if pays else usual
        return [known if i == middle else compress(page) for i, page in enumerate(pages)]

    def _gains(self, piece: memoryview, way: str, other: str, share: float) -> bool:
        """Whether a piece is as small as a share of what one way makes of it, by another one."""
        return len(self._compress(other)(piece)) <= share * len(self._compress(way)(piece))

    def _at(self, level: int | str | None, pages: Sequence[memoryview]) -> list[bytes]:
        compress = self._compress(level)
        return [compress(page) for page in pages]

    def _compress(self, way: int | str | None) -> Compress:
        if way not in self._by_way:
            self._by_way[way] = (
                _zstd(way) if self._codec == "zstd" else _by_pyarrow(self._codec, way)
            )
        return self._by_way[way]


def _piece(pages: Sequence[memoryview], n_bytes: int) -> memoryview:
    """The middle of the largest page."""
    page = max(pages, key=len)
    start = max(0, (len(page) - n_bytes) // 2)
    return page[start : start + n_bytes]


def _zstd(way: int | str | None) -> Compress:
    # A compressor that is kept takes a microsecond for a small page, pyarrow's takes ten.
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from backports import zstd
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: way}
    if isinstance(way, str):
        is_dense, window, table, short_table, match = _SETTINGS[way]
        options = {
            parameter.compression_level: 3 if is_dense else 1,
            parameter.strategy: zstd.Strategy.dfast if is_dense else zstd.Strategy.fast,
            parameter.window_log: window,
            parameter.hash_log: table,
            parameter.chain_log: short_table,
            parameter.min_match: match,
        }
    compressor = zstd.ZstdCompressor(options=options)
    whole = compressor.FLUSH_FRAME
    return lambda page: compressor.compress(page, whole)


def _by_pyarrow(codec: str, level: Any) -> Compress:
    made: Any = pa.Codec("lz4_raw" if codec == "lz4" else codec, level)
    return lambda page: made.compress(page, asbytes=True)
