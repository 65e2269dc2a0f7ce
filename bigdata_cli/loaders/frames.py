"""Rows as pandas DataFrames whose dtypes do not change from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bigdata_cli.errors import BudgetError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.encode import ColumnsEncoder, may_be_null
from bigdata_cli.loaders.epochs import StreamOptions
from bigdata_cli.loaders.order import check_not_negative
from bigdata_cli.loaders.stream import BatchStream
from bigdata_cli.resources.memory import available_memory_bytes
from bigdata_cli.resources.sizes import format_size
from bigdata_cli.types.dtype import Column, Kind


class FrameEncoder(ColumnsEncoder):
    """Columns of a dataset as a DataFrame, None for all."""

    def __init__(self, dataset: ReadableDataset, columns: Sequence[str] | None = None) -> None:
        super().__init__(dataset, dataset.select(columns))
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


def to_pandas(
    dataset: ReadableDataset, *, limit: int | None, columns: Sequence[str] | None
) -> pd.DataFrame:
    """See `Dataset.to_pandas`."""
    n_rows = dataset.rows
    if limit is not None:
        check_not_negative("limit", limit)
        n_rows = min(int(limit), n_rows)
    encoder = FrameEncoder(dataset, columns)
    if n_rows == 0:
        return encoder.batch(encoder.empty(0))
    check_memory(n_rows * encoder.row_bytes, f"{n_rows:,} rows", hint="to_pandas(limit=1000)")
    # All rows are one batch, and so one window: they are in memory once.
    options = StreamOptions(batch_size=n_rows, split=f"[:{n_rows}]")
    (frame,) = BatchStream(dataset, encoder, options)
    return frame


def check_memory(needed_bytes: float, what: str, *, hint: str) -> None:
    """Raise BudgetError where something does not fit into the memory that is free."""
    free_bytes = available_memory_bytes()
    if needed_bytes > free_bytes:
        raise BudgetError(
            f"{what} take about {format_size(int(needed_bytes))} of memory, and "
            f"{format_size(free_bytes)} are free",
            hint=f"{hint}; or iter_pandas(), batches(), which read part after part",
        )
