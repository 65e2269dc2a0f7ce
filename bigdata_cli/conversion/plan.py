"""What a conversion will do: its survey, the shards, and the memory that it is cut for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bigdata_cli.conversion.estimate.memory import budget_of
from bigdata_cli.conversion.estimate.size import count_shards, encode_sample
from bigdata_cli.conversion.options import DEFAULT_SHARD_BYTES, ConvertOptions
from bigdata_cli.conversion.partition import (
    MAX_DEALT_SHARDS,
    BySize,
    Dealt,
    Evenly,
    FileRanges,
    Partition,
)
from bigdata_cli.conversion.parts import Parts
from bigdata_cli.conversion.survey import Survey, survey
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.resources.budget import MemoryBudget, dealing_limit, too_small
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES
from bigdata_cli.types.column_entry import schema_to_json


@dataclass(frozen=True)
class Shards:
    """How a source is cut into shards.

    Attributes:
        partition: Which part of the source each of them holds.
        count: How many there are; an estimate where a stream is cut by size.
        predicted_bytes: Of the dataset, from few rows; None where the user gave the number of
            shards, so that nothing was encoded.
        folders: Of the files of each shard; empty where they are in that of the dataset.
    """

    partition: Partition
    count: int
    predicted_bytes: int | None = None
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan(Survey):
    """All that a conversion follows from.

    Attributes:
        shards: How the source is cut.
        memory: How the work is cut.
        table_bytes: The most in memory of a table given to the encoder; None: the format's own
            choice. Of all that follows from the memory limit, it alone changes what is written.
    """

    shards: Shards
    memory: MemoryBudget
    table_bytes: int | None

    @property
    def parts(self) -> Parts:
        """How the parts of shards are numbered."""
        split = self.sample.plan.split
        return Parts(() if split is None else split.names, self.shards.folders)

    @property
    def counts_shards(self) -> bool:
        """Whether it is known how many shards there will be."""
        return not isinstance(self.shards.partition, BySize)

    def to_json(self) -> dict[str, Any]:
        """The plan as it is shown."""
        source, sample = self.source, self.sample
        return {
            "sources": [file.name for file in source.files],
            "source_bytes": source.bytes,
            "output": str(self.output),
            "format": self.form.name,
            "layout": self.storage.layout,
            "label": self.storage.label,
            "shards": self.shards.count,
            "shards_known": self.counts_shards,
            "splits": None
            if self.options.splits.split is None
            else dict(self.options.splits.split),
            "estimated_rows": sample.estimated_rows,
            "size_known": sample.size_known,
            "dialect": source.dialect.to_json(),
            "confidence": source.confidence,
            "reasons": list(source.reasons),
            "columns": schema_to_json(sample.schema),
            "memory": self.memory.to_json(),
        }


def make_plan(
    paths: Sequence[str | Path],
    options: ConvertOptions,
    *,
    sample_bytes: int = SAMPLE_BYTES,
    unit_bytes: int | None = None,
) -> Plan:
    """Look at the sources, and choose what the options leave open.

    sample_bytes: of the source, looked at; unit_bytes: parsed at a time, as memory allows if None.
    Raises UsageError, DataError and BudgetError; writes nothing but a small estimate in a temporary
    folder.
    """
    found = survey(paths, options, sample_bytes=sample_bytes)
    memory = budget_of(found)
    shards = _stream_shards(found) if found.source.in_pieces is None else _file_shards(found)
    if unit_bytes is not None:
        memory = replace(memory, unit_bytes=unit_bytes)
    return _complete(found, shards, memory)


def plan_as_begun(plan: Plan, table_bytes: int | None) -> Plan:
    """The plan of a conversion that goes on with tables as large as those it was begun with.

    So it goes on, whatever memory there is by now, as if it had never ended. Raises BudgetError
    where there is too little for them.
    """
    if plan.table_bytes == table_bytes:
        return plan
    try:
        again = _complete(plan, plan.shards, budget_of(plan, (table_bytes,)))
        if again.table_bytes != table_bytes:  # too little for those of all shards at once
            smallest = dealing_limit(plan.shards.count * (table_bytes or 0))
            is_given = plan.options.memory_limit is not None
            raise too_small(again.memory.limit_bytes, smallest, is_given=is_given)
    except BudgetError as error:
        raise BudgetError(
            f"{plan.output} was begun with more memory: {error.message}",
            hint=f"{error.hint}; --force starts over with what there is",
        ) from error
    return again


def _complete(found: Survey, shards: Shards, memory: MemoryBudget) -> Plan:
    table_bytes = memory.batch_bytes
    if isinstance(shards.partition, Dealt) and shards.count > 1:
        # All shards have a table in the making at the same time.
        dealt = memory.dealt_bytes // shards.count
        table_bytes = dealt if table_bytes is None else min(table_bytes, dealt)
    known = {field.name: getattr(found, field.name) for field in fields(Survey)}
    return Plan(**known, shards=shards, memory=memory, table_bytes=table_bytes)


def _file_shards(found: Survey) -> Shards:
    """The shards of files that can be read from anywhere: ranges of bytes."""
    source, count, predicted = found.source.in_pieces, found.options.shards, None
    assert source is not None
    if count is None:
        predicted = encode_sample(found).scaled(found.sample.estimated_rows)
        count = count_shards(predicted, found.options)
    return Shards(FileRanges(source.split(count)), count, predicted)


def _stream_shards(found: Survey) -> Shards:
    """The shards of a stream: in equal parts where its length is known."""
    options, sample = found.options, found.sample
    known = found.source.total_rows
    if known is None and sample.exact:
        known = sample.bytes
    if options.shards is not None and known is None:
        if options.shards > MAX_DEALT_SHARDS:
            raise UsageError(
                f"--shards {options.shards:,}: the length of the stream is not known, so all "
                f"shards are written at once, and {MAX_DEALT_SHARDS} are possible",
                hint="--shard-size 256MB writes one after the other, as many as there are",
            )
        return Shards(Dealt(n_shards=options.shards), options.shards)
    if options.shards is not None and known is not None:
        return Shards(Evenly(known, options.shards), options.shards)
    encoded = encode_sample(found)
    predicted = encoded.scaled(sample.estimated_rows)
    count = count_shards(predicted, options)
    if known is not None:
        return Shards(Evenly(known, count), count, predicted)
    target = options.shard_bytes or DEFAULT_SHARD_BYTES
    text_bytes = target * encoded.text_bytes / max(encoded.bytes, 1) if encoded.rows else target
    return Shards(BySize(max(1, round(text_bytes))), count, predicted)
