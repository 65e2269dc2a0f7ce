"""How often the label has each value: of a dataset from its statistics, or from rows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from bigdata_cli.dataset import Dataset
from bigdata_cli.inspection.facts import ClassBalance
from bigdata_cli.inspection.values import value_counts
from bigdata_cli.types.dtype import Kind
from bigdata_cli.types.statistics import ColumnStatistics

MAX_ROWS = 1_000_000
"""Of a larger dataset so many rows are read: 30 ms to a second, by its format."""
_MAX_CLASSES = 1_000
"""A label with more values is a number or a text, and has no classes."""
_N_PIECES = 64
_N_SHARDS = 8
_SHOWN_CLASSES = 50


def class_balance(
    column: str, counts: Mapping[str, int], *, values: int, nulls: int
) -> ClassBalance:
    """The most frequent classes of so many values and nulls."""
    ranked = sorted(counts, key=lambda value: (-counts[value], value))[:_SHOWN_CLASSES]
    return ClassBalance(
        column=column,
        values=tuple(ranked),
        counts=tuple(counts[value] for value in ranked),
        others=values - sum(counts[value] for value in ranked),
        nulls=nulls,
    )


def label_balance(dataset: Dataset) -> ClassBalance | None:
    """How often the label of a dataset has each value; None where there are no classes.

    Exact for two values, from the statistics alone, and up to MAX_ROWS rows. Of more rows some from
    all over the dataset are counted; where its format has no random access, the first ones of some
    shards. Raises VerificationError where these are damaged.
    """
    name = dataset.storage.label
    if name is None:
        return None
    known = dataset.statistics(name)
    counts: Mapping[str, int] | None = _of_two_values(dataset.schema[name].kind, known)
    if counts is not None:
        return class_balance(name, counts, values=known.values, nulls=known.nulls)
    counted: Counter[str] = Counter()
    n_values = n_nulls = 0
    for shard, rows in _pieces(dataset):
        for batch in dataset.read_shard(shard, [name], rows=rows):
            piece = batch.column(0)
            counted.update(value_counts(piece))
            n_nulls += piece.null_count
            n_values += len(piece) - piece.null_count
            if len(counted) > _MAX_CLASSES:
                return None
    return class_balance(name, counted, values=n_values, nulls=n_nulls)


def _of_two_values(kind: Kind, known: ColumnStatistics) -> dict[str, int] | None:
    """The rows with 0 and with 1, from their mean; None for other labels."""
    if (known.minimum, known.maximum) != (0, 1) or known.mean is None:
        return None
    if kind not in (Kind.BOOL, Kind.INT):
        return None
    ones = round(known.mean * known.values)
    names = ("false", "true") if kind is Kind.BOOL else ("0", "1")
    return dict(zip(names, (known.values - ones, ones), strict=True))


def _pieces(dataset: Dataset) -> Iterator[tuple[int, range | None]]:
    """The rows to count: shards, each with a range of its rows or None for all."""
    sizes = [shard.rows for shard in dataset.shards]
    if dataset.rows <= MAX_ROWS:
        yield from ((shard, None) for shard in range(len(sizes)))
        return
    if dataset.format.block_rows(dataset.schema, dataset.storage) is None:
        n_shards = min(len(sizes), _N_SHARDS)
        for place in range(n_shards):
            shard = (len(sizes) - 1) * place // max(1, n_shards - 1)
            yield shard, range(min(sizes[shard], MAX_ROWS // n_shards))
        return
    n_rows = MAX_ROWS // _N_PIECES
    starts = [(dataset.rows - n_rows) * place // (_N_PIECES - 1) for place in range(_N_PIECES)]
    shard = first = 0
    for start in starts:
        while start >= first + sizes[shard]:
            first += sizes[shard]
            shard += 1
        yield shard, range(start - first, min(sizes[shard], start - first + n_rows))
