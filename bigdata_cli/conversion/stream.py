"""The shards of a stream: its blocks are parsed in parallel, and taken in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from bigdata_cli.conversion.shard_parts import ShardParts
from bigdata_cli.conversion.shard_spec import ReadProgress, ShardResult
from bigdata_cli.conversion.specs import SpecMaker
from bigdata_cli.engines.base import Worker
from bigdata_cli.errors import BigdataError, SourceLostError
from bigdata_cli.sources.base import FedRows
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.types.state import ColumnState

_MAX_FINISHING = 1
"""Shards that are being finished while the next one is begun."""


class StreamWork(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made of the blocks of a stream.

    Attributes:
        feed: The blocks.
        specs: Makes the specification of a shard when its first block comes.
        columns: The types that are known.
        indices: The shards to make, ascending; None: as many as there are from `first` on, and at
            least shard 0.
        splits: Of each of these shards, the splits that are made; None for all.
        interleaved: The blocks of the shards come in turns, and not shard after shard.
        widens: Shards begin with the types that those before showed, and not with `columns`.
        watch: Looks at each block that was parsed.
    """

    feed: Iterable[FedRows]
    specs: SpecMaker
    columns: tuple[ColumnState, ...]
    indices: Sequence[int] | None
    splits: Mapping[int, Sequence[int]] | None = None
    first: int = 0
    interleaved: bool = False
    widens: bool = True
    watch: StreamWatch | None = None


class StreamWatch(Protocol):
    """Follows the blocks of a stream."""

    def parsed(self, fed: FedRows, chunk: Chunk, builder: ShardParts) -> Any:
        """Told when a block is parsed, in any thread; what it returns comes to `taken`."""
        ...

    def taken(
        self,
        fed: FedRows,
        chunk: Chunk,
        made: Any,
        builder: ShardParts,
        widened: bool,
    ) -> None:
        """Told when its shard has taken a block, in order; `widened`: it showed other types than
        were known of the shard."""
        ...


def convert_stream(work: StreamWork, worker: Worker) -> Iterator[ReadProgress | ShardResult]:
    """Convert the shards of a stream.

    Yields:
        The progress after each block, and the results of each shard when it is complete; in order
        where the shards are not interleaved.

    Raises:
        DataError: The first record of the stream that cannot be kept, or what the feed raises. No
            partial file of an open shard is left then.
        Stopped: The worker is to end.
    """
    run = _Stream(work, worker)
    try:
        yield from run.events()
    finally:
        run.close()


_Waiting = tuple[FedRows, ShardParts, ParsePlan, Future[tuple[Unit, Any]]]
"""A block that is being parsed, its shard, and the types that it is parsed with."""


class _Stream:
    """Blocks being parsed, in order; shards that are open; shards that are being finished."""

    def __init__(self, work: StreamWork, worker: Worker) -> None:
        self._work = work
        self._worker = worker
        self._columns = work.columns
        self._to_open = None if work.indices is None else deque(work.indices)
        self._open: dict[int, ShardParts] = {}
        self._waiting: deque[_Waiting] = deque()
        self._finishing: deque[Future[tuple[ShardResult, ...]]] = deque()
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._consumed = 0

    def events(self) -> Iterator[ReadProgress | ShardResult]:
        try:
            for fed in self._blocks():
                self._submit(fed)
                while len(self._waiting) >= self._worker.max_in_flight:
                    yield self._take()
                    yield from self._finished(_MAX_FINISHING)
        except SourceLostError:
            yield from self._finished(0)  # the same command goes on after them
            raise
        while self._waiting:
            yield self._take()
        self._open_until(None)
        for index in sorted(self._open):
            self._finish(index)
        yield from self._finished(0)

    def close(self) -> None:
        """Leave nothing running and no file open."""
        for *_, future in self._waiting:
            future.cancel()
        for builder in self._open.values():
            builder.abort()
        self._finisher.shutdown(wait=True, cancel_futures=True)

    def _blocks(self) -> Iterator[FedRows]:
        """The blocks of the shards to make."""
        indices = self._work.indices
        wanted = None if indices is None else frozenset(indices)
        feed = iter(self._work.feed)
        while True:
            try:
                fed = next(feed, None)
            except BigdataError:
                while self._waiting:  # an error in a record that stands before comes first
                    self._take()
                raise
            if fed is None:
                return
            if fed.shard >= self._work.first if wanted is None else fed.shard in wanted:
                yield fed
            elif wanted and not self._work.interleaved and fed.shard > max(wanted):
                return

    def _submit(self, fed: FedRows) -> None:
        self._open_until(fed.shard)
        builder = self._open[fed.shard]
        plan = replace(builder.shared.plan, columns=builder.columns)
        future = self._worker.pool.submit(self._parse, fed, builder, plan)
        self._waiting.append((fed, builder, plan, future))

    def _parse(self, fed: FedRows, builder: ShardParts, plan: ParsePlan) -> tuple[Unit, Any]:
        self._worker.check()
        unit = builder.divided(fed.parse(builder.shared.fields[fed.file], plan))
        watch = self._work.watch
        if watch is None or unit.chunk is None:
            return unit, None
        return unit, watch.parsed(fed, unit.chunk, builder)

    def _open_until(self, shard: int | None) -> None:
        """Open the shards up to this one, those without records too; None: all."""
        if self._to_open is None:
            if shard is None and not self._open and not self._work.first:
                shard = 0
            if shard is not None and shard not in self._open:
                self._begin(shard)
            return
        while self._to_open and (shard is None or self._to_open[0] <= shard):
            self._begin(self._to_open.popleft())

    def _begin(self, index: int) -> None:
        columns = self._columns
        if self._work.widens and not self._work.interleaved:
            for builder in self._open.values():
                columns = builder.widened(columns)
        # Shards that take turns are all begun before they have seen much.
        splits = None if self._work.splits is None else self._work.splits[index]
        spec, shared = self._work.specs.task(index, columns, splits=splits)
        self._open[index] = ShardParts(spec, shared, self._worker)

    def _take(self) -> ReadProgress:
        """Take the first block that is under way into its shard."""
        fed, builder, plan, future = self._waiting.popleft()
        unit, made = future.result()
        is_older = plan.columns is not builder.columns
        if is_older and unit.chunk is not None and not builder.can_take(unit.chunk):
            # The shard was widened after this block was parsed.
            unit, made = self._parse(fed, builder, replace(plan, columns=builder.columns))
        if not self._work.interleaved:
            for index in [index for index in self._open if index < fed.shard]:
                self._finish(index)
        if unit.chunk is None:
            assert unit.error is not None
            raise builder.shared.source.located(fed.file, unit.error) from unit.error
        before = builder.columns
        builder.take(fed.file, unit.start, unit.chunk)
        if self._work.watch is not None:
            widened = builder.columns is not before
            self._work.watch.taken(fed, unit.chunk, made, builder, widened)
        n_bytes, self._consumed = fed.consumed - self._consumed, fed.consumed
        return ReadProgress(n_bytes, unit.chunk.rows)

    def _finish(self, index: int) -> None:
        builder = self._open.pop(index)
        if self._work.widens:
            self._columns = builder.widened(self._columns)
        self._finishing.append(self._finisher.submit(_finish, builder))

    def _finished(self, max_left: int) -> Iterator[ShardResult]:
        while self._finishing and (len(self._finishing) > max_left or self._finishing[0].done()):
            yield from self._finishing.popleft().result()


def _finish(builder: ShardParts) -> tuple[ShardResult, ...]:
    try:
        return builder.finish()
    except BaseException:
        builder.abort()
        raise
