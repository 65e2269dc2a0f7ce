"""The bytes of a file at an address: read at any place, and ahead where reading goes on."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections import OrderedDict, deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from bigdata_cli.errors import DataError, SourceLostError
from bigdata_cli.io.remote.files import look_at, read_range
from bigdata_cli.url import Snapshot, Url

if TYPE_CHECKING:
    from collections.abc import Buffer

_SLACK_BYTES = 1 << 17
"""What begins so close behind or before the end of an earlier read goes on with it."""
_MIN_REQUEST_BYTES, _N_KEPT = 1 << 19, 4
_MAX_RUNS = 64
_MIN_SHARE = 4
"""After this part of a block, read without a gap, blocks are read."""


class Blocks(NamedTuple):
    """How a file is read: in blocks of so many bytes, so many ahead, so many kept."""

    block_bytes: int
    n_ahead: int
    n_kept: int


STREAMED = Blocks(4 << 20, 6, 10)
"""For what is read from its start to its end, by several threads or one."""
SCATTERED = Blocks(1 << 19, 4, 64)
"""For what is read here and there, as the columns of a row group."""
READ_AHEAD_BYTES = STREAMED.block_bytes * STREAMED.n_kept
"""The most memory that one file takes."""


class RangeReader:
    """Reads a file at any place; any thread may call it.

    Reading that goes on where an earlier read ended is served from blocks. They are fetched ahead
    in threads, the more the longer it goes on. Any other read fetches what it asks for and no more.
    """

    def __init__(self, url: Url, size: int, blocks: Blocks) -> None:
        self._url = url
        self._size = size
        self._how = blocks
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._runs: OrderedDict[int, int] = OrderedDict()
        """Where reading without a gap ended, and after how many bytes."""
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=_N_KEPT)
        self._pool: ThreadPoolExecutor | None = None

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill a view with the bytes from `offset` on; how many there were.

        Raises SourceLostError where the server does not give them, DataError where it has another
        file by now.
        """
        try:
            return self._read_into(view, offset)
        except OSError as error:
            secret = self._url.has_secrets
            raise _lost(self._url, offset, error) from (None if secret else error)

    def _read_into(self, view: memoryview, offset: int) -> int:
        wanted = max(0, min(len(view), self._size - offset))
        if not wanted:
            return 0
        n_before = self._bytes_before(offset, wanted)
        size = self._how.block_bytes
        if n_before < size // _MIN_SHARE:
            self._read_alone(view[:wanted], offset)
            return wanted
        done = 0
        while done < wanted:
            index, skipped = divmod(offset + done, size)
            block = self._content(index, n_before // size)
            piece = memoryview(block)[skipped : skipped + wanted - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def _read_alone(self, view: memoryview, offset: int) -> None:
        """Fill a view by one request; where that is small, more is fetched and kept."""
        stop = offset + len(view)
        with self._lock:
            kept = list(self._kept)
        for start, data in kept:
            if start <= offset and stop <= start + len(data):
                view[:] = memoryview(data)[offset - start : stop - start]
                return
        end = min(max(stop, offset + _MIN_REQUEST_BYTES), self._size)
        data = read_range(self._url, offset, end)
        view[:] = memoryview(data)[: len(view)]
        if len(data) <= _MIN_REQUEST_BYTES:
            with self._lock:
                self._kept.append((offset, data))

    def _bytes_before(self, offset: int, wanted: int) -> int:
        """How many bytes were read without a gap before a read, which is taken down."""
        with self._lock:
            near = [end for end in self._runs if abs(offset - end) <= _SLACK_BYTES]
            n_before = max((self._runs.pop(end) for end in near), default=0)
            self._runs[offset + wanted] = n_before + wanted
            while len(self._runs) > _MAX_RUNS:
                self._runs.popitem(last=False)
        return n_before

    def _content(self, index: int, n_ahead: int) -> bytes:
        """The bytes of a block."""
        try:
            return self._block(index, n_ahead).result()
        except CancelledError:  # another thread has let go of it
            start = index * self._how.block_bytes
            return read_range(self._url, start, min(start + self._how.block_bytes, self._size))

    def _block(self, index: int, n_ahead: int) -> Future[bytes]:
        """A block, being fetched or there; some after it are fetched too."""
        with self._lock:
            last = (self._size - 1) // self._how.block_bytes
            n_ahead = min(n_ahead, self._how.n_ahead)
            for ahead in range(index, min(index + n_ahead, last) + 1):
                if ahead not in self._blocks:
                    self._blocks[ahead] = self._submit(ahead)
            self._blocks.move_to_end(index)
            block = self._blocks[index]
            while len(self._blocks) > self._how.n_kept:
                _, old = self._blocks.popitem(last=False)
                old.cancel()
        if block.done() and block.exception() is not None:
            with self._lock:  # it may be there when it is asked for again
                self._blocks.pop(index, None)
        return block

    def _submit(self, index: int) -> Future[bytes]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._how.n_ahead, thread_name_prefix="ranges")
        start = index * self._how.block_bytes
        stop = min(start + self._how.block_bytes, self._size)
        return self._pool.submit(read_range, self._url, start, stop)

    def forget(self) -> None:
        """Let go of what was read ahead; it can be read on."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._blocks.clear()
            self._kept.clear()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Nothing else is open."""
        self.forget()


def _lost(url: Url, offset: int, error: OSError) -> DataError:
    """What to say of a read that failed; it is no OSError, as libraries say of damage too."""
    if error.errno == errno.ESTALE:
        return DataError(
            f"{url} changed while it was read: {error.strerror}",
            hint="convert it when nothing writes to it any more, or convert a copy",
        )
    return SourceLostError(f"{url}: reading byte {offset:,}: {error.strerror}")


class RangeFile(io.RawIOBase):
    """A file at an address as a file object, read by one thread at any place."""

    def __init__(self, url: Url, snapshot: Snapshot, blocks: Blocks = SCATTERED) -> None:
        assert snapshot.bytes is not None
        self._reader = RangeReader(url, snapshot.bytes, blocks)
        self._size = snapshot.bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        """The bytes of the file."""
        return self._size

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"there is no byte {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        n_bytes = self._reader.read_into(memoryview(buffer).cast("B"), self._position)
        self._position += n_bytes
        return n_bytes

    def readall(self) -> bytes:
        data = bytearray(max(0, self._size - self._position))
        n_bytes = self.readinto(data) if data else 0
        return bytes(memoryview(data)[:n_bytes])

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


def open_ranges(url: Url, blocks: Blocks = SCATTERED) -> RangeFile:
    """The file at an address, to be read at any place; raises OSError."""
    snapshot = url.snapshot or look_at(url)
    if snapshot.bytes is None or not snapshot.has_ranges:
        raise OSError(errno.EOPNOTSUPP, "its server gives it from its start only")
    return RangeFile(url.with_snapshot(snapshot), snapshot, blocks)
