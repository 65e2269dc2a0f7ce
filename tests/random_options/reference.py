"""What a conversion has to make of rows, step by step, in plain Python and without its libraries.

A row is a dictionary of values: int, float, str, bool, `datetime.date`, or None. Steps are in the
order of docs/shape.md. Where rows are drawn at random, the reference takes those that were drawn,
and checks that they may be.
"""

from __future__ import annotations

import bisect
import datetime as dt
import math
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import xxhash

Row = dict[str, Any]
ID = "id"
"""The column that tells rows apart; no step changes it."""

DERIVED: dict[str, Callable[[Row], Any]] = {
    "count * 2 + 1": lambda row: None if row["count"] is None else row["count"] * 2 + 1,
    "price / 4": lambda row: None if row["price"] is None else row["price"] / 4,
    "length(word)": lambda row: None if row["word"] is None else len(row["word"]),
    "year(day)": lambda row: None if row["day"] is None else row["day"].year,
    "coalesce(kind, 'none')": lambda row: "none" if row["kind"] is None else row["kind"],
    "case when flag then count else -1 end": lambda row: row["count"] if row["flag"] else -1,
}
"""Expressions, and what they are of a row."""

CONDITIONS: dict[str, Callable[[Row], bool]] = {
    "count > 40": lambda row: row["count"] is not None and row["count"] > 40,
    "price between 10 and 60.5": lambda row: (
        row["price"] is not None and 10 <= row["price"] <= 60.5
    ),
    "kind in ('a', 'c')": lambda row: row["kind"] in ("a", "c"),
    "word is not null": lambda row: row["word"] is not None,
    "not flag": lambda row: row["flag"] is False,
    "day >= date '2024-03-01'": lambda row: (
        row["day"] is not None and row["day"] >= dt.date(2024, 3, 1)
    ),
    "count is null or price < 50": lambda row: (
        row["count"] is None or (row["price"] is not None and row["price"] < 50)
    ),
}
"""Conditions, and whether they keep a row."""


TABLE = {"a": 1.5, "b": 2.25}
"""The column `weight` of the table that is joined, by kind."""


class DifferenceError(Exception):
    """The dataset is not what the reference makes."""


def expected_rows(
    rows: Sequence[Row],
    options: Mapping[str, Any],
    drawn: Collection[int],
    training: Collection[int] | None = None,
) -> list[Row]:
    """The rows of the dataset in the order of the source, with the columns of the dataset.

    drawn: the values of ID in the dataset, where `sample` or `balance` draw rows. training: those
    in the split that steps learn from; None for all.
    """
    kept = [_derived(row, options) for row in _joined(rows, options)]
    kept = [row for row in kept if all(CONDITIONS[one](row) for one in options.get("where", ()))]
    kept = _without_repeated(kept, options.get("dedup", ()), options.get("keep", "first"))
    limit = options.get("limit", len(kept))
    kept = _balanced(kept, options.get("balance"), drawn, limit)
    kept = _sampled(kept, options.get("sample"), drawn, limit)
    kept = kept[:limit]
    return _chosen(_with_columns(kept, options, training), options)


def in_order(rows: list[Row], options: Mapping[str, Any], folders: Sequence[Any]) -> list[Row]:
    """The rows as `sort_by` has them: stable, nulls last; with `partition_by` in each folder.

    folders: the values of the column of the folders, in the order of these.
    """
    for key in reversed(options.get("sort_by", ())):
        name, _, direction = key.partition(":")
        known = [row for row in rows if row[name] is not None]
        known.sort(key=lambda row, name=name: _comparable(row[name]), reverse=direction == "desc")
        rows = known + [row for row in rows if row[name] is None]
    for name in options.get("partition_by", ()):
        rows = sorted(rows, key=lambda row, name=name: folders.index(row[name]))
    return rows


def _comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _joined(rows: Sequence[Row], options: Mapping[str, Any]) -> list[Row]:
    """The rows with the columns of TABLE, by the column kind."""
    if "join" not in options:
        return list(rows)
    is_inner = options["how"] == ["inner"]
    found = [row | {"weight": TABLE.get(row["kind"])} for row in rows]
    return [row for row in found if row["weight"] is not None or not is_inner]


