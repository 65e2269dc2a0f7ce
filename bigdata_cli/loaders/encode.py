"""The encoders of loaders: a feature matrix with a label, or one array per column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import CategoryCodes, column_values, numbers
from bigdata_cli.arrays.table import TableArrays
from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.loaders.base import ArraySpec, Encoder, ReadableDataset
from bigdata_cli.types.dtype import (
    VALIDITY_SUFFIX,
    Column,
    Kind,
    Schema,
    code_dtype,
    item_bytes,
    numpy_dtype,
)

_PYTHON_TEXT_BYTES = 50
"""What a Python string takes besides its text."""
_MASKED = (Kind.NULL, Kind.BOOL, Kind.INT, Kind.CATEGORY, Kind.TEXT)
"""The kinds that have no value of their own for a null."""
_DATETIMES = (Kind.DATE, Kind.TIMESTAMP)


class XyEncoder(Encoder):
    """(X, y): X float32 or float64 (rows, features), y of the label's dtype (rows,).

    With `plain` a label that is a date or a timestamp is int64 days or ticks, or float64 with NaN
    where some are null: frameworks have no datetime dtype.
    """

    def __init__(
        self,
        dataset: ReadableDataset,
        features: Sequence[Column],
        label: Column,
        *,
        dtype: str = "float32",
        plain: bool = False,
    ) -> None:
        x_dtype = float_dtype(dtype)
        y_dtype = dataset.label_dtype(label.name)
        if plain and y_dtype.kind == "M":
            y_dtype = np.dtype("float64" if may_be_null(dataset, label) else "int64")
        self.columns = (*features, label)
        self.specs = (
            ArraySpec(name="X", dtype=x_dtype, row_shape=(len(features),)),
            ArraySpec(name="y", dtype=y_dtype),
        )
        self.row_bytes = sum(spec.row_bytes for spec in self.specs)
        self._label = label
        self._codes = CategoryCodes(Schema(self.columns))
        read = _as_read(dataset, self.columns)
        self._X = TableArrays(read, read.columns[:-1])
        self._places = _matrix_places(dataset, features, label)
        if self._places is not None:
            self.reads = "matrix"
        elif features and dataset.format.has_floats(
            dataset.schema, dataset.storage, [column.name for column in features], label.name
        ):
            self.reads = "floats"

    def encode_matrix(self, X: np.ndarray, y: Any) -> list[np.ndarray]:
        if self.reads == "floats":
            coded = self._codes.apply(pa.RecordBatch.from_arrays([y], names=[self._label.name]))
            return [self._cast(X), self.label_values(coded.column(0))]
        if isinstance(self._places, list):
            X = X[:, self._places]
        return [self._cast(X), self._plain(y)]

    def _cast(self, X: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(over="raise"):
                return X.astype(self.specs[0].dtype, copy=False)
        except FloatingPointError as error:
            raise _beyond(self.specs[0].dtype, "a feature") from error

    def _plain(self, y: np.ndarray) -> np.ndarray:
        wanted = self.specs[1].dtype
        if y.dtype.kind != "M" or wanted.kind == "M":
            return y.astype(wanted, copy=False)
        ticks = y.view(np.int64)
        if wanted.kind == "f":
            return np.where(np.isnat(y), np.nan, ticks)
        if np.isnat(y).any():
            raise _null_unknown(self._label)
        return ticks

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        coded = self._codes.apply(batch)
        X = self.specs[0].empty(coded.num_rows)
        try:
            self._X.matrix(pa.Table.from_batches([coded]), str(X.dtype), X)
        except DataError as error:
            raise DataError(error.message, hint='dtype="float64"') from error
        return [X, self.label_values(coded.column(len(self.columns) - 1))]

    def label_values(self, array: pa.Array) -> np.ndarray:
        """Return the label as y, of a column in which categories are codes."""
        values, valid = column_values(array)
        wanted = self.specs[1].dtype
        if valid is None or values.dtype.kind in "fM":
            return self._plain(values)
        if wanted.kind != "f":
            raise _null_unknown(self._label)
        return numbers(array, str(wanted))

    def batch(self, arrays: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        X, y = arrays
        return X, y


class ColumnsEncoder(Encoder):
    """A dict of arrays by column, with a mask "COL.valid" where a column has nulls.

    With a label, (dict, y) with the y of `XyEncoder`. With `plain`, dates and timestamps are int64
    days and ticks with a mask, and every batch has the masks; else nulls are NaT, and only the
    batches that need a mask have it.
    """

    def __init__(
        self,
        dataset: ReadableDataset,
        columns: Sequence[Column],
        *,
        label: Column | None = None,
        plain: bool = False,
    ) -> None:
        self.columns = (*columns, label) if label is not None else tuple(columns)
        self._features = tuple(columns)
        self._plain = plain
        self._codes = CategoryCodes(Schema(self.columns))
        self._label = XyEncoder(dataset, (), label, plain=plain) if label is not None else None
        read = _as_read(dataset, columns)
        self._dtypes = {
            column.name: np.dtype(np.int64)
            if plain and column.kind in _DATETIMES
            else _own_dtype(column)
            for column in read
        }
        masked = (*_MASKED, *_DATETIMES) if plain else _MASKED
        self.masked = tuple(
            column.name
            for column in columns
            if column.kind in masked
            and self._dtypes[column.name].kind != "f"
            and may_be_null(dataset, column)
        )
        self.specs = (
            *(ArraySpec(name=name, dtype=dtype) for name, dtype in self._dtypes.items()),
            *(ArraySpec(name=n + VALIDITY_SUFFIX, dtype=np.dtype(bool)) for n in self.masked),
            *(self._label.specs[1:] if self._label is not None else ()),
        )
        self.row_bytes = sum(spec.row_bytes for spec in self.specs) + sum(
            item_bytes(
                "text",
                mean_text_bytes=_PYTHON_TEXT_BYTES
                + dataset.statistics(column.name).mean_text_bytes,
            )
            for column in columns
            if column.kind is Kind.TEXT
        )

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        coded = self._codes.apply(batch)
        values, masks = [], {}
        for place, column in enumerate(self._features):
            array, valid = column_values(coded.column(place))
            wanted = self._dtypes[column.name]
            if array.dtype.kind == "M" and wanted.kind != "M":
                array = array.view(np.int64)
                array = array if valid is None else np.where(valid, array, 0)
            values.append(array.astype(wanted, copy=False))
            if column.name in self.masked:
                masks[column.name] = np.ones(len(array), bool) if valid is None else valid
            elif valid is not None and wanted.kind not in "fM":
                raise _null_unknown(column)
        arrays = [*values, *(masks[name] for name in self.masked)]
        if self._label is not None:
            arrays.append(self._label.label_values(coded.column(len(self._features))))
        return arrays

    def batch(self, arrays: Sequence[Any]) -> Any:
        count = len(self._features)
        batch = {c.name: array for c, array in zip(self._features, arrays[:count], strict=True)}
        for name, mask in zip(self.masked, arrays[count : count + len(self.masked)], strict=True):
            if self._plain or not mask.all():
                batch[name + VALIDITY_SUFFIX] = mask
        return batch if self._label is None else (batch, arrays[-1])


def _as_read(dataset: ReadableDataset, columns: Sequence[Column]) -> Schema:
    """The columns as `read_shard` gives them, with codes for categories.

    The features of a stored matrix are floats, whatever they were.
    """
    storage = dataset.storage

    def dtype(column: Column) -> str:
        if column.kind is Kind.CATEGORY:
            return code_dtype(column.n_values)
        is_feature = storage.layout == "matrix" and column.name != storage.label
        return storage.matrix_dtype if is_feature else column.dtype

    return Schema(tuple(Column(name=column.name, dtype=dtype(column)) for column in columns))


def _own_dtype(column: Column) -> np.dtype:
    return np.dtype(object) if column.kind is Kind.TEXT else numpy_dtype(column.dtype)


def check_mask_names(columns: Iterable[Column]) -> None:
    """Raise UsageError where the mask of a column would have the name of another column."""
    names = {column.name for column in columns}
    for name in sorted(names):
        if name + VALIDITY_SUFFIX in names:
            raise UsageError(
                f'the mask of column "{name}" would be "{name + VALIDITY_SUFFIX}", '
                "which is a column too",
                hint="read one of them at a time, with columns=[…]",
            )


def float_dtype(dtype: str) -> np.dtype:
    """Return the dtype of a feature matrix; raise UsageError where it is no float32 or float64."""
    if str(dtype) not in ("float32", "float64"):
        raise UsageError(
            f"dtype is {dtype!r}; a feature matrix is float32 or float64",
            hint="dtype=None gives every column with its own dtype",
        )
    return np.dtype(str(dtype))


def may_be_null(dataset: ReadableDataset, column: Column) -> bool:
    """Whether a column may have nulls: it may where the manifest does not say."""
    known = dataset.manifest.statistics.get(column.name)
    return known is None or known.nulls > 0


def _matrix_places(
    dataset: ReadableDataset, features: Sequence[Column], label: Column
) -> list[int] | slice | None:
    """Return where the features are in a stored matrix; None where it does not hold them all."""
    if dataset.storage.layout != "matrix" or label.name != dataset.storage.label:
        return None
    stored = [column.name for column in dataset.schema if column.name != label.name]
    wanted = [column.name for column in features]
    if wanted == stored:
        return slice(None)
    return [stored.index(name) for name in wanted] if label.name not in wanted else None


def _beyond(dtype: np.dtype, what: str) -> DataError:
    return DataError(f"{what} has a number beyond the range of {dtype}", hint='dtype="float64"')


def _null_unknown(column: Column) -> VerificationError:
    return VerificationError(
        f'column "{column.name}" has nulls, and the manifest says that it has none',
        hint="bigdata verify DATASET",
    )


def make_encoder(
    dataset: ReadableDataset,
    *,
    label: str | None,
    columns: Sequence[str] | None,
    dtype: str | None,
    plain: bool = False,
) -> Encoder:
    """Make the encoder of (X, y), or of columns where `dtype` is None.

    Args:
        dataset: The dataset to read.
        label: The label; None for the dataset's or, with dtype=None, for no label.
        columns: The columns to read, None for all.
        dtype: The dtype of X, "float32" or "float64"; None for each column's own.
        plain: Whether dates and timestamps are integers.

    Raises:
        UsageError: The dataset has no such columns or label, or they are text.
    """
    if dtype is not None:
        target = dataset.label(label)
        return XyEncoder(
            dataset, dataset.features(target.name, columns), target, dtype=dtype, plain=plain
        )
    chosen = dataset.select(columns)
    check_mask_names(chosen)
    if label is None:
        return ColumnsEncoder(dataset, chosen, plain=plain)
    target = dataset.schema[label]
    features = tuple(column for column in chosen if column.name != label)
    if not features:
        raise UsageError(f'there is no column besides the label "{label}"')
    return ColumnsEncoder(dataset, features, label=target, plain=plain)
