"""Losses and metrics of predictions, in memory that does not grow with their number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.training.roc import MAX_BINS, RocAuc


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its name in a report, what it is of, and whether more of it is better."""

    label: str
    tasks: tuple[Task, ...]
    is_higher_better: bool = True

    def gain(self, value: float, other: float) -> float:
        """Return by how much a value is better than another."""
        return value - other if self.is_higher_better else other - value


_ALL, _NAMED = tuple(Task), (Task.BINARY, Task.CLASSES)
METRICS = {
    "auc": Metric(label="AUC", tasks=(Task.BINARY,)),
    "average-precision": Metric(label="average precision", tasks=(Task.BINARY,)),
    "accuracy": Metric(label="accuracy", tasks=_NAMED),
    "balanced-accuracy": Metric(label="balanced accuracy", tasks=_NAMED),
    "f1": Metric(label="F1", tasks=_NAMED),
    "log-loss": Metric(label="log loss", tasks=_NAMED, is_higher_better=False),
    "rmse": Metric(label="RMSE", tasks=(Task.REGRESSION,), is_higher_better=False),
    "mae": Metric(label="MAE", tasks=(Task.REGRESSION,), is_higher_better=False),
    "r2": Metric(label="R²", tasks=(Task.REGRESSION,)),
}
"""The metrics, as scikit-learn defines them. F1 is of the second of two values, and of classes the
mean over those that there are, as is the balanced accuracy."""
_DEFAULTS = {Task.BINARY: "auc", Task.CLASSES: "accuracy", Task.REGRESSION: "rmse"}


def metric_of(target: Target, name: str | None = None) -> str:
    """Return the name of the metric for a label: the given one, or that of its task.

    Raises:
        UsageError: It is not of such a label.
    """
    if name is None:
        return _DEFAULTS[target.task]
    if target.task not in METRICS[name].tasks:
        fitting = [one for one, metric in METRICS.items() if target.task in metric.tasks]
        kinds = {Task.BINARY: "has two values", Task.CLASSES: "is of classes"}
        raise UsageError(
            f'--metric {name}: the label "{target.column.name}" '
            f"{kinds.get(target.task, 'is a number')}",
            hint=f"--metric {', '.join(fitting)}",
        )
    return name


def row_losses(task: Task, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the loss of each row, float64 (rows,).

    Args:
        task: What is predicted.
        logits: float64 (rows, outputs), or (1, outputs) for all rows.
        y: The encoded labels (rows,).
    """
    if task is Task.REGRESSION:
        return (logits[:, 0] - y) ** 2
    if task is Task.BINARY:
        return np.logaddexp(0.0, logits[:, 0]) - y * logits[:, 0]
    top = logits.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    rows = np.arange(len(y)) if len(logits) == len(y) else np.zeros(len(y), np.intp)
    return log_sum[rows] - logits[rows, y.astype(np.intp)]


class TaskMetrics:
    """The loss and the metric of predictions that come in blocks.

    The loss is the mean over the rows, in a regression of the standardised label. RMSE and MAE are
    in the label's units. Rows without a label are counted and left out.
    """

    def __init__(
        self,
        task: Task,
        *,
        name: str | None = None,
        scale: float = 1.0,
        max_bins: int = MAX_BINS,
    ) -> None:
        """Count nothing yet; name: one of METRICS, None for that of the task."""
        self.name = name or _DEFAULTS[task]
        self._task = task
        self._scale = scale
        self._ranks = RocAuc(max_bins)
        self._has_ranks = self.name in ("auc", "average-precision")
        self._confusion: np.ndarray = np.zeros((0, 0), np.int64)
        self._loss_sum = 0.0
        self._absolute_sum = 0.0
        self._y = np.zeros(2)
        self.rows = 0
        self.null_labels = 0

    def add(self, logits: np.ndarray, y: np.ndarray) -> None:
        """Count a block: logits (rows, outputs), y (rows,), NaN where there is no label."""
        known = ~np.isnan(y)
        if not known.all():
            self.null_labels += int(len(y) - known.sum())
            logits, y = logits[known], y[known]
        if len(y) == 0:
            return
        self.rows += len(y)
        with np.errstate(all="ignore"):  # a loss that is not finite says so itself
            self._loss_sum += float(row_losses(self._task, logits, y).sum())
            if self._task is Task.REGRESSION:
                self._absolute_sum += float(np.abs(logits[:, 0] - y).sum())
                exact = y.astype(np.float64)
                self._y += exact.sum(), np.square(exact).sum()
                return
        if self._has_ranks:
            self._ranks.add(logits[:, 0], y)
        counts = confusion_of(self._task, logits, y)
        self._confusion = counts + (self._confusion if self._confusion.size else 0)

    @property
    def loss(self) -> float:
        """The mean loss; NaN where there are no rows."""
        return self._loss_sum / self.rows if self.rows else math.nan

    @property
    def value(self) -> float:
        """The metric; NaN where it is not defined."""
        return self._result()[0]

    @property
    def error_bound(self) -> float:
        """The largest possible error of the value, but for rounding."""
        return self._result()[1]

    def _result(self) -> tuple[float, float]:
        if not self.rows:
            return math.nan, 0.0
        if self.name == "auc":
            return self._ranks.value, self._ranks.error_bound
        if self.name == "average-precision":
            return self._ranks.average_precision()
        return self._exact(), 0.0

    def _exact(self) -> float:
        if self.name == "log-loss":
            return self.loss
        if self.name == "rmse":
            return math.sqrt(self.loss) * self._scale
        if self.name == "mae":
            return self._absolute_sum / self.rows * self._scale
        if self.name == "r2":
            spread = self._y[1] - self._y[0] ** 2 / self.rows
            return 1 - self._loss_sum / float(spread) if spread > 0 else math.nan
        return self._of_confusion()

    def _of_confusion(self) -> float:
        counts = self._confusion
        right, labelled, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
        if self.name == "accuracy":
            return float(right.sum() / self.rows)
        if self.name == "balanced-accuracy":
            there = labelled > 0
            return float((right[there] / labelled[there]).mean())
        there = labelled + predicted > 0
        f1 = np.zeros(len(right))
        f1[there] = 2 * right[there] / (labelled + predicted)[there]
        return float(f1[1] if self._task is Task.BINARY else f1[there].mean())


def confusion_of(task: Task, logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Count rows by label and prediction: int64 (classes, classes), a row for each label."""
    n_classes = max(2, logits.shape[1])
    found = logits[:, 0] > 0 if task is Task.BINARY else logits.argmax(axis=1)
    places = y.astype(np.int64) * n_classes + found.astype(np.int64)
    return np.bincount(places, minlength=n_classes**2).reshape(n_classes, n_classes)


def measure(
    task: Task,
    logits: np.ndarray,
    y: np.ndarray,
    *,
    scale: float = 1.0,
    name: str | None = None,
) -> TaskMetrics:
    """Return the exact metrics of predictions that are all in memory; see `TaskMetrics.add`."""
    metrics = TaskMetrics(task, name=name, scale=scale, max_bins=len(y) + 1)
    metrics.add(logits, y)
    return metrics


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    """Return the exact area under the ROC curve; NaN where a class is absent.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    return measure(Task.BINARY, scores[:, np.newaxis], y).value
