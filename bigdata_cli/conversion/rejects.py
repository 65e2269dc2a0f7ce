"""Records that were set aside: collected per shard, put together in `rejects.csv` at the end."""

from __future__ import annotations

import csv
import heapq
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bigdata_cli.formats.base import ShardName, partial_path
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.lines import LineCounter
from bigdata_cli.sources.csv.records import Reject
from bigdata_cli.sources.csv.source import Source

REJECTS_NAME = "rejects.csv"
HEADER = ("source", "line", "byte", "reason", "raw")
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')
_Rejected = tuple[int, int, str, str, str]


def pieces_name(name: ShardName) -> str:
    """The file with the rejected records of one shard, which never loses its partial suffix."""
    return f"_rejects-{name.index:05d}.csv"


class RejectsWriter:
    """Appends the rejected records of a shard to a file; opened with the first of them.

    The bytes of a record are kept as they are: what is not UTF-8 is written back unchanged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.discard()

    def append(self, file: int, rejects: Sequence[Reject]) -> None:
        """Write records of the source file with that index."""
        if not rejects:
            return
        with _open(self.path, "a" if self.count else "w") as stream:
            writer = csv.writer(stream)
            for reject in rejects:
                raw = reject.raw.decode("utf-8", "surrogateescape")
                line = "" if reject.line is None else reject.line
                writer.writerow([file, reject.offset, line, reject.reason, raw.rstrip("\r\n")])
        self.count += len(rejects)

    def discard(self) -> None:
        """Remove what was written."""
        self.path.unlink(missing_ok=True)


def _open(path: Path, mode: str):
    return path.open(mode, encoding="utf-8", errors="surrogateescape", newline="")


def merge_rejects(
    source: RowSource, folder: Path, pieces: Iterable[Path], *, interleaved: bool = False
) -> None:
    """Write `rejects.csv` (under its partial name) from the shards' pieces; it is on the disk then.

    Of tables `line` is the row, and `byte` is empty. interleaved: the shards' records come in
    turns, and not shard after shard.
    """
    pieces = tuple(pieces)
    rejects: Iterable[_Rejected] = itertools.chain.from_iterable(map(_read, pieces))
    if interleaved:
        rejects = heapq.merge(*map(_read, pieces))
    with _open(partial_path(folder / REJECTS_NAME), "w") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        counters: dict[int, LineCounter] = {}
        for file, offset, line, reason, raw in rejects:
            if not line:
                assert isinstance(source, Source)  # of tables and streams the line is known
                counter = counters.setdefault(file, LineCounter(source.files[file].path))
                line = str(counter.line_of(offset))
            place = offset if source.total_rows is None else ""
            writer.writerow([source.files[file].name, line, place, reason, raw])
        stream.flush()
        os.fsync(stream.fileno())


def _read(path: Path) -> Iterator[_Rejected]:
    if not path.exists():
        return
    for file, offset, line, reason, raw in read_records(path):
        yield int(file), int(offset), line, reason, raw


def read_records(path: Path) -> Iterator[list[str]]:
    """The records of a file that `csv.writer` wrote; raises ValueError where it is none.

    The limit of a field in csv.reader is one of the whole process.
    """
    with _open(path, "r") as stream:
        parts: list[str] = []
        n_quotes = 0
        for number, line in enumerate(stream, 1):
            parts.append(line)
            n_quotes += line.count('"')
            if n_quotes % 2 == 0:
                yield _fields("".join(parts), number)
                parts.clear()
        if parts:
            raise ValueError("a quote is never closed")


def _fields(record: str, line: int) -> list[str]:
    fields: list[str] = []
    place, record = 0, record.rstrip("\r\n")
    while True:
        match = _FIELD.match(record, place)
        if match is None:
            raise ValueError(f"line {line:,} is no record of a CSV")
        quoted, plain, end = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        if not end:
            return fields
        place = match.end()
