"""The features of a dataset: columns as normalised numbers and as category codes.

The normalisation comes from the statistics of the manifest, without a pass over the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.statistics import ColumnStatistics

MAX_ONE_HOT = 32
"""A category with more values is embedded."""
MIN_ROWS_PER_VALUE = 10
"""A category with fewer rows per value is an identifier rather than a feature."""
MAX_BUCKETS = 1 << 22
EMBEDDING_WIDTH = 8


@dataclass(frozen=True, kw_only=True)
class NumberFeature:
    """A column as (value - center) / scale, with a null indicator where it has nulls."""

    name: str
    center: float
    scale: float
    has_nulls: bool


@dataclass(frozen=True, kw_only=True)
class CodeFeature:
    """A category by its codes, or a text by the hash buckets of its values."""

    name: str
    n_values: int
    hashed: bool = False

    @property
    def is_embedded(self) -> bool:
        return self.n_values > MAX_ONE_HOT


@dataclass(frozen=True, kw_only=True)
class FeaturePlan:
    """The features of a dataset, and a note for each column that is left out.

    Numbers that are not normalised have no null indicators, but NaN: trees take them as they are.
    """

    numbers: tuple[NumberFeature, ...]
    codes: tuple[CodeFeature, ...]
    notes: tuple[str, ...]
    is_normalized: bool = True

    @property
    def width(self) -> int:
        """The width of the dense array: the numbers, then the null indicators."""
        if not self.is_normalized:
            return len(self.numbers)
        return len(self.numbers) + sum(feature.has_nulls for feature in self.numbers)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that the features are made of."""
        numbers_first = [feature.name for feature in self.numbers]
        return (*numbers_first, *(feature.name for feature in self.codes))

    @property
    def hashed_names(self) -> frozenset[str]:
        """The columns that are hashed, by the text of their values."""
        return frozenset(feature.name for feature in self.codes if feature.hashed)


def plan_features(
    dataset: ReadableDataset,
    label: str,
    *,
    hashed: Mapping[str, int] | None = None,
    columns: Sequence[str] | None = None,
    is_normalized: bool = True,
) -> FeaturePlan:
    """Plan the features of a dataset: the columns but the label.

    Text that is not hashed, columns without values, and categories with few rows per value are
    left out with a note.

    Args:
        dataset: The dataset.
        label: The name of the label.
        hashed: Columns of text or categories to hash, with their number of buckets.
        columns: The columns to learn from, None for all.
        is_normalized: Whether numbers are; see `FeaturePlan`.

    Raises:
        UsageError: No column remains, or one cannot be hashed.
    """
    hashed = hashed or {}
    _check_hashed(dataset, label, hashed)
    number_features: list[NumberFeature] = []
    code_features: list[CodeFeature] = []
    notes: list[str] = []
    for column in dataset.select(columns):
        if column.name == label:
            continue
        known = dataset.statistics(column.name)
        if column.name in hashed:
            code_features.append(
                CodeFeature(name=column.name, n_values=hashed[column.name], hashed=True)
            )
            continue
        reason = _reason_to_skip(column, known)
        if reason is not None:
            notes.append(f'column "{column.name}" is left out: {reason}')
        elif column.kind is Kind.CATEGORY:
            code_features.append(CodeFeature(name=column.name, n_values=column.n_values))
        else:
            number_features.append(_number_feature(column, known))
    if not number_features and not code_features:
        raise UsageError(
            f"{dataset.path} has no column to learn from: "
            + ("; ".join(notes) or "only the label"),
            hint="--hash COL=1024 learns from text",
        )
    return FeaturePlan(
        numbers=tuple(number_features),
        codes=tuple(code_features),
        notes=tuple(notes),
        is_normalized=is_normalized,
    )


def _number_feature(column: Column, known: ColumnStatistics) -> NumberFeature:
    center, scale = (0.0, 1.0) if column.kind is Kind.BOOL else normalisation(column, known)
    return NumberFeature(name=column.name, center=center, scale=scale, has_nulls=known.nulls > 0)


def mixed_features(
    datasets: Sequence[ReadableDataset], plans: Sequence[FeaturePlan], weights: Sequence[float]
) -> FeaturePlan:
    """Return the plan of rows that come from several datasets, in shares of these weights.

    The center of a number is the mean of all rows, and its scale their standard deviation. The
    plans, one of each dataset, have the same features, in the order of the first.
    """
    shares = [weight / sum(weights) for weight in weights]
    numbers = []
    for feature in plans[0].numbers:
        alike = [next(f for f in plan.numbers if f.name == feature.name) for plan in plans]
        center, scale = feature.center, feature.scale
        if any((one.center, one.scale) != (center, scale) for one in alike):
            center = sum(share * one.center for share, one in zip(shares, alike, strict=True))
            deviations = [
                math.hypot(one.center - center, 0.0 if _is_constant(dataset, one) else one.scale)
                for dataset, one in zip(datasets, alike, strict=True)
            ]
            weighted = (s * d**2 for s, d in zip(shares, deviations, strict=True))
            scale = math.sqrt(sum(weighted)) or 1.0
        has_nulls = any(one.has_nulls for one in alike)
        numbers.append(replace(feature, center=center, scale=scale, has_nulls=has_nulls))
    return replace(plans[0], numbers=tuple(numbers))


def _is_constant(dataset: ReadableDataset, feature: NumberFeature) -> bool:
    """Whether a column has one value, whose scale is 1 and not its deviation."""
    known = dataset.statistics(feature.name)
    return known.minimum is not None and known.minimum == known.maximum


def _check_hashed(dataset: ReadableDataset, label: str, hashed: Mapping[str, int]) -> None:
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


def _reason_to_skip(column: Column, known: ColumnStatistics) -> str | None:
    if column.kind is Kind.TEXT:
        return f"text with many distinct values (--hash {column.name}=1024 learns from it)"
    if column.kind is Kind.NULL or (known.count and known.nulls == known.count):
        return "it has no values"
    if column.kind is Kind.CATEGORY and column.n_values > MAX_ONE_HOT:
        if known.values < MIN_ROWS_PER_VALUE * column.n_values:
            return (
                f"{column.n_values:,} categories in {known.values:,} rows "
                "are identifiers rather than a feature"
            )
    return None


def normalisation(column: Column, known: ColumnStatistics) -> tuple[float, float]:
    """Return the center and the scale of a column: its mean and standard deviation.

    Dates (days) and timestamps (seconds) have no mean in the manifest: they get those of a uniform
    distribution between their ends. A column of one value has scale 1.
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
    """Return the days of a date or the seconds of a timestamp in ISO 8601; NaN of None."""
    if text is None:
        return math.nan
    moment = np.datetime64(text.removesuffix("Z").removesuffix("+00:00"))
    if column.kind is Kind.DATE:
        return float(moment.astype("datetime64[D]").astype(np.int64))
    return float(moment.astype("datetime64[us]").astype(np.int64)) / 1e6
