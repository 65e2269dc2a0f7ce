"""How many distinct values a column has, estimated from pieces of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyarrow as pa

from bigdata_cli.types.buffers import numbers_of


def estimate_distinct(pieces: Sequence[pa.Array], *, rows: int, all_rows: int) -> tuple[int, int]:
    """(distinct values of all rows, of those in the pieces), nulls not counted.

    pieces: of one column, from places far from each other, `rows` rows together. The estimate is
    Chao's from incidence (Chao, "Estimating the Population Size for Capture-Recapture Data", 1987,
    bias-corrected): the values in one piece only show how many the others have that were not
    seen. So values that stand together, as in a sorted column, do not deceive it. Of the values
    that there could be, as many are counted as all rows would show, and at most as many as
    rows that are as new as these.

    >>> unique = [pa.array(range(100)), pa.array(range(100, 200))]
    >>> estimate_distinct(unique, rows=200, all_rows=400)
    (396, 200)
    >>> estimate_distinct([pa.array(["a", "b"])] * 3, rows=6, all_rows=600)
    (2, 2)
    """
    distinct = [_values(piece) for piece in pieces]
    counts = numbers_of(pa.concat_arrays(distinct).value_counts().field("counts"))
    seen = len(counts)
    if not seen or all_rows <= rows:
        return seen, seen
    most = round(seen * all_rows / rows)
    if len(pieces) == 1:
        return most, seen
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    possible = seen + once * (once - 1) / (2 * (twice + 1))
    n_values = sum(len(piece) - piece.null_count for piece in pieces) * all_rows / rows
    shown = -possible * math.expm1(-n_values / possible)
    return min(most, max(seen, round(shown))), seen


def _values(piece: pa.Array) -> pa.Array:
    values = piece.dictionary_decode() if _is_category(piece) else piece
    return values.unique().drop_null()


def _is_category(piece: pa.Array) -> bool:
    return pa.types.is_dictionary(piece.type)
