"""Stored values as those of another dtype, equal to what their text would have given."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.table import TableArrays
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.formats.base import Format, StorageOptions
from bigdata_cli.types.buffers import array_of, cast_array, numbers_of, validity_of
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type


def recast(
    array: pa.Array,
    stored: Stored,
    new: Column,
    form: Format,
    storage: StorageOptions,
    *,
    wanted: Column | None = None,
) -> pa.Array:
    """An array of the column `new`, or of the one that `carried` gives for it (`wanted`).

    array: as `Format.read` gives it, or of the dtype that was parsed. It must be of values of which
    `can_become` holds, or whose bytes are the same in both dtypes.
    """
    wanted = wanted or new
    target = arrow_type(wanted.dtype)
    if array.null_count == len(array):
        return pa.nulls(len(array), target)
    if new.kind in (Kind.TEXT, Kind.CATEGORY):
        texts = _texts(array, stored.column)
        if pa.types.is_dictionary(texts.type):
            return texts.cast(target) if new.kind is Kind.TEXT else texts
        return texts if new.kind is Kind.TEXT else texts.dictionary_encode()
    if wanted.dtype != new.dtype:
        return _rounded(array, stored.column, new, wanted.dtype)
    if array.type == target:
        return array
    if pa.types.is_floating(target):
        exact = form.kept_dtype(new, storage) == "float32" or stored.float32_exact
        return _floats(array, wanted.dtype, exact=exact)
    return cast_array(array, target)


def carried(column: Column, form: Format, storage: StorageOptions) -> Column:
    """A column as it is handed to the writer where a shard is written again.

    What a matrix holds of a feature is a float, whatever it was: it is written as that.
    """
    kept = form.kept_dtype(column, storage)
    if kept == column.dtype or column.kind is Kind.FLOAT:
        return column
    return Column(name=column.name, dtype=kept)


def _texts(array: pa.Array, old: Column) -> pa.Array:
    """The text of values: a string array, or a dictionary of strings."""
    if pa.types.is_dictionary(array.type):
        return array
    if pa.types.is_floating(array.type):  # of a matrix
        array = array.cast(pa.int32() if old.kind is Kind.DATE else pa.int64())
        if old.kind is Kind.DATE:
            array = array.view(pa.date32())
        if old.kind is Kind.BOOL:
            array = array.cast(pa.bool_())
    return array.cast(pa.string())


def _rounded(array: pa.Array, old: Column, new: Column, dtype: str) -> pa.Array:
    """Values that are no floats as those that a matrix holds of them."""
    if pa.types.is_floating(array.type) and new.kind is Kind.TIMESTAMP and old.kind is Kind.DATE:
        array = array.cast(pa.int32()).view(pa.date32())
    if not pa.types.is_floating(array.type):
        column = old
        if new.kind is Kind.TIMESTAMP:
            array, column = array.cast(arrow_type(new.dtype)), new
        table = pa.table({column.name: array})
        arrays = TableArrays(Schema((column,)), (column,))
        values = arrays.matrix(table, dtype)[:, 0]
        return array_of(np.ascontiguousarray(values), validity_of(array))
    return _floats(array, dtype, exact=True)


def _floats(array: pa.Array, dtype: str, *, exact: bool) -> pa.Array:
    """Numbers as floats; of float32 the float64 is the same number, or its shortest decimal."""
    if not exact and dtype == "float64" and pa.types.is_float32(array.type):
        return array.cast(pa.string()).cast(pa.float64())
    valid = validity_of(array)
    with np.errstate(over="ignore"):
        values = numbers_of(array if valid is None else array.fill_null(0)).astype(dtype)
    return array_of(values, valid)
