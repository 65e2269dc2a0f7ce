"""What a conversion takes of memory, from what its sample shows, and the budget that follows.

The figures of each layout are measured, on tables of short text, of numbers, of 10,000 columns and
of long records; `python -m benchmarks.limits` compares what is expected with what the kernel says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bigdata_cli.conversion.options import DEFAULT_SHARD_BYTES
from bigdata_cli.errors import BudgetError
from bigdata_cli.resources.budget import (
    BATCH_SIZES,
    Work,
    budget_within,
    dealing_limit,
    too_small,
)
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.sources.csv.blocks import LOOKAHEAD_BYTES, MAX_RECORD_BYTES, UNIT_BYTES
from bigdata_cli.types.dtype import Column, Kind, item_bytes

if TYPE_CHECKING:
    from bigdata_cli.conversion.plan import Prepared

WIDE_COLUMNS = 1_000
"""With more, thousands of small pieces of memory lie between the large ones, so that a heap which
keeps what is freed grows to twice what is in use; and time goes into columns, not into pages."""
_UNIT_BYTES_PER_COLUMN = 1024
_MOST_UNIT_BYTES = 8 * UNIT_BYTES
_CELL_BYTES = 9 * 1.125
"""A cell and its flag, with room for blocks of shorter records."""
_CHUNK_COLUMN_BYTES, _PART_COLUMN_BYTES = 2_500, 1_000
"""Of a chunk's column however few its rows: its arrays, what was observed, statistics."""
_STATE_COLUMN_BYTES = 6_000
"""Of a column, whatever is in flight: its states in the plan, the ledger and the shards."""
_DISTINCT_BYTES = 150
"""Of a distinct text besides its bytes, in the sets of a shard, the ledger and the plan."""
_FEED_BYTES, _FED_UNITS = 8 << 20, 4
_WINDOW_BYTES = {"xz": 70_000_000, "zstd": 10_000_000, "bzip2": 5_000_000}
"""Of decompressors that look back further than gzip does."""
_SHARD_TABLES = 3
"""Bytes of a shard's tables in memory against those of its files, which may be compressed."""


def within_memory(
    prepared: Prepared, *, batch_sizes: Sequence[int | None] = BATCH_SIZES
) -> Prepared:
    """The conversion, cut so that it stays below its memory limit.

    Raises BudgetError where no cut does, with the smallest limit that would do.
    """
    options, sample = prepared.options, prepared.sample
    jobs = options.jobs or available_cpus()
    work = work_of(prepared)
    memory = budget_within(options.memory_limit, work, jobs=jobs, batch_sizes=batch_sizes)
    plan = replace(sample.plan, max_record_bytes=memory.max_record_bytes)
    return replace(prepared, sample=replace(sample, plan=plan), memory=memory)


def with_tables_of(prepared: Prepared, table_bytes: int | None) -> Prepared:
    """The conversion, with tables as large as those that it was begun with.

    So it goes on, whatever memory there is by now, as if it had never ended. Raises BudgetError
    where there is too little for them.
    """
    if prepared.table_bytes == table_bytes:
        return prepared
    try:
        prepared = within_memory(prepared, batch_sizes=(table_bytes,))
        assert prepared.memory is not None
        if prepared.table_bytes != table_bytes:  # too little for those of all shards at once
            smallest = dealing_limit(prepared.n_shards * (table_bytes or 0))
            is_given = prepared.options.memory_limit is not None
            raise too_small(prepared.memory.limit_bytes, smallest, is_given=is_given)
    except BudgetError as error:
        raise BudgetError(
            f"{prepared.output} was begun with more memory: {error.message}",
            hint=f"{error.hint}; --force starts over with what there is",
        ) from error
    return prepared


def work_of(prepared: Prepared) -> Work:
    """What a conversion takes, as its sample shows it."""
    sample, options = prepared.sample, prepared.options
    columns = tuple(sample.schema)
    n_columns = len(columns)
    text = {c.name: sample.statistics[c.name].mean_text_bytes for c in columns}
    longest = sum(sample.statistics[c.name].max_text_bytes for c in columns)
    row = max(1.0, sum(_arrow_bytes(c, text[c.name]) for c in columns))
    source_row = max(1.0, sample.bytes / max(1, sample.rows))
    form, storage = prepared.form, prepared.storage
    traits, layout = form.traits, form.traits.layout(storage.layout)
    of_column = _STATE_COLUMN_BYTES + layout.open_column_bytes
    transcriber = sample.plan.dialect.transcriber
    scratch_row = _CELL_BYTES * n_columns
    if transcriber is not None:
        scratch_row += transcriber.scratch_bytes(source_row, n_columns)
    return Work(
        unit_bytes=_default_unit(n_columns),
        scratch_share=1 + scratch_row / source_row,
        chunk_share=row / source_row,
        chunk_bytes=n_columns * _CHUNK_COLUMN_BYTES,
        part_bytes=n_columns * _PART_COLUMN_BYTES,
        table_bytes=form.max_table_bytes(sample.schema, storage, row),
        encode_share=form.encoded_row_bytes(sample.schema, storage, row) / row,
        encode_bytes=n_columns * traits.encode_column_bytes,
        kept_bytes=n_columns * traits.kept_column_bytes,
        shard_bytes=_SHARD_TABLES * (options.shard_bytes or DEFAULT_SHARD_BYTES),
        fed_units=_FED_UNITS if prepared.source.is_stream else 0,
        record_bytes=options.max_line_bytes,
        longest_bytes=max(longest, LOOKAHEAD_BYTES),
        record_is_given=options.max_line_bytes != MAX_RECORD_BYTES,
        returns_memory=n_columns > WIDE_COLUMNS,
        record_copies=traits.n_record_copies,
        fixed_bytes=n_columns * of_column + _vocabulary_bytes(prepared) + _stream_bytes(prepared),
    )


def _default_unit(n_columns: int) -> int:
    """A unit costs time per column, so those of wide tables are larger."""
    return max(UNIT_BYTES, min(n_columns * _UNIT_BYTES_PER_COLUMN, _MOST_UNIT_BYTES))


def _arrow_bytes(column: Column, mean_text_bytes: float) -> float:
    """Of one value in a chunk."""
    if column.kind is Kind.CATEGORY:
        return 4.0
    return item_bytes(column.dtype, mean_text_bytes=mean_text_bytes)


def _vocabulary_bytes(prepared: Prepared) -> int:
    """Of the distinct texts that were seen; a vocabulary may double."""
    return sum(
        2 * len(state.distinct) * (_DISTINCT_BYTES + 20)
        for state in prepared.sample.plan.columns
        if state.distinct is not None
    )


def _stream_bytes(prepared: Prepared) -> int:
    """Of what stands before the units of a stream."""
    if not prepared.source.is_stream:
        return 0
    layers = {
        layer
        for file in prepared.source.files
        for layer in getattr(getattr(file, "origin", None), "layers", ())
    }
    return _FEED_BYTES + sum(_WINDOW_BYTES.get(layer, 0) for layer in layers)
