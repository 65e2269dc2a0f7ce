"""Losses and metrics of predictions, and whether a model has learned.

A model passes where
1. every loss is finite,
2. the loss in training fell: its mean over the last steps is below what the untrained model
   has on the same rows (the same rows, since with rare positives two windows differ by chance),
3. on rows that were held out it beats the best constant, beyond chance: labels that have nothing
   to do with the features can be memorised, but not predicted.

For 3, either of two one-sided tests suffices: the mean difference of the losses in units of its
standard error; and for a binary label or a number the rank correlation of prediction and label
(for a binary label that is the Mann-Whitney test of the AUC), which needs only a few positives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bigdata_cli.training.target import Task

CHANCE_DEVIATIONS = 2.6
"""One in 200 models that predict nothing exceeds this by chance."""
FEWEST_ROWS = 30
FEWEST_OF_A_CLASS = 3


@dataclass(frozen=True)
class Verdict:
    """Whether a model has learned, why, and what could not be judged."""

    passed: bool
    reason: str
    doubts: tuple[str, ...] = ()


def row_losses(task: Task, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss of each row, float64 (rows,), of logits (rows, outputs) or (1, outputs)."""
    if task is Task.REGRESSION:
        return (logits[:, 0] - y) ** 2
    if task is Task.BINARY:
        return np.logaddexp(0.0, logits[:, 0]) - y * logits[:, 0]
    top = logits.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    rows = np.arange(len(y)) if len(logits) == len(y) else np.zeros(len(y), np.intp)
    return log_sum[rows] - logits[rows, y.astype(np.intp)]


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values with their mean rank: float64 (rows,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    """The area under the ROC curve; NaN where one class is absent.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    positives = y > 0.5
    n_positive = int(positives.sum())
    n_negative = len(y) - n_positive
    if not n_positive or not n_negative:
        return math.nan
    rank_sum = float(ranks(scores)[positives].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def metric_value(task: Task, logits: np.ndarray, y: np.ndarray, *, scale: float) -> float:
    """AUC, accuracy, or RMSE times `scale`; NaN where it is not defined."""
    if len(y) == 0:
        return math.nan
    if task is Task.BINARY:
        return auc(logits[:, 0], y)
    if task is Task.CLASSES:
        return float((logits.argmax(axis=1) == y).mean())
    return float(np.sqrt(np.mean((logits[:, 0] - y) ** 2)) * scale)


def best_constant(
    task: Task, *, class_counts: np.ndarray, y_sum: float, class_weights: np.ndarray | None = None
) -> np.ndarray:
    """What says most of the training labels without looking at the features.

    class_counts: rows by class, of a number the rows in all (1,); class_weights: what a row of each
    counts. Returns the log-odds of the label (1,), the logits of the classes (n_classes,), or the
    mean (1,).
    """
    if task is Task.REGRESSION:
        return np.array([y_sum / max(1, int(class_counts.sum()))])
    counts = class_counts if class_weights is None else class_counts * class_weights
    logits = np.log((counts + 0.5) / (counts.sum() + 0.5 * len(counts)))
    return logits[1:] - logits[:1] if task is Task.BINARY else logits


def balanced_weights(class_counts: np.ndarray) -> np.ndarray:
    """What a row of each class counts so that all classes that there are count alike: (n_classes,).

    The mean over the rows is 1.

    >>> balanced_weights(np.array([90, 10, 0])).round(3).tolist()
    [0.556, 5.0, 0.0]
    """
    there = class_counts > 0
    share = class_counts.sum() / max(1, int(there.sum()))
    return np.where(there, share / np.maximum(class_counts, 1), 0.0)


def deviations_beyond_chance(
    task: Task,
    logits: np.ndarray,
    constant: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
) -> float | None:
    """How far beyond chance the predictions are better than a constant, in standard errors.

    weights: what each row counts, (rows,). None where there are too few rows to tell.
    """
    if len(y) < FEWEST_ROWS:
        return None
    if task is Task.BINARY and min((y > 0.5).sum(), (y < 0.5).sum()) < FEWEST_OF_A_CLASS:
        return None
    gain = row_losses(task, constant[np.newaxis], y) - row_losses(task, logits, y)
    if weights is not None:
        gain = gain * weights
    error = float(gain.std()) / math.sqrt(len(gain))
    by_loss = float(gain.mean()) / error if error > 0 else 0.0
    if task is Task.CLASSES:
        return by_loss
    return max(by_loss, _rank_correlation(logits[:, 0], y) * math.sqrt(len(y) - 1))


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = ranks(a), ranks(b)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def judge(
    task: Task,
    logits: np.ndarray,
    constant: np.ndarray,
    y: np.ndarray,
    *,
    trained_losses: tuple[float, float],
    weights: np.ndarray | None = None,
) -> Verdict:
    """Whether a model whose losses were finite has learned.

    logits, y: of the rows held out, (rows, outputs) and (rows,); constant (outputs,).
    trained_losses: of the untrained and of the trained model, on the rows of the last steps.
    weights: what each row counts, (rows,).
    """
    if not np.isfinite(logits).all():
        return Verdict(False, "the predictions are not finite")
    before, after = trained_losses
    if not after < before:
        return Verdict(False, f"the loss did not fall: {before:.4g} before, {after:.4g} after")
    fell = f"the loss fell from {before:.4g} to {after:.4g}"
    beyond = deviations_beyond_chance(task, logits, constant, y, weights)
    if beyond is None:
        doubt = (
            f"{len(y):,} rows held out, or those of one class among them, are too few to tell "
            "whether the model has learned or memorised"
        )
        return Verdict(True, fell, (doubt,))
    if beyond < CHANCE_DEVIATIONS:
        reason = (
            f"{fell} in training, but on rows held out the model predicts no better than a "
            "constant: the label does not depend on these columns, or the training was too short"
        )
        return Verdict(False, reason)
    return Verdict(True, f"{fell}, and rows held out are predicted better than by a constant")
