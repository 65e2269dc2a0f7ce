"""The shards of a conversion: done, reconciled, described."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from bigdata_cli.convert import shard_record
from bigdata_cli.convert.builder import ShardResult, ShardTask
from bigdata_cli.convert.commit import OutputFolder
from bigdata_cli.convert.disk_budget import DiskWatch
from bigdata_cli.convert.journal import Journal
from bigdata_cli.convert.ledger import Ledger
from bigdata_cli.convert.options import Progress, ProgressListener
from bigdata_cli.convert.plan import Prepared
from bigdata_cli.convert.rejects import pieces_name
from bigdata_cli.convert.resume import Standing, check_files, files_of
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import ShardName, partial_path
from bigdata_cli.manifest import Manifest, ShardEntry, SourceEntry
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.schema.dtype import Schema
from bigdata_cli.schema.state import ColumnState
from bigdata_cli.schema.statistics import ColumnStatistics
from bigdata_cli.sources import Source
from bigdata_cli.sources.blocks import ByteRange, split_source

_MOST_TIMES = 4
"""Two are needed at the most, and a look that none is."""


class Conversion:
    """The shards of a conversion, mapped to an engine and reconciled."""

    order = "source"

    def __init__(
        self,
        prepared: Prepared,
        unit_bytes: int | None,
        progress: ProgressListener | None,
        watch: DiskWatch | None = None,
    ) -> None:
        self.prepared = prepared
        self._watch = watch
        assert prepared.memory is not None
        self.memory = prepared.memory
        self.unit_bytes = unit_bytes or self.memory.unit_bytes
        self.ranges = self._split()
        self.ledger = Ledger(prepared.sample.plan, self.ranges, self._record)
        self.redone: set[int] = set()
        self.n_resumed = 0
        self.meter = Meter(self._total_bytes(), progress)
        self._journal: Journal | None = None

    @property
    def n_shards(self) -> int:
        return self.prepared.n_shards

    @property
    def jobs(self) -> int:
        return self.memory.jobs

    @property
    def n_finished(self) -> int:
        """Shards whose files are whole, as far as is known by now."""
        return sum(not result.spoiled for result in self.ledger.results.values())

    def finished_files(self) -> list[str]:
        """The files of all shards that are in the journal, where there are whole ones."""
        if self._journal is None or self.n_finished == 0:
            return []
        return [file.name for one in self.ledger.results.values() for file in files_of(one)]

    def standing(self) -> str:
        """What is done of it, for a user who has to run it again."""
        of = f" of {self.n_shards:,}" if self.counts_shards else ""
        return f"{self.n_finished:,}{of} shards are done; the same command goes on from there"

    def restore(self, folder: OutputFolder, standing: Standing) -> None:
        """Go on where an interrupted run was: what it finished is checked, and not done again."""
        self._journal = folder.journal  # from here on an end keeps what is in it
        self.ledger.restore(standing.results)
        known = [result for _, result in sorted(self.ledger.results.items())]
        self.meter.begin("check", sum(file.bytes for one in known for file in one.files))
        checked = check_files(folder.path, known, jobs=self.jobs, on_progress=self.meter.advance)
        self.ledger.restore(checked)
        folder.go_on(standing.written, [f.name for one in checked for f in files_of(one)])
        self.n_resumed = self.n_finished
        of = f" of {self.n_shards:,}" if self.counts_shards else ""
        self.meter.say(f"resuming: {self.n_resumed:,}{of} shards are done")
        self.meter.begin("convert", self._total_bytes(after=len(known)))

    def run(self, folder: OutputFolder) -> None:
        """Convert all shards, then those again that a wrong guess touched."""
        if self.prepared.source.comes_once:
            self.meter.say(
                "what comes from a pipe cannot be resumed: keep its source until it ends"
            )
        else:
            self._journal = folder.journal
        with LocalEngine(self.jobs, self._advance) as engine:
            with closing(self._first_results(engine)) as results:
                for result in results:
                    self._take(result, engine)
            self._reconcile(engine, folder)
        if self._watch is not None:
            self._watch.look(1.0, now=True)
        for file in self.prepared.source.files:
            file.check_unchanged()
        self.meter.end()

    @property
    def counts_shards(self) -> bool:
        """Whether it is known how many shards there will be."""
        return True

    def _record(self, result: ShardResult) -> None:
        """Enter a result into the journal, if the source is still what the journal says."""
        if self._journal is None:
            return
        for index in {piece.file for piece in result.pieces}:
            self.prepared.source.files[index].check_unchanged()
        self._journal.append("shard", lambda: shard_record.to_json(result))

    def _advance(self, n_bytes: int, n_rows: int) -> None:
        """What threads report of the source; raises BudgetError where the disk does not suffice."""
        self.meter.advance(n_bytes, n_rows)
        if self._watch is not None:
            self._watch.look(self.meter.share)

    def entries(self) -> tuple[SourceEntry, ...]:
        """The source files as they were read."""
        return tuple(file.entry() for file in self.prepared.source.files)

    def _split(self) -> Sequence[tuple[ByteRange, ...]]:
        """What of the source each shard has, where that is known."""
        return split_source(self._text(), self.prepared.n_shards)

    def _total_bytes(self, after: int = 0) -> int:
        """The bytes to be read for the shards from that one on; 0: not known."""
        return sum(self._range_bytes(index) for index in range(after, self.n_shards))

    def _text(self) -> Source:
        """The source: only text files are read in pieces from anywhere."""
        source = self.prepared.source
        assert isinstance(source, Source)
        return source

    def _first_results(self, engine: LocalEngine) -> Generator[ShardResult]:
        yield from engine.map(range(len(self.ledger.results), self.n_shards), self._first_task)

    def write_again(
        self, engine: LocalEngine, redo: Sequence[int], columns: tuple[ColumnState, ...]
    ) -> Generator[ShardResult]:
        """The results of shards that are done again, with these types."""
        begin_phase("reconciling")
        self.meter.begin("reconcile", sum(self._range_bytes(index) for index in redo))
        yield from engine.map(redo, lambda index: self._task(index, columns))

    def _take(self, result: ShardResult, engine: LocalEngine) -> None:
        """Enter a result; shards that started at a wrong guess are done again at once."""
        again, failed = self.ledger.add(result)
        while again:
            self.redone.update(again)
            for index in again:
                (result,) = engine.map([index], self._first_task)
                again, failed = self.ledger.add(result)
        if failed is not None and failed.error is not None:
            file, error = failed.error
            raise self.prepared.source.located(file, error) from error
        most = self.prepared.options.max_bad_rows
        if most is not None and self.ledger.rejected > most:
            raise DataError(
                f"{self.ledger.rejected:,} records cannot be kept: more than --max-bad-rows {most}",
                hint="--on-bad-row error shows the first of them",
            )

    def _reconcile(self, engine: LocalEngine, folder: OutputFolder) -> None:
        """Do the shards again whose bytes would differ under the types that all rows ask for.

        Where a column of numbers turned out to be text, that may show texts which the vocabulary
        has not, or too many for one: then a second time.
        """
        for _ in range(_MOST_TIMES):
            columns = self.ledger.final_columns()
            schema = Schema(tuple(state.column() for state in columns))
            self.prepared.form.check(schema, self.prepared.storage)
            redo = self.ledger.to_redo(schema, self.prepared.form, self.prepared.storage)
            if not redo:
                return
            self.redone.update(redo)
            with closing(self.write_again(engine, redo, columns)) as results:
                for result in results:
                    before = self.ledger.results[result.index]
                    if result.rows != before.rows:
                        raise DataError("the source changed while it was read")
                    if result.error is not None:
                        raise AssertionError(f"shard {result.index} has a record that is wrong now")
                    # Text and numbers may be in files of other names.
                    written = {file.name for file in result.files}
                    folder.discard(f.name for f in before.files if f.name not in written)
                    self.ledger.replace_result(result)
        raise AssertionError(f"after doing shards {redo} again they do not fit their types")

    def _range_bytes(self, index: int) -> int:
        return sum(piece.stop - piece.start for piece in self.ranges[index])

    def _first_task(self, index: int) -> ShardTask:
        return self._task(index, self.ledger.columns)

    def _task(self, index: int, columns: tuple[ColumnState, ...]) -> ShardTask:
        prepared = self.prepared
        return ShardTask(
            source=prepared.source,
            ranges=self.ranges[index] if self.ranges else (),
            start=self.ledger.expected_start(index),
            fields=prepared.fields,
            plan=replace(prepared.sample.plan, columns=columns),
            schema=Schema(tuple(state.column() for state in columns)),
            format=prepared.form.name,
            storage=prepared.storage,
            folder=prepared.output,
            name=self._name(index),
            unit_bytes=self.unit_bytes,
            most_table_bytes=self.prepared.table_bytes,
            most_vocabulary_bytes=self.memory.vocabulary_bytes,
        )

    def reject_pieces(self) -> list[Path]:
        """The files with the rejected records of each shard, in order."""
        names = (pieces_name(self._name(index)) for index in range(self.n_shards))
        return [partial_path(self.prepared.output / name) for name in names]

    def renames(self) -> dict[str, str]:
        """The files of all shards: by what name each was written, and by what it will be known."""
        results = sorted(self.ledger.results.items())
        return {old: new for _, one in results for old, new in self.final_names(one).items()}

    def final_names(self, result: ShardResult) -> dict[str, str]:
        """The files of a shard: by what name each was written, and by what it will be known."""
        return {file.name: self._final(file.name) for file in result.files}

    def begin_repair(self, results: Iterable[ShardResult]) -> list[int]:
        """Take the shards of a finished dataset; returns those that are spoiled."""
        self.ledger.results = {result.index: result for result in results}
        known = [result for _, result in sorted(self.ledger.results.items())]
        if self.ranges:
            self.ranges = self.ledger.ranges = [result.pieces for result in known]
        return [result.index for result in known if result.spoiled]

    def _final(self, name: str) -> str:
        return name

    def _name(self, index: int) -> ShardName:
        return ShardName(stem=self.prepared.stem, index=index, count=self.n_shards)

    def manifest(self) -> Manifest:
        """The manifest of what was converted."""
        from bigdata_cli import __version__

        prepared = self.prepared
        columns = self.ledger.final_columns()
        schema = Schema(tuple(state.column() for state in columns))
        return Manifest(
            tool_version=__version__,
            name=prepared.stem,
            format=prepared.form.name,
            storage=prepared.storage,
            sources=self.entries(),
            dialect=prepared.source.dialect.to_json(),
            options=self.options_entry(),
            schema=schema,
            statistics=_settled(self.ledger.statistics(schema), schema),
            shards=tuple(self._shards()),
            rejected_rows=self.ledger.rejected,
            order=self.order,
        )

    def options_entry(self) -> dict[str, Any]:
        """The options as the manifest has them."""
        options = self.prepared.options
        return {
            "shards": options.shards,
            "shard_bytes": options.shard_bytes,
            "float": options.float_mode,
            "types": {
                state.name: state.dtype
                for state in self.prepared.sample.plan.columns
                if state.fixed
            },
            "drop": list(options.drop),
            "columns": list(self.prepared.keep),
            "table_bytes": self.prepared.table_bytes,
            "on_bad_row": options.on_bad_row,
            "max_line_bytes": options.max_line_bytes,
        }

    def _shards(self) -> Iterator[ShardEntry]:
        for _, result in sorted(self.ledger.results.items()):
            yield ShardEntry(
                files=tuple(replace(f, name=self._final(f.name)) for f in result.files),
                rows=result.rows,
                source_ranges=tuple((p.file, p.start, p.stop) for p in result.pieces),
            )


def _settled(
    statistics: dict[str, ColumnStatistics], schema: Schema
) -> dict[str, ColumnStatistics]:
    """Minima and maxima as the final dtype holds them: integers of a float column are floats."""
    settled = dict(statistics)
    for column in schema:
        known = settled[column.name]
        if column.kind == "float" and known.minimum is not None:
            settled[column.name] = replace(
                known, minimum=float(known.minimum), maximum=float(known.maximum)
            )
    return settled


class Meter:
    """Adds up what the threads report, for one listener; total 0: not known."""

    def __init__(self, total: int, listener: ProgressListener | None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._phase = "convert"
        self._total = total
        self._done = 0
        self._rows = 0

    def begin(self, phase: str, total: int) -> None:
        self._phase, self._total, self._done, self._rows = phase, total, 0, 0
        self._tell()

    def advance(self, n_bytes: int, n_rows: int) -> None:
        with self._lock:
            self._done = min(self._total or sys.maxsize, self._done + n_bytes)
            self._rows += n_rows
            self._tell()

    @property
    def share(self) -> float | None:
        """Of the source that is done; None where that is not known."""
        return self._done / self._total if self._total else None

    def end(self) -> None:
        self._done = self._total or self._done
        self._tell()

    def say(self, note: str) -> None:
        """Have a note shown at once."""
        self._tell(note)

    def _tell(self, note: str | None = None) -> None:
        if self._listener is not None:
            self._listener(
                Progress(
                    note=note,
                    phase=self._phase,
                    bytes_done=self._done,
                    bytes_total=self._total,
                    rows=self._rows,
                )
            )
