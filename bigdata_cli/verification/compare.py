"""Compares the values of a dataset with those of its source, in the order of the source.

One reader reads the source from its start, however the conversion read it. The other side comes
from the readers of the formats. Both sides have a few blocks in memory at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from bigdata_cli.conversion.partition import Dealt
from bigdata_cli.dataset import Dataset
from bigdata_cli.dataset.rejects_file import read_rejects, rejects_entry
from bigdata_cli.engines.ordered import ordered_map
from bigdata_cli.errors import BigdataError, DataError, UsageError
from bigdata_cli.io.store import StoredFile
from bigdata_cli.sources.base import FedRows, RowFeed, ShardLocator, all_in_one
from bigdata_cli.sources.csv.blocks import UNIT_BYTES
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.types.dtype import Column, Kind, arrow_type
from bigdata_cli.types.lattice import Observed, resolve
from bigdata_cli.verification.lanes import (
    Rows,
    lanes_of,
    n_source_shards,
    rows_by_split,
    shards_by_source,
)
from bigdata_cli.verification.multiset import RowSums
from bigdata_cli.verification.places import place_of
from bigdata_cli.verification.report import Finding, VerifyProgress
from bigdata_cli.verification.sortedness import SortedRows, sorted_rows_of
from bigdata_cli.verification.source import OpenedSource, compare_fingerprint
from bigdata_cli.verification.values import as_text, differing_rows, shown

_SHOWN_PER_COLUMN = 5
_NO_SHARD = -1
"""Of rows whose shard the manifest does not list."""
_SHARDS_AT_ONCE = 16
"""Shards that take turns are read at the same time: of more, the source is read several times."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs, and how many rows of the dataset were compared."""

    findings: tuple[Finding, ...]
    rows: int


def compare_values(
    dataset: Dataset,
    source: OpenedSource,
    *,
    damaged: Collection[int],
    jobs: int,
    progress: Callable[[VerifyProgress], None] | None = None,
) -> Comparison:
    """Compare every value, the rejected records, and the dtypes that the values ask for.

    The rows of a shuffled or sorted dataset are compared whatever their order (`RowSums`), and not
    at all where a shard is damaged.
    damaged: shards that are left out, as their files are not those that were written.
    The first few differences of each column are listed with their places, and how many there are.
    Raises UsageError for a pipe that would have to be read several times.
    """
    comparer = _Comparer(dataset, source, damaged, jobs, progress)
    n_shards = n_source_shards(dataset.manifest)
    if dataset.manifest.order != "within shards":
        comparer.read(all_in_one, None)
        if dataset.manifest.is_reordered:
            comparer.compare_sums()
    elif source.rows.comes_once and n_shards > _SHARDS_AT_ONCE:
        raise UsageError(
            f"{n_shards:,} shards took turns: to compare them with their source it has to be read "
            "several times, and a pipe cannot",
            hint="--source FILE, compressed or not",
        )
    else:
        for first in range(0, n_shards, _SHARDS_AT_ONCE):
            wanted = range(first, min(first + _SHARDS_AT_ONCE, n_shards))
            comparer.read(Dealt(n_shards).locator(), wanted)
    return Comparison(findings=tuple(comparer.finish()), rows=comparer.compared)


