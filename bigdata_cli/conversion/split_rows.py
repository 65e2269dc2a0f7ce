"""The rows of a chunk, divided among splits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.sources.tally import Tally
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.summary import Summary

_EVIDENCE = ("forms", "negative", "positive")


def split_rows(chunk: Chunk, file: int, rule: HashSplit | CutSplit, *, float_mode: str) -> Chunk:
    """The chunk with the rows of each split as its parts, with their statistics.

    What tells the types of columns (`observed`, distinct texts) is that of all rows: a dataset has
    one schema. What was set aside is with the first split. file: The index of its file.
    """
    splits, divided = chunk.splits, chunk.divided
    if splits is None or divided is None:
        from bigdata_cli.conversion.split_keys import splits_of  # loads pyarrow.compute

        splits = splits_of(chunk, file, rule)
        divided = _filtered(chunk, splits, len(rule.names), float_mode=float_mode)
    own = replace(chunk, splits=None, divided=None, hashes=None)
    others = replace(own, tally=Tally(), rejects=(), left_out=())
    parts = tuple(
        _part(others if split else own, batch, results)
        for split, (batch, results) in enumerate(divided)
    )
    return replace(chunk, splits=splits, divided=None, hashes=None, parts=parts)


def _part(chunk: Chunk, batch: pa.RecordBatch, results: np.ndarray) -> Chunk:
    """The chunk with some of its rows, and the evidence of types of all of them."""
    known = chunk.summary
    for name in _EVIDENCE:
        results[name] = known.results[name]
    summary = Summary(results, known.modes, batch.num_rows)
    return replace(chunk, batch=batch, summary=summary, rows=batch.num_rows)


def _filtered(
    chunk: Chunk, splits: np.ndarray, n_splits: int, *, float_mode: str
) -> tuple[tuple[pa.RecordBatch, np.ndarray], ...]:
    """The rows of each split, and their statistics, of a chunk that its source did not divide."""
    from bigdata_cli.transforms.rows import filter_rows  # loads pyarrow.compute

    # Where digits may be lost, means are those of what is stored, however the rows are cut.
    holds_decimals = float_mode != "32"
    divided = []
    for split in range(n_splits):
        mask = splits == split
        if not mask.any():
            divided.append((chunk.batch.slice(0, 0), np.zeros_like(chunk.summary.results)))
            continue
        is_whole = holds_decimals and bool(mask.all())
        part = chunk if is_whole else filter_rows(chunk, mask, holds_decimals=holds_decimals)
        # What float32 lost of a value cannot be seen of the float32: it is that of the whole chunk.
        results = part.summary.results.copy()
        known = chunk.summary.results["float32_error"]
        results["float32_error"] = np.where(results["n_finite"] > 0, known, 0.0)
        divided.append((part.batch, results))
    return tuple(divided)
