"""The rows of a chunk, divided among splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from bigdata_cli.native import parser as native
from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.summary import Summary

_SUMS = (
    *("n_nulls", "n_finite", "n_infinite", "has_range", "low", "high"),
    *("mean", "m2", "float32_error", "text_bytes", "max_text_bytes"),
)
"""What of a summary is of the rows alone."""


def split_rows(chunk: Chunk, n_splits: int) -> tuple[Chunk, ...]:
    """The rows of each split of a chunk, with their statistics.

    What tells the types of columns (`observed`, distinct texts) is that of all rows: a dataset has
    one schema. What was set aside is with the first split.
    """
    assert chunk.splits is not None
    parts = []
    for split in range(n_splits):
        mask = chunk.splits == split
        rows = int(np.count_nonzero(mask))
        batch, summary = chunk.batch, chunk.summary
        if rows < chunk.rows:
            batch = batch.filter(pa.array(mask)) if rows else batch.slice(0, 0)
            summary = _summary_of(batch, summary)
        part = replace(chunk, batch=batch, summary=summary, rows=rows, splits=None)
        if split:
            part = replace(part, tally=Tally(), rejects=(), left_out=())
        parts.append(part)
    return tuple(parts)


def _summary_of(batch: pa.RecordBatch, whole: Summary) -> Summary:
    """The summary of some rows of those that another is of."""
    results = whole.results.copy()
    for name in _SUMS:
        results[name] = 0
    if batch.num_rows:
        for index, (mode, array) in enumerate(
            zip(whole.modes.tolist(), batch.columns, strict=True)
        ):
            results["n_nulls"][index] = array.null_count
            if mode == native.TEXT:
                _measure_texts(array, results[index : index + 1])
            elif mode != native.NULL:
                _measure(mode, array, results[index : index + 1])
    return Summary(results, whole.modes, batch.num_rows)


def _measure_texts(array: pa.Array, result: np.ndarray) -> None:
    import pyarrow.compute as pc  # 40 ms that other conversions need not spend

    lengths = pc.binary_length(array.dictionary if isinstance(array, pa.DictionaryArray) else array)
    if isinstance(array, pa.DictionaryArray):
        lengths = lengths.take(array.indices)
    result["text_bytes"] = pc.sum(lengths).as_py() or 0
    result["max_text_bytes"] = pc.max(lengths).as_py() or 0


def _measure(mode: int, array: pa.Array, result: np.ndarray) -> None:
    valid = np.ones(len(array), np.uint8)
    if array.null_count:
        valid[:] = np.asarray(array.is_valid())
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    elif pa.types.is_date(array.type):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    values = array.fill_null(0) if array.null_count else array
    kind = np.float64 if mode == native.FLOAT64 else np.int64
    numbers = values.to_numpy(zero_copy_only=False)
    if mode == native.UINT64:
        cells = np.ascontiguousarray(numbers, np.uint64)
    else:
        cells = np.ascontiguousarray(numbers, kind)
    lib.bd_measure_cells(mode, address(cells), address(valid), len(array), address(result))
