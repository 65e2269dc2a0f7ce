"""What a conversion does about surprises in a stream that comes once.

A shard that has lost the text it needs cannot be made of the source again. So that text is kept in
a spool, or, without one, the conversion ends when such a surprise is seen.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.conversion.ledger import Ledger
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.rewrite import Texts
from bigdata_cli.conversion.shard_parts import ShardParts
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.widening import Stored, can_become, change_of
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import Change
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import FedRows
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.feed import FedBlock
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.select_fields import record_offset
from bigdata_cli.sources.csv.spool import Packed, Spool, pack_block
from bigdata_cli.sources.csv.units import locate
from bigdata_cli.types.dtype import Column
from bigdata_cli.types.state import ColumnState

_SPOOL_NAME = "_spool"


class SurpriseError(DataError):
    """A value for which shards would have to be read again from a pipe; what is finished stays."""


class PipeText:
    """The text of a source that comes once, where its shards do not keep it."""

    def __init__(self, plan: Plan, ledger: Ledger, store: Store) -> None:
        self._plan = plan
        self._ledger = ledger
        self._spool: Spool | None = None
        self.watch: SpoolWatch | SurpriseWatch
        # What steps made of a text cannot be made again of its fields alone.
        if plan.options.spool and not plan.source.is_shaped:
            self._spool = Spool(store, partial_name(_SPOOL_NAME))
            self.watch = SpoolWatch(plan, self._spool)
        else:
            self.watch = SurpriseWatch(plan, ledger)

    def close(self) -> None:
        """Remove what was kept; safe to call twice."""
        if self._spool is not None:
            self._spool.close()

    def check_lost(self, shards: Sequence[int], columns: Sequence[ColumnState]) -> None:
        """Raise SurpriseError where shards have lost text that is not kept.

        Without a spool, `watch` should have ended the run before.
        """
        if not shards or self._spool is not None:
            return
        names = [
            state.name
            for index, state in enumerate(columns)
            if any(self._is_lost(shard, index, state) for shard in shards)
        ]
        shown = ", ".join(f'"{name}"' for name in names)
        flags = " ".join(f"--type '{name}=text'" for name in names)
        raise SurpriseError(
            f"the text of column {shown} is needed again, and with --no-spool the pipe cannot be "
            "read again",
            hint=f"{flags}, or leave out --no-spool",
        )

    def texts(self, part: int, columns: tuple[ColumnState, ...]) -> Texts | None:
        """The text that a part of a shard has lost, in the dtypes of the columns.

        None where there is none. It is read block by block.
        """
        wanted = {i for i, state in enumerate(columns) if self._is_lost(part, i, state)}
        if self._spool is None or not wanted:
            return None
        return self._spool.texts(
            self._plan.parts.shard(part),
            columns,
            wanted,
            self._plan.sample.plan,
            split=self._plan.parts.split(part),
        )

    def _is_lost(self, shard: int, index: int, state: ColumnState) -> bool:
        form, storage = self._plan.form, self._plan.storage
        return any(
            change_of(stored, state.column(), form, storage) is Change.SOURCE
            for stored in self._ledger.results[shard].stored(index)
        )


class SpoolWatch:
    """Keeps of each block the text that its shard does not keep."""

    def __init__(self, plan: Plan, spool: Spool) -> None:
        self._plan = plan
        self._spool = spool

    def parsed(self, fed: FedRows, chunk: Chunk, builder: ShardParts) -> Packed:
        return self._packed(fed, chunk, builder, self._lost(chunk, builder))

    def taken(
        self,
        fed: FedRows,
        chunk: Chunk,
        made: Packed,
        builder: ShardParts,
        widened: bool,
    ) -> None:
        lost = self._lost(chunk, builder)
        if chunk.rows and not lost.issubset(made.columns):  # the shard was widened meanwhile
            made = self._packed(fed, chunk, builder, lost)
        self._spool.append(fed.shard, made)

    def _packed(
        self, fed: FedRows, chunk: Chunk, builder: ShardParts, lost: Collection[int]
    ) -> Packed:
        assert isinstance(fed, FedBlock)  # tables do not come from pipes
        shared = builder.shared
        return pack_block(fed, chunk, shared.fields[fed.file], shared.plan, lost)

    def _lost(self, chunk: Chunk, builder: ShardParts) -> set[int]:
        """The columns whose text the values of a chunk do not tell, as they are stored."""
        form, storage = self._plan.form, self._plan.storage
        lost = set()
        stored = builder.storage_schemas
        for index, state in enumerate(chunk.columns):
            if state.fixed:
                continue
            observed, has_values = chunk.observed[index], chunk.statistics[index].values > 0
            text = Column(name=state.name, dtype="text")
            parsed = Stored(
                Column(name=state.name, dtype=state.dtype), observed, has_values, is_parsed=True
            )
            kept = [parsed]
            kept += [Stored(schema.columns[index], observed, has_values) for schema in stored]
            if not all(can_become(one, text, form, storage) for one in kept):
                lost.add(index)
        return lost


class SurpriseWatch:
    """Ends a conversion without a spool as soon as stored values have lost the text they need."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger
        self._columns = ledger.columns
        self._builders: dict[int, ShardParts] = {}

    def parsed(self, fed: FedRows, chunk: Chunk, builder: ShardParts) -> None:
        return None

    def taken(
        self,
        fed: FedRows,
        chunk: Chunk,
        made: Any,
        builder: ShardParts,
        widened: bool,
    ) -> None:
        """Raise SurpriseError where a column cannot be what the rows so far ask for."""
        self._builders[fed.shard] = builder
        if not widened:
            return
        parts = self._plan.parts
        done = [i for i in self._builders if parts.of_shard(i)[-1] in self._ledger.results]
        for index in done:
            del self._builders[index]
        known = tuple(self._builders.values())
        columns = self._ledger.columns_with(known)
        for index, (before, state) in enumerate(zip(self._columns, columns, strict=True)):
            if state.dtype != before.dtype and self._is_lost(index, state):
                if not isinstance(fed, FedBlock):
                    raise _of_steps(before, state)
                raise self._error(fed, chunk, builder, index, before, state)
        self._columns = columns
        for one in known:
            one.adopt(columns)

    def _is_lost(self, index: int, state: ColumnState) -> bool:
        form, storage = self._plan.form, self._plan.storage
        shards: list[ShardResult | ShardParts] = list(self._ledger.results.values())
        shards += self._builders.values()
        return any(
            change_of(stored, state.column(), form, storage) is Change.SOURCE
            for shard in shards
            for stored in shard.stored(index)
        )

    def _error(
        self,
        fed: FedBlock,
        chunk: Chunk,
        builder: ShardParts,
        index: int,
        before: ColumnState,
        state: ColumnState,
    ) -> SurpriseError:
        """The error of the value in a block that made the column another one."""
        shared = builder.shared
        fields = shared.fields[fed.file]
        columns = list(chunk.columns)
        columns[index] = before
        plan = replace(shared.plan, columns=tuple(columns))
        row = _row_that_widens(fed, chunk, fields, plan, index, state.dtype)
        columns[index] = ColumnState(name=state.name, dtype="text", fixed=True, distinct=None)
        as_text = fed.parse(fields, replace(plan, columns=tuple(columns), divides=False))
        assert as_text.chunk is not None
        value = as_text.chunk.batch.column(index)[row].as_py()
        offset = record_offset(fed.block, chunk.set_aside, plan.dialect, row)
        shown = value if len(value or "") <= 60 else value[:60] + "…"
        error = RecordError(
            offset,
            f'column "{state.name}" was {before.dtype}, and {shown!r} makes it {state.dtype}: '
            "what is written of it does not tell its text, and with --no-spool the pipe cannot be "
            "read again",
            hint=f"--type '{state.name}={state.dtype}', or leave out --no-spool",
        )
        located = self._plan.source.located(fed.file, locate(error, fed.block, fed.first_line))
        return SurpriseError(located.message, hint=located.hint)


