"""The journal of a conversion: what is finished, one line each, so that the same command goes on.

A line is a JSON object whose first key, `check`, is the beginning of the SHA-256 of the line before
it and of its own rest. So a line that is torn, changed, lost or out of its place ends what is
believed of the journal: that line and all after it are as if they had never been written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

JOURNAL_NAME = "_journal.jsonl"
_CHECK_DIGITS = 16
_START = '{"check": "'
_MOST_BYTES = 1 << 30


class Entry(NamedTuple):
    """A line of a journal: what it is about, and what it says."""

    kind: str
    value: Any


class Written(NamedTuple):
    """What a journal holds: its whole lines, their bytes, and the check of the last of them."""

    entries: tuple[Entry, ...]
    bytes: int
    check: str

    def first(self, kind: str) -> Any:
        """What the first line of a kind says, None where there is none."""
        return next((entry.value for entry in self.entries if entry.kind == kind), None)


class Journal:
    """Lines appended to a file by a thread of its own, each on the disk before the next is begun.

    What a line speaks of must be on the disk when it is appended, but for the names in `folder`,
    which are synchronised here. Whatever waits is written together, so that many small shards cost
    as little as one. An error of the disk is raised by the next `append` or by `flush`; its lines
    are tried again with the next ones, and by `close`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        self._check = ""
        self._bytes = 0
        self._waiting: deque[Callable[[], Entry]] = deque()
        self._writer: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def start(self, value: Any) -> None:
        """Have a new journal, whose first line is `value`: written with the next line."""
        self._check, self._bytes = "", 0
        self._waiting.clear()
        self._waiting.append(lambda: Entry("begin", value))

    def go_on(self, written: Written) -> None:
        """Append to what was read; what stands after its last whole line is cut off."""
        self._check, self._bytes = written.check, written.bytes

    def append(self, kind: str, make: Callable[[], Any]) -> None:
        """Write a line, soon; `make` is called in the thread that writes."""
        if self._last is not None and self._last.done():
            self._last.result()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting.append(lambda: Entry(kind, make()))
        self._last = self._writer.submit(self._write)

    def flush(self) -> None:
        """Return when all lines are on the disk."""
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Write what waits, and end the thread; safe to call twice. Raises nothing of the disk."""
        if self._writer is not None:
            self._writer.submit(self._write)
            self._writer.shutdown(wait=True)
            self._writer = None

    def remove(self) -> None:
        """End the thread and remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        """Write all that waits; the thread's later calls find nothing left."""
        if not self._waiting:
            return
        sync_folder(self.path.parent)
        entries = list(self._waiting)  # they wait until they are on the disk
        lines, check = [], self._check
        for make in entries:
            line, check = _line(make(), check)
            lines.append(line)
        data = "".join(lines).encode("ascii")
        is_new = not self._bytes
        with self.path.open("wb" if is_new else "r+b") as file:
            file.truncate(self._bytes)
            file.seek(self._bytes)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        self._bytes, self._check = self._bytes + len(data), check
        for _ in entries:
            self._waiting.popleft()
        if is_new:
            sync_folder(self.path.parent)


def read_journal(folder: Path) -> Written | None:
    """What the journal of a folder holds; None where there is none, or not even its first line.

    Nothing in it is trusted that its checks do not vouch for.
    """
    path = folder / JOURNAL_NAME
    try:
        if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    return _whole_lines(data.splitlines(keepends=True))


def _whole_lines(lines: Iterable[bytes]) -> Written | None:
    entries: list[Entry] = []
    n_bytes, check = 0, ""
    for line in lines:
        parsed = _parse(line, check)
        if parsed is None or (parsed.kind == "begin") != (not entries):
            break
        entries.append(parsed)
        n_bytes, check = n_bytes + len(line), _check_of(line)
    return Written(tuple(entries), n_bytes, check) if entries else None


def _line(entry: Entry, before: str) -> tuple[str, str]:
    """A line, and its check."""
    rest = json.dumps({entry.kind: entry.value})[1:] + "\n"
    check = _digest(before, rest)
    return f'{_START}{check}", {rest}', check


def _parse(line: bytes, before: str) -> Entry | None:
    """What a line says; None where it is not what was written there."""
    start = _START.encode()
    rest = line[len(start) + _CHECK_DIGITS + 3 :]
    if not line.startswith(start) or not line.endswith(b"\n") or not rest.isascii():
        return None
    if _digest(before, rest.decode("ascii")) != _check_of(line):
        return None
    try:
        ((kind, value),) = json.loads(b"{" + rest).items()
    except (ValueError, RecursionError):
        return None
    return Entry(kind, value)


def _check_of(line: bytes) -> str:
    return line[len(_START) :][:_CHECK_DIGITS].decode("ascii", "replace")


def _digest(before: str, rest: str) -> str:
    return hashlib.sha256((before + rest).encode("ascii")).hexdigest()[:_CHECK_DIGITS]


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
