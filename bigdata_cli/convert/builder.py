"""One shard while it is made: chunks in, in order; files and what they showed out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from bigdata_cli.checksum import FileEntry, entry_of_bytes, entry_of_file
from bigdata_cli.convert.rebatch import Rebatcher
from bigdata_cli.convert.rejects import RejectsWriter, pieces_name
from bigdata_cli.formats.base import ShardName, StorageOptions, partial_path
from bigdata_cli.formats.registry import get_format
from bigdata_cli.native.library import lib
from bigdata_cli.native.vocabulary import Vocabulary
from bigdata_cli.resources.stages import stage
from bigdata_cli.schema.buffers import text_array
from bigdata_cli.schema.dtype import Kind, Schema
from bigdata_cli.schema.lattice import Observed
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.schema.vocabulary import check_vocabularies
from bigdata_cli.sources.blocks import UNIT_BYTES, ByteRange
from bigdata_cli.sources.evidence import Evidence
from bigdata_cli.sources.odd import RecordError
from bigdata_cli.sources.records import Chunk, ParsePlan
from bigdata_cli.sources.row_source import RowSource

_MAX_SINGLE_FLUSHES = 64
"""With more files the whole file system is flushed, by one call."""


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """The work of one shard: picklable, the same result wherever it is done.

    ranges: the pieces of the source whose records it holds. start: where the first record starts,
    None where that is to be guessed. fields: per file and field the column, -1 for dropped ones.
    schema: the columns to store, with their vocabularies. in_flight: units parsed at a time.
    most_table_bytes: in memory of the tables that are encoded, where the format's are too many.
    most_vocabulary_bytes: of the distinct texts of all columns together.
    """

    source: RowSource
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
    most_table_bytes: int | None = None
    most_vocabulary_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What became of a task.

    files: what was written (under partial names), empty where `spoiled`: a value did not fit the
    schema. schema: the one it was written with; physical: how the format stored its columns.
    rejects: the file with its rejected records, where there are any. starts, stops: per range of
    the task, where its first record starts and where the record after its last one does. pieces: of
    the source, that it holds. error: a record that cannot be kept, with the index of its file.
    """

    index: int
    files: tuple[FileEntry, ...]
    spoiled: bool
    schema: Schema
    physical: tuple[str, ...]
    rows: int
    rejected: int
    rejects: FileEntry | None
    blank_lines: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    pieces: tuple[ByteRange, ...]
    observed: tuple[Observed, ...]
    distinct: tuple[frozenset[str] | None, ...]
    statistics: tuple[ColumnStatistics, ...]
    error: tuple[int, RecordError] | None = None


