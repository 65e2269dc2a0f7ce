"""One shard of files that can be read anywhere: the function that does its work."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from dataclasses import replace

from bigdata_cli.conversion.shard_parts import ShardParts
from bigdata_cli.conversion.shard_spec import ReadProgress, ShardResult, ShardSpec, SharedSpec
from bigdata_cli.engines.base import AllSubmitted, Worker
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import PieceReader
from bigdata_cli.sources.csv.blocks import ByteRange, split_units
from bigdata_cli.sources.csv.units import Unit

_UNITS_BEFORE_NEXT = 2
"""How long before the end of a file the next one is announced."""
ShardEvent = ReadProgress | AllSubmitted | ShardResult


def convert_shard(spec: ShardSpec, shared: SharedSpec, worker: Worker) -> Iterator[ShardEvent]:
    """Convert one shard: a function of its specification, and of what all of them share.

    Yields:
        The progress after each unit, an `AllSubmitted` when all units are under way, and at last
        the result of each of its parts.

    Raises:
        Stopped: The worker is to end. Whatever is raised, no partial file is left.
        DataError: A file is not the one that was planned with, as this machine sees it.
    """
    rows = shared.source.in_pieces
    assert rows is not None  # a stream has no ranges
    for file in {piece.file for piece in spec.ranges}:
        shared.source.files[file].check_unchanged()
    builder = ShardParts(spec, shared, worker)
    try:
        with rows.reader() as reader:
            yield from _Conversion(builder, reader, worker).events()
    except BaseException:
        builder.abort()
        raise


class _Conversion:
    """The state of one `convert_shard`: units in flight, in order, into the builder."""

    def __init__(self, builder: ShardParts, reader: PieceReader, worker: Worker) -> None:
        self.spec = builder.spec
        self.builder = builder
        self.reader = reader
        self.worker = worker
        self.starts: list[int] = []
        self.stops: list[int] = []

    def events(self) -> Iterator[ShardEvent]:
        for piece in self.spec.ranges[:1]:
            self.reader.expect(piece)
        for piece in self.spec.ranges:
            error = yield from self._convert_range(piece)
            if error is not None:
                yield self.builder.fail(piece.file, error, tuple(self.starts), tuple(self.stops))
                return
        yield from self.builder.finish(tuple(self.starts), tuple(self.stops))

    def _convert_range(self, piece: ByteRange) -> Generator[ShardEvent, None, RecordError | None]:
        """All units of one range, in order; returns the first error on a path that is certain."""
        position: int | None = None
        for unit in self._units(piece):
            if isinstance(unit, AllSubmitted):
                yield unit
                continue
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
            yield ReadProgress(unit.piece.stop - unit.piece.start, unit.chunk.rows)
        self.stops.append(position if position is not None else piece.start)
        return None

    def _units(self, piece: ByteRange) -> Iterator[Unit | AllSubmitted]:
        """The parsed units of a range in order, several in flight.

        Before its last ones are parsed, the next range is announced.
        """
        later = iter(self.spec.ranges[self.spec.ranges.index(piece) + 1 :])
        announce_at = piece.stop - _UNITS_BEFORE_NEXT * self.builder.shared.unit_bytes
        waiting: deque[Future[Unit]] = deque()
        start = self.reader.start_of(piece)
        if start is None and piece is self.spec.ranges[0]:
            start = self.spec.start
        try:
            for unit in split_units(piece, self.builder.shared.unit_bytes):
                waiting.append(self.worker.pool.submit(self._parse, unit, start))
                start = None
                if unit.stop > announce_at and (following := next(later, None)) is not None:
                    self.reader.expect(following)
                    later = iter(())
                while len(waiting) >= self.worker.max_in_flight:
                    yield waiting.popleft().result()
            if piece is self.spec.ranges[-1]:
                yield AllSubmitted()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _parse(self, piece: ByteRange, start: int | None) -> Unit:
        self.worker.check()
        shared = self.builder.shared
        plan = replace(shared.plan, columns=self.builder.columns)
        unit = self.reader.parse(piece, start, shared.fields[piece.file], plan)
        return self.builder.divided(unit)
