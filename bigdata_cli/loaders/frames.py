"""Rows as pandas DataFrames whose dtypes do not change from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.encode import ColumnsEncoder, may_be_null
from bigdata_cli.types.dtype import Column, Kind


class FrameEncoder(ColumnsEncoder):
    """All columns of a dataset as a DataFrame."""

    def __init__(self, dataset: ReadableDataset) -> None:
        super().__init__(dataset, dataset.schema.columns)
        self._nullable = {c.name for c in dataset.schema if may_be_null(dataset, c)}

    def batch(self, arrays: Sequence[np.ndarray]) -> pd.DataFrame:
        masks = dict(zip(self.masked, arrays[len(self.columns) :], strict=True))
        series = {
            column.name: _series(values, masks.get(column.name), column, self._nullable)
            for column, values in zip(self.columns, arrays, strict=False)
        }
        return pd.DataFrame(series, columns=[column.name for column in self.columns])


def _series(
    values: np.ndarray, valid: np.ndarray | None, column: Column, nullable: set[str]
) -> pd.api.extensions.ExtensionArray | np.ndarray:
    if column.kind is Kind.CATEGORY:
        codes = values.astype(np.int32)
        if valid is not None:
            codes[~valid] = -1
        categories = pd.Index(list(column.vocabulary or ()), dtype=_text_dtype())
        return pd.Categorical.from_codes(codes, categories=categories)
    if column.kind is Kind.TEXT:
        texts = values.copy()
        if valid is not None:
            texts[~valid] = None
        return pd.array(texts, dtype=_text_dtype())
    if values.dtype.kind == "M" and column.kind is Kind.DATE:
        return pd.array(values.astype("datetime64[s]"))
    if values.dtype.kind == "M":
        stamps = pd.DatetimeIndex(values)
        return (stamps.tz_localize("UTC") if "UTC" in column.dtype else stamps).array
    if values.dtype.kind == "f" or column.name not in nullable:
        return values
    missing = np.zeros(len(values), bool) if valid is None else ~valid
    if values.dtype.kind == "b":
        return pd.arrays.BooleanArray(values.copy(), missing)
    return pd.arrays.IntegerArray(values.copy(), missing)


def _text_dtype() -> pd.StringDtype:
    return pd.StringDtype(na_value=float("nan"))
