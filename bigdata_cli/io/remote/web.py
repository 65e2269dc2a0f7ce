"""Files of web servers: ranges of them where the server has ranges, else a stream.

It uses the session of fsspec's HTTP file system, which itself says neither whether a server has
ranges nor what came of an answer that broke off.
"""

from __future__ import annotations

import errno
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import xxhash

from bigdata_cli.errors import SourceLostError
from bigdata_cli.io.decompress import Cancelled
from bigdata_cli.io.remote.faults import MAX_ATTEMPTS, Transient, as_os_error, retried, wait
from bigdata_cli.io.remote.filesystems import file_system
from bigdata_cli.url import Snapshot, Url

_SECONDS_BETWEEN_LOOKS = 0.2
_READ_BYTES = 1 << 20


def look_at(url: Url) -> Snapshot:
    """What a server says of a file, asked for its first byte; raises OSError."""
    system = file_system(url)

    async def ask() -> Snapshot:
        async with await _get(system, url, {"Range": "bytes=0-0"}) as reply:
            if reply.status != 416:  # of an empty file
                reply.raise_for_status()
            return _snapshot(reply)

    from fsspec.asyn import sync

    return sync(system.loop, ask)


def read_into(url: Url, start: int, stop: int, into: bytearray) -> None:
    """Append the bytes [start, stop) of a file; those that came before an error stay.

    Raises OSError where the server has no ranges any more, or has another file now.
    """
    system = file_system(url)

    async def read() -> None:
        async with await _get(system, url, {"Range": f"bytes={start}-{stop - 1}"}) as reply:
            if reply.status == 416:
                raise OSError(errno.ESTALE, "it has become shorter")
            reply.raise_for_status()
            if reply.status != 206:
                raise OSError(errno.EIO, "the server does not give ranges of it any more")
            _check_same(url, _snapshot(reply))
            async for piece in reply.content.iter_any():
                into.extend(piece)

    from fsspec.asyn import sync

    sync(system.loop, read)


def _check_same(url: Url, now: Snapshot) -> None:
    then = url.snapshot
    if then is not None and now[:3] != then[:3]:
        raise OSError(errno.ESTALE, "another file is there now")


async def _get(system: Any, url: Url, headers: dict[str, str]) -> Any:
    session = await system.set_session()
    options = {**system.kwargs}
    wanted = {**options.pop("headers", {}), "Accept-Encoding": "identity", **headers}
    return await session.get(system.encode_url(url.address), headers=wanted, **options)


def _snapshot(reply: Any) -> Snapshot:
    """What the headers of an answer say."""
    headers = reply.headers
    size: int | None = None
    has_ranges = reply.status in (206, 416)
    if has_ranges:
        total = headers.get("Content-Range", "").rpartition("/")[2]
        size = int(total) if total.isdigit() else None
    elif "Content-Length" in headers:
        size = int(headers["Content-Length"])
    written = 0
    if "Last-Modified" in headers:
        from email.utils import parsedate_to_datetime

        try:
            moment = parsedate_to_datetime(headers["Last-Modified"])
        except ValueError:
            pass
        else:
            written = int(moment.timestamp()) * 1_000_000_000
    return Snapshot(size, written, headers.get("ETag", ""), has_ranges and size is not None)


class WebStream:
    """A file of a server without ranges, from its start; a `ByteStream`.

    Where it breaks off, it is asked for again, and what was read before is compared with what
    comes. The waiting for it ends with Cancelled where `stop` is set.
    """

    def __init__(self, url: Url, name: str) -> None:
        self._url = url
        self._name = name
        self._system = file_system(url)
        self._reply: Any = None
        self._digest = xxhash.xxh3_128()
        self.stop: threading.Event | None = None
        self.consumed = 0

    def read(self, n_bytes: int) -> bytes:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                if self._reply is None:
                    self._open()
                data = self._wait(self._reply.content.read(n_bytes))
            except (Cancelled, SourceLostError):
                raise
            except Exception as raised:
                self.close()
                error = as_os_error(raised, self._url)
                if not isinstance(error, Transient) or attempt == MAX_ATTEMPTS:
                    raise SourceLostError(
                        f"{self._name}: reading byte {self.consumed:,}: {error.strerror}"
                    ) from (None if self._url.has_secrets else raised)
                wait(attempt)
                continue
            self.consumed += len(data)
            self._digest.update(data)
            return data
        raise AssertionError("the last attempt returns or raises")

    def _open(self) -> None:
        """Ask for the file, and go to where reading broke off."""

        async def ask() -> Any:
            reply = await _get(self._system, self._url, {})
            reply.raise_for_status()
            return reply

        self._reply = self._wait(ask())
        digest, left = xxhash.xxh3_128(), self.consumed
        while left and (data := self._wait(self._reply.content.read(min(left, _READ_BYTES)))):
            digest.update(data)
            left -= len(data)
        if left or digest.digest() != self._digest.digest():
            raise SourceLostError(
                f"{self._name} broke off at byte {self.consumed:,}, and the server sends another "
                "file now",
                hint="save it to a file first",
            )

    def _wait(self, work: Any) -> Any:
        """What a coroutine returns."""
        import asyncio  # here: it takes a tenth of the start of every command

        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._system.loop)
        while True:
            try:
                return future.result(_SECONDS_BETWEEN_LOOKS)
            except NotYet:
                if future.done():
                    raise
                if self.stop is not None and self.stop.is_set():
                    future.cancel()
                    raise Cancelled from None

    def close(self) -> None:
        """Give the connection back; safe to call twice."""
        reply, self._reply = self._reply, None
        if reply is not None:
            self._system.loop.call_soon_threadsafe(reply.close)


def open_stream(url: Url, name: str) -> WebStream:
    """A file of a server without ranges; raises OSError where it is not there."""
    retried(lambda: look_at(url), url)
    return WebStream(url, name)
