"""Some rows of a chunk, as a chunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from bigdata_cli.native.parser import TEXT, DistinctTexts
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.transforms.measure import compact, distinct_texts, measure
from bigdata_cli.types.buffers import array_of
from bigdata_cli.types.summary import Summary


def filter_rows(chunk: Chunk, mask: np.ndarray, *, holds_decimals: bool = True) -> Chunk:
    """The rows of a chunk where a mask holds, with the statistics of these rows alone.

    The evidence of types is that of all rows that were read, and so are the states of the columns
    and the distinct texts: what kind a column is does not depend on which of its rows are kept.
    What was counted of records (`tally`) and set aside (`rejects`) stays as it is.

    Args:
        chunk: Any chunk.
        mask: bool (rows,).
        holds_decimals: See `measure`.
    """
    kept = chunk.batch.filter(array_of(mask))
    known = chunk.summary.results
    results = np.empty_like(known)
    for index, (array, state) in enumerate(zip(kept.columns, chunk.columns, strict=True)):
        results[index] = measure(array, state.dtype, known[index], holds_decimals=holds_decimals)
    return replace(
        chunk,
        batch=kept,
        summary=Summary(results, chunk.summary.modes, kept.num_rows),
        rows=kept.num_rows,
        hashes=None if chunk.hashes is None else chunk.hashes[mask],
        places=None if chunk.places is None else chunk.places[mask],
    )


def select_rows(chunk: Chunk, mask: np.ndarray) -> Chunk:
    """The rows of a chunk where a mask holds, as `filter_rows`, with the distinct texts of these.

    Args:
        chunk: Any chunk.
        mask: bool (rows,).

    Returns:
        A chunk; the same one where all rows are selected.
    """
    if mask.all():
        return chunk
    kept = filter_rows(chunk, mask)
    arrays: list[pa.Array] = []
    texts: list[pa.Array | None] = []
    counted = {} if chunk.texts is None else chunk.texts.parts
    for index, (array, state) in enumerate(zip(kept.batch.columns, chunk.columns, strict=True)):
        if pa.types.is_dictionary(array.type):
            array = compact(array)
        # Where too many texts were in all rows, those of the selected ones may be few.
        is_counted = index in counted or state.distinct is not None
        is_text = chunk.summary.modes[index] == TEXT
        texts.append(distinct_texts(array) if is_text and is_counted else None)
        arrays.append(array)
    return replace(
        kept,
        batch=pa.RecordBatch.from_arrays(arrays, schema=chunk.batch.schema),
        texts=DistinctTexts.of(texts),
    )
