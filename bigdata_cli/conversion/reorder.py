"""A conversion whose rows are stored in another order, random or sorted, in two steps.

Scatter: the source is converted to files of buckets, as to any format, in a store within that of
the dataset. What it shows of dtypes, statistics and rejected records holds for the dataset.
Gather: the buckets are the source of the dataset itself, one after the other, each put into order
in memory. Either step resumes as any conversion does.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from msgspec import structs

from bigdata_cli.conversion.commit import INNER_NAME
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.describe import options_entry, row_counts, settled_statistics
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.conversion.estimate.memory import budget_of
from bigdata_cli.conversion.partition import ByRows, BySize, Evenly, FileRanges, Partition
from bigdata_cli.conversion.plan import Plan, Shards
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import DataError
from bigdata_cli.formats.buckets.write import check_groups
from bigdata_cli.formats.hive import folder_of, folder_of_split
from bigdata_cli.io.store import PartialFiles
from bigdata_cli.sources.tables.reordered import ReorderedSource, RowsInOrder, SplitsInOrder
from bigdata_cli.sources.tables.scattered import Scattered
from bigdata_cli.sources.tables.sorted_runs import Group, SortedRuns
from bigdata_cli.splits.cuts import PLACE, CutSplit
from bigdata_cli.types.column_entry import column_entries, statistics_entries
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.state import ColumnState


def scatter_plan(plan: Plan) -> Plan:
    """How the source is scattered. It follows from the source alone, and so does the order.

    Raises BudgetError where that does not fit the memory limit.
    """
    sample = plan.sample
    options = scatter.bucket_options(
        sample.schema,
        sample.statistics,
        sample.estimated_rows if sample.size_known else None,
        plan.options.order,
        seed=plan.options.shape.seed,
    )
    output = plan.output / INNER_NAME
    found = replace(plan, form=scatter.bucket_format(), storage=options, output=output)
    partition = _partition(plan)
    memory = budget_of(found)
    memory = replace(memory, unit_bytes=min(memory.unit_bytes, plan.memory.unit_bytes))
    shards = Shards(partition, partition.n_shards or 1)
    return replace(found, shards=shards, memory=memory, table_bytes=memory.batch_bytes)


def _partition(plan: Plan) -> Partition:
    source = plan.source
    n_parts = max(1, math.ceil(source.bytes / scatter.PART_BYTES))
    if source.in_pieces is not None:
        return FileRanges(source.in_pieces.split(n_parts))
    if source.total_rows is not None:
        return Evenly(source.total_rows, n_parts)
    return BySize(scatter.PART_BYTES)


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """The first step when it is done. conversion: to the buckets; asked: the plan of the dataset as
    it was made of the source."""

    conversion: Coordinator
    asked: Plan

    @cached_property
    def plan(self) -> Plan:
        """How the dataset is made of the buckets, with the dtypes that all rows ask for.

        Raises UsageError where the layout cannot hold them.
        """
        plan, conversion = self.asked, self.conversion
        ledger = conversion.ledger
        columns = tuple(_fixed(state) for state in ledger.final_columns())
        schema = conversion.specs.schema(columns)
        plan.form.check(schema, plan.storage)
        sample, rows = plan.sample, self._rows_in_order(schema)
        source = ReorderedSource(
            inner=plan.source,
            scattered=rows,
            entries=conversion.entries(),
            row_bytes=max(1.0, sample.bytes / max(sample.rows, 1)),
        )
        return replace(
            plan,
            source=source,
            sample=replace(
                sample,
                plan=replace(sample.plan, columns=columns, split=self._split()),
                schema=schema,
            ),
            fields=source.fields_of(plan.keep),
            shards=self._shards(rows),
        )

    def _shards(self, rows: RowsInOrder) -> Shards:
        """As many as in the order of the source; with folders, some for each of them."""
        shards, count = self.asked.shards, self._count()
        names = self.asked.options.order.partition_by
        if not names:
            return structs.replace(shards, partition=Evenly(rows.rows, count), count=count)
        rule = self.asked.sample.plan.split
        sizes: list[int] = []
        folders: list[str] = []
        for place, one in enumerate(rows.splits if isinstance(rows, SplitsInOrder) else (rows,)):
            above = "" if rule is None else folder_of_split(rule.names[place])
            assert isinstance(one, SortedRuns)
            for group in one.groups(len(names)) or [Group((None,) * len(names), 0)]:
                n_shards = max(1, math.ceil(group.rows * count / max(rows.rows, 1)))
                ends = [group.rows * i // n_shards for i in range(n_shards + 1)]
                sizes += [stop - start for start, stop in itertools.pairwise(ends)]
                folders += [above + folder_of(names, group.values)] * n_shards
        check_groups(len(set(folders)))
        return structs.replace(
            shards, partition=ByRows(tuple(sizes)), count=len(sizes), folders=tuple(folders)
        )

    def _rows_in_order(self, schema: Schema) -> RowsInOrder:
        splits = tuple(
            self._split_in_order(schema, split) for split in range(self.conversion.parts.per_shard)
        )
        return splits[0] if len(splits) == 1 else SplitsInOrder(splits=splits)

    def _split_in_order(self, schema: Schema, split: int) -> RowsInOrder:
        conversion, by = self.conversion, self.asked.options.order.sort_columns()
        results = self._results_of(split)
        files: dict[str, Any] = {
            "store": PartialFiles(conversion.plan.store),
            "names": tuple(file.name for one in results for file in one.files),
            "schema": schema,
            "rows": sum(one.rows for one in results),
            "share_bytes": scatter.SHARE_BYTES,
        }
        return SortedRuns(**files, by=by) if by else Scattered(**files)

    def _results_of(self, split: int) -> list[ShardResult]:
        parts = self.conversion.parts
        return [one for one in self.conversion.ledger.in_order if parts.split(one.index) == split]

    def _split(self) -> CutSplit | None:
        """Which of the rows in their new order are of which split: one comes after the other."""
        rule = self.asked.sample.plan.split
        if rule is None:
            return None
        rows = [sum(one.rows for one in self._results_of(k)) for k in range(len(rule.names))]
        cuts = tuple(itertools.accumulate(rows[:-1]))
        return CutSplit(
            names=rule.names, by=PLACE, cuts={None: cuts}, largest=rows.index(max(rows))
        )

    def _count(self) -> int:
        """The shards of the dataset: as many as in the order of the source."""
        cut = self.asked.shards.partition
        if not isinstance(cut, BySize):
            return self.asked.shards.count
        results = self.conversion.ledger.results.values()
        n_bytes = sum(p.stop - p.start for result in results for p in result.pieces)
        return max(1, math.ceil(n_bytes / cut.shard_bytes))

    def manifest(self, gathered: Manifest) -> Manifest:
        """The manifest of the dataset, with what is known of the source from the first step.

        Raises DataError where rows are missing.
        """
        ledger, plan = self.conversion.ledger, self.asked
        if gathered.rows != ledger.rows:
            raise DataError(f"{ledger.rows:,} rows were scattered, and {gathered.rows:,} written")
        schema = gathered.schema
        statistics = settled_statistics(ledger.statistics(schema), schema)
        table_bytes = gathered.options["table_bytes"]
        order = plan.options.order
        how: dict[str, Any] = {"sort_by": list(order.sort_by)}
        if order.shuffle:
            how = {"seed": plan.options.shape.seed}
        return structs.replace(
            gathered,
            order="shuffled" if order.shuffle else "sorted",
            **row_counts(ledger),
            options={**options_entry(plan), "table_bytes": table_bytes, **how},
            columns=column_entries(schema, statistics),
            splits=tuple(
                structs.replace(
                    one,
                    statistics=statistics_entries(
                        settled_statistics(ledger.statistics(schema, split), schema)
                    ),
                )
                for split, one in enumerate(gathered.splits)
            ),
            shards=tuple(structs.replace(one, source_ranges=()) for one in gathered.shards),
        )


def _fixed(state: ColumnState) -> ColumnState:
    """A column that is stored as what it was found to be."""
    distinct = state.distinct if state.dtype == "category" else None
    return replace(state, fixed=True, distinct=distinct)
