"""Which rows of a stream are given out: the one place for it."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def selected_rows(
    batches: Iterator[pa.RecordBatch], n_rows: int | None
) -> Iterator[pa.RecordBatch]:
    """The first rows of a stream, None for all; nothing is read beyond them."""
    left = n_rows
    if left == 0:
        return
    for batch in batches:
        if left is None:
            yield batch
            continue
        batch = batch.slice(0, left)
        left -= batch.num_rows
        yield batch
        if not left:
            return
