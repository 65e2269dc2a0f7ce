"""The rows of a chunk, divided among splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.tally import Tally
from bigdata_cli.transforms.measure import measure
from bigdata_cli.types.buffers import array_of
from bigdata_cli.types.summary import Summary


def split_rows(chunk: Chunk, n_splits: int) -> tuple[Chunk, ...]:
    """The rows of each split of a chunk, with their statistics.

    What tells the types of columns (`observed`, distinct texts) is that of all rows: a dataset has
    one schema. What was set aside is with the first split.
    """
    assert chunk.splits is not None
    parts = []
    for split in range(n_splits):
        part = _selected(chunk, chunk.splits == split)
        if split:
            part = replace(part, tally=Tally(), rejects=(), left_out=())
        parts.append(part)
    return tuple(parts)


def _selected(chunk: Chunk, mask: np.ndarray) -> Chunk:
    """The rows where a mask holds; see `split_rows`."""
    rows = int(np.count_nonzero(mask))
    if rows == chunk.rows:
        return replace(chunk, splits=None)
    batch = chunk.batch.filter(array_of(mask)) if rows else chunk.batch.slice(0, 0)
    known = chunk.summary.results
    results = np.empty_like(known)
    for index, (array, state) in enumerate(zip(batch.columns, chunk.columns, strict=True)):
        results[index] = measure(array, state.dtype, known[index])
    # What float32 lost of a value cannot be seen of the float32.
    results["float32_error"] = np.where(results["n_finite"] > 0, known["float32_error"], 0.0)
    summary = Summary(results, chunk.summary.modes, rows)
    return replace(chunk, batch=batch, summary=summary, rows=rows, splits=None)
