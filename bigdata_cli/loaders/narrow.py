"""Rows in the dtypes that they are stored with, to be cast and normalised where they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import CategoryCodes, column_values, numbers
from bigdata_cli.loaders.base import ArraySpec, Encoder, ReadableDataset
from bigdata_cli.loaders.encode import (
    Encoding,
    XyEncoder,
    beyond,
    learned_dtype,
    may_be_null,
    null_unknown,
)
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.normalized import features_of
from bigdata_cli.types.dtype import Column, Kind, Schema, code_dtype, numpy_dtype

_NARROW_KINDS = (Kind.BOOL, Kind.INT, Kind.CATEGORY)
_MAX_NARROW_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class NarrowForm:
    """What becomes of narrow arrays.

    Attributes:
        order: For each column of the features, its place in the arrays one after the other.
        masked: The columns that have a mask, in its order.
        features: How numbers are normalised and what is a category; None for the values as X.
        x_dtype: The dtype of X.
        y_dtype: The dtype of y.
    """

    order: tuple[int, ...]
    masked: tuple[int, ...]
    features: FeaturePlan | None
    x_dtype: str
    y_dtype: str


class NarrowEncoder(Encoder):
    """An array of columns for each dtype, one of masks, and y: (rows, columns), …, (rows,).

    Integers of up to 4 bytes, bools, codes and float32 stay what they are. Others are floats.
    """

    def __init__(self, dataset: ReadableDataset, encoding: Encoding) -> None:
        """Make an encoder of what `Encoding` asks for as X and y."""
        label = dataset.label(encoding.label)
        features = None
        if encoding.normalize:
            features = features_of(dataset, encoding)
            columns = tuple(dataset.schema[name] for name in features.column_names)
        else:
            columns = dataset.features(label.name, encoding.columns)
        self._float = "float64" if encoding.normalize else str(encoding.dtype)
        y_dtype = learned_dtype(dataset, encoding)
        own = XyEncoder(dataset, (), label, plain=True)
        is_exact = encoding.label_dtype is None and own.specs[1].dtype.kind in "iub"
        self._label = (
            own if is_exact else XyEncoder(dataset, (), label, label_dtype=y_dtype, plain=True)
        )
        self._label_codes = CategoryCodes(Schema((label,)))
        self._features = columns
        self._codes = CategoryCodes(Schema(columns))
        self.columns = (*columns, label)
        dtypes = [self._dtype(dataset, column) for column in columns]
        groups = sorted({str(dtype) for dtype in dtypes})
        self._groups = [
            [place for place, dtype in enumerate(dtypes) if str(dtype) == group] for group in groups
        ]
        masked = [
            place
            for place, (column, dtype) in enumerate(zip(columns, dtypes, strict=True))
            if dtype.kind != "f" and may_be_null(dataset, column)
        ]
        self._masked = masked
        blocks = [
            ArraySpec(name=group, dtype=np.dtype(group), row_shape=(len(places),))
            for group, places in zip(groups, self._groups, strict=True)
        ]
        masks = ArraySpec(name="valid", dtype=np.dtype(bool), row_shape=(len(masked),))
        y = replace(self._label.specs[1], name="y")
        self.specs = (*blocks, masks, y)
        self.row_bytes = sum(spec.row_bytes for spec in self.specs)
        placed = [place for places in self._groups for place in places]
        self.form = NarrowForm(
            order=tuple(placed.index(place) for place in range(len(columns))),
            masked=tuple(masked),
            features=features,
            x_dtype="float32" if encoding.normalize else str(encoding.dtype),
            y_dtype=y_dtype if y_dtype is not None else str(y.dtype),
        )

    def _dtype(self, dataset: ReadableDataset, column: Column) -> np.dtype:
        is_matrix = dataset.storage.layout == "matrix"
        if column.kind is Kind.CATEGORY:
            return np.dtype(code_dtype(column.n_values))
        if is_matrix and column.name != dataset.storage.label:
            stored = np.dtype(dataset.storage.matrix_dtype)
            return stored if stored.itemsize <= _MAX_NARROW_BYTES else np.dtype(self._float)
        if column.kind in _NARROW_KINDS or column.kind is Kind.FLOAT:
            own = numpy_dtype(column.dtype)
            if own.itemsize <= _MAX_NARROW_BYTES:
                return own
        return np.dtype(self._float)

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        coded = self._codes.apply(batch.select([column.name for column in self._features]))
        arrays = self.empty(batch.num_rows)
        masks = arrays[len(self._groups)]
        for block, places in zip(arrays, self._groups, strict=False):
            for at, place in enumerate(places):
                column = coded.column(place)
                if block.dtype.kind == "f":
                    try:
                        with np.errstate(over="raise"):
                            block[:, at] = numbers(column, str(block.dtype))
                    except FloatingPointError as error:
                        name = f'"{self._features[place].name}"'
                        raise beyond(block.dtype, name) from error
                    continue
                values, valid = column_values(column)
                block[:, at] = values
                if place in self._masked:
                    masks[:, self._masked.index(place)] = True if valid is None else valid
                elif valid is not None:
                    raise null_unknown(self._features[place])
        label = self._label_codes.apply(batch.select([self.columns[-1].name]))
        arrays[-1] = self._label.label_values(label.column(0))
        return arrays

    def batch(self, arrays: Sequence[Any]) -> Any:
        return tuple(arrays)