class ShardBuilder:
    """Takes the chunks of a shard in order and writes its files; not thread-safe.

    `finish` or `abort` ends it. columns: the types to parse the next records with.
    """

    def __init__(self, task: ShardTask, pool: Executor) -> None:
        self.task = task
        self.columns = task.plan.columns
        self.evidence = Evidence(self.columns)
        form = get_format(task.format)
        self._physical = tuple(form.physical(column, task.storage) for column in task.schema)
        self._writer = form.writer(task.folder, task.name, task.schema, task.storage)
        self._pool = pool
        self._spoiled = False
        self._rows = 0
        self._blank_lines = 0
        self._rejects = RejectsWriter(partial_path(task.folder / pieces_name(task.name)))
        self._pieces: list[ByteRange] = []
        self._encoding: deque[Future] = deque()
        limits = (self._writer.batch_bytes, task.most_table_bytes)
        self._rebatcher = Rebatcher(
            task.schema,
            max_rows=self._writer.batch_rows,
            max_bytes=min((n for n in limits if n is not None), default=None),
        )
        self._vocabularies = _stored_vocabularies(task)
        self._fitting: tuple[ColumnState, ...] | None = None

    def take(self, file: int, start: int, chunk: Chunk) -> None:
        """Join what a chunk showed; encode it where it fits the schema.

        start: where its first record starts in the source file with that index.
        """
        self._rows += chunk.rows
        self._blank_lines += chunk.blank_lines
        self._rejects.append(file, chunk.rejects)
        last = self._pieces[-1] if self._pieces else None
        if last is not None and (last.file, last.stop) == (file, start):
            self._pieces[-1] = last._replace(stop=chunk.position)
        else:
            self._pieces.append(ByteRange(file, start, chunk.position))
        if self.evidence.join(chunk):
            self.columns = tuple(
                state if self.evidence.is_tracked(i) else replace(state, distinct=None)
                for i, state in enumerate(self.columns)
            )
        if self.task.most_vocabulary_bytes is not None:
            names = self.task.schema.names
            n_distinct = {names[i]: n for i, n in self.evidence.n_distinct.items()}
            check_vocabularies(n_distinct, self.task.most_vocabulary_bytes)
        if not self._fits(chunk):
            self._spoil(chunk)
        if self._spoiled:
            return
        for table in self._rebatcher.push(chunk.batch):
            self._encoding.append(self._pool.submit(self._encode, table))
        self._append(all_of_them=False)

    def finish(self, starts: tuple[int, ...] = (), stops: tuple[int, ...] = ()) -> ShardResult:
        """Write what is left and close the files. starts, stops: see `ShardResult`."""
        if self._spoiled:
            return self._result((), starts, stops)
        for table in self._rebatcher.flush():
            self._encoding.append(self._pool.submit(self._encode, table))
        self._append(all_of_them=True)
        with stage("write"):
            files = self._writer.close()
        with stage("hash"):
            flush_files(self.task.folder, [file.name for file in files], self._pool)
        return self._result(files, starts, stops)

    def fail(
        self, file: int, error: RecordError, starts: tuple[int, ...], stops: tuple[int, ...]
    ) -> ShardResult:
        """The result of a shard with a record that cannot be kept."""
        self.abort()
        return self._result((), starts, stops, (file, error))

    def abort(self) -> None:
        """Leave no files; safe to call twice."""
        self._drop_encoding()
        self._writer.abort()

    def _fits(self, chunk: Chunk) -> bool:
        """Whether the schema of the task holds every value of the chunk."""
        if chunk.columns is not self._fitting:
            if not chunk.batch.schema.equals(self._rebatcher.arrow_schema):
                return False
            self._fitting = chunk.columns
        return all(
            chunk.texts is not None
            and index in chunk.texts.parts
            and vocabulary.holds(chunk.texts, index)
            for index, vocabulary in self._vocabularies.items()
        )

    def _spoil(self, chunk: Chunk) -> None:
        """Write no more: go on with wider types, to learn what else the shard holds."""
        if not self._spoiled:
            self._spoiled = True
            self.abort()
        self.columns = tuple(
            _wider(mine, seen, self.task.plan.float_mode)
            for mine, seen in zip(self.columns, chunk.columns, strict=True)
        )

    def _append(self, *, all_of_them: bool) -> None:
        """Append what is encoded, in order; wait where too much is in flight."""
        while self._encoding and (
            all_of_them
            or len(self._encoding) >= self.task.in_flight - 1
            or self._encoding[0].done()
        ):
            encoded = self._encoding.popleft().result()
            with stage("write"):
                self._writer.append(encoded)

    def _encode(self, table: pa.Table) -> Any:
        with stage("encode"):
            return self._writer.encode(table)

    def _drop_encoding(self) -> None:
        while self._encoding:
            future = self._encoding.popleft()
            if not future.cancel():
                future.exception()  # wait: nothing of it must be running when its files go

    def _result(
        self,
        files: tuple[FileEntry, ...],
        starts: tuple[int, ...],
        stops: tuple[int, ...],
        error: tuple[int, RecordError] | None = None,
    ) -> ShardResult:
        return ShardResult(
            index=self.task.name.index,
            files=files,
            spoiled=self._spoiled,
            schema=self.task.schema,
            physical=self._physical,
            rows=self._rows,
            rejected=self._rejects.count,
            rejects=self._rejects_entry(),
            blank_lines=self._blank_lines,
            starts=starts,
            stops=stops,
            pieces=tuple(self._pieces),
            observed=self.evidence.observed(),
            distinct=self.evidence.distinct(),
            statistics=self.evidence.statistics(),
            error=error,
        )

    def _rejects_entry(self) -> FileEntry | None:
        """The file of rejected records; of a shard that is written again it is too."""
        if self._spoiled or not self._rejects.count:
            return None
        return file_entry(self.task.folder, pieces_name(self.task.name))


def _wider(mine: ColumnState, seen: ColumnState, float_mode: str) -> ColumnState:
    """A state whose dtype holds what both hold."""
    widened = mine.widened(seen.observed, float_mode)
    if widened.dtype == "category" and (seen.dtype == "text" or widened.distinct is None):
        return replace(widened, dtype="text", distinct=None)
    return widened


def _stored_vocabularies(task: ShardTask) -> dict[int, Vocabulary]:
    """The vocabularies that the format stores codes of, by column."""
    form = get_format(task.format)
    stored = {}
    for index, column in enumerate(task.schema):
        if column.kind is not Kind.CATEGORY:
            continue
        values = column.vocabulary or ()
        other = replace(column, vocabulary=(*values, "\0"))
        if form.physical(column, task.storage) != form.physical(other, task.storage):
            stored[index] = Vocabulary(max(len(values), 1))
            stored[index].add_array(text_array(values))
    return stored


def flush_files(folder: Path, names: Sequence[str], pool: Executor) -> None:
    """Wait until finished files, which bear their partial names, are on the disk."""
    paths = [partial_path(folder / name) for name in names]
    if len(paths) > _MAX_SINGLE_FLUSHES:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if lib.bd_sync_file_system(descriptor) == 0:
                return
        finally:
            os.close(descriptor)
    for _ in pool.map(_flush_file, paths):
        pass


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_entry(folder: Path, name: str) -> FileEntry:
    """Flush a finished file to the disk, and its size and checksum."""
    path = partial_path(folder / name)
    _flush_file(path)
    return entry_of_file(path, name)


def text_entry(name: str, text: str) -> FileEntry:
    """Size and checksum of a file that is to be written, as UTF-8."""
    return entry_of_bytes(name, text.encode("utf-8"))
