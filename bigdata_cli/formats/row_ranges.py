"""Ranges of rows that are asked for: those of a shard, and of the files that it is made of."""

from __future__ import annotations


def clipped(rows: range | None, n_rows: int) -> range:
    """Those of the rows asked for that there are; all where `rows` is None.

    >>> clipped(range(5, 20), 10), clipped(None, 3), clipped(range(5, 9), 2)
    (range(5, 10), range(0, 3), range(2, 2))
    """
    if rows is None:
        return range(n_rows)
    return range(min(rows.start, n_rows), min(rows.stop, n_rows))


def rows_of_file(rows: range | None, before: int) -> range | None:
    """The rows of a shard as rows of one of its files, that has `before` rows before it."""
    if rows is None:
        return None
    return range(max(0, rows.start - before), max(0, rows.stop - before))
