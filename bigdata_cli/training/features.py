"""What a model sees of a dataset: columns as normalised numbers and as category codes.

The manifest's statistics are the normalisation; no pass over the data is needed to fit it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.loaders.arrays import numbers
from bigdata_cli.types.buffers import numbers_of
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.statistics import ColumnStatistics

MAX_ONE_HOT = 32
"""A category with more values is embedded."""
MIN_ROWS_PER_VALUE = 10
"""A category with fewer rows per value names the row rather than describes it."""
MAX_BUCKETS = 1 << 22
MAX_DEVIATIONS = 10.0
"""Normalised numbers are cut to this many standard deviations."""
EMBEDDING_WIDTH = 8


@dataclass(frozen=True, kw_only=True)
class NumberFeature:
    """A column as (value - center) / scale, and where it has nulls a second one: is it null."""

    name: str
    center: float
    scale: float
    has_nulls: bool


@dataclass(frozen=True, kw_only=True)
class CodeFeature:
    """A category column by its codes, or a text column by the buckets that its values hash to."""

    name: str
    n_values: int
    hashed: bool = False

    @property
    def is_embedded(self) -> bool:
        return self.n_values > MAX_ONE_HOT


@dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """The features of a dataset, and a note on each column that is left out."""

    numbers: tuple[NumberFeature, ...]
    codes: tuple[CodeFeature, ...]
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        """The columns of the dense array: the numbers, then the null indicators."""
        return len(self.numbers) + sum(feature.has_nulls for feature in self.numbers)

    @property
    def row_bytes(self) -> int:
        """Bytes of the encoded features of one row."""
        return 4 * (self.width + len(self.codes))

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that the features are made of."""
        numbers_first = [feature.name for feature in self.numbers]
        return (*numbers_first, *(feature.name for feature in self.codes))

    @property
    def hashed_names(self) -> frozenset[str]:
        """The columns that are hashed, whose values have to be text."""
        return frozenset(feature.name for feature in self.codes if feature.hashed)

    @functools.cached_property
    def _indicators(self) -> np.ndarray:
        """Where the null indicator of each number is, -1 where it has none: int64 (numbers,)."""
        has_nulls = np.array([feature.has_nulls for feature in self.numbers], bool)
        return np.where(has_nulls, len(self.numbers) + np.cumsum(has_nulls) - 1, -1)

    @functools.cached_property
    def _normal(self) -> np.ndarray:
        """Center and scale of each number: float64 (numbers, 2)."""
        pairs = [(feature.center, feature.scale) for feature in self.numbers]
        return np.array(pairs, np.float64).reshape(-1, 2)

    def encode(self, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        """The features of a batch whose categories are codes, but those that are hashed.

        Returns float32 (rows, width), null 0, and int32 (rows, codes), null -1.
        """
        dense = np.empty((batch.num_rows, self.width), np.float32)
        codes = np.empty((batch.num_rows, len(self.codes)), np.int32)
        self.place(batch, np.arange(batch.num_rows), dense, codes)
        return dense, codes

    def place(
        self, batch: pa.RecordBatch, places: np.ndarray, dense: np.ndarray, codes: np.ndarray
    ) -> None:
        """Write the features of a batch into rows of arrays such as `encode` gives.

        places: where each row goes, int64 (rows,), negative where it is left out.
        """
        from bigdata_cli.training.placing import place_numbers

        values = [plain_floats(batch.column(feature.name)) for feature in self.numbers]
        place_numbers(values, places, dense, self._indicators, self._normal, MAX_DEVIATIONS)
        kept = places >= 0
        for place, category in enumerate(self.codes):
            column = batch.column(category.name)
            if category.hashed:
                found = _buckets(column, category.n_values)
            else:
                found = column.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
            codes[places[kept], place] = found[kept]


def plain_floats(column: pa.Array) -> np.ndarray:
    """A column as numbers (rows,), NaN where it has no value: float32 where it is that."""
    if pa.types.is_float32(column.type) and not column.null_count:
        return numbers_of(column)
    return numbers(column)


def _buckets(column: pa.Array, n_buckets: int) -> np.ndarray:
    from bigdata_cli.training.hashing import buckets

    return buckets(column, n_buckets)


def plan_features(
    dataset: Dataset, label: str, *, hashed: Mapping[str, int] | None = None
) -> FeaturePlan:
    """The features of a dataset: all columns but the label.

    hashed: for columns of text or categories, the number of buckets that their values are hashed
    to. Other text, columns without values, and categories with hardly more rows than values are
    left out with a note. Raises UsageError where nothing remains, or a column cannot be hashed.
    """
    hashed = hashed or {}
    _check_hashed(dataset, label, hashed)
    number_features: list[NumberFeature] = []
    code_features: list[CodeFeature] = []
    notes: list[str] = []
    for column in dataset.schema:
        if column.name == label:
            continue
        known = dataset.statistics(column.name)
        if column.name in hashed:
            code_features.append(
                CodeFeature(name=column.name, n_values=hashed[column.name], hashed=True)
            )
            continue
        why = _why_not(column, known)
        if why is not None:
            notes.append(f'column "{column.name}" is left out: {why}')
        elif column.kind is Kind.CATEGORY:
            code_features.append(CodeFeature(name=column.name, n_values=column.n_values))
        else:
            center, scale = (0.0, 1.0) if column.kind is Kind.BOOL else normalisation(column, known)
            number_features.append(
                NumberFeature(
                    name=column.name, center=center, scale=scale, has_nulls=known.nulls > 0
                )
            )
    if not number_features and not code_features:
        raise UsageError(
            f"{dataset.path} has no column to learn from: "
            + ("; ".join(notes) or "only the label"),
            hint="--hash COL=1024 learns from text",
        )
    return FeaturePlan(
        numbers=tuple(number_features), codes=tuple(code_features), notes=tuple(notes)
    )


def _check_hashed(dataset: Dataset, label: str, hashed: Mapping[str, int]) -> None:
    for name, n_buckets in hashed.items():
        if name not in dataset.schema.names:
            raise UsageError(
                f'--hash: {dataset.path} has no column "{name}"',
                hint=did_you_mean(name, dataset.schema.names),
            )
        column = dataset.schema[name]
        if name == label or column.kind not in (Kind.TEXT, Kind.CATEGORY):
            what = "the label" if name == label else column.dtype
            raise UsageError(
                f'--hash: column "{name}" is {what}; only text and categories are hashed',
                hint=f"without --hash {name}={n_buckets}",
            )
        if not 2 <= n_buckets <= MAX_BUCKETS:
            raise UsageError(
                f"--hash {name}={n_buckets}: there are 2 to {MAX_BUCKETS:,} buckets",
                hint=f"--hash {name}=1024",
            )


def _why_not(column: Column, known: ColumnStatistics) -> str | None:
    if column.kind is Kind.TEXT:
        return f"text with many distinct values (--hash {column.name}=1024 learns from it)"
    if column.kind is Kind.NULL or (known.count and known.nulls == known.count):
        return "it has no values"
    if column.kind is Kind.CATEGORY and column.n_values > MAX_ONE_HOT:
        if known.values < MIN_ROWS_PER_VALUE * column.n_values:
            return (
                f"{column.n_values:,} categories in {known.values:,} rows "
                "name a row rather than describe it"
            )
    return None


def normalisation(column: Column, known: ColumnStatistics) -> tuple[float, float]:
    """The center and scale of a column: mean and standard deviation.

    Dates (days) and timestamps (seconds), which have no mean in the manifest, are taken to be
    spread evenly between their ends. A column of one value has scale 1.
    """
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        return _from_ends(*(_since_1970(column, end) for end in (known.minimum, known.maximum)))
    mean, std = known.mean, known.std
    if mean is not None and std is not None and math.isfinite(mean) and math.isfinite(std):
        return mean, std or 1.0
    if known.minimum is None or known.maximum is None:
        return 0.0, 1.0
    return _from_ends(float(known.minimum), float(known.maximum))


def _from_ends(low: float, high: float) -> tuple[float, float]:
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    # Halved first, so that the ends of float64 do not overflow.
    half = high / 2 - low / 2
    return low / 2 + high / 2, half / math.sqrt(3) or 1.0


def _since_1970(column: Column, text: str | None) -> float:
    """Days of a date, seconds of a timestamp, from ISO 8601; NaN where there is none."""
    if text is None:
        return math.nan
    moment = np.datetime64(text.removesuffix("Z").removesuffix("+00:00"))
    if column.kind is Kind.DATE:
        return float(moment.astype("datetime64[D]").astype(np.int64))
    return float(moment.astype("datetime64[us]").astype(np.int64)) / 1e6
