"""What the predictions of rows that were not trained on show: ROC, confusion, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.training.metrics import confusion_of
from bigdata_cli.training.roc import RocAuc

MAX_POINTS = 200
N_BINS = 10

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Figures of predictions.

    Attributes:
        roc: False and true positive rates of a label of two values, from the highest score on.
        precision_recall: Recall and precision of the same.
        confusion: Rows by label and prediction, int64 (classes, classes); None of a number.
        calibration: Of tenths of the rows, by prediction: its mean, and what came of it. That is
            the share of the positive class; of classes how often the likeliest was right, by its
            probability; of numbers the mean label.
    """

    roc: Points
    precision_recall: Points
    confusion: np.ndarray | None
    calibration: Points


def diagnostics_of(target: Target, logits: np.ndarray, y: np.ndarray) -> Diagnostics:
    """Return the diagnostics of logits (rows, outputs) and encoded labels (rows,)."""
    roc: Points = ()
    precision_recall: Points = ()
    if target.task is Task.BINARY and len(y):
        roc, precision_recall = _curves(logits[:, 0], y)
    is_number = target.task is Task.REGRESSION
    return Diagnostics(
        roc=roc,
        precision_recall=precision_recall,
        confusion=None if is_number else confusion_of(target.task, logits, y),
        calibration=_calibration(*_predicted(target, logits, y)),
    )


def _curves(scores: np.ndarray, y: np.ndarray) -> tuple[Points, Points]:
    ranks = RocAuc(max_bins=len(y) + 1)
    ranks.add(scores, y)
    negatives, positives = (np.cumsum(counts) for counts in ranks.counts())
    if not negatives.size or not negatives[-1] or not positives[-1]:
        return (), ()
    found = positives / positives[-1]
    wrong = negatives / negatives[-1]
    precision = positives / (positives + negatives)
    kept = _thinned(wrong + found)
    roc = ((0.0, 0.0), *_points(wrong[kept], found[kept]))
    return roc, _points(found[kept], precision[kept])


def _thinned(along: np.ndarray) -> np.ndarray:
    """Return the places of at most MAX_POINTS values, evenly over a curve that ascends, int64."""
    if len(along) <= MAX_POINTS:
        return np.arange(len(along))
    wanted = np.linspace(along[0], along[-1], MAX_POINTS - 1)
    return np.unique(np.r_[np.searchsorted(along, wanted), len(along) - 1])


def _predicted(target: Target, logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what was predicted of each row, and what came of it: float64 (rows,) each."""
    if target.task is Task.REGRESSION:
        return logits[:, 0] * target.scale + target.center, y * target.scale + target.center
    if target.task is Task.BINARY:
        return np.exp(-np.logaddexp(0.0, -logits[:, 0])), y
    shares = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return shares.max(axis=1), (logits.argmax(axis=1) == y).astype(np.float64)


def _calibration(predicted: np.ndarray, came: np.ndarray) -> Points:
    if not len(predicted) or not np.isfinite(predicted).all():
        return ()
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(N_BINS, len(predicted)))
    return tuple((float(predicted[part].mean()), float(came[part].mean())) for part in parts)


def _points(x: np.ndarray, y: np.ndarray) -> Points:
    return tuple(zip(x.tolist(), y.tolist(), strict=True))