def _derived(row: Row, options: Mapping[str, Any]) -> Row:
    made = dict(row)
    for name, expression in options.get("derive", {}).items():
        made[name] = DERIVED[expression](made)
    return made


def _without_repeated(rows: list[Row], names: Sequence[str], keep: str) -> list[Row]:
    if not names:
        return rows
    seen: dict[tuple[Any, ...], int] = {}
    for i, row in enumerate(rows):
        key = tuple(row[name] for name in names)
        if keep == "last" or key not in seen:
            seen[key] = i
    return [rows[i] for i in sorted(seen.values())]


def _balanced(rows: list[Row], name: str | None, drawn: Collection[int], limit: int) -> list[Row]:
    if name is None or not rows:
        return rows
    classes = Counter(row[name] for row in rows)
    n = min(classes.values())
    kept = [row for row in rows if row[ID] in drawn]
    counts = Counter(row[name] for row in kept)
    is_whole = limit >= n * len(classes)
    if max(counts.values(), default=n) > n or (is_whole and counts.total() != n * len(classes)):
        raise DifferenceError(f"balance: {counts}, of {n} each")
    return kept


def _sampled(
    rows: list[Row], sample: str | float | None, drawn: Collection[int], limit: int
) -> list[Row]:
    if sample is None:
        return rows
    kept = [row for row in rows if row[ID] in drawn]
    if isinstance(sample, str):
        n = min(int(sample.removesuffix("rows")), len(rows), limit)
        if len(kept) != n:
            raise DifferenceError(f"sample: {len(kept)} rows, not {n}")
    return kept


def _with_columns(
    rows: list[Row], options: Mapping[str, Any], training: Collection[int] | None
) -> list[Row]:
    rows = [dict(row) for row in rows]

    def known(name: str) -> list[Any]:
        """The values that steps learn from, as they are by now."""
        return [
            row[name]
            for row in rows
            if row[name] is not None and (training is None or row[ID] in training)
        ]

    for name in options.get("flag_null", ()):
        for row in rows:
            row[f"{name}_is_null"] = row[name] is None
    for name, value in options.get("fill", {}).items():
        last = None if value == "ffill" else _filling(value, known(name))
        for row in rows:
            if value == "ffill" and row[name] is not None:
                last = row[name]
            row[name] = last if row[name] is None else row[name]
    for name, bounds in options.get("clip", {}).items():
        low, high = (float(bound) for bound in bounds.split(":"))
        _map(rows, name, lambda x, low=low, high=high: min(max(x, low), high))
    for name in options.get("log1p", ()):
        _map(rows, name, math.log1p)
    for name, edges in options.get("bin", {}).items():
        numbers = [float(edge) for edge in edges.split(",")]
        _map(rows, name, lambda x, numbers=numbers: bisect.bisect_right(numbers, x))
    for name in options.get("standardize", ()):
        values = known(name)
        mean, deviation = statistics.fmean(values), statistics.pstdev(values)
        _map(rows, name, lambda x, m=mean, d=deviation: (x - m) / d if d else 0.0)
    for name in options.get("minmax", ()):
        values = known(name)
        low, width = min(values), max(values) - min(values)
        _map(rows, name, lambda x, low=low, width=width: (x - low) / width if width else 0.0)
    for name in options.get("one_hot", ()):
        values = sorted(set(known(name)))
        for row in rows:
            row |= {f"{name}_{value}": row[name] == value for value in values}
            del row[name]
    for name, buckets in options.get("hash", {}).items():
        _map(rows, name, lambda x, n=buckets: xxhash.xxh64_intdigest(str(x).encode()) % n)
    return rows


def _filling(value: str, known: list[Any]) -> Any:
    if value == "mean":
        return statistics.fmean(known)
    if value == "zero":
        return 0
    return value if isinstance(known[0], str) else float(value)


def _map(rows: list[Row], name: str, function: Callable[[Any], Any]) -> None:
    for row in rows:
        row[name] = None if row[name] is None else function(row[name])


def _chosen(rows: list[Row], options: Mapping[str, Any]) -> list[Row]:
    dropped = set(options.get("drop", ()))
    return [{name: row[name] for name in row if name not in dropped} for row in rows]
