"""Small pieces of files at addresses: fetched before they are asked for, and kept for a while.

The beginning and the end of a file are looked at again and again before it is read, and so are the
places of a sample. Where it is known which they will be, they are fetched at the same time: one
after the other each would take as long as its server needs to answer.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import NamedTuple

from bigdata_cli.io.remote.files import read_range
from bigdata_cli.url import Snapshot, Url

MAX_KEPT_BYTES = 16 << 20
"""Of all files together, in a process."""
_AT_ONCE = 8


class _Piece(NamedTuple):
    """Bytes [start, stop) of a file as it was."""

    url: Url
    snapshot: Snapshot
    start: int
    stop: int


class _Pieces:
    """The pieces that were fetched last, or are being fetched; any thread may call it.

    A piece of a file of which nothing tells whether it is still the same is not kept.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Keep nothing, and be held by nobody."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Piece, Future[bytes]] = OrderedDict()
        self._bytes = 0

    def expect(self, url: Url, ranges: Iterable[tuple[int, int]]) -> None:
        """Fetch ranges that will be read soon; those that would be too many are left out."""
        known = url.snapshot
        if known is None or not known.version or not known.has_ranges:
            return
        size, n_bytes, wanted = known.bytes or 0, 0, []
        for start, stop in ranges:
            piece = _Piece(url, known, max(0, start), min(stop, size))
            n_bytes += piece.stop - piece.start
            if n_bytes > MAX_KEPT_BYTES:
                break
            if piece.start < piece.stop:
                wanted.append(piece)
        with self._lock:
            wanted = [one for one in wanted if self._holding(one) is None]
            if not wanted:
                return
            pool = ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), thread_name_prefix="pieces")
            for one in wanted:
                self._keep(one, pool.submit(read_range, url, one.start, one.stop))
        pool.shutdown(wait=False)

    def read(self, url: Url, start: int, stop: int, *, fetched: tuple[int, int]) -> bytes:
        """The bytes [start, stop) of a file, which are in a piece that is kept, or else in the
        range `fetched`, which is kept then."""
        known = url.snapshot
        assert known is not None
        with self._lock:
            piece = self._holding(_Piece(url, known, start, stop))
            future = None if piece is None else self._kept[piece]
        if piece is not None and future is not None:
            try:
                data = future.result()
                return data[start - piece.start : stop - piece.start]
            except CancelledError:  # to keep others
                pass
            except BaseException:
                self._drop(piece)
                raise
        piece = _Piece(url, known, *fetched)
        data = read_range(url, piece.start, piece.stop)
        done: Future[bytes] = Future()
        done.set_result(data)
        with self._lock:
            self._keep(piece, done)
        return data[start - piece.start : stop - piece.start]

    def holds(self, url: Url, start: int, stop: int) -> bool:
        """Whether a piece has these bytes, or will have them."""
        known = url.snapshot
        if known is None:
            return False
        with self._lock:
            return self._holding(_Piece(url, known, start, stop)) is not None

    def _holding(self, wanted: _Piece) -> _Piece | None:
        """A piece that has all bytes of another one."""
        for kept in reversed(self._kept):
            is_inside = kept.start <= wanted.start and wanted.stop <= kept.stop
            if is_inside and kept.snapshot == wanted.snapshot and kept.url == wanted.url:
                return kept
        return None

    def _keep(self, piece: _Piece, future: Future[bytes]) -> None:
        """Keep a piece; those that were taken longest ago make room for it."""
        if piece not in self._kept:
            self._bytes += piece.stop - piece.start
        self._kept[piece] = future
        while self._bytes > MAX_KEPT_BYTES and len(self._kept) > 1:
            old, before = self._kept.popitem(last=False)
            self._bytes -= old.stop - old.start
            before.cancel()

    def _drop(self, failed: _Piece) -> None:
        """Let go of the pieces of a file that cannot be read."""
        with self._lock:
            for piece in [one for one in self._kept if one.url == failed.url]:
                self._bytes -= piece.stop - piece.start
                self._kept.pop(piece).cancel()


PIECES = _Pieces()
# The threads that fetch are not in a process that is forked, and who held the lock is neither.
os.register_at_fork(after_in_child=PIECES.reset)
