"""How the values of a column are spread: bins that are chosen once, and counted in any piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.inspection.facts import Histogram
from bigdata_cli.types.buffers import numbers_of
from bigdata_cli.types.dtype import Kind

N_BINS = 24
MAX_VALUES = 12
_TAIL = 0.005
"""The share of the values at each end that may be beyond the bins."""
_HIGH_QUANTILE, _HEAVY_TAIL, _MAX_LOG_RANGE = 0.99, 8.0, 1e9
"""A tail is heavy where that quantile is so many times the median; the range of bins that have
equal ratios."""
_LONG_TAIL = 3.0
"""The bins leave the ends out where those would make them so many times wider."""


@dataclass(frozen=True)
class Bins:
    """Where values are counted: between edges, or by themselves; see `Histogram`."""

    kind: str
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    is_log: bool = False

    def fits(self, kind: pa.DataType) -> bool:
        """Whether a piece of that type can be counted."""
        if self.kind == "values":
            return True
        if self.kind == "lengths":
            return pa.types.is_string(kind) or pa.types.is_dictionary(kind)
        if self.kind == "times":
            return pa.types.is_temporal(kind)
        return pa.types.is_integer(kind) or pa.types.is_floating(kind)

    def count(self, piece: pa.Array) -> np.ndarray:
        """Counts of a piece, int64: those below, in the bins, and above; or of values, others."""
        if self.kind == "values":
            found = value_counts(piece)
            counts = [found.pop(value, 0) for value in self.values]
            return np.array([*counts, sum(found.values())], np.int64)
        numbers = as_numbers(piece, self.kind)
        edges = np.array(self.edges)
        inside = np.histogram(numbers, edges)[0]
        below = int((numbers < edges[0]).sum())
        above = int((numbers > edges[-1]).sum())
        return np.concatenate([[below], inside, [above]]).astype(np.int64)

    def histogram(self, counts: np.ndarray) -> Histogram:
        """The sum of counts as it is reported."""
        numbers = [int(count) for count in counts]
        if self.kind == "values":
            return Histogram(
                kind="values", values=self.values, counts=tuple(numbers[:-1]), others=numbers[-1]
            )
        return Histogram(
            kind=self.kind,
            edges=self.edges,
            counts=tuple(numbers[1:-1]),
            below=numbers[0],
            above=numbers[-1],
            is_log=self.is_log,
        )


def choose_bins(kind: Kind, pieces: Sequence[pa.Array]) -> Bins | None:
    """Bins for a column, from pieces of it; None where there are no values."""
    if kind in (Kind.BOOL, Kind.CATEGORY):
        return _value_bins(pieces)
    if kind is Kind.NULL:
        return None
    name = {Kind.DATE: "times", Kind.TIMESTAMP: "times", Kind.TEXT: "lengths"}.get(kind, "numbers")
    numbers = np.concatenate([np.empty(0), *(as_numbers(piece, name) for piece in pieces)])
    if not len(numbers):
        return None
    if kind is Kind.INT and len(np.unique(numbers)) <= MAX_VALUES:
        return _value_bins(pieces)
    if name == "numbers" and (edges := _log_edges(numbers)) is not None:
        return Bins(name, edges, is_log=True)
    low, high = float(numbers.min()), float(numbers.max())
    first, last = (float(edge) for edge in np.quantile(numbers, (_TAIL, 1 - _TAIL)))
    if last > first and high - low > _LONG_TAIL * (last - first):
        low, high = first, last
    if high <= low:
        high = low + max(1.0, abs(low) * 1e-6)
    # A bin of whole numbers holds equally many of them, or some would look emptier.
    n_bins = N_BINS
    if kind is Kind.INT or name == "lengths":
        width = max(1, -(-int(high - low + 1) // N_BINS))
        n_bins = max(1, -(-int(high - low + 1) // width))
        high = low + width * n_bins
    return Bins(name, tuple(float(edge) for edge in np.linspace(low, high, n_bins + 1)))


def _log_edges(numbers: np.ndarray) -> tuple[float, ...] | None:
    """Edges at equal ratios, from 0 on, where values have a heavy tail; None for others."""
    positive = numbers[numbers > 0]
    if numbers.min() < 0 or len(positive) < N_BINS:
        return None
    middle, high = np.quantile(positive, (0.5, _HIGH_QUANTILE))
    if high < _HEAVY_TAIL * middle:
        return None
    low = max(float(np.quantile(positive, _TAIL)), float(positive.max()) / _MAX_LOG_RANGE)
    edges = np.geomspace(low, float(positive.max()), N_BINS)
    edges[-1] = positive.max()
    return (0.0, *map(float, edges))


def _value_bins(pieces: Sequence[pa.Array]) -> Bins | None:
    found: dict[str, int] = {}
    for piece in pieces:
        for value, count in value_counts(piece).items():
            found[value] = found.get(value, 0) + count
    if not found:
        return None
    ranked = sorted(found, key=lambda value: (-found[value], value))
    return Bins("values", values=tuple(ranked[:MAX_VALUES]))


def value_counts(piece: pa.Array) -> dict[str, int]:
    """How often each value but null occurs in a piece, by its text."""
    piece = piece.drop_null()
    if not len(piece):
        return {}
    if pa.types.is_dictionary(piece.type):
        counts = np.bincount(numbers_of(piece.indices), minlength=len(piece.dictionary)).tolist()
        pairs = zip(piece.dictionary.to_pylist(), counts, strict=True)
        return {value: count for value, count in pairs if count}
    counted = pc.value_counts(piece)
    values = counted.field("values").to_pylist()
    texts = (str(value).lower() if isinstance(value, bool) else str(value) for value in values)
    return dict(zip(texts, counted.field("counts").to_pylist(), strict=True))


def as_numbers(piece: pa.Array, kind: str) -> np.ndarray:
    """The values that are there and finite as float64: numbers, seconds since 1970, lengths."""
    piece = piece.drop_null()
    if not len(piece):
        return np.empty(0)
    if kind == "lengths":
        text = piece.dictionary_decode() if pa.types.is_dictionary(piece.type) else piece
        return numbers_of(pc.utf8_length(text)).astype(np.float64)
    if kind == "times":
        if pa.types.is_date(piece.type):
            return numbers_of(piece.cast(pa.int32())).astype(np.float64) * 86_400
        ticks = 1e9 if piece.type.unit == "ns" else 1e6
        return numbers_of(piece.cast(pa.int64())).astype(np.float64) / ticks
    numbers = numbers_of(piece).astype(np.float64)
    return numbers[np.isfinite(numbers)]
