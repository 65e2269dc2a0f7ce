"""What the order of scores tells of a label, counted in memory that does not grow with the rows.

The area under the ROC curve is the share of pairs of a positive and a negative row in which the
positive one has the higher score, a tie counting half: the Mann-Whitney statistic (Hanley and
McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
Radiology 143, 1982). So the counts of both classes at each distinct score are enough. Where there
are more distinct scores than `max_bins`, neighbours are counted together, by the leading bits of
the score's number among all floats; pairs within a bin of several scores are taken as ties then,
and half of them is the most by which that can be wrong.
"""

from __future__ import annotations

import math
from operator import mul

import numpy as np

MAX_BINS = 1 << 17
"""Of 40 bytes each."""
_HEAVY = 8
"""A score of more than this share of `max_bins` rows stays alone, however wide the bins become: it
is of a network that is dead for many rows, and its ties are real ones."""
_PENDING_ROWS = 1 << 17
_SIGN = np.uint64(1 << 63)
_KEY_BITS = 64
_BIN = np.dtype(
    [("low", "u8"), ("high", "u8"), ("negatives", "i8"), ("positives", "i8"), ("alone", "?")],
    align=True,
)


class RocAuc:
    """The AUC of scores that come in blocks; exact up to `max_bins` distinct scores.

    >>> streamed = RocAuc()
    >>> streamed.add(np.array([0.1, 0.4]), np.array([0, 0]))
    >>> streamed.add(np.array([0.35, 0.8]), np.array([1, 1]))
    >>> streamed.value, streamed.error_bound
    (0.75, 0.0)
    """

    def __init__(self, max_bins: int = MAX_BINS) -> None:
        self._max_bins = max_bins
        self._shift = 0
        self._nan_scores = 0
        # Per bin, in the order of the scores: its lowest and highest key, negatives and positives.
        self._bins = np.empty(0, _BIN)
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._pending_rows = 0

    def add(self, scores: np.ndarray, y: np.ndarray) -> None:
        """Count rows: scores (rows,) of any float dtype, y (rows,) 0 or 1."""
        known = ~np.isnan(scores)
        if not known.all():
            self._nan_scores += int(len(scores) - known.sum())
            scores, y = scores[known], y[known]
        self._pending.append((score_keys(scores), np.asarray(y) > 0.5))
        self._pending_rows += len(scores)
        if self._pending_rows >= _PENDING_ROWS:
            self._count_pending()

    @property
    def value(self) -> float:
        """The AUC; NaN where a class is absent or a score is NaN."""
        return self._result()[0]

    @property
    def error_bound(self) -> float:
        """The largest possible error of the value; 0.0 where it is exact."""
        return self._result()[1]

    def average_precision(self) -> tuple[float, float]:
        """Return the area under precision over recall, and the largest possible error.

        Each distinct score is a threshold, as in scikit-learn. Where neighbours are counted
        together, the bound is between all positives of a bin first, and all of them last.
        """
        self._count_pending()
        positives = self._bins["positives"][::-1].astype(np.float64)
        negatives = self._bins["negatives"][::-1].astype(np.float64)
        if not positives.sum() or not negatives.sum() or self._nan_scores:
            return math.nan, math.nan
        found, wrong = np.cumsum(positives), np.cumsum(negatives)
        gained = positives / positives.sum()
        precision = found / (found + wrong)
        several = (self._bins["low"] != self._bins["high"])[::-1]
        best = np.where(several, found / np.maximum(found + wrong - negatives, 1), precision)
        before = np.maximum(found - positives, 0)
        worst = np.where(several, before / np.maximum(before + wrong, 1), precision)
        value, highest, lowest = (float((gained * one).sum()) for one in (precision, best, worst))
        return value, max(highest - value, value - lowest)

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the negatives and positives of each bin, from the highest score on: int64."""
        self._count_pending()
        return self._bins["negatives"][::-1].copy(), self._bins["positives"][::-1].copy()

    def _result(self) -> tuple[float, float]:
        self._count_pending()
        negatives, positives = self._bins["negatives"], self._bins["positives"]
        pairs = int(negatives.sum()) * int(positives.sum())
        if not pairs or self._nan_scores:
            return math.nan, math.nan
        below = np.cumsum(negatives) - negatives
        # In Python's integers: twice the pairs of a few billion rows are beyond 64 bits.
        twice = sum(map(mul, positives.tolist(), (2 * below + negatives).tolist()))
        several = self._bins["low"] != self._bins["high"]
        unsure = sum(map(mul, positives[several].tolist(), negatives[several].tolist()))
        return twice / (2 * pairs), unsure / (2 * pairs)

    def _count_pending(self) -> None:
        if not self._pending_rows:
            return
        keys = np.concatenate([keys for keys, _ in self._pending])
        positive = np.concatenate([positive for _, positive in self._pending])
        self._pending, self._pending_rows = [], 0
        order = np.argsort(keys)
        keys, positive = keys[order], positive[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        bins = np.empty(len(starts), _BIN)
        bins["low"] = bins["high"] = keys[starts]
        bins["positives"] = np.add.reduceat(positive.astype(np.int64), starts)
        bins["negatives"] = np.diff(starts, append=len(keys)) - bins["positives"]
        bins["alone"] = False
        self._join(bins)

    def _join(self, bins: np.ndarray) -> None:
        """Add bins, and widen all of them until there are at most `max_bins`."""
        joined = np.concatenate([self._bins, bins])
        # Stable, as both are sorted already and that sort goes by runs.
        joined = joined[np.argsort(joined["low"], kind="stable")]
        joined = _grouped(joined, self._shift)
        if len(joined) > self._max_bins:
            rows = joined["negatives"] + joined["positives"]
            heavy = rows * self._max_bins > _HEAVY * rows.sum()
            joined["alone"] = heavy & (joined["low"] == joined["high"])
            self._shift = _least_shift(joined, self._max_bins)
            joined = _grouped(joined, self._shift)
        self._bins = joined


def score_keys(scores: np.ndarray) -> np.ndarray:
    """Map scores, without NaN, to uint64 (rows,) that have the same order.

    The bits of a float64 without its sign are in the order of its magnitude.

    >>> keys = score_keys(np.array([-np.inf, -1.5, -0.0, 0.0, 1e-300, np.inf]))
    >>> bool((np.diff(keys) > 0)[[0, 1, 3, 4]].all()), bool(keys[2] == keys[3])
    (True, True)
    """
    bits = (scores.astype(np.float64) + 0.0).view(np.uint64)  # -0.0 + 0.0 is 0.0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _grouped(bins: np.ndarray, shift: int) -> np.ndarray:
    """Merge sorted bins whose keys are equal without the last `shift` bits."""
    bins = _summed(bins, bins["low"][1:] != bins["low"][:-1])
    return _summed(bins, _borders(bins, shift)) if shift else bins


def _summed(bins: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Merge sorted bins (n,) where there is no border between them: bool (n - 1,)."""
    if len(bins) == 0:
        return bins
    starts = np.flatnonzero(np.r_[True, borders])
    summed = np.empty(len(starts), _BIN)
    summed["low"] = bins["low"][starts]
    summed["high"] = np.maximum.reduceat(bins["high"], starts)
    summed["alone"] = np.logical_or.reduceat(bins["alone"], starts)
    for name in ("negatives", "positives"):
        summed[name] = np.add.reduceat(bins[name], starts)
    return summed


def _borders(bins: np.ndarray, shift: int) -> np.ndarray:
    """Return between which neighbours with different lowest keys a border is: bool (n - 1,)."""
    differing = bins["low"][1:] ^ bins["low"][:-1]
    return (differing >> np.uint64(shift) != 0) | bins["alone"][1:] | bins["alone"][:-1]


def _least_shift(bins: np.ndarray, max_bins: int) -> int:
    """Return the smallest number of last bits to ignore so that at most `max_bins` remain."""
    for shift in range(1, _KEY_BITS):
        if np.count_nonzero(_borders(bins, shift)) < max_bins:
            return shift
    return _KEY_BITS - 1
