"""The columns of any dataset as the features of a model, which were those of another one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.loaders.arrays import numbers
from bigdata_cli.training.examples import Examples
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.target import Target
from bigdata_cli.types.dtype import Column, Kind, Schema

_SHOWN_VALUES = 3
_LIKE = {
    Kind.BOOL: "number",
    Kind.INT: "number",
    Kind.FLOAT: "number",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp",
    Kind.CATEGORY: "text",
    Kind.TEXT: "text",
}
"""Kinds that stand for each other: how wide a column is, and whether a text is a category, follows
from the rows that a dataset happens to have."""


class ExampleEncoder:
    """Encodes the batches of a dataset for a model, and counts what the model does not know.

    features, target: the model's. schema: the columns that both are made of, as they were when the
    model was trained. Categories are taken by value: one that the model has not seen is a null.
    columns: the names to read, the label last where the dataset has one that fits.
    label_problem: why the label is not used, None where it is.
    """

    def __init__(
        self, dataset: Dataset, features: FeaturePlan, target: Target, schema: Schema
    ) -> None:
        """Raises UsageError where the dataset's columns do not fit the features."""
        self._features = features
        self._target = target
        found = _fitting(dataset, [schema[name] for name in features.column_names])
        self.label_problem = _label_problem(dataset, target)
        if self.label_problem is None:
            found.append(dataset.schema[target.column.name])
        self.columns = tuple(column.name for column in found)
        self._values = {
            column.name: pa.array(schema[column.name].vocabulary or (), pa.string())
            for column in found
            if schema[column.name].kind is Kind.CATEGORY
            and column.name not in features.hashed_names
        }
        self._without_nulls = {f.name for f in features.numbers if not f.has_nulls}
        self._unknown: dict[str, int] = {}
        self._shown: dict[str, list[str]] = {}
        self._new_nulls: dict[str, int] = {}

    @property
    def has_label(self) -> bool:
        return self.label_problem is None

    def encode(self, batch: pa.RecordBatch) -> Examples:
        """The examples of a batch with `columns`, row by row; y is NaN where there is no label."""
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, values in self._values.items():
            arrays[name] = self._codes(name, arrays[name], values)
        for name in self._without_nulls & arrays.keys():
            if arrays[name].null_count:
                self._new_nulls[name] = self._new_nulls.get(name, 0) + arrays[name].null_count
        coded = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
        dense, codes = self._features.encode(coded)
        return Examples(dense, codes, self._labels(coded))

    def _codes(self, name: str, array: pa.Array, values: pa.Array) -> pa.Array:
        """Codes int32 in the model's vocabulary, null where the value is null or not in it."""
        if pa.types.is_boolean(array.type):  # a column without any value
            return pa.nulls(len(array), pa.int32())
        if pa.types.is_dictionary(array.type):
            if array.dictionary.equals(values):
                return array.indices.cast(pa.int32())
            places = pc.index_in(array.dictionary, value_set=values)
            codes = pc.take(places, array.indices)
        else:
            codes = pc.index_in(array, value_set=values)
            codes = pc.if_else(array.is_valid(), codes, pa.scalar(None, pa.int32()))
        unknown = codes.null_count - array.null_count
        if unknown:
            self._note_unknown(name, array, codes, unknown)
        return codes

    def _note_unknown(self, name: str, array: pa.Array, codes: pa.Array, count: int) -> None:
        self._unknown[name] = self._unknown.get(name, 0) + count
        shown = self._shown.setdefault(name, [])
        if len(shown) < _SHOWN_VALUES:
            strange = array.filter(pc.and_(codes.is_null(), array.is_valid())).unique()
            new = (value for value in strange.to_pylist() if value not in shown)
            shown.extend(value for value, _ in zip(new, range(_SHOWN_VALUES), strict=False))

    def _labels(self, coded: pa.RecordBatch) -> np.ndarray:
        """The label as the model learned it, float32 (rows,), NaN where it is not known."""
        if not self.has_label:
            return np.full(coded.num_rows, np.nan, np.float32)
        target, name = self._target, self._target.column.name
        y = (numbers(coded.column(name)) - target.center) / target.scale
        if target.n_classes:
            known = np.isin(y, np.arange(target.n_classes))
            strange = int((~known & ~np.isnan(y)).sum())
            if strange:
                self._unknown[name] = self._unknown.get(name, 0) + strange
                y[~known] = np.nan
        return y.astype(np.float32)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read so far that the model does not know, a sentence for each column."""
        notes = []
        for name, count in self._unknown.items():
            shown = ", ".join(f'"{value}"' for value in self._shown.get(name, ())[:_SHOWN_VALUES])
            which = f" ({shown}{', …' if len(self._shown.get(name, ())) >= 3 else ''})"
            notes.append(
                f'column "{name}": {count:,} values{which if shown else ""} are not known to the '
                "model and are taken as null"
            )
        notes += [
            f'column "{name}": {count:,} values are null, which none was in training; they are '
            "taken as its mean"
            for name, count in self._new_nulls.items()
        ]
        return tuple(notes)


def _fitting(dataset: Dataset, wanted: Sequence[Column]) -> list[Column]:
    """The dataset's columns of those names; UsageError where one is missing or of another kind."""
    names = dataset.schema.names
    missing = [column.name for column in wanted if column.name not in names]
    if missing:
        shown = ", ".join(f'"{name}"' for name in missing[:5])
        raise UsageError(
            f"{dataset.path} does not fit the model: it lacks {len(missing):,} of the columns that "
            f"the model reads: {shown}{', …' if len(missing) > 5 else ''}",
            hint=did_you_mean(missing[0], names),
        )
    found = []
    for column in wanted:
        there = dataset.schema[column.name]
        if not _fits(there, column):
            raise UsageError(
                f'{dataset.path} does not fit the model: column "{column.name}" is {there.dtype}, '
                f"and the model was trained on {column.dtype}",
                hint=f"convert with --type {column.name}={column.dtype}",
            )
        found.append(there)
    return found


def _fits(there: Column, column: Column) -> bool:
    if there.kind is Kind.NULL:
        return True
    return there.kind in _LIKE and _LIKE[there.kind] == _LIKE.get(column.kind)


def _label_problem(dataset: Dataset, target: Target) -> str | None:
    """Why the dataset has no label for the model, None where it has one."""
    name = target.column.name
    if name not in dataset.schema.names:
        return f'{dataset.path} has no column "{name}"'
    there = dataset.schema[name]
    if _fits(there, target.column):
        return None
    return f'column "{name}" is {there.dtype}, and the model was trained on {target.column.dtype}'
