"""One shard: a description of the work, and the function that does it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bigdata_cli.convert.rebatch import Rebatcher
from bigdata_cli.convert.rejects import RejectsWriter, pieces_path
from bigdata_cli.formats.base import ShardName, ShardWriter, StorageOptions, partial_path
from bigdata_cli.formats.registry import get_format
from bigdata_cli.manifest import FileEntry
from bigdata_cli.schema.dtype import Kind, Schema
from bigdata_cli.schema.lattice import Observed
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.sources.blocks import UNIT_BYTES, BlockReader, ByteRange, split_units
from bigdata_cli.sources.odd import RecordError
from bigdata_cli.sources.records import Chunk, ParsePlan
from bigdata_cli.sources.sample import join_distinct
from bigdata_cli.sources.source import Source
from bigdata_cli.sources.units import Unit, parse_unit


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """The work of one shard: picklable, the same result wherever it is done.

    ranges: the pieces of the source whose records it holds. start: where the first record starts,
    None where that is to be guessed. fields: per file and field the column, -1 for dropped ones.
    schema: the columns to store, with their vocabularies. in_flight: units parsed at a time.
    """

    source: Source
    ranges: tuple[ByteRange, ...]
    start: int | None
    fields: tuple[tuple[int, ...], ...]
    plan: ParsePlan
    schema: Schema
    format: str
    storage: StorageOptions
    folder: Path
    name: ShardName
    unit_bytes: int = UNIT_BYTES
    in_flight: int = 3


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What became of a task.

    files: what was written (under partial names), empty where `spoiled`: a value did not fit the
    schema. schema: the one it was written with. starts, stops: per range, where its first record
    starts and where the record after its last one does. error: a record that cannot be kept, with
    the index of its file.
    """

    index: int
    files: tuple[FileEntry, ...]
    spoiled: bool
    schema: Schema
    rows: int
    rejected: int
    blank_lines: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    observed: tuple[Observed, ...]
    distinct: tuple[frozenset[str] | None, ...]
    statistics: tuple[ColumnStatistics, ...]
    error: tuple[int, RecordError] | None = None


class Stopped(Exception):
    """The conversion was stopped from outside."""


def convert_shard(
    task: ShardTask,
    *,
    pool: Executor | None = None,
    stop: threading.Event | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_submitted: Callable[[], None] | None = None,
) -> ShardResult:
    """Convert one shard: a function of its task.

    pool: where units are parsed and encoded; one thread by default. on_progress: told the bytes and
    rows of each unit done. on_submitted: called when all units are under way or done. Raises
    Stopped where `stop` was set; whatever is raised, no partial file is left.
    """
    if pool is None:
        with ThreadPoolExecutor(1) as own:
            return convert_shard(
                task, pool=own, stop=stop, on_progress=on_progress, on_submitted=on_submitted
            )
    form = get_format(task.format)
    writer = form.writer(task.folder, task.name, task.schema, task.storage)
    try:
        with BlockReader(task.source) as reader:
            return _Conversion(task, reader, writer, pool, stop, on_progress, on_submitted).run()
    except BaseException:
        writer.abort()
        raise


