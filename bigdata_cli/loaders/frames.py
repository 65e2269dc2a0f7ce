"""Arrow batches to pandas DataFrames whose dtypes do not change from one to the next."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
import pyarrow as pa

from bigdata_cli.loaders.arrays import column_values
from bigdata_cli.schema.dtype import Column, Kind, Schema


def data_frame(batch: pa.RecordBatch, schema: Schema, nullable: Collection[str]) -> pd.DataFrame:
    """A batch (categories as codes) as a DataFrame.

    nullable: the columns that have nulls somewhere in the dataset.
    """
    return pd.DataFrame(
        {
            name: _series(array, schema[name], name in nullable)
            for name, array in zip(batch.schema.names, batch.columns, strict=True)
        },
        columns=list(batch.schema.names),
    )


def _series(array: pa.Array, column: Column, has_nulls: bool) -> pd.api.extensions.ExtensionArray:
    if column.kind is Kind.CATEGORY:
        codes, valid = column_values(array.cast(pa.int32()))
        if valid is not None:
            codes[~valid] = -1
        categories = pd.Index(list(column.vocabulary or ()), dtype=_text_dtype())
        return pd.Categorical.from_codes(codes, categories=categories)
    if column.kind is Kind.TEXT:
        return pd.array(array.to_numpy(zero_copy_only=False), dtype=_text_dtype())
    if pa.types.is_date32(array.type):
        return pd.array(column_values(array)[0].astype("datetime64[s]"))
    if pa.types.is_timestamp(array.type):
        stamps = pd.DatetimeIndex(column_values(array)[0])
        return (stamps.tz_localize("UTC") if array.type.tz else stamps).array
    values, valid = column_values(array)
    if valid is None and not (has_nulls and values.dtype.kind in "biu"):
        return values
    missing = ~valid if valid is not None else values != values
    if values.dtype.kind == "b":
        return pd.arrays.BooleanArray(values, missing)
    return pd.arrays.IntegerArray(values, missing)


def _text_dtype() -> pd.StringDtype:
    return pd.StringDtype(na_value=float("nan"))
