"""Bins of a column: chosen once from a sample of both sides, then counted exactly in any batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bigdata_cli.comparison.drift import Drift, numeric_drift, value_drift
from bigdata_cli.inspection.values import as_numbers, value_counts
from bigdata_cli.types.dtype import Kind

MAX_EDGES = 1024
"""So many places of the distribution functions are compared."""
MAX_POINTS = 512
"""Numbers with no more values have an edge on both sides of each: then KS is exact."""
MAX_VALUES = 20
"""Texts that are bins of their own: the most frequent ones."""
_MAX_DISTINCT = 1_000
"""Texts with more values than this in a sample are counted by their lengths."""
_KINDS = {
    Kind.BOOL: "numbers",
    Kind.INT: "numbers",
    Kind.FLOAT: "numbers",
    Kind.DATE: "times",
    Kind.TIMESTAMP: "times",
    Kind.TEXT: "texts",
    Kind.CATEGORY: "texts",
}


def comparable(a: Kind, b: Kind) -> bool:
    """Whether values of two kinds can be compared; a column of nulls with any."""
    return Kind.NULL in (a, b) or a is b or {_KINDS[a], _KINDS[b]} in ({"numbers"}, {"texts"})


@dataclass(frozen=True)
class ColumnBins:
    """Where the values of a column are counted; kind, edges, values: as of `Drift`."""

    kind: str
    edges: np.ndarray
    values: tuple[str, ...] = ()

    @property
    def n_counts(self) -> int:
        """How many counts there are."""
        return (len(self.values) if self.kind == "values" else len(self.edges)) + 1

    def count(self, array: pa.Array) -> np.ndarray:
        """The counts of an array: int64 (n_counts,)."""
        if self.kind == "values":
            found = value_counts(array)
            counts = [found.pop(value, 0) for value in self.values]
            return np.array([*counts, sum(found.values())], np.int64)
        numbers = _numbers(array, self.kind)
        places = np.searchsorted(self.edges, numbers, side="right")
        return np.bincount(places, minlength=self.n_counts).astype(np.int64)

    def drift(self, a: np.ndarray, b: np.ndarray, rows: tuple[int, int]) -> Drift:
        """The drift between the counts of two sides with so many rows."""
        missing = (rows[0] - int(a.sum()), rows[1] - int(b.sum()))
        if self.kind == "values":
            return value_drift(self.values, a, b, missing)
        return numeric_drift(self.kind, self.edges.tolist(), a, b, missing)


def choose_column_bins(kinds: tuple[Kind, Kind], pieces: Sequence[pa.Array]) -> ColumnBins | None:
    """Bins for a column, from pieces of both sides; None where there are no values."""
    kind = kinds[0] if kinds[0] is not Kind.NULL else kinds[1]
    if kind is Kind.NULL:
        return None
    counted = _KINDS[kind]
    if counted == "texts":
        found: Counter[str] = Counter()
        for piece in pieces:
            found.update(value_counts(piece))
        if not found:
            return None
        if len(found) <= _MAX_DISTINCT:
            values = sorted(found, key=lambda value: (-found[value], value))[:MAX_VALUES]
            return ColumnBins("values", np.empty(0), tuple(values))
        counted = "lengths"
    numbers = np.concatenate([np.empty(0), *(_numbers(piece, counted) for piece in pieces)])
    return ColumnBins(counted, _edges(numbers)) if len(numbers) else None


def _edges(numbers: np.ndarray) -> np.ndarray:
    """Edges that cut numbers into equal parts, on both sides of values that are there often."""
    points = np.unique(numbers)
    if len(points) <= MAX_POINTS:
        return np.unique(np.concatenate([points, np.nextafter(points, np.inf)]))
    quantiles = np.quantile(numbers, np.linspace(0, 1, MAX_EDGES // 2), method="inverted_cdf")
    points, counts = np.unique(quantiles, return_counts=True)
    return np.unique(np.concatenate([points, np.nextafter(points[counts > 1], np.inf)]))


def _numbers(array: pa.Array, kind: str) -> np.ndarray:
    """The values that are there and finite, float64; of a bool 0 and 1."""
    if pa.types.is_null(array.type) or array.null_count == len(array):
        return np.empty(0)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return as_numbers(array, kind)
