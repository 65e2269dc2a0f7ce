"""One shard of files that can be read anywhere: the function that does its work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace

from bigdata_cli.conversion.builder import ShardBuilder
from bigdata_cli.conversion.shard_spec import ShardResult, ShardTask
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.blocks import BlockReader, ByteRange, split_units
from bigdata_cli.sources.csv.source import Source
from bigdata_cli.sources.csv.units import Unit, parse_unit


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
    source = task.source
    assert isinstance(source, Source)  # only text files are read in pieces from anywhere
    builder = ShardBuilder(task, pool)
    try:
        with BlockReader(source) as reader:
            return _Conversion(builder, source, reader, pool, stop, on_progress, on_submitted).run()
    except BaseException:
        builder.abort()
        raise


class _Conversion:
    """The state of one run of `convert_shard`: units in flight, in order, into the builder."""

    def __init__(
        self,
        builder: ShardBuilder,
        source: Source,
        reader: BlockReader,
        pool: Executor,
        stop: threading.Event | None,
        on_progress: Callable[[int, int], None] | None,
        on_submitted: Callable[[], None] | None,
    ) -> None:
        self.task = builder.task
        self.builder = builder
        self.source = source
        self.reader = reader
        self.pool = pool
        self.stop = stop
        self.on_progress = on_progress
        self.on_submitted = on_submitted
        self.starts: list[int] = []
        self.stops: list[int] = []

    def run(self) -> ShardResult:
        for piece in self.task.ranges:
            error = self._convert_range(piece)
            if error is not None:
                return self.builder.fail(piece.file, error, tuple(self.starts), tuple(self.stops))
        return self.builder.finish(tuple(self.starts), tuple(self.stops))

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
            if not self.builder.can_take(unit.chunk):  # it was parsed before others widened it
                unit = self._parse(unit.piece, unit.start)
            assert unit.chunk is not None
            position = unit.chunk.position
            self.builder.take(piece.file, unit.start, unit.chunk)
            if self.on_progress is not None:
                self.on_progress(unit.piece.stop - unit.piece.start, unit.chunk.rows)
        self.stops.append(position if position is not None else piece.start)
        return None

    def _units(self, piece: ByteRange) -> Iterator[Unit]:
        """The parsed units of a range in order, several in flight."""
        waiting: deque[Future[Unit]] = deque()
        data_start = self.source.files[piece.file].data_start
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
        plan = replace(self.task.plan, columns=self.builder.columns)
        fields = self.task.fields[piece.file]
        return parse_unit(self.reader, self.source, piece, start, fields, plan)
