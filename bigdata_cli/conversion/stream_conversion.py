"""A conversion of what can only be read from its start."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from bigdata_cli.conversion.builder import ShardBuilder
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.conversion import Conversion
from bigdata_cli.conversion.partition import BySize, Dealt
from bigdata_cli.conversion.pipe import SpoolWatch, SurpriseError, SurpriseWatch
from bigdata_cli.conversion.resume import Standing
from bigdata_cli.conversion.rewrite import Texts
from bigdata_cli.conversion.shard_spec import ShardResult, ShardTask
from bigdata_cli.conversion.stream import StreamWork
from bigdata_cli.conversion.widening import change_of
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.formats.base import Change, ShardName, partial_path
from bigdata_cli.manifest import SourceEntry
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.sources.base import FedRows, RowFeed
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.sources.csv.spool import Spool
from bigdata_cli.types.state import ColumnState

_SPOOL_NAME = "_spool"


class StreamConversion(Conversion):
    """The shards of a stream; how many there are may be known only at its end.

    Until then their files are named as if there were none.
    """

    _entries: tuple[SourceEntry, ...] | None = None
    _spool: Spool | None = None
    _is_counted = False

    @property
    def order(self) -> str:  # type: ignore[override]
        return "within shards" if self.is_dealt else "source"

    @property
    def is_dealt(self) -> bool:
        """Whether the shards take turns."""
        layout = self.prepared.layout
        return isinstance(layout, Dealt) and layout.n_shards > 1

    @property
    def counts_shards(self) -> bool:
        return self._is_counted or not isinstance(self.prepared.layout, BySize)

    @property
    def n_shards(self) -> int:
        is_fixed = not isinstance(self.prepared.layout, BySize)
        return self.prepared.n_shards if is_fixed else len(self.ledger.results)

    def restore(self, folder: OutputFolder, standing: Standing) -> None:
        self._is_counted = standing.n_shards is not None
        super().restore(folder, standing)

    def run(self, folder: OutputFolder) -> None:
        if self.prepared.source.comes_once and self.prepared.options.spool:
            self._spool = Spool(partial_path(folder.path / _SPOOL_NAME))
        try:
            super().run(folder)
        finally:
            if self._spool is not None:
                self._spool.close()

    def entries(self) -> tuple[SourceEntry, ...]:
        return super().entries() if self._entries is None else self._entries

    def _split(self) -> Sequence[tuple[ByteRange, ...]]:
        return ()

    def _total_bytes(self, after: int = 0) -> int:
        source = self.prepared.source
        return 0 if source.comes_once else source.bytes

    def _first_results(self, engine: LocalEngine) -> Generator[ShardResult]:
        by_size = isinstance(self.prepared.layout, BySize)
        first = len(self.ledger.results)
        if self._is_counted or (first == self.prepared.n_shards and not by_size):
            return
        with self._feed() as feed:
            work = StreamWork(
                feed=feed,
                make_task=self._next_task,
                indices=None if by_size else range(first, self.prepared.n_shards),
                first=first,
                interleaved=self.is_dealt,
                watch=self._watch_of(),
            )
            yield from engine.map_stream(work)
            self._entries = feed.entries()
        self._is_counted = True
        if self._journal is not None:
            n_shards = self.n_shards
            self._journal.append("end", lambda: n_shards)

    def write_again(
        self, engine: LocalEngine, redo: Sequence[int], columns: tuple[ColumnState, ...]
    ) -> Generator[ShardResult]:
        def work(feed: Iterable[FedRows]) -> StreamWork:
            return StreamWork(
                feed=feed,
                make_task=lambda index, _: self._task(index, columns),
                indices=redo,
                interleaved=self.is_dealt,
            )

        begin_phase("reconciling")
        self.meter.begin("reconcile", self._total_bytes())
        with self._feed() as feed:
            yield from engine.map_stream(work(feed))

    def _feed(self) -> RowFeed:
        prepared = self.prepared
        assert prepared.layout is not None
        return prepared.source.feed(
            prepared.layout.portions(),
            keep=prepared.keep,
            unit_bytes=self.unit_bytes,
            max_record_bytes=self.memory.max_record_bytes,
            strict=prepared.options.on_bad_row == "error",
        )

    def _next_task(self, index: int, before: Sequence[ShardBuilder]) -> ShardTask:
        return self._task(index, self.ledger.columns_with(before))

    def name_of(self, index: int) -> ShardName:
        return ShardName(stem=self.prepared.stem, index=index, count=0)

    def read_again(self, lost: Sequence[int]) -> Sequence[int]:
        return () if self.prepared.source.comes_once else lost

    def check_lost(self, lost: Sequence[int], columns: tuple[ColumnState, ...]) -> None:
        """What a pipe held is in the spool; without one it should have ended the run before."""
        if not lost or not self.prepared.source.comes_once or self._spool is not None:
            return
        form, storage = self.prepared.form, self.prepared.storage
        names = [
            state.name
            for index, state in enumerate(columns)
            for shard in lost
            if any(
                change_of(one, state.column(), form, storage) is Change.SOURCE
                for one in self.ledger.results[shard].stored(index)
            )
        ]
        shown = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
        flags = " ".join(f"--type '{name}=text'" for name in dict.fromkeys(names))
        raise SurpriseError(
            f"the text of column {shown} is needed again, and with --no-spool the pipe cannot be "
            "read again",
            hint=f"{flags}, or leave out --no-spool",
        )

    def texts(self, index: int, columns: tuple[ColumnState, ...]) -> Texts | None:
        if self._spool is None:
            return None
        form, storage = self.prepared.form, self.prepared.storage
        result = self.ledger.results[index]
        wanted = {
            number
            for number, state in enumerate(columns)
            if any(
                change_of(one, state.column(), form, storage) is Change.SOURCE
                for one in result.stored(number)
            )
        }
        if not wanted:
            return None
        return self._spool.texts(index, columns, wanted, self.prepared.sample.plan)

    def _watch_of(self) -> SpoolWatch | SurpriseWatch | None:
        """What follows the blocks of a stream that comes once."""
        if not self.prepared.source.comes_once:
            return None
        if self._spool is not None:
            return SpoolWatch(self.prepared, self._spool)
        return SurpriseWatch(self.prepared, self.ledger)
