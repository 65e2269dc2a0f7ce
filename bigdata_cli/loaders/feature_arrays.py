"""The features of rows: normalised numbers, or numbers as they are, and codes of categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.arrays.columns import numbers
from bigdata_cli.errors import UsageError, VerificationError, did_you_mean
from bigdata_cli.loaders.base import ColumnsOfRows
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import NUMBER_COLUMN
from bigdata_cli.types.dtype import Column, Kind, Schema

MAX_DEVIATIONS = 10.0
"""Normalised numbers are clipped to this many standard deviations."""
_SHOWN_VALUES = 3
_STANDS_FOR = {
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


class FeatureArrays:
    """Makes the arrays of features of a dataset's batches, and counts what is new in them.

    Categories are encoded by value, so that the dataset may be another than the one that the model
    was trained on. A value that the model has not seen counts as null.

    Attributes:
        features: The features.
        feature_columns: The columns of the dataset that they are made of.
    """

    def __init__(
        self, dataset: ColumnsOfRows, features: FeaturePlan, schema: Schema | None = None
    ) -> None:
        """Make the encoder of some features.

        Args:
            dataset: The dataset to encode.
            features: The features.
            schema: The columns as they were in training. None for those of the dataset; then a
                value that its manifest does not list is an error, not a null.

        Raises:
            UsageError: A column of a feature is missing or of another kind.
        """
        self.features = features
        self._strict = schema is None
        self._schema = trained = schema or dataset.schema
        self.feature_columns = tuple(
            matching_columns(dataset, [trained[name] for name in features.column_names])
        )
        self._vocabularies: dict[str, pa.Array] = {}
        for column in self.feature_columns:
            if column.name not in features.hashed_names:
                self.know_categories(column)
        self._without_nulls = {f.name for f in features.numbers if not f.has_nulls}
        self._unknown: dict[str, int] = {}
        self._shown: dict[str, list[str]] = {}
        self._new_nulls: dict[str, int] = {}

    def know_categories(self, column: Column) -> None:
        """Keep the values of a category, of which `coded` gives the codes."""
        trained = self._schema[column.name]
        if trained.kind is Kind.CATEGORY:
            self._vocabularies[column.name] = pa.array(trained.vocabulary or (), pa.string())

    def arrays(self, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        """Return dense float32 (rows, features.width) and codes int32 (rows, codes), -1 for null.

        Numbers that are not normalised are NaN where they are null.
        """
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        features, n_rows = self.features, batch.num_rows
        dense = np.empty((n_rows, features.width), np.float32)
        codes = np.empty((n_rows, len(features.codes)), np.int32)
        values = [_numbers(columns[feature.name]) for feature in features.numbers]
        if features.is_normalized:
            for name in self._without_nulls & columns.keys():
                if columns[name].null_count:
                    n_nulls = self._new_nulls.get(name, 0) + columns[name].null_count
                    self._new_nulls[name] = n_nulls
            normalise(values, features, dense)
        else:
            for place, column in enumerate(values):
                dense[:, place] = column
        for place, feature in enumerate(features.codes):
            column = columns[feature.name]
            if feature.hashed:
                codes[:, place] = hash_buckets(column, feature.n_values)
            else:
                coded = self.coded(feature.name, column).fill_null(-1)
                codes[:, place] = coded.to_numpy(zero_copy_only=False)
        return dense, codes

    def coded(self, name: str, array: pa.Array) -> pa.Array:
        """Return a category as int32 codes of the model's vocabulary, null where it is unknown."""
        values = self._vocabularies.get(name)
        if values is None:
            return array
        if pa.types.is_boolean(array.type):  # a column without any value
            return pa.nulls(len(array), pa.int32())
        if pa.types.is_dictionary(array.type):
            if array.dictionary.equals(values):
                return array.indices.cast(pa.int32())
            codes = pc.take(pc.index_in(array.dictionary, value_set=values), array.indices)
        else:
            codes = pc.index_in(array, value_set=values)
            codes = pc.if_else(array.is_valid(), codes, pa.scalar(None, pa.int32()))
        n_unknown = codes.null_count - array.null_count
        if n_unknown:
            self._note_unknown(name, array.filter(pc.and_(codes.is_null(), array.is_valid())))
        return codes

    def _note_unknown(self, name: str, values: pa.Array) -> None:
        if self._strict:
            raise VerificationError(
                f'column "{name}" holds a value that is not in the manifest\'s vocabulary',
                hint="bigdata verify DATASET shows what else differs",
            )
        self._unknown[name] = self._unknown.get(name, 0) + len(values)
        shown = self._shown.setdefault(name, [])
        if len(shown) < _SHOWN_VALUES:
            new = [value for value in values.unique().to_pylist() if value not in shown]
            shown.extend(new[:_SHOWN_VALUES])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the model does not know of the rows so far: a sentence for each column."""
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


def normalise(values: Sequence[np.ndarray], features: FeaturePlan, out: np.ndarray) -> None:
    """Write (value - center) / scale, clipped to MAX_DEVIATIONS, and whether values are null.

    It computes in float64: float32 would lose what distinguishes the values of a large id or time.

    Args:
        values: One array per number of `features`, float32 or float64 (rows,); NaN is null and
            becomes 0.
        features: Centers, scales, and which numbers have a null indicator.
        out: float32 (rows, features.width), the numbers first and then the indicators.
    """
    has_nulls = np.array([feature.has_nulls for feature in features.numbers], bool)
    columns = np.empty(len(values), NUMBER_COLUMN)
    columns["values"] = [column.ctypes.data for column in values]
    columns["stride"] = [column.strides[0] for column in values]
    columns["is_float32"] = [column.dtype == np.float32 for column in values]
    columns["indicator"] = np.where(has_nulls, len(values) + np.cumsum(has_nulls) - 1, -1)
    columns["center"] = [feature.center for feature in features.numbers]
    columns["scale"] = [feature.scale for feature in features.numbers]
    rows = np.arange(len(out))
    lib.bd_place_numbers(
        address(columns), len(columns), address(rows), len(rows), address(out), out.shape[1],
        MAX_DEVIATIONS,
    )  # fmt: skip


def _numbers(column: pa.Array) -> np.ndarray:
    return numbers(column, "float32" if pa.types.is_float32(column.type) else "float64")


def hash_buckets(column: pa.Array, n_buckets: int) -> np.ndarray:
    """Hash text or categories to buckets: the hashing trick.

    Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009. The hash is
    FNV-1a over the UTF-8 bytes, mixed once more: the same in every process, version and machine.

    Args:
        column: Text or categories (rows,).
        n_buckets: The number of buckets.

    Returns:
        The bucket of each value, int32 (rows,); -1 where it is null.

    >>> hash_buckets(pa.array(["a", None, "b", "a"]), 1000).tolist()
    [736, -1, 821, 736]
    """
    if pa.types.is_dictionary(column.type):
        of_values = np.append(hash_buckets(column.dictionary, n_buckets), np.int32(-1))
        places = column.indices.cast(pa.int32()).fill_null(len(of_values) - 1)
        return of_values[places.to_numpy(zero_copy_only=False)]
    if pa.types.is_boolean(column.type) or pa.types.is_null(column.type):  # no value at all
        return np.full(len(column), -1, np.int32)
    column = column.cast(pa.large_string())
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    found = np.empty(len(column), np.int32)
    lib.bd_hash_buckets(address(text), address(ends), len(column), n_buckets, address(found))
    if column.null_count:
        found[column.is_null().to_numpy(zero_copy_only=False)] = -1
    return found


def matching_columns(dataset: ColumnsOfRows, wanted: Sequence[Column]) -> list[Column]:
    """Return the dataset's columns with the names of the wanted ones.

    Raises:
        UsageError: A column is missing or of another kind.
    """
    names = dataset.schema.names
    missing = [column.name for column in wanted if column.name not in names]
    if missing:
        shown = ", ".join(f'"{name}"' for name in missing[:5])
        raise UsageError(
            f"{dataset.path} does not fit the model: it lacks {len(missing):,} of the columns that "
            f"the model reads: {shown}{', …' if len(missing) > 5 else ''}",
            hint=did_you_mean(missing[0], names),
        )
    for column in wanted:
        found = dataset.schema[column.name]
        if not stands_for(found, column):
            raise UsageError(
                f'{dataset.path} does not fit the model: column "{column.name}" is {found.dtype}, '
                f"and the model was trained on {column.dtype}",
                hint=f"convert with --type {column.name}={column.dtype}",
            )
    return [dataset.schema[column.name] for column in wanted]


def stands_for(found: Column, wanted: Column) -> bool:
    """Whether a column of a dataset can be read in place of one that a model was trained on."""
    if found.kind is Kind.NULL:
        return True
    return found.kind in _STANDS_FOR and _STANDS_FOR[found.kind] == _STANDS_FOR.get(wanted.kind)
