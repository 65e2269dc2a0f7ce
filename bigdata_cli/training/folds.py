"""The folds of a cross-validation: which rows each of its models is measured on.

Rows are dealt to folds within their class, as `sampling.HoldOut` chooses them: each row is in one
fold, and each fold has its share of each class to within one row of a shard. With a column to go
by, a hash of its value decides, so that equal values are in the same fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.splitmix import mix
from bigdata_cli.arrays.value_hashes import value_hashes
from bigdata_cli.loaders.base import ArraySpec, Encoder
from bigdata_cli.loaders.examples import FeatureEncoder
from bigdata_cli.types.dtype import Column, Kind


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Fold `index` of `count`; by: the column whose values stay together, None for single rows."""

    index: int
    count: int
    by: Column | None = None

    def of_values(self, values: pa.Array) -> np.ndarray:
        """Return the fold of each value: int8 (rows,)."""
        assert self.by is not None
        hashes = mix(value_hashes(values, is_float=self.by.kind is Kind.FLOAT))
        return (hashes % np.uint64(self.count)).astype(np.int8)


class FoldEncoder(Encoder):
    """Makes examples, with the fold of each row by a column as the last array."""

    def __init__(self, examples: FeatureEncoder, fold: Fold) -> None:
        assert fold.by is not None
        self._examples = examples
        self._fold = fold
        self._name = fold.by.name
        self.columns = examples.columns
        if self._name not in {column.name for column in examples.columns}:
            self.columns = (*examples.columns, fold.by)
        self.specs = (*examples.specs, ArraySpec(name="fold", dtype=np.dtype("i1")))
        self.row_bytes = examples.row_bytes + 1

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        folds = self._fold.of_values(batch.column(self._name))
        return [*self._examples.encode(batch), folds]

    def batch(self, arrays: Sequence[Any]) -> Any:
        return tuple(arrays)
