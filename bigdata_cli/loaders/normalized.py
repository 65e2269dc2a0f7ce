"""Rows as a model takes them: what `train` gives its network, as one matrix and codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import CategoryCodes
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import ArraySpec, Encoder, ReadableDataset
from bigdata_cli.loaders.encode import Encoding, XyEncoder
from bigdata_cli.loaders.feature_arrays import FeatureArrays
from bigdata_cli.loaders.features import FeaturePlan, mixed_features, plan_features
from bigdata_cli.types.dtype import Column, Schema

TRAIN_SPLIT = "train"


class NormalizedEncoder(Encoder):
    """(X, y), or ((X, codes), y) where a category has too many values for one-hot.

    X is float32 (rows, width): the numbers as (value - mean) / std, clipped to 10, the null
    indicators, then the one-hot categories, all 0 for null. codes is int32 (rows, categories): the
    code plus 1, and 0 for null, as an embedding takes them.
    """

    def __init__(
        self,
        dataset: ReadableDataset,
        features: FeaturePlan,
        label: Column,
        *,
        label_dtype: str | None = None,
    ) -> None:
        self._arrays = FeatureArrays(dataset, features, dataset.schema)
        self._label = XyEncoder(dataset, (), label, label_dtype=label_dtype, plain=True)
        self._codes = CategoryCodes(Schema((label,)))
        self._label_name = label.name
        self.columns = (*self._arrays.feature_columns, label)
        embedded = [place for place, code in enumerate(features.codes) if code.is_embedded]
        self._embedded = np.array(embedded, np.intp)
        self._one_hot = [
            (place, code.n_values)
            for place, code in enumerate(features.codes)
            if not code.is_embedded
        ]
        self._width = features.width
        width = self._width + sum(n_values for _, n_values in self._one_hot)
        self.specs = (
            ArraySpec(name="X", dtype=np.dtype("f4"), row_shape=(width,)),
            *(
                (ArraySpec(name="codes", dtype=np.dtype("i4"), row_shape=(len(embedded),)),)
                if embedded
                else ()
            ),
            self._label.specs[1],
        )
        self.row_bytes = sum(spec.row_bytes for spec in self.specs)

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        dense, codes = self._arrays.arrays(batch)
        label = self._codes.apply(batch.select([self._label_name]))
        y = self._label.label_values(label.column(0))
        X = dense
        if self._one_hot:
            X = self.specs[0].empty(len(dense))
            X[:, : self._width] = dense
            X[:, self._width :] = 0
            start = self._width
            for place, n_values in self._one_hot:
                rows = np.flatnonzero(codes[:, place] >= 0)
                X[rows, start + codes[rows, place]] = 1
                start += n_values
        if not len(self._embedded):
            return [X, y]
        return [X, codes[:, self._embedded] + 1, y]

    def batch(self, arrays: Sequence[Any]) -> Any:
        if len(arrays) == 2:
            return arrays[0], arrays[1]
        return (arrays[0], arrays[1]), arrays[2]


def normalized_encoder(dataset: ReadableDataset, encoding: Encoding) -> NormalizedEncoder:
    """Make the encoder of what `Encoding.normalize` asks for.

    Raises:
        UsageError: There is no such split, or the options exclude each other.
    """
    label = dataset.label(encoding.label)
    features = features_of(dataset, encoding)
    return NormalizedEncoder(dataset, features, label, label_dtype=encoding.label_dtype)


def normalized_together(
    datasets: Sequence[ReadableDataset], encoding: Encoding, weights: Sequence[float]
) -> list[NormalizedEncoder]:
    """Make encoders that normalise the rows of several datasets by what all of them have.

    Raises:
        UsageError: As of one dataset, or not the same columns are features in all of them.
    """
    plans = [features_of(dataset, encoding) for dataset in datasets]
    for dataset, plan in zip(datasets, plans, strict=True):
        mine, first = plan.column_names, plans[0].column_names
        differing = [name for name in (*first, *mine) if (name in first) != (name in mine)]
        if differing:
            raise UsageError(
                f"{datasets[0].path} and {dataset.path} cannot be mixed: only one of them has a "
                f'feature "{differing[0]}"',
                hint="columns=[…] takes what they share",
            )
    fitted = [_fitted_on(dataset, encoding.normalize) for dataset in datasets]
    plan = mixed_features(fitted, plans, weights)
    return [
        NormalizedEncoder(
            dataset, plan, dataset.label(encoding.label), label_dtype=encoding.label_dtype
        )
        for dataset in datasets
    ]


def features_of(dataset: ReadableDataset, encoding: Encoding) -> FeaturePlan:
    """Return the features of what `Encoding.normalize` asks for.

    Raises:
        UsageError: There is no such split, or the options exclude each other.
    """
    if encoding.dtype != "float32":
        raise UsageError(
            f"normalize gives float32, and dtype is {encoding.dtype!r}", hint="without dtype"
        )
    label = dataset.label(encoding.label)
    fitted = _fitted_on(dataset, encoding.normalize)
    chosen = None
    if encoding.columns is not None:
        chosen = [column.name for column in dataset.features(label.name, encoding.columns)]
    return plan_features(fitted, label.name, columns=chosen)


def _fitted_on(dataset: ReadableDataset, normalize: bool | str) -> ReadableDataset:
    """Return the rows whose statistics normalise: of the split named, or of the one to train on."""
    if isinstance(normalize, str):
        return dataset.of_split(normalize)
    names = dataset.split_names
    return dataset.of_split(TRAIN_SPLIT) if TRAIN_SPLIT in names else dataset
