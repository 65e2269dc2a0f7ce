"""How columns depend on each other, in rows of a source: on the label, in pairs, and whole rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.sources.tables.row_hashes import add_hashes
from bigdata_cli.types.buffers import numbers_of

MAX_COLUMNS = 400
MAX_PAIRED_COLUMNS = 100
MAX_ROWS = 20_000
"""Rows that are looked at: of more, rows at equal distances."""
_N_GROUPS = 32
_N_LABEL_GROUPS = 10
_CORRELATED = 0.98
_MAX_PAIRS = 10
_SALT = 0x9E3779B97F4A7C15


@dataclass(frozen=True, kw_only=True)
class LabelTie:
    """How much a column alone says about the label.

    information: the share of the label's entropy that goes where the column's value is known, from
    0 to 1 (the uncertainty coefficient of Theil, 1970), of values in at most 32 groups, less what
    chance gives (Miller and Madow, 1955).
    """

    column: str
    information: float


@dataclass(frozen=True, kw_only=True)
class CorrelatedPair:
    """Two columns of numbers, and Pearson's coefficient of their values."""

    first: str
    second: str
    coefficient: float


def label_ties(batches: Sequence[pa.RecordBatch], label: str) -> tuple[LabelTie, ...]:
    """The columns by what they say about the label, the most first; none where it is constant."""
    table = _spread(batches)
    classes = _groups(_whole(table, label), _N_LABEL_GROUPS)
    if classes.max(initial=0) == 0:
        return ()
    ties = [
        LabelTie(column=name, information=_information(_groups(_whole(table, name)), classes))
        for name in table.schema.names[:MAX_COLUMNS]
        if name != label
    ]
    return tuple(sorted(ties, key=lambda tie: -tie.information))


def correlated_pairs(batches: Sequence[pa.RecordBatch]) -> tuple[CorrelatedPair, ...]:
    """The pairs of columns of numbers that are nearly multiples of each other, at most ten."""
    table = _spread(batches)
    names = [field.name for field in table.schema if _is_number(field.type)][:MAX_PAIRED_COLUMNS]
    if len(names) < 2 or table.num_rows < 3:
        return ()
    values = np.stack([_centred(_whole(table, name)) for name in names])
    lengths = np.linalg.norm(values, axis=1)
    values[lengths > 0] /= lengths[lengths > 0, None]
    found = np.triu(values @ values.T, k=1)
    places = np.argwhere(np.abs(found) >= _CORRELATED)
    pairs = [
        CorrelatedPair(first=names[a], second=names[b], coefficient=float(found[a, b]))
        for a, b in places
    ]
    return tuple(sorted(pairs, key=lambda pair: -abs(pair.coefficient))[:_MAX_PAIRS])


def duplicate_rows(batches: Sequence[pa.RecordBatch]) -> int:
    """How many rows are equal to one before them, by hashes of 64 bits."""
    hashes = [_row_hashes(batch) for batch in batches if batch.num_rows]
    if not hashes:
        return 0
    every = np.concatenate(hashes)
    return len(every) - len(np.unique(every))


def _spread(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    table = pa.Table.from_batches(list(batches)).unify_dictionaries()
    step = -(-table.num_rows // MAX_ROWS)
    return table if step <= 1 else table.take(np.arange(0, table.num_rows, step))


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _groups(column: pa.Array, n_groups: int = _N_GROUPS) -> np.ndarray:
    """A group for each value, int64 (rows,): values, or ranges that have equally many of them.

    Of many texts the frequent ones have groups of their own. Nulls are one group.
    """
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.int32() if pa.types.is_date(column.type) else pa.int64())
    if _is_number(column.type):
        return _ranges(column, n_groups)
    encoded = column
    if not pa.types.is_dictionary(column.type):
        encoded = column.dictionary_encode()
    codes = numbers_of(pc.fill_null(encoded.indices.cast(pa.int64()), len(encoded.dictionary)))
    counts = np.bincount(codes, minlength=len(encoded.dictionary) + 1)
    group = np.full(len(counts), n_groups - 1)
    frequent = np.argsort(-counts, kind="stable")[: n_groups - 1]
    group[frequent] = np.arange(len(frequent))
    return group[codes]


def _ranges(column: pa.Array, n_groups: int) -> np.ndarray:
    values = numbers_of(pc.fill_null(column, 0)).astype(np.float64)
    valid = np.asarray(pc.is_valid(column)) & np.isfinite(values)
    if not valid.any():
        return np.zeros(len(values), np.int64)
    distinct = np.unique(values[valid])
    if len(distinct) < n_groups:
        edges = distinct[1:]
    else:
        shares = np.linspace(0, 1, n_groups)[1:-1]
        edges = np.unique(np.quantile(values[valid], shares))
    groups = np.searchsorted(edges, values, side="right")
    return np.where(valid, groups, len(edges) + 1)


def _information(groups: np.ndarray, classes: np.ndarray) -> float:
    n_rows = len(groups)
    counts = np.zeros((groups.max() + 1, classes.max() + 1))
    np.add.at(counts, (groups, classes), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    entropy = _entropy(counts.sum(axis=0))
    if not entropy:
        return 0.0
    shared = entropy + _entropy(counts.sum(axis=1)) - _entropy(counts.ravel())
    by_chance = (counts.shape[0] - 1) * (counts.shape[1] - 1) / (2 * n_rows)
    return float(min(1.0, max(0.0, shared - by_chance) / entropy))


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _centred(column: pa.Array) -> np.ndarray:
    """Differences from the mean, float64 (rows,); 0 where there is no value."""
    values = numbers_of(pc.fill_null(column, 0)).astype(np.float64)
    valid = np.asarray(pc.is_valid(column)) & np.isfinite(values)
    mean = values[valid].mean() if valid.any() else 0.0
    return np.where(valid, values - mean, 0.0)


def _row_hashes(batch: pa.RecordBatch) -> np.ndarray:
    hashes = np.zeros(batch.num_rows, np.uint64)
    for place, name in enumerate(batch.schema.names):
        add_hashes(hashes, batch.column(place), name, (place + 1) * _SALT % 2**64)
    return hashes