class _Conversion:
    """The state of one run of `convert_shard`: units in flight, in order, into the writer."""

    def __init__(
        self,
        task: ShardTask,
        reader: BlockReader,
        writer: ShardWriter,
        pool: Executor,
        stop: threading.Event | None,
        on_progress: Callable[[int, int], None] | None,
        on_submitted: Callable[[], None] | None,
    ) -> None:
        self.task = task
        self.reader = reader
        self.writer = writer
        self.pool = pool
        self.stop = stop
        self.on_progress = on_progress
        self.on_submitted = on_submitted
        self.columns = task.plan.columns
        self.spoiled = False
        self.rows = 0
        self.blank_lines = 0
        self.rejects = RejectsWriter(pieces_path(task.folder, task.name))
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.observed = tuple(Observed() for _ in self.columns)
        self.distinct: tuple[frozenset[str] | None, ...] = tuple(
            None if state.distinct is None else frozenset() for state in self.columns
        )
        self.statistics = tuple(ColumnStatistics() for _ in self.columns)
        self.encoding: deque[Future] = deque()
        self.rebatcher = Rebatcher(
            task.schema, max_rows=writer.batch_rows, max_bytes=writer.batch_bytes
        )
        self.vocabularies = _stored_vocabularies(task)

    def run(self) -> ShardResult:
        for piece in self.task.ranges:
            error = self._convert_range(piece)
            if error is not None:
                self.writer.abort()
                return self._result((), error=(piece.file, error))
        if self.spoiled:
            return self._result(())
        for table in self.rebatcher.flush():
            self.encoding.append(self.pool.submit(self.writer.encode, table))
        self._append(all_of_them=True)
        names = self.writer.close()
        return self._result(tuple(file_entry(self.task.folder, name) for name in names))

    def _convert_range(self, piece: ByteRange) -> RecordError | None:
        """All units of one range, in order; returns the first error on a path that is certain."""
        position: int | None = None
        for unit in self._units(piece):
            if position is not None and unit.start != position:
                unit = self._parse(unit.piece, position)  # the start was guessed wrong
            if position is None:
                self.starts.append(unit.start)
            if unit.error is not None or unit.chunk is None:
                self.stops.append(unit.start)
                return unit.error
            position = unit.chunk.position
            self._take(piece.file, unit.chunk)
            if self.on_progress is not None:
                self.on_progress(unit.piece.stop - unit.piece.start, unit.chunk.rows)
        self.stops.append(position if position is not None else piece.start)
        return None

    def _units(self, piece: ByteRange) -> Iterator[Unit]:
        """The parsed units of a range in order, several in flight."""
        waiting: deque[Future[Unit]] = deque()
        data_start = self.task.source.files[piece.file].data_start
        start = data_start if piece.start == data_start else None
        if start is None and piece is self.task.ranges[0]:
            start = self.task.start
        try:
            for unit in split_units(piece, self.task.unit_bytes):
                waiting.append(self.pool.submit(self._parse, unit, start))
                start = None
                while len(waiting) >= self.task.in_flight:
                    yield waiting.popleft().result()
            if self.on_submitted is not None and piece is self.task.ranges[-1]:
                self.on_submitted()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _parse(self, piece: ByteRange, start: int | None) -> Unit:
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        plan = replace(self.task.plan, columns=self.columns)
        fields = self.task.fields[piece.file]
        return parse_unit(self.reader, self.task.source, piece, start, fields, plan)

    def _take(self, file: int, chunk: Chunk) -> None:
        """Join what a chunk showed; encode it where it fits the schema."""
        self.rows += chunk.rows
        self.blank_lines += chunk.blank_lines
        self.rejects.append(file, chunk.rejects)
        self.observed = tuple(a.join(b) for a, b in zip(self.observed, chunk.observed, strict=True))
        self.distinct = tuple(
            join_distinct(a, b) for a, b in zip(self.distinct, chunk.distinct, strict=True)
        )
        self.statistics = tuple(
            a.merge(b) for a, b in zip(self.statistics, chunk.statistics, strict=True)
        )
        if any(
            a is None and b.distinct is not None
            for a, b in zip(self.distinct, self.columns, strict=True)
        ):
            self.columns = tuple(
                replace(state, distinct=None) if values is None else state
                for state, values in zip(self.columns, self.distinct, strict=True)
            )
        if not self._fits(chunk):
            self._spoil(chunk)
        if self.spoiled:
            return
        for table in self.rebatcher.push(chunk.batch):
            self.encoding.append(self.pool.submit(self.writer.encode, table))
        self._append(all_of_them=False)

    def _fits(self, chunk: Chunk) -> bool:
        """Whether the schema of the task holds every value of the chunk."""
        return chunk.batch.schema.equals(self.rebatcher.arrow_schema) and all(
            values is not None and values <= self.vocabularies[name]
            for name, values in zip(chunk.batch.schema.names, chunk.distinct, strict=True)
            if name in self.vocabularies
        )

    def _spoil(self, chunk: Chunk) -> None:
        """Write no more: go on with wider types, to learn what else the shard holds."""
        if not self.spoiled:
            self.spoiled = True
            self._drop_encoding()
            self.writer.abort()
        self.columns = tuple(
            _wider(mine, seen, self.task.plan.float_mode)
            for mine, seen in zip(self.columns, chunk.columns, strict=True)
        )

    def _append(self, *, all_of_them: bool) -> None:
        """Append what is encoded, in order; wait where too much is in flight."""
        while self.encoding and (
            all_of_them or len(self.encoding) >= self.task.in_flight - 1 or self.encoding[0].done()
        ):
            self.writer.append(self.encoding.popleft().result())

    def _drop_encoding(self) -> None:
        while self.encoding:
            future = self.encoding.popleft()
            if not future.cancel():
                future.exception()  # wait: nothing of it must be running when its files go

    def _result(
        self, files: tuple[FileEntry, ...], error: tuple[int, RecordError] | None = None
    ) -> ShardResult:
        if error is not None:
            self._drop_encoding()
        return ShardResult(
            index=self.task.name.index,
            files=files,
            spoiled=self.spoiled,
            schema=self.task.schema,
            rows=self.rows,
            rejected=self.rejects.count,
            blank_lines=self.blank_lines,
            starts=tuple(self.starts),
            stops=tuple(self.stops),
            observed=self.observed,
            distinct=self.distinct,
            statistics=self.statistics,
            error=error,
        )


def _wider(mine: ColumnState, seen: ColumnState, float_mode: str) -> ColumnState:
    """A state whose dtype holds what both hold."""
    widened = mine.widened(seen.observed, float_mode)
    if widened.dtype == "category" and (seen.dtype == "text" or widened.distinct is None):
        return replace(widened, dtype="text", distinct=None)
    return widened


def _stored_vocabularies(task: ShardTask) -> dict[str, frozenset[str]]:
    """The vocabularies that the format stores codes of, by column."""
    form = get_format(task.format)
    stored = {}
    for column in task.schema:
        if column.kind is not Kind.CATEGORY:
            continue
        other = replace(column, vocabulary=(*(column.vocabulary or ()), "\0"))
        if form.physical(column, task.storage) != form.physical(other, task.storage):
            stored[column.name] = frozenset(column.vocabulary or ())
    return stored


def file_entry(folder: Path, name: str) -> FileEntry:
    """Flush a finished file to the disk, and its size and checksum."""
    path = partial_path(folder / name)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(
            name=name, bytes=os.fstat(file.fileno()).st_size, sha256=digest.hexdigest()
        )
