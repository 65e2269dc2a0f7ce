"""The encoders of loaders: a feature matrix with a label, or one array per column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import CategoryCodes, column_values, numbers
from bigdata_cli.arrays.table import TableArrays
from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.loaders.base import ArraySpec, Encoder, ReadableDataset
from bigdata_cli.loaders.target import Task, task_of
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


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Which arrays a loader makes of rows.

    Attributes:
        label: The label; None for the dataset's or, with dtype=None, for no label.
        columns: The columns to read, None for all.
        dtype: The dtype of X, "float32" or "float64"; None for a dict with each column's own.
        normalize: Whether X is what a model takes, as `train` makes it; the name of a split: by the
            statistics of that split.
        label_dtype: The dtype of y; None for the label's own.
    """

    label: str | None = None
    columns: Sequence[str] | None = None
    dtype: str | None = "float32"
    normalize: bool | str = False
    label_dtype: str | None = None


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
        label_dtype: str | None = None,
        plain: bool = False,
    ) -> None:
        x_dtype = float_dtype(dtype)
        y_dtype = y_dtype_of(dataset, label, label_dtype=label_dtype, plain=plain)
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
            raise beyond(self.specs[0].dtype, "a feature") from error

    def _plain(self, y: np.ndarray) -> np.ndarray:
        wanted = self.specs[1].dtype
        if y.dtype.kind != "M" or wanted.kind == "M":
            return self._as_integers(y) if wanted.kind in "iu" else y.astype(wanted, copy=False)
        ticks = y.view(np.int64)
        if wanted.kind == "f":
            return np.where(np.isnat(y), np.nan, ticks)
        if np.isnat(y).any():
            raise null_unknown(self._label)
        return ticks

    def _as_integers(self, y: np.ndarray) -> np.ndarray:
        """Return a label as the integers that were asked for; none of them may change."""
        with np.errstate(invalid="ignore"):
            whole = y.astype(self.specs[1].dtype, copy=False)
        if not np.can_cast(y.dtype, whole.dtype) and not (whole == y).all():
            name, dtype = self._label.name, self.specs[1].dtype
            raise UsageError(
                f'the label "{name}" has values that {dtype} does not hold, such as '
                f"{y[whole != y][0]:g}",
                hint='label_dtype="float32"',
            )
        return whole

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
            raise null_unknown(self._label)
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
        label_dtype: str | None = None,
        plain: bool = False,
    ) -> None:
        self.columns = (*columns, label) if label is not None else tuple(columns)
        self._features = tuple(columns)
        self._plain = plain
        self._codes = CategoryCodes(Schema(self.columns))
        self._label = None
        if label is not None:
            self._label = XyEncoder(dataset, (), label, label_dtype=label_dtype, plain=plain)
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
                raise null_unknown(column)
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

    def dtype(column: Column) -> str:
        if column.kind is Kind.CATEGORY:
            return code_dtype(column.n_values)
        return column.dtype

    read = as_read(dataset, columns)
    return Schema(tuple(Column(name=column.name, dtype=dtype(column)) for column in read))


def as_read(dataset: ReadableDataset, columns: Iterable[Column]) -> Schema:
    """Return the columns as `read_shard` gives them: numbers of a matrix are floats."""
    storage = dataset.storage
    is_matrix = storage.layout == "matrix"
    return Schema(
        tuple(
            Column(name=column.name, dtype=storage.matrix_dtype)
            if is_matrix and column.name != storage.label and column.kind is not Kind.CATEGORY
            else column
            for column in columns
        )
    )


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


def beyond(dtype: np.dtype, what: str) -> DataError:
    """Return the error of a number that a dtype does not hold."""
    return DataError(f"{what} has a number beyond the range of {dtype}", hint='dtype="float64"')


def null_unknown(column: Column) -> VerificationError:
    """Return the error of a null that the manifest does not know."""
    return VerificationError(
        f'column "{column.name}" has nulls, and the manifest says that it has none',
        hint="bigdata verify DATASET",
    )


def y_dtype_of(
    dataset: ReadableDataset, label: Column, *, label_dtype: str | None, plain: bool
) -> np.dtype:
    """Return the dtype of y: that asked for, or the label's own.

    Raises:
        UsageError: It is no number, or no integer where some labels are null.
    """
    own = dataset.label_dtype(label.name)
    if label_dtype is None:
        if plain and own.kind == "M":
            return np.dtype("float64" if may_be_null(dataset, label) else "int64")
        return own
    try:
        wanted = np.dtype(label_dtype)
    except TypeError:
        wanted = np.dtype(object)
    if wanted.kind not in "iufb":
        raise UsageError(
            f"label_dtype is {label_dtype!r}; a label is a number",
            hint='label_dtype="int64", or "float32"',
        )
    if wanted.kind != "f" and may_be_null(dataset, label):
        n_nulls = dataset.statistics(label.name).nulls
        raise UsageError(
            f'the label "{label.name}" is null in {n_nulls:,} rows, and {wanted} has no value for '
            "them",
            hint=f'label_dtype="float32" has NaN; or convert with --where "{label.name} IS NOT '
            'NULL"',
        )
    return wanted


def learned_dtype(dataset: ReadableDataset, encoding: Encoding) -> str | None:
    """Return the dtype of y that the losses of torch take; None where there is none of them.

    Classes are int64; two values and numbers are float32. Where classes are null in some rows they
    are float32 with NaN. Dates and timestamps stay what they are.
    """
    if encoding.label_dtype is not None or (encoding.dtype is None and encoding.label is None):
        return encoding.label_dtype
    label = dataset.label(encoding.label)
    if label.kind in (*_DATETIMES, Kind.TEXT, Kind.NULL):
        return None
    task = task_of(label, dataset.statistics(label.name))
    is_classes = task is Task.CLASSES and not may_be_null(dataset, label)
    return "int64" if is_classes else "float32"
