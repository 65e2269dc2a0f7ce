"""Records that were set aside: collected per shard, put together in one file at the end."""

from __future__ import annotations

import csv
import heapq
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bigdata_cli.checksum import FileEntry, entry_of_source
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.rejects_file import HEADER, read_records, write_rejects
from bigdata_cli.formats.base import ShardName
from bigdata_cli.io.store import Store, StoredFile, partial_name
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.lines import LineCounter
from bigdata_cli.sources.csv.records import Reject

_PIECE_CHARACTERS = 1 << 16
_Rejected = tuple[int, int, str, str, str]


def pieces_name(name: ShardName) -> str:
    """The file with the rejected records of one shard, which never loses its partial suffix."""
    return f"_rejects-{name.index:05d}.csv"


class RejectsWriter:
    """Appends the rejected records of a shard to a file; opened with the first of them.

    The bytes of a record are kept as they are: what is not UTF-8 is written back unchanged.
    """

    def __init__(self, store: Store, name: ShardName) -> None:
        self._store, self._final_name = store, pieces_name(name)
        self._name = partial_name(self._final_name)
        self._bytes = self.count = 0
        self.discard()

    def append(self, file: int, rejects: Sequence[Reject]) -> None:
        """Write records of the source file with that index."""
        if not rejects:
            return
        rows = (
            (file, r.offset, "" if r.line is None else r.line, r.reason,
             r.raw.decode("utf-8", "surrogateescape").rstrip("\r\n"))
            for r in rejects
        )  # fmt: skip
        for data in _csv_pieces(rows):
            self._store.put(self._name, data, at=self._bytes)
            self._bytes += len(data)
        self.count += len(rejects)

    def finish(self) -> FileEntry | None:
        """Wait until the file is on the disk; its entry, None where there is none."""
        if not self.count:
            return None
        self._store.sync([self._name])
        with self._store.open(self._name) as file:
            return entry_of_source(file, self._final_name)

    def discard(self) -> None:
        """Remove what was written."""
        self._store.remove([self._name])


def merge_rejects(
    source: RowSource,
    store: Store,
    manifest: Manifest,
    pieces: Iterable[StoredFile],
    *,
    interleaved: bool = False,
) -> FileEntry:
    """Write the file of rejected records (under its partial name) from the shards' pieces.

    It is on the disk then.

    pieces: their files. Of tables `line` is the row, and `byte` is empty.
    interleaved: the shards' records come in turns, and not shard after shard.
    """
    parts = [_read(piece) for piece in pieces]
    rejects: Iterable[_Rejected] = itertools.chain.from_iterable(parts)
    if interleaved:
        rejects = heapq.merge(*parts)
    rows = itertools.chain([HEADER], _located(source, rejects))
    return write_rejects(store, manifest, _csv_pieces(rows))


def _located(source: RowSource, rejects: Iterable[_Rejected]) -> Iterator[tuple]:
    """The records as the file has them."""
    counters: dict[int, LineCounter] = {}
    for file, offset, line, reason, raw in rejects:
        if not line:
            # Of tables and streams the line is known: it is a file that can be read anywhere.
            text_file: Any = source.files[file]
            counter = counters.setdefault(file, LineCounter(text_file.path))
            line = str(counter.line_of(offset))
        place = offset if source.total_rows is None else ""
        yield source.files[file].name, line, place, reason, raw


def _csv_pieces(rows: Iterable[tuple]) -> Iterator[bytes]:
    """Rows as CSV, some at a time; surrogates are the bytes that they stand for."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in rows:
        writer.writerow(row)
        if text.tell() >= _PIECE_CHARACTERS:
            yield text.getvalue().encode("utf-8", "surrogateescape")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "surrogateescape")


def _read(path: StoredFile) -> Iterator[_Rejected]:
    if not path.exists():
        return
    with path.open_text() as lines:
        for file, offset, line, reason, raw in read_records(lines):
            yield int(file), int(offset), line, reason, raw
