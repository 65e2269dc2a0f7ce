"""What a conversion takes of memory, from what its sample shows, and the budget that follows.

The figures of each layout are measured, on tables of short text, of numbers, of 10,000 columns and
of long records; `python -m benchmarks.limits` compares what is expected with what the kernel says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bigdata_cli.conversion.options import DEFAULT_SHARD_BYTES
from bigdata_cli.io.remote.ranges import READ_AHEAD_BYTES
from bigdata_cli.resources.budget import BATCH_SIZES, MemoryBudget, Work, budget_within
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.sources.csv.blocks import (
    LOOKAHEAD_BYTES,
    MAX_READ_AHEAD_FILES,
    MAX_RECORD_BYTES,
    UNIT_BYTES,
)
from bigdata_cli.transforms.shape import tables_bytes
from bigdata_cli.types.dtype import Column, Kind, item_bytes
from bigdata_cli.url import Url

if TYPE_CHECKING:
    from bigdata_cli.conversion.survey import Survey

WIDE_COLUMNS = 1_000
"""With more, thousands of small pieces of memory lie between the large ones, so that a heap which
keeps what is freed grows to twice what is in use; and time goes into columns, not into pages."""
_UNIT_BYTES_PER_COLUMN = 1024
_MAX_UNIT_BYTES = 8 * UNIT_BYTES
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
_REMOTE_LIBRARY_BYTES = 55_000_000
"""Of fsspec and what speaks to a service, and their buffers."""
_UPLOAD_BYTES = 50_000_000
"""Of the parts of a file that are sent at a time."""
_SHARD_TABLES = 3
"""Bytes of a shard's tables in memory against those of its files, which may be compressed."""


def budget_of(survey: Survey, batch_sizes: Sequence[int | None] = BATCH_SIZES) -> MemoryBudget:
    """How the work is cut so that it stays below its memory limit.

    Raises BudgetError where no cut does, with the smallest limit that would do.
    """
    options = survey.options
    jobs = options.jobs or available_cpus()
    are_processes = options.workers.starts_processes and survey.source.in_pieces is not None
    return budget_within(
        options.memory_limit,
        work_of(survey),
        jobs=jobs,
        batch_sizes=batch_sizes,
        are_processes=are_processes,
    )


def work_of(survey: Survey) -> Work:
    """What a conversion takes, as its sample shows it."""
    sample, options = survey.sample, survey.options
    columns = tuple(sample.schema)
    n_columns = len(columns)
    text = {c.name: sample.statistics[c.name].mean_text_bytes for c in columns}
    longest = sum(sample.statistics[c.name].max_text_bytes for c in columns)
    row = max(1.0, sum(_arrow_bytes(c, text[c.name]) for c in columns))
    source_row = max(1.0, sample.bytes / max(1, sample.rows))
    form, storage = survey.form, survey.storage
    traits, layout = form.traits, form.traits.layout(storage.layout)
    of_column = _STATE_COLUMN_BYTES + layout.open_column_bytes
    n_rows = sample.estimated_rows if sample.size_known else None
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
        fed_units=_FED_UNITS if survey.source.is_stream or options.order.changes else 0,
        record_bytes=options.max_line_bytes,
        longest_bytes=max(longest, LOOKAHEAD_BYTES),
        record_is_given=options.max_line_bytes != MAX_RECORD_BYTES,
        n_splits=len(options.splits.split or (None,)),
        returns_memory=n_columns > WIDE_COLUMNS,
        record_copies=traits.n_record_copies,
        fixed_bytes=n_columns * of_column
        + _vocabulary_bytes(survey)
        + _stream_bytes(survey)
        + _remote_bytes(survey)
        + tables_bytes(survey.source)
        + _order_bytes(survey, n_rows),
    )


def _order_bytes(survey: Survey, n_rows: int | None) -> int:
    """Of rows on their way into another order."""
    if not survey.options.order.changes:
        return 0
    from bigdata_cli.conversion.estimate.scatter import gather_bytes

    return gather_bytes(
        survey.sample.schema, survey.sample.statistics, n_rows, survey.options.order
    )


def _default_unit(n_columns: int) -> int:
    """A unit costs time per column, so those of wide tables are larger."""
    return max(UNIT_BYTES, min(n_columns * _UNIT_BYTES_PER_COLUMN, _MAX_UNIT_BYTES))


def _arrow_bytes(column: Column, mean_text_bytes: float) -> float:
    """Of one value in a chunk."""
    if column.kind is Kind.CATEGORY:
        return 4.0
    return item_bytes(column.dtype, mean_text_bytes=mean_text_bytes)


def _vocabulary_bytes(survey: Survey) -> int:
    """Of the distinct texts that were seen; a vocabulary may double."""
    return sum(
        2 * len(state.distinct) * (_DISTINCT_BYTES + 20)
        for state in survey.sample.plan.columns
        if state.distinct is not None
    )


def _stream_bytes(survey: Survey) -> int:
    """Of what stands before the units of a stream."""
    if not survey.source.is_stream:
        return 0
    return _FEED_BYTES + sum(_WINDOW_BYTES.get(layer, 0) for layer in survey.source.layers)


def _remote_bytes(survey: Survey) -> int:
    """Of what is read ahead from addresses, and sent to one."""
    is_read = any(file.is_remote for file in survey.source.files)
    is_written = isinstance(survey.output, Url)
    return (
        (_REMOTE_LIBRARY_BYTES if is_read or is_written else 0)
        + (MAX_READ_AHEAD_FILES * READ_AHEAD_BYTES if is_read else 0)
        + (_UPLOAD_BYTES if is_written else 0)
    )
