"""The journal of a conversion: what is finished, one line each, so that the same command resumes.

A line is a JSON object whose first key, `check`, is the beginning of the SHA-256 of the line before
it and of its own rest. A line that is torn, changed, lost or out of its place has a wrong check:
that line and all after it are ignored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedReader, RawIOBase
from typing import Any, NamedTuple, cast

import msgspec

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.io.store import Store
from bigdata_cli.strict_json import Count, JsonError, convert

JOURNAL_NAME = "_journal.jsonl"
_CHECK_DIGITS = 16
_LINE = re.compile(rb'\{"check": "([0-9a-f]{16})", (.+\n)', re.DOTALL)
_SHARD = b'"shard": '
_READ_BYTES = 1 << 20
_MAX_BYTES = 1 << 33


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a journal.

    tool: versions of the libraries. options: by flag. plan: what the sample showed. table_bytes:
    a resumed conversion takes it over, whatever memory there is by then. made: how many folders
    the conversion made, from the output folder upward.
    """

    tool: dict[str, str]
    sources: tuple[SourceEntry, ...]
    options: dict[str, Any]
    plan: dict[str, Any]
    table_bytes: Count | None
    can_resume: bool
    force: bool
    made: Count = 0


class Entry(NamedTuple):
    """A line of a journal: its kind, and its value as plain JSON."""

    kind: str
    value: Any


class Written(NamedTuple):
    """What a journal holds: its whole lines, their bytes, and the check of the last of them."""

    entries: tuple[Entry, ...]
    n_bytes: int
    check: bytes

    def first(self, kind: str) -> Any:
        """The value of the first line of a kind, None where there is none."""
        return next((entry.value for entry in self.entries if entry.kind == kind), None)

    def identity(self) -> Identity | None:
        """The identity of the conversion; None where the first line has another form."""
        try:
            return convert(self.first("begin"), Identity)
        except JsonError:
            return None


class Journal:
    """Appends lines to a file in a thread of its own; each is on the disk before the next begins.

    The files that a line names must be on the disk when it is appended. Their names in the folder
    are synchronised here. All lines that wait are written together, so that many small shards cost
    as little as one. An error of the disk is raised by the next `append` or by `flush`; its lines
    are written with the next ones, or by `close`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._check = b""
        self._bytes = 0
        self._waiting: deque[Callable[[], Entry]] = deque()
        self._writer: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def start(self, value: Any) -> None:
        """Start a new journal. Its first line, `value`, is written with the next one."""
        self._check, self._bytes = b"", 0
        self._waiting.clear()
        self._waiting.append(lambda: Entry("begin", value))

    def resume(self, written: Written) -> None:
        """Append to what was read; what follows its last whole line is truncated."""
        self._check, self._bytes = written.check, written.n_bytes

    def append(self, kind: str, make: Callable[[], Any]) -> None:
        """Have a line written; `make` is called in the thread that writes.

        Args:
            kind: The key of the line.
            make: Gives its value: plain JSON values and `msgspec.Struct`s.
        """
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
        """Write what waits and end the thread; raises no error of the disk. May be called twice."""
        if self._writer is not None:
            self._writer.submit(self._write)
            self._writer.shutdown(wait=True)
            self._writer = None

    def remove(self) -> None:
        """End the thread and remove the file."""
        self.close()
        self._store.remove([JOURNAL_NAME])

    def _write(self) -> None:
        """Write all that waits. Later calls find nothing left."""
        if not self._waiting:
            return
        self._store.sync()
        entries = list(self._waiting)  # they wait until they are on the disk
        lines, check = [], self._check
        for make in entries:
            line, check = _line(make(), check)
            lines.append(line)
        data = b"".join(lines)
        is_new = not self._bytes
        self._store.put(JOURNAL_NAME, data, at=self._bytes)
        self._store.sync([JOURNAL_NAME])
        self._bytes, self._check = self._bytes + len(data), check
        for _ in entries:
            self._waiting.popleft()
        if is_new:
            self._store.sync()


def read_journal(store: Store, on_shard: Callable[[bytes], None] | None = None) -> Written | None:
    """The lines of the journal in a store whose checks are right; None where the first is not.

    on_shard: is given each line of a shard, for `parse_line`, which then is no entry; there may be
    100,000 of them.
    """
    try:
        if store.problem(JOURNAL_NAME) or store.stat(JOURNAL_NAME).bytes > _MAX_BYTES:
            return None
        with store.open(JOURNAL_NAME) as file:
            return _whole_lines(BufferedReader(cast("RawIOBase", file), _READ_BYTES), on_shard)
    except OSError:
        return None


def read_marks(store: Store) -> Written | None:
    """`read_journal`, without the lines of shards."""
    return read_journal(store, lambda line: None)


def _whole_lines(
    lines: Iterable[bytes], on_shard: Callable[[bytes], None] | None
) -> Written | None:
    entries: list[Entry] = []
    n_bytes, check = 0, b""
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or match[1] != _digest(check, match[2]):
            break
        if on_shard is not None and entries and match[2].startswith(_SHARD):
            on_shard(match[2])
        else:
            entry = parse_line(match[2])
            if entry is None or (entry.kind == "begin") != (not entries):
                break
            entries.append(entry)
        n_bytes, check = n_bytes + len(line), match[1]
    return Written(tuple(entries), n_bytes, check) if entries else None


def parse_line(rest: bytes) -> Entry | None:
    """The content of a line; None where it is of another form, though its check is right."""
    try:
        ((kind, value),) = json.loads(b"{" + rest).items()
    except (ValueError, RecursionError):
        return None
    return Entry(kind, value)


def _line(entry: Entry, before: bytes) -> tuple[bytes, bytes]:
    """A line, and its check."""
    rest = json.dumps({entry.kind: entry.value}, default=msgspec.to_builtins)[1:].encode() + b"\n"
    check = _digest(before, rest)
    return b'{"check": "%b", %b' % (check, rest), check


def _digest(before: bytes, rest: bytes) -> bytes:
    return hashlib.sha256(before + rest).hexdigest()[:_CHECK_DIGITS].encode()
