"""The shards of a conversion: submitted to an engine, and accepted."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

from bigdata_cli.conversion import shard_record
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.describe import final_names, manifest_of
from bigdata_cli.conversion.estimate.disk import DiskWatch
from bigdata_cli.conversion.estimate.memory import WIDE_COLUMNS
from bigdata_cli.conversion.journal import Journal
from bigdata_cli.conversion.ledger import Ledger
from bigdata_cli.conversion.partition import Dealt, FileRanges, Partition
from bigdata_cli.conversion.parts import Place, kept_whole
from bigdata_cli.conversion.pipe import PipeText
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.progress import Meter, ProgressListener
from bigdata_cli.conversion.rejects import pieces_name
from bigdata_cli.conversion.resume import ResumeState, check_files, files_of
from bigdata_cli.conversion.shard import ShardEvent, convert_shard
from bigdata_cli.conversion.shard_spec import ReadProgress, ShardResult
from bigdata_cli.conversion.specs import SpecMaker
from bigdata_cli.conversion.stream import StreamWork, convert_stream
from bigdata_cli.conversion.workers import check_here, engine_for, start_is_guessed
from bigdata_cli.dataset.manifest import Manifest, SourceEntry
from bigdata_cli.engines.base import Engine, Task
from bigdata_cli.errors import DataError
from bigdata_cli.io.store import StoredFile, partial_name
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.sources.base import RowFeed
from bigdata_cli.sources.csv.advice import nearly_all_bad
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.types.state import ColumnState


class Coordinator:
    """Has the shards of a plan made, and accepts them.

    Files that can be read anywhere and streams differ in the partition, which says what each shard
    holds: ranges of bytes, or cuts in the order of the rows.
    """

    def __init__(
        self,
        plan: Plan,
        progress: ProgressListener | None = None,
        watch: DiskWatch | None = None,
        *,
        phase: str = "convert",
        shards: range | None = None,
        start: int | None = None,
    ) -> None:
        """phase: what the progress is said to be of. shards: None for all; of others, start is
        where the first record of the first one starts, as far as that is known."""
        self.plan = plan
        self._phase = phase
        self.memory = plan.memory
        self.partition: Partition = plan.shards.partition
        self.specs = SpecMaker(plan)
        self.parts = plan.parts
        self._shards = range(len(self.ranges)) if shards is None else shards
        first = self.parts.of_shard(self._shards.start).start
        self.ledger = Ledger(
            plan.sample.plan, self.ranges, self._record, self.parts, first=first, start=start
        )
        self.redone: set[int] = set()
        self.n_resumed = 0
        self.meter = Meter(self._total_bytes(), progress, phase=phase)
        self._watch = watch
        self.pipe: PipeText | None = None
        """What is kept of the text of a source that comes once; None for any other source."""
        self._journal: Journal | None = None
        self._vocabularies = shard_record.Vocabularies()
        self.counts_shards = plan.counts_shards
        """Whether it is known how many shards there will be."""
        self._entries: tuple[SourceEntry, ...] | None = None

    @property
    def ranges(self) -> Sequence[tuple[ByteRange, ...]]:
        """Of the source, for each shard; none for a stream."""
        return self.partition.ranges if isinstance(self.partition, FileRanges) else ()

    @property
    def n_shards(self) -> int:
        """How many there are; of a stream that is cut by size, as far as it was read."""
        n_shards = self.partition.n_shards
        return self._n_accepted if n_shards is None else n_shards

    @property
    def _n_accepted(self) -> int:
        """Shards that are accepted as a whole: all their parts."""
        return len(self.ledger.results) // self.parts.per_shard

    @property
    def order(self) -> str:
        """In what order the rows of the source are in the dataset."""
        return "within shards" if self._is_interleaved else "source"

    @property
    def jobs(self) -> int:
        return self.memory.jobs

    def engine(self) -> Engine:
        """A new engine for the shards; a context manager."""
        return engine_for(self.plan, self.meter)

    @property
    def n_finished(self) -> int:
        """Shards whose files are whole, as far as is known by now."""
        whole = sum(not result.unusable for result in self.ledger.results.values())
        return whole // self.parts.per_shard

    @property
    def _is_interleaved(self) -> bool:
        return isinstance(self.partition, Dealt) and self.partition.n_shards > 1

    def finished_files(self) -> list[str]:
        """The files of all shards that are in the journal, where there are whole ones."""
        if self._journal is None or self.n_finished == 0:
            return []
        return [file.name for one in self.ledger.results.values() for file in files_of(one)]

    def whole_files(self) -> list[str]:
        """The files of all shards that are whole, also where nothing can go on with them."""
        return [file.name for one in self.ledger.results.values() for file in one.files]

    def state_text(self) -> str:
        """What is done, for a user."""
        n_shards = len(self._shards) if self.ranges else self.n_shards
        of = f" of {n_shards:,}" if self.counts_shards else ""
        return f"{self.n_finished:,}{of} shards are done"

    def restore(self, folder: OutputFolder, state: ResumeState) -> None:
        """Go on where an interrupted run was: what it finished is checked, and not done again."""
        self.counts_shards |= state.n_shards is not None
        self._journal = folder.journal  # from here on an end keeps what is in it
        for result in state.results:
            self._vocabularies.changes(result.schema)
        # Of a shard of which not all parts are there, none is.
        n_whole = kept_whole(self.parts, {result.index for result in state.results})
        end = self.ledger.next + n_whole
        self.ledger.restore([result for result in state.results if result.index < end])
        known = self.ledger.in_order
        self.meter.begin("check", sum(file.bytes for one in known for file in one.files))
        checked = check_files(folder.store, known, jobs=self.jobs, on_progress=self.meter.advance)
        self.ledger.restore(checked)
        folder.go_on(state.written, [f.name for one in checked for f in files_of(one)])
        self.n_resumed = self.n_finished
        self.meter.say(f"resuming: {self.state_text()}")
        self.meter.begin(self._phase, self._total_bytes(after=self._n_accepted))

    @contextmanager
    def writing_into(self, folder: OutputFolder) -> Iterator[None]:
        """While it lasts, what is done is kept in the folder: in its journal, or for a pipe its
        text."""
        if not self.plan.source.comes_once:
            self._journal = folder.journal
            yield
            return
        self.meter.say("what comes from a pipe cannot be resumed: keep its source until it ends")
        self.pipe = PipeText(self.plan, self.ledger, folder.store)
        try:
            yield
        finally:
            self.pipe.close()

    def convert(self, engine: Engine) -> None:
        """Convert all shards that are not done, and those again that started at a wrong guess."""
        with closing(self._first_events(engine)) as events:
            for result in self._results(events):
                self._accept(result, engine)

    def check_rows(self) -> None:
        """Raise DataError where no row could be kept."""
        rows = sum(result.rows for result in self.ledger.results.values())
        if self.ledger.rejected and not rows:
            name = ", ".join(file.name for file in self.plan.source.files[:3])
            raise nearly_all_bad(name, self.ledger.rejected, self.ledger.rejected, ())

    def end(self) -> None:
        """Look once more at what may have changed meanwhile: the disk, and the source.

        Raises BudgetError where too much is written, DataError where the source is another one.
        """
        if self._watch is not None:
            self._watch.look(1.0, now=True)
        for file in self.plan.source.files:
            file.check_unchanged()
        self.meter.end()

    def _results(self, events: Iterable[ShardEvent]) -> Iterator[ShardResult]:
        """The results among events; progress is shown, and the disk looked at.

        Raises BudgetError where the disk does not suffice.
        """
        for event in events:
            if isinstance(event, ShardResult):
                yield event
            elif isinstance(event, ReadProgress):
                self.meter.advance(event.n_bytes, event.n_rows)
                if self._watch is not None:
                    self._watch.look(self.meter.share)

    def _first_events(self, engine: Engine) -> Generator[ShardEvent]:
        """The events of all shards that are not done yet."""
        n_known = self._n_accepted
        if isinstance(self.partition, FileRanges):
            shards = self._shards[n_known:]
            yield from self._map(engine, (self._task(index) for index in shards))
            return
        n_shards = self.partition.n_shards
        if self.counts_shards and n_known == (n_known if n_shards is None else n_shards):
            return
        with self._feed() as feed:
            work = StreamWork(
                feed=feed,
                specs=self.specs,
                columns=self.ledger.columns,
                indices=None if n_shards is None else range(n_known, n_shards),
                first=n_known,
                interleaved=self._is_interleaved,
                watch=None if self.pipe is None else self.pipe.watch,
            )
            yield from convert_stream(work, engine.worker)
            self._entries = feed.entries()
        self.counts_shards = True
        if self._journal is not None:
            n_shards = self.n_shards
            self._journal.append("end", lambda: n_shards)

    def read_again(
        self, engine: Engine, parts: Sequence[int], columns: tuple[ColumnState, ...]
    ) -> Generator[ShardResult]:
        """The results of parts that are made of the source again, with these types."""
        begin_phase("reconciling")
        wanted = self.parts.by_shard(parts)
        if isinstance(self.partition, FileRanges):
            self.meter.begin("reconcile", sum(self._range_bytes(index) for index in wanted))
            tasks = (self._task(index, columns, splits) for index, splits in wanted.items())
            yield from self._results(self._map(engine, tasks))
            return
        self.meter.begin("reconcile", self._total_bytes())
        with self._feed() as feed:
            work = StreamWork(
                feed=feed,
                specs=self.specs,
                columns=columns,
                indices=tuple(wanted),
                splits=wanted,
                interleaved=self._is_interleaved,
                widens=False,
            )
            yield from self._results(convert_stream(work, engine.worker))

    def _map(self, engine: Engine, tasks: Iterator[Task]) -> Iterator[ShardEvent]:
        bytes_of = [self._range_bytes(index) for index in range(min(1, len(self.ranges)))]
        n_units = max(1, -(-sum(bytes_of) // self.memory.unit_bytes))
        return engine.map(
            convert_shard,
            tasks,
            units_per_shard=n_units,
            one_at_a_time=len(self.plan.keep) > WIDE_COLUMNS,
        )

    def _task(
        self,
        index: int,
        columns: tuple[ColumnState, ...] | None = None,
        splits: Sequence[int] | None = None,
    ) -> Task:
        return self.specs.task(
            index,
            self.ledger.columns if columns is None else columns,
            splits=splits,
            ranges=self.ranges[index],
            start=self.ledger.expected_start(index),
        )

    def _feed(self) -> RowFeed:
        plan = self.plan
        assert not isinstance(self.partition, FileRanges)
        return plan.source.feed(
            self.partition.locator(),
            keep=plan.keep,
            unit_bytes=self.memory.unit_bytes,
            max_record_bytes=self.memory.max_record_bytes,
            strict=plan.options.on_bad_row == "error",
        )

    def _accept(self, result: ShardResult, engine: Engine) -> None:
        """Enter a result; shards that started at a wrong guess are done again at once."""
        if engine.in_other_processes:
            check_here(self.plan.store, result)
        again, failed = self.ledger.add(result)
        while again:
            (index,) = again
            self.redone.update(self.parts.of_shard(index))
            for result in self._results(self._map(engine, iter([self._task(index)]))):
                if engine.in_other_processes:
                    check_here(self.plan.store, result)
                again, failed = self.ledger.add(result)
        if failed is not None and failed.error is not None:
            file, error = failed.error
            if self.ledger.is_guessed(self.parts.shard(failed.index)):
                raise start_is_guessed(self.plan, file, error)
            raise self.plan.source.located(file, error) from error
        self.check_rejected()

    def check_rejected(self) -> None:
        """Raise DataError where more records are rejected than may be."""
        most = self.plan.options.max_bad_rows
        if most is not None and self.ledger.rejected > most:
            raise DataError(
                f"{self.ledger.rejected:,} records cannot be kept: more than --max-bad-rows {most}",
                hint="--on-bad-row error shows the first of them",
            )

    def _record(self, result: ShardResult) -> None:
        """Enter a result into the journal, if the source is still what the journal says."""
        if self._journal is None:
            return
        for index in {piece.file for piece in result.pieces}:
            self.plan.source.files[index].check_unchanged()
        vocabularies = self._vocabularies.changes(result.schema)
        self._journal.append("shard", lambda: shard_record.to_json(result, vocabularies))

    def replace(self, result: ShardResult, folder: OutputFolder) -> None:
        """Put a shard that was written again in the place of what it was.

        That is removed when the journal knows of the new one.
        """
        before = self.ledger.results[result.index]
        if result.rows != before.rows:
            raise DataError("the source changed while it was read")
        self.ledger.replace_result(result)
        if self._journal is not None:
            self._journal.flush()
        written = {file.name for file in files_of(result)}
        folder.discard(file.name for file in files_of(before) if file.name not in written)

    def entries(self) -> tuple[SourceEntry, ...]:
        """The source files as they were read."""
        if self._entries is not None:
            return self._entries
        return tuple(file.entry() for file in self.plan.source.files)

    def _total_bytes(self, after: int = 0) -> int:
        """The bytes to be read for the shards from that one on; 0: not known."""
        if isinstance(self.partition, FileRanges):
            return sum(self._range_bytes(index) for index in self._shards[after:])
        source = self.plan.source
        return 0 if source.comes_once else source.bytes

    def _range_bytes(self, index: int) -> int:
        return sum(piece.stop - piece.start for piece in self.ranges[index])

    def reject_pieces(self) -> list[StoredFile]:
        """The files with the rejected records of each shard, in order."""
        first = (self.parts.of_shard(index)[0] for index in range(self.n_shards))
        names = (pieces_name(self.specs.name(part)) for part in first)
        return [StoredFile(self.plan.store, partial_name(name)) for name in names]

    def renames(self) -> dict[str, str]:
        """The files of all shards: under what name each was written, and its final one."""
        names: dict[str, str] = {}
        places = self.places()
        for result in self.ledger.in_order:
            if result.index in places:
                names |= final_names(self.plan, result, places[result.index])
        return names

    def places(self) -> dict[int, Place]:
        """The parts that are shards of the dataset, in its order."""
        return self.parts.places({i: result.rows for i, result in self.ledger.results.items()})

    def begin_repair(self, results: Iterable[ShardResult]) -> list[int]:
        """Take the shards of a finished dataset; returns those that are unusable."""
        self.ledger.results = {result.index: result for result in results}
        known = self.ledger.in_order
        if isinstance(self.partition, FileRanges):
            first = known[:: self.parts.per_shard]
            self.partition = FileRanges(tuple(result.pieces for result in first))
            self.ledger.ranges = self.ranges
        return [result.index for result in known if result.unusable]

    def manifest(self) -> Manifest:
        """The manifest of what was converted."""
        schema = self.specs.schema(self.ledger.final_columns())
        return manifest_of(
            self.plan,
            self.ledger,
            self.places(),
            schema=schema,
            entries=self.entries(),
            order=self.order,
            is_part=self.plan.options.workers.is_task,
        )
