"""The rows of a chunk, divided among splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.tally import Tally
from bigdata_cli.transforms.rows import filter_rows


def split_rows(chunk: Chunk, n_splits: int, *, float_mode: str) -> tuple[Chunk, ...]:
    """The rows of each split of a chunk, with their statistics.

    What tells the types of columns (`observed`, distinct texts) is that of all rows: a dataset has
    one schema. What was set aside is with the first split.
    """
    assert chunk.splits is not None
    # Where digits may be lost, means are those of what is stored, however the rows are cut.
    holds_decimals = float_mode != "32"
    parts = []
    for split in range(n_splits):
        mask = chunk.splits == split
        is_whole = holds_decimals and bool(mask.all())
        part = chunk if is_whole else filter_rows(chunk, mask, holds_decimals=holds_decimals)
        part = replace(part, splits=None)
        # What float32 lost of a value cannot be seen of the float32: it is that of the whole chunk.
        results = part.summary.results.copy()
        known = chunk.summary.results["float32_error"]
        results["float32_error"] = np.where(results["n_finite"] > 0, known, 0.0)
        part = replace(part, summary=replace(part.summary, results=results))
        if split:
            part = replace(part, tally=Tally(), rejects=(), left_out=())
        parts.append(part)
    return tuple(parts)
