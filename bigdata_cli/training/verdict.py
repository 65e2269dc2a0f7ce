"""Whether a model has learned.

A model passes where
1. every loss is finite,
2. the loss in training fell: its mean over the last steps is below what the untrained model
   has on the same rows (the same rows, since with rare positives two windows differ by chance),
3. on the hold-out set it is better than the best constant, beyond chance: labels that do not depend
   on the features can be memorised, but not predicted.

For 3, either of two one-sided tests suffices: the mean difference of the losses in units of its
standard error; and for a binary label or a number the rank correlation of prediction and label
(for a binary label that is the Mann-Whitney test of the AUC), which needs only a few positives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bigdata_cli.loaders.target import Task
from bigdata_cli.training.metrics import row_losses

CHANCE_DEVIATIONS = 2.6
"""One in 200 models that predict nothing exceeds this by chance."""
MIN_ROWS = 30
MIN_ROWS_OF_A_CLASS = 3


@dataclass(frozen=True)
class Verdict:
    """Whether a model has learned, the reason, and the tests that were not possible."""

    passed: bool
    reason: str
    doubts: tuple[str, ...] = ()


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values, from 1; equal values have their mean rank: float64 (rows,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def best_constant(
    task: Task, *, class_counts: np.ndarray, y_sum: float, class_weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the constant with the smallest training loss.

    Args:
        task: What is predicted.
        class_counts: Rows by class (n_classes,); in a regression all rows (1,).
        y_sum: The sum of the labels.
        class_weights: The weight of a row of each class (n_classes,).

    Returns:
        The log-odds of the label (1,), the logits of the classes (n_classes,), or the mean (1,).
    """
    if task is Task.REGRESSION:
        return np.array([y_sum / max(1, int(class_counts.sum()))])
    counts = class_counts if class_weights is None else class_counts * class_weights
    logits = np.log((counts + 0.5) / (counts.sum() + 0.5 * len(counts)))
    return logits[1:] - logits[:1] if task is Task.BINARY else logits


def balanced_weights(class_counts: np.ndarray) -> np.ndarray:
    """Return weights of the rows of each class that make all classes count equally: (n_classes,).

    Their mean over the rows is 1.

    >>> balanced_weights(np.array([90, 10, 0])).round(3).tolist()
    [0.556, 5.0, 0.0]
    """
    exists = class_counts > 0
    share = class_counts.sum() / max(1, int(exists.sum()))
    return np.where(exists, share / np.maximum(class_counts, 1), 0.0)


def deviations_beyond_chance(
    task: Task,
    logits: np.ndarray,
    constant: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
) -> float | None:
    """Return by how many standard errors predictions are better than a constant.

    Args:
        task: What is predicted.
        logits: Predictions (rows, outputs).
        constant: The logits of the constant (outputs,), or of one for each row (rows, outputs).
        y: The encoded labels (rows,).
        weights: The weight of each row (rows,).

    Returns:
        The larger of the deviations of both tests; None where there are too few rows to tell.
    """
    if len(y) < MIN_ROWS:
        return None
    if task is Task.BINARY and min((y > 0.5).sum(), (y < 0.5).sum()) < MIN_ROWS_OF_A_CLASS:
        return None
    constants = np.broadcast_to(constant, (len(y), logits.shape[1]))
    gain = row_losses(task, constants, y) - row_losses(task, logits, y)
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
    """Judge whether a model with finite losses has learned.

    Args:
        task: What is predicted.
        logits: Predictions of the rows held out (rows, outputs).
        constant: The logits of the best constant (outputs,), or of one for each row.
        y: The encoded labels of the rows held out (rows,).
        trained_losses: Of the untrained and of the trained model, on the rows of the last steps.
        weights: The weight of each row held out (rows,).
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
