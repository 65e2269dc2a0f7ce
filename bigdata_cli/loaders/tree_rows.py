"""Rows as boosted trees take them: numbers as they are, NaN for null, codes of categories."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.encode import XyEncoder, may_be_null
from bigdata_cli.loaders.epochs import StreamOptions
from bigdata_cli.loaders.order import split_rows
from bigdata_cli.loaders.stream import BatchStream
from bigdata_cli.types.dtype import Kind

BLOCK_BYTES = 16_000_000
"""Of the features of a block of rows: what a library gets at a time."""


_NO_NAME = re.compile(r'[\[\]{}<>",:\s]')
"""What XGBoost and LightGBM do not take in names of features."""


class TreeBlock(NamedTuple):
    """Some rows: X float32 (rows, features), y float32 (rows,), weights float32 (rows,) or None."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class TreeRows:
    """Rows that can be read block by block, as often as a library needs.

    Attributes:
        names: The names of the features; `feature_names` are those that libraries take.
        is_category: Whether each feature is the code of a category.
        n_rows: The rows of all blocks.
        has_nulls: Whether a value may be null.
        blocks: Reads the blocks from the first row on, the same ones each time.
    """

    names: tuple[str, ...]
    is_category: tuple[bool, ...]
    n_rows: int
    has_nulls: bool
    blocks: Callable[[], Iterator[TreeBlock]]

    @property
    def feature_names(self) -> list[str]:
        """The names with "_" for the marks that XGBoost and LightGBM refuse; numbers, if equal."""
        names = [_NO_NAME.sub("_", name) for name in self.names]
        if len(set(names)) < len(names):
            return [f"f{place}" for place in range(len(names))]
        return names


def tree_rows(
    dataset: ReadableDataset,
    *,
    label: str | None = None,
    columns: Sequence[str] | None = None,
    split: str | None = None,
) -> TreeRows:
    """Return the rows of a dataset for trees.

    Raises:
        UsageError: A column is text, or the label is null in some rows.
    """
    target = dataset.label(label)
    features = dataset.features(target.name, columns)
    n_nulls = dataset.statistics(target.name).nulls
    if n_nulls:
        raise UsageError(
            f'the label "{target.name}" is null in {n_nulls:,} rows, which trees do not take',
            hint=f"convert with --where '\"{target.name}\" IS NOT NULL'; bigdata train --model "
            "xgboost leaves them out by itself",
        )
    encoder = XyEncoder(dataset, features, target, label_dtype="float32", plain=True)
    batch_rows = max(1, int(BLOCK_BYTES // max(1.0, encoder.row_bytes)))

    def blocks() -> Iterator[TreeBlock]:
        options = StreamOptions(batch_size=batch_rows, split=split)
        return (TreeBlock(X, y) for X, y in BatchStream(dataset, encoder, options))

    return TreeRows(
        names=tuple(column.name for column in features),
        is_category=tuple(column.kind is Kind.CATEGORY for column in features),
        n_rows=len(split_rows(split, dataset.rows)),
        has_nulls=any(may_be_null(dataset, column) for column in features),
        blocks=blocks,
    )