def _of_steps(before: ColumnState, state: ColumnState) -> SurpriseError:
    """The error for a column of a pipe whose rows go through steps."""
    return SurpriseError(
        f'column "{state.name}" was {before.dtype}, and a later row makes it {state.dtype}: of '
        "rows that go through steps a pipe keeps no text, and it cannot be read again",
        hint=f"--type '{state.name}={state.dtype}', or convert a file",
    )


def _row_that_widens(
    fed: FedBlock, chunk: Chunk, fields: Sequence[int], plan: ParsePlan, index: int, dtype: str
) -> int:
    """The first row of a block with which a column has this dtype, which its last row has.

    More and more precisely the first rows are parsed again: what one value makes of a column the
    parser alone says, whatever the source.
    """
    block = fed.block

    def widens(n_rows: int) -> bool:
        offset = record_offset(block, chunk.set_aside, plan.dialect, n_rows)
        size = offset - block.offset
        data = np.full(size + PADDING_BYTES, 10, np.uint8)
        data[:size] = block.data[:size]
        head = fed._replace(block=Block(data, block.offset, size, True))
        parsed = head.parse(fields, plan).chunk
        return parsed is not None and parsed.columns[index].dtype == dtype

    row = bisect.bisect_left(range(1, chunk.rows + 1), True, key=widens)
    return min(row, chunk.rows - 1)
