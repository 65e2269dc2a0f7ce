"""Records that were set aside: collected per shard, put together in `rejects.csv` at the end."""

from __future__ import annotations

import csv
import heapq
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bigdata_cli.formats.base import ShardName, partial_path
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.lines import LineCounter
from bigdata_cli.sources.csv.records import Reject
from bigdata_cli.sources.csv.source import Source

REJECTS_NAME = "rejects.csv"
HEADER = ("source", "line", "byte", "reason", "raw")
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
    with _open(path, "r") as stream:
        csv.field_size_limit(1 << 30)
        for file, offset, line, reason, raw in csv.reader(stream):
            yield int(file), int(offset), line, reason, raw
