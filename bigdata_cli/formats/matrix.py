"""What formats that store arrays have in common: how columns are stored, what a matrix can hold."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import nan_as_null, numbers
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import Change, StorageOptions
from bigdata_cli.types.buffers import array_of
from bigdata_cli.types.dtype import Column, Kind, Schema, numpy_dtype
from bigdata_cli.types.footprint import column_bytes
from bigdata_cli.types.statistics import ColumnStatistics


def column_physical(column: Column) -> str:
    """How a column is stored as an array; equal strings mean equal bytes.

    >>> column_physical(Column(name="a", dtype="timestamp[us, UTC]"))
    'datetime64[us]'
    """
    if column.kind is Kind.TEXT:
        return "text"
    stored = str(numpy_dtype(column.dtype, n_values=column.n_values))
    if column.kind is Kind.CATEGORY:
        return f"{stored} {vocabulary_digest(column)}"
    return stored


def matrix_physical(column: Column, options: StorageOptions) -> str:
    """How a column of the layout matrix is stored; equal strings mean equal bytes.

    >>> matrix_physical(Column(name="a", dtype="uint8"), StorageOptions(layout="matrix"))
    'float32'
    """
    if column.name == options.label:
        return column_physical(column)
    if column.kind is Kind.CATEGORY:
        return f"{options.matrix_dtype} {vocabulary_digest(column)}"
    if column.kind is Kind.DATE:
        return f"{options.matrix_dtype} days"
    if column.kind is Kind.TIMESTAMP:
        return f"{options.matrix_dtype} seconds of {np.dtype(numpy_dtype(column.dtype))}"
    return "text" if column.kind is Kind.TEXT else options.matrix_dtype


def matrix_change(old: Column, new: Column, options: StorageOptions, *, has_values: bool) -> Change:
    """`Format.change` of a column of the layout matrix."""
    if matrix_physical(old, options) == matrix_physical(new, options):
        return Change.SAME
    if old.name == options.label:
        return Change.VALUES
    # NaN is a null of any dtype. A vocabulary stands in the headers of some formats.
    is_category = Kind.CATEGORY in (old.kind, new.kind)
    return Change.VALUES if has_values or is_category else Change.SAME


def matrix_kept_dtype(column: Column, options: StorageOptions) -> str:
    """`Format.kept_dtype` of a column of the layout matrix: features come back as floats."""
    is_feature = column.name != options.label and column.kind is not Kind.CATEGORY
    return options.matrix_dtype if is_feature else column.dtype


def matrix_row_bytes(schema: Schema, options: StorageOptions) -> float:
    """Memory that encoding a row of a matrix takes: the row, and a copy."""
    return 2.0 * len(schema) * np.dtype(options.matrix_dtype).itemsize


def matrix_array_bytes(
    column: Column, known: ColumnStatistics, options: StorageOptions, n_rows: int
) -> float:
    """Memory of a column of a matrix; the label has an array of its own."""
    if column.name == options.label:
        return column_bytes(column, known, rows=n_rows)
    return n_rows * np.dtype(options.matrix_dtype).itemsize


def matrix_as_read(array: pa.Array, column: Column, options: StorageOptions) -> pa.Array:
    """The values of a source as a matrix gives them back: NaN is null, features have its dtype.

    Dates are days and timestamps seconds since 1970.
    """
    if column.name == options.label:
        return nan_as_null(array) if column.kind is Kind.FLOAT else array
    if column.kind is Kind.CATEGORY:
        return array
    return nan_as_null(array_of(numbers(array, options.matrix_dtype)))


def vocabulary_digest(column: Column) -> str:
    """The SHA-1 of a category's vocabulary, in order."""
    digest = hashlib.sha1(usedforsecurity=False)
    for value in column.vocabulary or ():
        encoded = value.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def check_matrix(schema: Schema, options: StorageOptions) -> None:
    """Raise UsageError where a matrix and its label cannot hold the columns."""
    features = feature_columns(schema, options)
    if not features:
        raise UsageError(
            f"layout {options.layout} needs a column besides the label",
            hint="--layout columns, or another --columns",
        )
    if options.matrix_dtype == "float32":
        for column in features:
            if column.n_values > 2**24:
                raise UsageError(
                    f'column "{column.name}" has {column.n_values:,} categories, and float32 holds '
                    f"codes up to {2**24:,} only",
                    hint=f"--drop '{column.name}', or --layout columns",
                )
    if options.label is not None and schema[options.label].kind is Kind.TEXT:
        raise UsageError(
            f'the label "{options.label}" is text, and layout {options.layout} holds numbers only',
            hint=f"--type '{options.label}=category'",
        )


def feature_columns(schema: Schema, options: StorageOptions) -> tuple[Column, ...]:
    """The columns of a matrix: all but the label, in order.

    Raises UsageError where one of them is text, which a matrix cannot hold.
    """
    features = tuple(column for column in schema if column.name != options.label)
    texts = [column.name for column in features if column.kind is Kind.TEXT]
    if texts:
        raise UsageError(
            f"layout {options.layout} holds numbers only, and these columns are text: "
            + ", ".join(texts),
            hint=f"--drop '{','.join(texts)}', or --type COL=category, or another --layout",
        )
    return features
