"""Rows as the examples of a model: its features and the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.loaders.base import ArraySpec, ColumnsOfRows, Encoder
from bigdata_cli.loaders.feature_arrays import FeatureArrays, stands_for
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target
from bigdata_cli.types.dtype import Schema


@dataclass(frozen=True)
class Examples:
    """Encoded rows: dense float32 (rows, width), codes int32 (rows, categories), y (rows,)."""

    dense: np.ndarray
    codes: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray | slice) -> Examples:
        """Return the examples at these places."""
        return Examples(self.dense[rows], self.codes[rows], self.y[rows])


def join(parts: Sequence[Examples]) -> Examples:
    """Return the examples of all parts, in order; a single part is not copied."""
    if len(parts) == 1:
        return parts[0]
    return Examples(
        np.concatenate([part.dense for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.y for part in parts]),
    )


class FeatureEncoder(FeatureArrays, Encoder):
    """Makes examples of the batches of a dataset, and counts what the model does not know.

    Attributes:
        target: What the model learns.
        label_problem: Why the dataset has no label for the model; None where it has one.
    """

    def __init__(
        self,
        dataset: ColumnsOfRows,
        features: FeaturePlan,
        target: Target,
        schema: Schema | None = None,
    ) -> None:
        """Make an encoder.

        Args:
            dataset: The dataset to encode.
            features: The features of the model.
            target: The target of the model.
            schema: The columns of both as they were in training; see `FeatureArrays`.

        Raises:
            UsageError: A column of a feature is missing or of another kind.
        """
        super().__init__(dataset, features, schema)
        self.target = target
        self.label_problem = _label_problem(dataset, target)
        self.columns = self.feature_columns
        if self.has_label:
            label = dataset.schema[target.column.name]
            self.columns = (*self.feature_columns, label)
            self.know_categories(label)
        self.specs = (
            ArraySpec(name="dense", dtype=np.dtype("f4"), row_shape=(features.width,)),
            ArraySpec(name="codes", dtype=np.dtype("i4"), row_shape=(len(features.codes),)),
            ArraySpec(name="y", dtype=np.dtype("f4")),
        )
        self.row_bytes = sum(spec.row_bytes for spec in self.specs)

    def for_dataset(self, other: ColumnsOfRows) -> FeatureEncoder:
        """Return an encoder of another dataset, or of this one, for the same model."""
        return FeatureEncoder(other, self.features, self.target, self._schema)

    @property
    def has_label(self) -> bool:
        return self.label_problem is None

    def batch(self, arrays: Sequence[Any]) -> Examples:
        return Examples(*arrays)

    def examples(self, batch: pa.RecordBatch) -> Examples:
        """Return the examples of a batch; y is NaN where there is no label."""
        return Examples(*self.encode(batch))

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        return [*self.arrays(batch), self.labels(batch)]

    def labels(self, batch: pa.RecordBatch) -> np.ndarray:
        """Return the label as the model learns it: float32 (rows,), NaN where it is unknown.

        Raises:
            VerificationError: The manifest excludes a value of the training dataset.
        """
        if not self.has_label:
            return np.full(batch.num_rows, np.nan, np.float32)
        target, name = self.target, self.target.column.name
        y = target.encode(self.coded(name, batch.column(name)), strict=self._strict)
        if target.n_classes and not self._strict:
            known = np.isin(y, np.arange(target.n_classes))
            n_unknown = int((~known & ~np.isnan(y)).sum())
            if n_unknown:
                self._unknown[name] = self._unknown.get(name, 0) + n_unknown
                y[~known] = np.nan
        return y.astype(np.float32)


def _label_problem(dataset: ColumnsOfRows, target: Target) -> str | None:
    name = target.column.name
    if name not in dataset.schema.names:
        return f'{dataset.path} has no column "{name}"'
    found = dataset.schema[name]
    if stands_for(found, target.column):
        return None
    return f'column "{name}" is {found.dtype}, and the model was trained on {target.column.dtype}'
