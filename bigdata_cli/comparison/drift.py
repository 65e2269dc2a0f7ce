"""How far two distributions of a column lie apart: PSI and KS, from exact counts in bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

PSI_BINS = 10
"""Of numbers: the tenths of the first side's values."""
MIN_SHARE = 1e-4
"""A smaller share of a bin counts as this: PSI has no value where one is 0."""
MODERATE, LARGE = 0.1, 0.25
"""The usual limits of PSI (Siddiqi, "Credit Risk Scorecards", 2006)."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a column differs between two sides.

    Attributes:
        kind: What was counted: "numbers", "times" (seconds since 1970), "lengths" (characters of
            texts with many values), "values" (texts, each by itself).
        psi: The population stability index over the bins.
        ks: The largest difference of the two distribution functions (Kolmogorov and Smirnov) at the
            edges where values were counted; None for "values", which have no order.
        max_ks: What it is at the most, between those edges too.
        edges: Of numbers, the bins of `psi`: values from edges[i] up to edges[i + 1], and those
            below the first and from the last one on.
        values: Of "values", the bins of `psi`; all others are one more bin.
        a, b: Shares of the bins; the last one is that of rows without a finite value.
    """

    kind: str
    psi: float
    ks: float | None = None
    max_ks: float | None = None
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    a: tuple[float, ...] = ()
    b: tuple[float, ...] = ()

    @property
    def size(self) -> str:
        """The drift in a word: none, moderate or large."""
        return "none" if self.psi < MODERATE else "moderate" if self.psi < LARGE else "large"


def psi(a: np.ndarray, b: np.ndarray) -> float:
    """The population stability index of the shares of bins, float64 (bins,) each.

    >>> round(psi(np.array([0.5, 0.5]), np.array([0.5, 0.5])), 6)
    0.0
    >>> round(psi(np.array([0.5, 0.5]), np.array([0.9, 0.1])), 4)
    0.8789
    """
    a, b = np.maximum(a, MIN_SHARE), np.maximum(b, MIN_SHARE)
    return float(np.sum((b - a) * np.log(b / a)))


def ks(a: np.ndarray, b: np.ndarray, is_point: np.ndarray) -> tuple[float, float]:
    """The largest difference of two distribution functions: at the edges of bins, and at the most.

    Within a bin one function may rise by all of its share before the other one does.

    Args:
        a, b: Shares of bins in order, float64 (bins,).
        is_point: Whether a bin holds one value only, bool (bins,).

    >>> ks(np.array([0.5, 0.5]), np.array([1.0, 0.0]), np.array([True, True]))
    (0.5, 0.5)
    >>> ks(np.array([0.5, 0.5]), np.array([0.5, 0.5]), np.array([False, True]))
    (0.0, 0.5)
    """
    after = np.cumsum(a - b)
    before = np.concatenate([[0.0], after[:-1]])
    within = np.maximum(np.abs(before + a), np.abs(before - b))
    # In a bin that one side has no values in, its function does not rise.
    within = np.where((a == 0) | (b == 0) | is_point, 0.0, within)
    low = float(np.abs(after).max(initial=0.0))
    return low, max(low, float(within.max(initial=0.0)))


def numeric_drift(
    kind: str,
    edges: Sequence[float],
    a: np.ndarray,
    b: np.ndarray,
    missing: tuple[int, int],
) -> Drift:
    """The drift of numbers.

    Args:
        kind: Of `Drift`.
        edges: Where values were counted, ascending.
        a, b: Values below the first edge, between edges, and from the last one on: int64
            (edges + 1,).
        missing: Rows without a finite value.
    """
    ends = np.asarray(edges, np.float64)
    is_point = np.zeros(len(a), bool)
    is_point[1:-1] = ends[1:] == np.nextafter(ends[:-1], np.inf)
    low, high = ks(_shares(a), _shares(b), is_point)
    cuts = _cuts(a if a.sum() else b)
    bounds = [0, *(cut + 1 for cut in cuts), len(a)]
    counts = [
        np.array([*(side[i:j].sum() for i, j in pairwise(bounds)), lost])
        for side, lost in zip((a, b), missing, strict=True)
    ]
    shares = [_shares(side) for side in counts]
    return Drift(
        kind=kind,
        psi=psi(*_of_used(*shares)),
        ks=low,
        max_ks=high,
        edges=tuple(float(edges[cut]) for cut in cuts),
        a=tuple(map(float, shares[0])),
        b=tuple(map(float, shares[1])),
    )


def value_drift(
    values: Sequence[str], a: np.ndarray, b: np.ndarray, missing: tuple[int, int]
) -> Drift:
    """The drift of texts; a, b: how often each value occurs, and any other: int64 (values + 1,)."""
    shares = [_shares(np.append(side, lost)) for side, lost in zip((a, b), missing, strict=True)]
    return Drift(
        kind="values",
        psi=psi(*_of_used(*shares)),
        values=tuple(values),
        a=tuple(map(float, shares[0])),
        b=tuple(map(float, shares[1])),
    )


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(int(counts.sum()), 1)


def _of_used(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bins that one side has values in."""
    used = (a > 0) | (b > 0)
    return a[used], b[used]


def _cuts(counts: np.ndarray) -> list[int]:
    """The edges that cut counts in bins into PSI_BINS parts that are as equal as they can be."""
    total = counts.sum()
    if not total:
        return []
    reached = np.cumsum(counts)[:-1] / total
    wanted = np.arange(1, PSI_BINS) / PSI_BINS
    places = np.searchsorted(reached, wanted - 1e-12)
    return sorted({int(place) for place in places if place < len(reached)})
