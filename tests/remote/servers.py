"""Servers on this machine: files by HTTP, with faults if they are wanted, and S3."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

FAULTS = ("500", "503", "reset", "truncated", "hung")
HUNG_SECONDS = 1.2


class Faults:
    """Which answers go wrong: a share of them, one kind after the other."""

    def __init__(self, share: float = 0.0, kinds: tuple[str, ...] = FAULTS, seed: int = 0) -> None:
        self.share = share
        self.n_made = 0
        self._kinds = kinds
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def next(self, method: str = "") -> str | None:
        """The fault of the next answer, to a request like GET; None for one as it should be."""
        with self._lock:
            if self._random.random() >= self.share:
                return None
            self.n_made += 1
            return self._kinds[self.n_made % len(self._kinds)]


@dataclass
class WebServer:
    """The files of a folder by HTTP.

    Attributes:
        has_ranges: Whether parts of files can be asked for.
        faults: What goes wrong with answers.
        requests: What was asked for: method, path, range.
        password: "user:password", which a request must have; None for no such thing.
        before: Is called with a path before each answer.
    """

    folder: Path
    has_ranges: bool = True
    has_etag: bool = True
    faults: Faults = field(default_factory=Faults)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    password: str | None = None
    before: Callable[[str], None] = lambda path: None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[WebServer]:
        server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections end in mid-answer here."""


def _handler(web: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            web.requests.append((self.command, path, self.headers.get("Range")))
            web.before(path)
            if web.password is not None and not self._is_allowed():
                self._status(401)
                return
            fault = web.faults.next()
            if fault in ("500", "503"):
                self._status(int(fault))
                return
            if fault == "hung":
                time.sleep(HUNG_SECONDS)
            if fault in ("hung", "reset"):
                self.close_connection = True
                self.connection.close()
                return
            place = web.folder / path.lstrip("/")
            if not place.is_file():
                self._status(404)
                return
            self._file(place, fault, with_body=with_body)

        def _is_allowed(self) -> bool:
            import base64

            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            return base64.b64decode(given).decode() == web.password

        def _status(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _file(self, place: Path, fault: str | None, *, with_body: bool) -> None:
            n_bytes = place.stat().st_size
            start, stop, status = 0, n_bytes, 200
            asked = self.headers.get("Range")
            if asked is not None and web.has_ranges:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start, stop, status = int(first), min(int(last) + 1, n_bytes), 206
                if start >= n_bytes:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{n_bytes}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
            with place.open("rb") as file:
                file.seek(start)
                body = file.read(stop - start)
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{n_bytes}")
            if web.has_etag:
                self.send_header("ETag", f'"{place.stat().st_ctime_ns}"')
            self.send_header("Last-Modified", self.date_time_string(int(place.stat().st_mtime)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not with_body:
                return
            if fault == "truncated" and body:
                self.close_connection = True
                body = body[: len(body) // 2]
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

    return Handler


@dataclass
class FaultProxy:
    """A server in front of another one, some of whose answers go wrong.

    Besides the faults of a `WebServer` there is "lost": the request is done, and the answer is not
    given.
    """

    target: str
    faults: Faults
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        server = _QuietServer(("127.0.0.1", 0), _proxy_handler(self))
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def _proxy_handler(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    host = urlsplit(proxy.target).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.faults.next(self.command)
            if fault in ("500", "503"):
                code = {"500": "InternalError", "503": "SlowDown"}[fault]
                error = f"<Error><Code>{code}</Code><Message>later</Message></Error>".encode()
                self._answer(int(fault), {}, error)
                return
            if fault == "hung":
                time.sleep(HUNG_SECONDS)
            if fault in ("hung", "reset"):
                self._cut_off()
                return
            connection = HTTPConnection(host, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            reply = connection.getresponse()
            content = reply.read()
            connection.close()
            if fault == "lost":
                self._cut_off()
                return
            headers = {
                key: value
                for key, value in reply.getheaders()
                if key.lower() not in ("transfer-encoding", "connection", "server", "date")
            }
            self._answer(reply.status, headers, content, is_truncated=fault == "truncated")

        def _cut_off(self) -> None:
            self.close_connection = True
            self.connection.shutdown(2)

        def _answer(
            self,
            status: int,
            headers: dict[str, str],
            content: bytes,
            *,
            is_truncated: bool = False,
        ) -> None:
            self.send_response(status)
            if self.command != "HEAD":
                headers = {**headers, "Content-Length": str(len(content))}
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if is_truncated and content:
                self.close_connection = True
                content = content[: len(content) // 2]
            self.wfile.write(content)

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._forward)
    return Handler
