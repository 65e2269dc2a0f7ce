"""A slice of the rows of a dataset as arrays of whole columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.encode import as_read, may_be_null
from bigdata_cli.loaders.frames import FrameEncoder, check_memory
from bigdata_cli.loaders.order import rows_by_shard
from bigdata_cli.types.dtype import Column, Kind, arrow_type


def row_arrays(
    dataset: ReadableDataset, rows: slice, columns: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """See `Dataset.rows_as_columns`."""
    if rows.step not in (None, 1):
        raise UsageError(
            f"a slice of rows has step 1, and not {rows.step}",
            hint="dataset.rows_as_columns(slice(0, 1000))[name][::10]",
        )
    chosen = dataset.select(columns)
    wanted = range(*rows.indices(dataset.rows))
    row_bytes = FrameEncoder(dataset, columns).row_bytes
    check_memory(len(wanted) * row_bytes, f"{len(wanted):,} rows", hint="a smaller slice")
    names = [column.name for column in chosen]
    batches: list[pa.RecordBatch] = []
    for shard, part in enumerate(rows_by_shard([s.rows for s in dataset.shards], wanted)):
        if part:
            batches += dataset.read_shard(shard, names, rows=part)
    found = {}
    for column in as_read(dataset, chosen):
        chunks = [batch.column(column.name) for batch in batches]
        found[column.name] = _array(chunks, column, is_nullable=may_be_null(dataset, column))
    return found


def _array(chunks: list[pa.Array], column: Column, *, is_nullable: bool) -> np.ndarray:
    """Return a column as one array, (rows,)."""
    if column.kind in (Kind.TEXT, Kind.CATEGORY):
        texts = pa.chunked_array([chunk.cast(pa.string()) for chunk in chunks], pa.string())
        return texts.to_numpy().astype(object)
    values = pa.chunked_array(chunks) if chunks else pa.chunked_array([], arrow_type(column.dtype))
    if column.kind is Kind.NULL:
        return np.full(len(values), np.nan)
    if is_nullable and column.kind in (Kind.BOOL, Kind.INT):
        try:
            values = values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values
            values = values.cast(pa.float64())
        except pa.ArrowInvalid as error:
            raise UsageError(
                f'column "{column.name}" has nulls, and integers beyond 2**53: as float64 they '
                "would change",
                hint="iter_pandas() and batches() give them with a mask",
            ) from error
    return values.to_numpy()
