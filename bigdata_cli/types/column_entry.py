"""The columns of a dataset as JSON: in a manifest, in a plan, and in the file of `--schema`."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from bigdata_cli.errors import UsageError
from bigdata_cli.strict_json import Count, JsonError, convert
from bigdata_cli.types.dtype import DTYPES, Column, Kind, Schema, kind_of
from bigdata_cli.types.statistics import ColumnStatistics


class StatisticsEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a column. JSON has no infinity: null is what float64 cannot hold.

    std: follows from the others, for readers that do not compute it.
    """

    count: Count
    nulls: Count
    minimum: int | float | str | None
    maximum: int | float | str | None
    mean: float | None
    m2: float | None
    infinite: Count
    text_bytes: Count
    max_text_bytes: Count
    float32_error: float | None
    std: float | None = None

    def __post_init__(self) -> None:
        if self.nulls + self.infinite > self.count:
            raise ValueError("there are more nulls and infinite values than rows")

    def statistics(self) -> ColumnStatistics:
        values = {name: getattr(self, name) for name in ColumnStatistics.__struct_fields__}
        if self.float32_error is None:
            values["float32_error"] = math.inf
        return ColumnStatistics(**values)


class ColumnTypeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A column without statistics. kind: follows from the dtype."""

    name: str
    kind: str | UnsetType = UNSET
    dtype: str
    vocabulary: tuple[str, ...] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f'column "{self.name}": "{self.dtype}" is not a dtype')
        words = () if self.vocabulary is UNSET else self.vocabulary
        if any(map(operator.ge, words, words[1:])):
            raise ValueError("the vocabulary is not sorted, or has a text twice")


class ColumnEntry(ColumnTypeEntry, frozen=True, kw_only=True):
    """A column of a dataset."""

    statistics: StatisticsEntry | UnsetType = UNSET

    def __post_init__(self) -> None:
        ColumnTypeEntry.__post_init__(self)
        known = self.statistics
        if known is not UNSET and not {type(known.minimum), type(known.maximum)} <= self._ends():
            raise ValueError(f"the minimum or maximum is not a value of {self.dtype}")

    def _ends(self) -> set[type]:
        """The types of a minimum or maximum."""
        kind = kind_of(self.dtype)
        if kind in (Kind.DATE, Kind.TIMESTAMP):
            return {str, type(None)}
        return {int, float, type(None)} if kind is Kind.FLOAT else {int, type(None)}


def column_entries(
    schema: Schema, statistics: Mapping[str, ColumnStatistics] | None = None
) -> tuple[ColumnEntry, ...]:
    """The entries of columns, with statistics where they are known."""
    known = statistics or {}
    return tuple(
        ColumnEntry(
            name=column.name,
            kind=str(column.kind),
            dtype=column.dtype,
            vocabulary=UNSET if column.vocabulary is None else column.vocabulary,
            statistics=_entry(known[column.name]) if column.name in known else UNSET,
        )
        for column in schema
    )


def statistics_entries(
    statistics: Mapping[str, ColumnStatistics],
) -> dict[str, StatisticsEntry]:
    """The entries of statistics, by column."""
    return {name: _entry(known) for name, known in statistics.items()}


def _entry(known: ColumnStatistics) -> StatisticsEntry:
    values = {**msgspec.structs.asdict(known), "std": known.std}
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            values[name] = None
    return StatisticsEntry(**values)


def schema_of(entries: Iterable[ColumnTypeEntry]) -> Schema:
    """The schema of columns; raises UsageError where two have the same name."""
    columns = tuple(
        Column(
            name=entry.name,
            dtype=entry.dtype,
            vocabulary=None
            if entry.vocabulary is UNSET or entry.dtype != Kind.CATEGORY
            else entry.vocabulary,
        )
        for entry in entries
    )
    if len({column.name for column in columns}) < len(columns):
        raise UsageError("two columns have the same name")
    return Schema(columns)


def statistics_of(entries: Iterable[ColumnEntry]) -> dict[str, ColumnStatistics]:
    """The statistics of columns by name, of those that have any."""
    return {
        entry.name: entry.statistics.statistics()
        for entry in entries
        if entry.statistics is not UNSET
    }


def schema_to_json(schema: Schema) -> list[dict[str, Any]]:
    """The columns as `--schema` reads them."""
    return msgspec.to_builtins(list(column_entries(schema)))


def schema_from_json(columns: Any) -> Schema:
    """The columns of a manifest or a `--schema` file; raises UsageError where they are wrong."""
    try:
        return schema_of(convert(columns, tuple[ColumnTypeEntry, ...]))
    except JsonError as error:
        raise UsageError(f"not a list of columns with name and dtype: {error}") from error
