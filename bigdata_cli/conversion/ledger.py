"""The results of shards, accepted in order, and what they say about the columns together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from bigdata_cli.conversion.parts import ONE_PART, Parts
from bigdata_cli.conversion.shard_files import same_tables
from bigdata_cli.conversion.shard_parts import ShardParts
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.widening import change_of
from bigdata_cli.formats.base import Change, Format, StorageOptions
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import settle
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState, join_all
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import join_distinct


class Ledger:
    """Which parts of shards are done, and the column types that follow from all of them.

    A result is accepted when its start is certain: when the part before it is accepted and ended
    there. What accepted shards observed is joined; the sample's guess takes no part in the outcome.
    ranges: of the source, per shard; empty for a stream, whose shards start where they must.
    on_result: called with each result that counts; its distinct texts are those not known before.
    first: the part that comes first, where others are made elsewhere; start: where the first record
    of its shard starts, as far as that is known.
    """

    def __init__(
        self,
        plan: ParsePlan,
        ranges: Sequence[tuple[ByteRange, ...]],
        on_result: Callable[[ShardResult], None] | None = None,
        parts: Parts = ONE_PART,
        *,
        first: int = 0,
        start: int | None = None,
    ) -> None:
        self.plan = plan
        self._first = first
        self._start = start
        self._schema = Schema(())
        self._rejected = 0
        self.settled: tuple[ColumnState, ...] | None = None
        """The columns that all shards ask for, where this has only some of them."""
        self.parts = parts
        self._on_result = on_result
        self.ranges = ranges
        self.results: dict[int, ShardResult] = {}
        self._waiting: dict[int, ShardResult] = {}
        self._observed = [Observed() for _ in plan.columns]
        self._distinct: list[frozenset[str] | None] = [
            None if state.distinct is None else frozenset() for state in plan.columns
        ]
        self.columns = plan.columns
        """The types to go on with: the guess, widened by the shards accepted so far."""

    @property
    def in_order(self) -> list[ShardResult]:
        """The results in the order of their parts."""
        return [result for _, result in sorted(self.results.items())]

    @property
    def rows(self) -> int:
        return sum(result.rows for result in self.results.values())

    @property
    def tally(self) -> Tally:
        return sum((result.tally for result in self.results.values()), Tally())

    @property
    def rejected(self) -> int:
        """Records; asked after each shard."""
        return self._rejected

    def expected_start(self, index: int) -> int | None:
        """Where the first record of a shard must start; None while that is not known."""
        if not self.ranges or not self.ranges[index]:
            return None
        first = self.ranges[index][0]
        for before in range(index - 1, -1, -1):
            if self.ranges[before]:
                if self.ranges[before][-1].file != first.file:
                    return None  # a file's first record: known from its header
                if index == self.parts.shard(self._first):
                    return self._start
                known = self.results.get(self.parts.of_shard(before)[0])
                return known.stops[-1] if known is not None and known.stops else None
        return None

    def starts_right(self, shard: int) -> bool:
        """Whether a shard that is accepted starts where the one before ends."""
        expected = self.expected_start(shard)
        starts = self.results[self.parts.of_shard(shard)[0]].starts
        return expected is None or not starts or starts[0] == expected

    def is_guessed(self, shard: int) -> bool:
        """Whether the start of a shard is a guess that nothing here can prove."""
        return (
            shard == self.parts.shard(self._first)
            and self._start is None
            and self.follows_in_file(shard)
        )

    def follows_in_file(self, shard: int) -> bool:
        """Whether the file of a shard begins in one before, so that its start is not that of it."""
        if not self.ranges or not self.ranges[shard]:
            return False
        before = next((ranges for ranges in self.ranges[:shard][::-1] if ranges), ())
        return bool(before) and before[-1].file == self.ranges[shard][0].file

    @property
    def next(self) -> int:
        """The part that is accepted next."""
        return self._first + len(self.results)

    def add(self, result: ShardResult) -> tuple[list[int], ShardResult | None]:
        """Take a result; returns the shards to do again from another start, and the first failed.

        A shard to be done again is no longer waited for until it is added again.
        """
        if result.index < self.next:
            return [], None  # its shard was done again meanwhile
        self._waiting[result.index] = result
        while self.next in self._waiting:
            index = self.next
            candidate = self._waiting.pop(index)
            shard = self.parts.shard(index)
            expected = self.expected_start(shard)
            if expected is not None and candidate.starts and candidate.starts[0] != expected:
                return [shard], None
            if candidate.error is not None:
                return [], candidate
            self._accept(candidate)
        return [], None

    def restore(self, results: Sequence[ShardResult]) -> None:
        """Take results that `on_result` was called with, in that order."""
        on_result, self._on_result = self._on_result, None
        for result in results:
            if result.index in self.results:
                self.replace_result(result)
            else:
                self._accept(result)
        self._on_result = on_result

    def _tell(self, result: ShardResult) -> None:
        if self._on_result is not None:
            new = tuple(
                texts if texts is None or known is None else texts - known
                for texts, known in zip(result.distinct, self._distinct, strict=True)
            )
            self._on_result(replace(result, distinct=new))

    def _join_distinct(self, result: ShardResult) -> None:
        columns = zip(self.plan.columns, self._distinct, result.distinct, strict=True)
        self._distinct = [join_distinct(a, b, fixed=state.fixed) for state, a, b in columns]

    def _accept(self, result: ShardResult) -> None:
        self._tell(result)
        self._observed = [a.join(b) for a, b in zip(self._observed, result.observed, strict=True)]
        self._join_distinct(result)
        self.columns = join_all(
            self.columns, result.observed, result.distinct, self.plan.float_mode
        )
        self._rejected += result.rejected
        self.results[result.index] = self._compact(result)

    def _compact(self, result: ShardResult) -> ShardResult:
        """The result with what others have too as the same objects: there may be 100,000."""
        if result.schema is not self._schema and result.schema != self._schema:
            self._schema = result.schema
        observed = tuple(
            known if known == one else one
            for one, known in zip(result.observed, self._observed, strict=True)
        )
        return replace(result, distinct=(), schema=self._schema, observed=observed)

    def columns_with(self, builders: Sequence[ShardParts]) -> tuple[ColumnState, ...]:
        """`columns`, widened by what shards showed that are not done yet."""
        columns = self.columns
        for builder in builders:
            columns = builder.widened(columns)
        return columns

    def final_columns(self) -> tuple[ColumnState, ...]:
        """The settled columns, once all shards are accepted."""
        if self.settled is not None:
            return self.settled
        settled = []
        for state, observed, distinct in zip(
            self.plan.columns, self._observed, self._distinct, strict=True
        ):
            if state.fixed and distinct is not None and state.distinct:
                distinct = join_distinct(distinct, state.distinct, fixed=True)
            state = replace(state, observed=observed, distinct=distinct)
            dtype = settle(state, self.plan.float_mode, self.rows)
            settled.append(replace(state, dtype=dtype))
        return tuple(settled)

    def changes(self, schema: Schema, form: Format, storage: StorageOptions) -> dict[int, Change]:
        """What each part needs that is not as it would be under the schema."""
        changes = {result.index: _change(result, schema, form, storage) for result in self.in_order}
        return {index: change for index, change in changes.items() if change is not Change.SAME}

    def replace_result(self, result: ShardResult) -> None:
        """Put the result of a shard that was done again in the place of the one before.

        Of a column that turned out to be text late it has texts that were read as numbers before.
        """
        if result.distinct:
            self._tell(result)
            self._join_distinct(result)
        self._rejected += result.rejected - self.results[result.index].rejected
        self.results[result.index] = replace(result, distinct=())

    def statistics(self, schema: Schema, split: int | None = None) -> dict[str, ColumnStatistics]:
        """The statistics of all rows, or of those of a split, by column."""
        merged = [ColumnStatistics() for _ in schema]
        for result in self.in_order:
            if split is not None and self.parts.split(result.index) != split:
                continue
            merged = [a.merge(b) for a, b in zip(merged, result.statistics, strict=True)]
        return dict(zip(schema.names, merged, strict=True))


def _change(result: ShardResult, schema: Schema, form: Format, storage: StorageOptions) -> Change:
    if result.unusable:
        return Change.SOURCE
    worst = Change.SAME if result.rest is None else Change.VALUES
    for index, (old, new) in enumerate(zip(result.schema, schema, strict=True)):
        if (old is not new and old != new) or result.rest is not None:
            changes = [change_of(one, new, form, storage) for one in result.stored(index)]
            worst = max(worst, *changes)
    if worst <= Change.HEADER and form.traits.same_bytes:
        has_same_tables = result.room != -math.inf and (
            result.schema == schema
            or same_tables(result.room, result.schema, schema, form, storage)
        )
        worst = worst if has_same_tables else Change.VALUES
    return worst