class _Comparer:
    """Takes the parsed rows of the source in order, and compares them with those of the shards."""

    def __init__(
        self,
        dataset: Dataset,
        source: OpenedSource,
        damaged: Collection[int],
        jobs: int,
        progress: Callable[[VerifyProgress], None] | None,
    ) -> None:
        self.compared = 0
        self._dataset = dataset
        self._source = source
        self._damaged = damaged
        self._jobs = jobs
        self._progress = progress
        self._fields = source.rows.fields_of(dataset.schema.names)
        self._findings: list[Finding] = []
        self._n_different: Counter[str] = Counter()
        self._rows: Counter[int] = Counter()
        self._rejected = 0
        self._rejects: Iterator[list[str]] | None = None
        self._observed = [Observed() for _ in dataset.schema]
        self._readers: dict[int, _ShardReader] = {}
        self._is_whole = True
        self._sums: list[RowSums] | None = None
        if dataset.manifest.is_reordered:
            self._sums = [RowSums(dataset.schema.columns) for _ in lanes_of(dataset.manifest)]
        self._lanes = lanes_of(dataset.manifest)
        self._places = [0] * len(self._lanes)
        self._shard_at = shards_by_source(dataset.manifest)

    def read(self, locate: ShardLocator, wanted: range | None) -> None:
        """Read the source once; wanted: of shards that take turns, those to compare now."""
        manifest = self._dataset.manifest
        if wanted is None or len(wanted) == n_source_shards(manifest):
            if (entry := rejects_entry(manifest)) is not None:
                self._rejects = read_rejects(StoredFile(self._dataset.store, entry.name))
        feed = self._source.rows.feed(
            locate,
            keep=self._dataset.schema.names,
            unit_bytes=UNIT_BYTES,
            max_record_bytes=self._source.plan.max_record_bytes,
            strict=not self._source.plan.skip_bad_rows,
        )
        try:
            with feed:
                for fed, unit in self._parsed(feed, wanted):
                    self._take(fed, unit, takes_turns=wanted is not None)
                for then, now in zip(manifest.sources, feed.entries(), strict=True):
                    if not then.mtime_ns and not now.mtime_ns:  # both are pipes
                        self._findings += compare_fingerprint(then, now)
        except DataError as error:
            self._is_whole = False
            name = self._source.rows.files[0].name
            self._findings.append(Finding(file=name, what=error.message))
        self._readers.clear()

    def _parsed(self, feed: RowFeed, wanted: range | None) -> Iterator[tuple[FedRows, Unit]]:
        """The blocks of the source in order, parsed in threads."""

        def parse(fed: FedRows) -> Unit:
            return fed.parse(self._fields[fed.file], self._source.plan)

        blocks = (fed for fed in feed if wanted is None or fed.shard in wanted)
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="parse") as pool:
            yield from ordered_map(pool, parse, blocks, max_in_flight=self._jobs + 1)

    def _take(self, fed: FedRows, unit: Unit, *, takes_turns: bool) -> None:
        """Compare the rows of a block with the next ones of its shard, or of the dataset."""
        if unit.chunk is None:
            assert unit.error is not None
            raise self._source.rows.located(fed.file, unit.error)
        seen = zip(self._observed, unit.chunk.observed, strict=True)
        self._observed = [before.join(now) for before, now in seen]
        self._compare_rejects(fed, unit)
        if self._sums is not None:
            for split, rows in rows_by_split(unit.chunk, fed.file, self._source.plan.split):
                arrays = zip(self._dataset.schema, rows.batch.columns, strict=True)
                self._sums[split].add([self._as_read(column, values) for column, values in arrays])
            self._rows[0] += unit.chunk.rows
        else:
            self._compare_block(fed, unit, takes_turns=takes_turns)
        if self._progress is not None:
            self._progress(
                VerifyProgress(
                    bytes_done=fed.consumed,
                    bytes_total=self._source.rows.bytes,
                    rows=self.compared,
                    phase="comparing",
                )
            )

    def _compare_next(self, split: int, fed: FedRows, unit: Unit, rows: Rows) -> None:
        """Compare rows of a block with the next ones of a split, or of the dataset."""
        lane, row, n_rows = self._lanes[split], 0, len(rows.numbers)
        while row < n_rows:
            shard = lane[self._places[split]]
            left = self._dataset.shards[shard].rows - self._rows[shard]
            if left <= 0 and self._places[split] + 1 < len(lane):
                self._readers.pop(shard, None)
                self._places[split] += 1
                continue
            # What is beyond the last shard is counted as its own.
            piece = min(left, n_rows - row) if left > 0 else n_rows - row
            self._compare(shard, fed, unit, rows.slice(row, piece))
            row += piece

    def _compare_block(self, fed: FedRows, unit: Unit, *, takes_turns: bool) -> None:
        """Compare the rows of a block with the next ones of their shards."""
        assert unit.chunk is not None
        for split, rows in rows_by_split(unit.chunk, fed.file, self._source.plan.split):
            if takes_turns:
                self._compare(self._shard_at.get((fed.shard, split), _NO_SHARD), fed, unit, rows)
            else:
                self._compare_next(split, fed, unit, rows)

    def _compare_rejects(self, fed: FedRows, unit: Unit) -> None:
        """Compare the rejected records of a block with the next ones of the dataset."""
        assert unit.chunk is not None
        for reject in unit.chunk.rejects:
            self._rejected += 1
            if self._rejects is None:
                continue
            try:
                record = next(self._rejects, None)
            except (OSError, ValueError):  # what is wrong with the file was found already
                self._rejects = None
                continue
            line, raw = str(reject.line), reject.raw.decode("utf-8", "surrogateescape")
            if record is None or (record[1], record[4]) != (line, raw.rstrip("\r\n")):
                self._rejects = None
                name = self._source.rows.files[fed.file].name
                what = f"it lacks the rejected record of {name} line {line}, or has another there"
                file = rejects_entry(self._dataset.manifest)
                assert file is not None
                self._findings.append(Finding(file=file.name, what=what))

    def _compare(self, shard: int, fed: FedRows, unit: Unit, rows: Rows) -> None:
        """Compare rows of a block with the next ones of a shard."""
        first, n_rows = 0, len(rows.numbers)
        self._rows[shard] += n_rows
        if not 0 <= shard < len(self._dataset.shards) or shard in self._damaged:
            return
        if shard not in self._readers:
            self._readers[shard] = _ShardReader(self._dataset, shard)
        reader = self._readers[shard]
        while n_rows:
            try:
                batch = reader.take(n_rows)
            except BigdataError as error:
                name = self._dataset.shards[shard].file_names[0]
                self._findings.append(Finding(file=name, what=error.message))
                return
            if batch is None:
                return
            taken = rows.slice(first, batch.num_rows)
            for index, column in enumerate(self._dataset.schema):
                self._compare_column(column, index, taken, batch, reader, fed, unit)
            self.compared += batch.num_rows
            reader.row += batch.num_rows
            first += batch.num_rows
            n_rows -= batch.num_rows

    def _compare_column(
        self,
        column: Column,
        index: int,
        expected: Rows,
        batch: pa.RecordBatch,
        reader: _ShardReader,
        fed: FedRows,
        unit: Unit,
    ) -> None:
        """Compare a column of rows of a block with those of the next batch of their shard."""
        found = as_text(batch.column(index))
        values = self._as_read(column, expected.batch.column(index))
        if values.type != found.type:  # values that ask for another dtype
            values, found = values.cast(pa.string()), found.cast(pa.string())
        rows = differing_rows(values, found)
        for row in rows[: max(0, _SHOWN_PER_COLUMN - self._n_different[column.name])].tolist():
            number = int(expected.numbers[row])
            place = place_of(self._source, self._fields, fed, number)
            self._findings.append(
                Finding(
                    file=reader.file_name,
                    what=f'row {reader.row + row + 1:,}, column "{column.name}" ({place})',
                    expected=shown(values, row, column),
                    found=shown(found, row, column),
                    expected_from="the source",
                )
            )
        self._n_different[column.name] += len(rows)

    def _as_read(self, column: Column, values: pa.Array) -> pa.Array:
        """Values of the source as the dataset gives them back, where they are of its dtype."""
        dtype = "text" if column.kind is Kind.CATEGORY else column.dtype
        if values.type != arrow_type(dtype):
            return values
        return self._dataset.format.as_read(values, column, self._dataset.storage)

    def compare_sums(self) -> None:
        """Compare the rows of the dataset, or of each split, with those of the source, in whatever
        order."""
        if self._damaged or not self._is_whole or self._sums is None:
            return
        parts = list(self._dataset.splits.values()) or [self._dataset]
        for part, expected in zip(parts, self._sums, strict=True):
            self._compare_sums_of(part, expected)

    def _compare_sums_of(self, part: Dataset, expected: RowSums) -> None:
        """Compare the rows of a dataset or split, and their order where they are sorted."""
        found, in_order = RowSums(part.schema.columns), sorted_rows_of(self._dataset)
        where = "" if part.split is None else f"split {part.split}: "

        def report(what: str) -> None:
            self._findings.append(Finding(file=self._dataset.manifest_name, what=where + what))

        try:
            for batch in part.read(max_rows=part.read_rows(part.schema)):
                found.add(batch.columns)
                if isinstance(in_order, SortedRows):
                    in_order.add(batch)
        except BigdataError as error:
            report(error.message)
            return
        self.compared += found.rows
        if isinstance(in_order, Finding):
            self._findings.append(in_order)
        elif in_order is not None and in_order.wrong_row is not None:
            report(f"row {in_order.wrong_row + 1:,} is not where the order of sort_by has it")
        names = list(found.differing_columns(expected))
        for name in names:
            report(f'column "{name}" has values that are not those of the source, in any order')
        if not names and not found.has_same_rows(expected):
            report("each column has the values of the source, and they stand in other rows")

    def finish(self) -> Iterator[Finding]:
        """All that was found, what holds for the whole source last."""
        yield from self._findings
        for name, count in self._n_different.items():
            if count > _SHOWN_PER_COLUMN:
                what = f'column "{name}" has {count:,} values that are not those of the source'
                yield Finding(file=self._dataset.manifest_name, what=what)
        if not self._is_whole:
            return
        manifest = self._dataset.manifest
        counts = [(self._dataset.manifest_name, self._rows.total(), manifest.rows)]
        if self._sums is None and (manifest.order == "within shards" or manifest.splits):
            counts += [
                (shard.file_names[0], self._rows[index], shard.rows)
                for index, shard in enumerate(manifest.shards)
            ]
        for file, expected, found in counts:
            if expected != found:
                yield Finding(
                    file=file,
                    what="number of rows",
                    expected=expected,
                    found=found,
                    expected_from="the source",
                )
        if self._rejected != manifest.rejected_rows:
            yield Finding(
                file=self._dataset.manifest_name,
                what="the number of rejected rows",
                expected=self._rejected,
                found=manifest.rejected_rows,
                expected_from="the source",
            )
        yield from self._check_dtypes()

    def _check_dtypes(self) -> Iterator[Finding]:
        """Each dtype is the narrowest that holds all values, where the user did not fix it."""
        plan = self._source.plan
        for column, state, seen in zip(
            self._dataset.schema, plan.columns, self._observed, strict=True
        ):
            asked = resolve(seen, float_mode=plan.float_mode, n_distinct=None, n_rows=0)
            is_text = {asked, state.dtype} == {"text"}
            if not state.fixed and not is_text and asked != column.dtype:
                yield Finding(
                    file=self._dataset.manifest_name,
                    what=f'the dtype of column "{column.name}"',
                    expected=asked,
                    found=column.dtype,
                    expected_from="the source",
                )


class _ShardReader:
    """The rows of a shard, some at a time; row: of the shard, from 0, is next."""

    def __init__(self, dataset: Dataset, index: int) -> None:
        self.file_name = dataset.shards[index].file_names[0]
        self.row = 0
        rows = dataset.read_rows(dataset.schema)
        self._batches: Iterator[pa.RecordBatch] = dataset.read(max_rows=rows, shards=(index,))
        self._rest: pa.RecordBatch | None = None

    def take(self, n_rows: int) -> pa.RecordBatch | None:
        """The next rows, `n_rows` at the most; None at the end, and after an error."""
        if self._rest is None or not self._rest.num_rows:
            self._rest = next(self._batches, None)
        if self._rest is None:
            return None
        taken, self._rest = self._rest.slice(0, n_rows), self._rest.slice(n_rows)
        return taken
