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
from bigdata_cli.io.remote.pieces import PIECES
from bigdata_cli.io.remote.runs import Runs
from bigdata_cli.url import Snapshot, Url

if TYPE_CHECKING:
    from collections.abc import Buffer

_N_KEPT = 4
_MIN_SHARE = 4
"""After this part of a block, read without a gap, blocks are read."""


class Blocks(NamedTuple):
    """How a file is read: in blocks of so many bytes, so many ahead, so many kept.

    min_bytes: of a request for what goes on with nothing.
    """

    block_bytes: int
    n_ahead: int
    n_kept: int
    min_bytes: int


STREAMED = Blocks(8 << 20, 4, 5, 1 << 18)
"""For what is read from its start to its end, by several threads or one."""
SCATTERED = Blocks(1 << 19, 4, 64, 1 << 18)
"""For what is read here and there, as the columns of a row group."""
READ_AHEAD_BYTES = STREAMED.block_bytes * STREAMED.n_kept
"""The most memory that one file takes."""


class RangeReader:
    """Reads a file at any place; any thread may call it.

    Reading that goes on where an earlier read ended is served from blocks, and so is what was
    announced (`expect`). They are fetched ahead in threads, the more the longer it goes on, and the
    less the more places are read in turns. Any other read fetches what it asks for, and little
    more.
    """

    def __init__(self, url: Url, size: int, blocks: Blocks) -> None:
        self._url = url
        self._size = size
        self._how = blocks
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._runs = Runs()
        self._expected: tuple[int, int] = (0, 0)
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=_N_KEPT)
        self._pool: ThreadPoolExecutor | None = None

    def expect(self, start: int, stop: int) -> None:
        """Fetch the first blocks of what will be read from `start` to `stop`."""
        stop = min(stop, self._size)
        if start < stop:
            with self._lock:
                self._expected = start, stop
            self._block(start // self._how.block_bytes, self._how.n_ahead)

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
        size = self._how.block_bytes
        with self._lock:
            n_before, n_active = self._runs.take(offset, wanted)
            first, stop = self._expected
        if first <= offset < stop:
            n_before, n_active = self._how.n_ahead * size, 1
        n_each = self._how.n_kept // n_active
        if not n_each or n_before < size // _MIN_SHARE:
            self._read_alone(view[:wanted], offset)
            return wanted
        n_ahead = min(n_before // size, self._how.n_ahead, n_each - 1)
        done = 0
        while done < wanted:
            index, skipped = divmod(offset + done, size)
            block = self._content(index, n_ahead)
            piece = memoryview(block)[skipped : skipped + wanted - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def _read_alone(self, view: memoryview, offset: int) -> None:
        """Fill a view by one request; where that is small, more is fetched and kept."""
        stop = offset + len(view)
        if len(view) > self._how.min_bytes and not PIECES.holds(self._url, offset, stop):
            view[:] = read_range(self._url, offset, stop)
            return
        start = max(0, min(offset, self._size - self._how.min_bytes))  # all of the end is asked for
        end = min(max(stop, start + self._how.min_bytes), self._size)
        known = self._url.snapshot
        if known is not None and known.version:
            view[:] = PIECES.read(self._url, offset, stop, fetched=(start, end))
            return
        # Nothing would tell another file from this one.
        with self._lock:
            kept = list(self._kept)
        for first, data in kept:
            if first <= offset and stop <= first + len(data):
                view[:] = memoryview(data)[offset - first : stop - first]
                return
        data = read_range(self._url, start, end)
        view[:] = memoryview(data)[offset - start : stop - start]
        with self._lock:
            self._kept.append((start, data))

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
            first, stop = self._expected
            is_expected = first // self._how.block_bytes <= index <= stop // self._how.block_bytes
            last = ((stop if is_expected else self._size) - 1) // self._how.block_bytes
            for ahead in range(index, max(index, min(index + n_ahead, last)) + 1):
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
