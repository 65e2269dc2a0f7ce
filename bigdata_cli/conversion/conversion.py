"""The shards of a conversion: done, reconciled, described."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bigdata_cli.conversion import shard_record
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.disk_budget import DiskWatch
from bigdata_cli.conversion.journal import Journal
from bigdata_cli.conversion.ledger import Ledger
from bigdata_cli.conversion.options import ProgressListener
from bigdata_cli.conversion.plan import Prepared
from bigdata_cli.conversion.progress import Meter
from bigdata_cli.conversion.reconcile import reconcile
from bigdata_cli.conversion.rejects import pieces_name
from bigdata_cli.conversion.resume import Standing, check_files, files_of
from bigdata_cli.conversion.rewrite import Texts
from bigdata_cli.conversion.shard_spec import ShardResult, ShardTask
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import ShardName, partial_path
from bigdata_cli.manifest import Manifest, ShardEntry, SourceEntry
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.sources.csv.blocks import ByteRange, split_source
from bigdata_cli.sources.csv.source import Source
from bigdata_cli.types.dtype import Column, Kind, Schema, numpy_dtype
from bigdata_cli.types.state import ColumnState, as_categories
from bigdata_cli.types.statistics import ColumnStatistics


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
        self._vocabularies = shard_record.Vocabularies()
        self._columns: dict[str, tuple[ColumnState, Column]] = {}
        self._holds_text = prepared.form.holds_text(prepared.storage)

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

    def whole_files(self) -> list[str]:
        """The files of all shards that are whole, also where nothing can go on with them."""
        return [file.name for one in self.ledger.results.values() for file in one.files]

    def standing(self) -> str:
        """What is done of it, for a user who has to run it again."""
        of = f" of {self.n_shards:,}" if self.counts_shards else ""
        return f"{self.n_finished:,}{of} shards are done; the same command goes on from there"

    def restore(self, folder: OutputFolder, standing: Standing) -> None:
        """Go on where an interrupted run was: what it finished is checked, and not done again."""
        self._journal = folder.journal  # from here on an end keeps what is in it
        self.ledger.restore(standing.results)
        for result in standing.results:
            self._vocabularies.changes(result.schema)
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
            reconcile(self, engine, folder)
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
        vocabularies = self._vocabularies.changes(result.schema)
        self._journal.append("shard", lambda: shard_record.to_json(result, vocabularies))

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

    def read_again(self, lost: Sequence[int]) -> Sequence[int]:
        """Of the shards that have lost the text they need, those that are read from the source."""
        return lost

    def check_lost(self, lost: Sequence[int], columns: tuple[ColumnState, ...]) -> None:
        """Raise DataError where that text cannot be had back."""

    def texts(self, index: int, columns: tuple[ColumnState, ...]) -> Texts | None:
        """The text that a shard has lost, where that is not read from the source."""
        return None

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

    def _range_bytes(self, index: int) -> int:
        return sum(piece.stop - piece.start for piece in self.ranges[index])

    def _first_task(self, index: int) -> ShardTask:
        return self._task(index, self.ledger.columns)

    def _task(self, index: int, columns: tuple[ColumnState, ...]) -> ShardTask:
        prepared = self.prepared
        schema = self.schema_of(columns)
        if not self._holds_text:
            columns = as_categories(columns)
            schema = self.schema_of(columns)
            prepared.form.check(schema, prepared.storage)
        return ShardTask(
            source=prepared.source,
            ranges=self.ranges[index] if self.ranges else (),
            start=self.ledger.expected_start(index),
            fields=prepared.fields,
            plan=replace(prepared.sample.plan, columns=columns),
            schema=schema,
            format=prepared.form.name,
            storage=prepared.storage,
            folder=prepared.output,
            name=self.name_of(index),
            unit_bytes=self.unit_bytes,
            most_table_bytes=self.prepared.table_bytes,
            most_vocabulary_bytes=self.memory.vocabulary_bytes,
            keeps_all=prepared.source.comes_once,
            holds_text=self._holds_text,
        )

    def schema_of(self, columns: Sequence[ColumnState]) -> Schema:
        """The columns as they would be stored; the same objects where nothing changed.

        Results keep their schemas, and a vocabulary may be large.
        """
        for state in columns:
            before = self._columns.get(state.name)
            if before is None or not _is_stored_alike(before[0], state):
                column = state.column()
                if before is not None and before[1] == column:
                    column = before[1]
                self._columns[state.name] = state, column
        return Schema(tuple(self._columns[state.name][1] for state in columns))

    def reject_pieces(self) -> list[Path]:
        """The files with the rejected records of each shard, in order."""
        names = (pieces_name(self.name_of(index)) for index in range(self.n_shards))
        return [partial_path(self.prepared.output / name) for name in names]

    def renames(self) -> dict[str, str]:
        """The files of all shards: by what name each was written, and by what it will be known."""
        results = sorted(self.ledger.results.items())
        return {old: new for _, one in results for old, new in self.final_names(one).items()}

    def final_names(self, result: ShardResult) -> dict[str, str]:
        """The files of a shard: by what name each was written, and by what it will be known."""
        written = result.name
        place = f"-{written.index:05d}-of-{written.count:05d}."
        final = f"-{result.index:05d}-of-{self.n_shards:05d}."
        names = {}
        for file in result.files:
            part, _, extension = file.name.removeprefix(written.stem).rpartition(place)
            names[file.name] = f"{self.prepared.stem}{part}{final}{extension}"
        return names

    def begin_repair(self, results: Iterable[ShardResult]) -> list[int]:
        """Take the shards of a finished dataset; returns those that are spoiled."""
        self.ledger.results = {result.index: result for result in results}
        known = [result for _, result in sorted(self.ledger.results.items())]
        if self.ranges:
            self.ranges = self.ledger.ranges = [result.pieces for result in known]
        return [result.index for result in known if result.spoiled]

    def name_of(self, index: int) -> ShardName:
        """What the files of a shard are called while the source is read."""
        return ShardName(stem=self.prepared.stem, index=index, count=self.n_shards)

    def manifest(self) -> Manifest:
        """The manifest of what was converted."""
        from bigdata_cli import __version__

        prepared = self.prepared
        schema = self.schema_of(self.ledger.final_columns())
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
            names = self.final_names(result)
            yield ShardEntry(
                files=tuple(replace(f, name=names[f.name]) for f in result.files),
                rows=result.rows,
                source_ranges=tuple((p.file, p.start, p.stop) for p in result.pieces),
            )


def _is_stored_alike(a: ColumnState, b: ColumnState) -> bool:
    return a.dtype == b.dtype and (a.dtype != "category" or a.distinct is b.distinct)


def _settled(
    statistics: dict[str, ColumnStatistics], schema: Schema
) -> dict[str, ColumnStatistics]:
    """Minima and maxima as the final dtype holds them: integers of a float column are floats, and
    dates of timestamps have a time."""
    settled = dict(statistics)
    for column in schema:
        known = settled[column.name]
        if column.kind == "float" and known.minimum is not None:
            settled[column.name] = replace(
                known, minimum=float(known.minimum), maximum=float(known.maximum)
            )
        if column.kind is Kind.TIMESTAMP and known.minimum is not None:
            unit = numpy_dtype(column.dtype)
            low, high = (
                str(np.datetime64(end).astype(unit)) for end in (known.minimum, known.maximum)
            )
            settled[column.name] = replace(known, minimum=low, maximum=high)
    return settled
