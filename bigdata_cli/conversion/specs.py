"""The specifications of the shards of a conversion, for the types that are known by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.shard_spec import ShardSpec, SharedSpec
from bigdata_cli.engines.base import Task
from bigdata_cli.formats.base import ShardName
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.state import ColumnState, as_categories


class SpecMaker:
    """Makes specifications; those of the same types share the same `SharedSpec`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._holds_text = plan.form.holds_text(plan.storage)
        self._columns: dict[str, tuple[ColumnState, Column]] = {}
        self._shared: tuple[tuple[ColumnState, ...], SharedSpec] | None = None

    def task(
        self,
        index: int,
        columns: tuple[ColumnState, ...],
        *,
        ranges: tuple[ByteRange, ...] = (),
        start: int | None = None,
        splits: Sequence[int] | None = None,
    ) -> Task:
        """The work of one shard: its `ShardSpec`, and the `SharedSpec`. splits: None for all."""
        parts = self._plan.parts.of_shard(index)
        names = tuple(
            self.name(part) if splits is None or split in splits else None
            for split, part in enumerate(parts)
        )
        spec = ShardSpec(names=names, ranges=ranges, start=start)
        return Task(spec, self._shared_of(columns))

    def name(self, part: int) -> ShardName:
        """The name of a part while the source is read; how many a stream has is not known."""
        plan = self._plan
        n_parts = 0 if plan.source.is_stream else plan.shards.count * plan.parts.per_shard
        return ShardName(stem=plan.source.stem, index=part, count=n_parts)

    def schema(self, columns: Sequence[ColumnState]) -> Schema:
        """The columns as they would be stored; the same objects where nothing changed.

        Results keep their schemas, and a vocabulary may be large.
        """
        for state in columns:
            before = self._columns.get(state.name)
            if before is None or not _has_same_storage(before[0], state):
                column = state.column()
                if before is not None and before[1] == column:
                    column = before[1]
                self._columns[state.name] = state, column
        return Schema(tuple(self._columns[state.name][1] for state in columns))

    def _shared_of(self, columns: tuple[ColumnState, ...]) -> SharedSpec:
        """What is shared by shards of these types: the same value while these say the same.

        Every shard adds to the evidence of a column, which changes nothing while its dtype holds.
        """
        known = self._shared
        if known is None or not all(map(_has_same_parsing, known[0], columns)):
            known = self._shared = columns, self._make_shared(columns)
        return known[1]

    def _make_shared(self, columns: tuple[ColumnState, ...]) -> SharedSpec:
        plan = self._plan
        if not self._holds_text:
            columns = as_categories(columns)
            plan.form.check(self.schema(columns), plan.storage)
        rule = plan.sample.plan.split
        return SharedSpec(
            source=plan.source,
            fields=plan.fields,
            plan=replace(
                plan.sample.plan,
                columns=columns,
                max_record_bytes=plan.memory.max_record_bytes,
                divides=isinstance(rule, HashSplit),
                wants_places=isinstance(rule, CutSplit) and rule.reads_places,
            ),
            schema=self.schema(columns),
            format=plan.form.name,
            storage=plan.storage,
            store=plan.store,
            unit_bytes=plan.memory.unit_bytes,
            max_table_bytes=plan.table_bytes,
            max_vocabulary_bytes=plan.memory.vocabulary_bytes,
            keeps_all=plan.source.comes_once,
            holds_text=self._holds_text,
        )


def _has_same_storage(a: ColumnState, b: ColumnState) -> bool:
    return a.dtype == b.dtype and (a.dtype != "category" or a.distinct is b.distinct)


def _has_same_parsing(a: ColumnState, b: ColumnState) -> bool:
    """Whether a parser does the same for both: types, and whether texts are counted."""
    if a.dtype != b.dtype or (a.distinct is None) != (b.distinct is None):
        return False
    return a.dtype != "category" or a.distinct == b.distinct
