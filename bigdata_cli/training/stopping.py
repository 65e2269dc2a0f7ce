"""When to stop: the metric on rows that are not trained on has not got better for a while."""

from __future__ import annotations

import math

from bigdata_cli.errors import UsageError
from bigdata_cli.training.metrics import Metric


class EarlyStopping:
    """Finds the best step, and says when there has been none better for `patience` steps.

    A step is an epoch of a network, or a tree.

    >>> from bigdata_cli.training.metrics import METRICS
    >>> stopping = EarlyStopping(METRICS["auc"], patience=2)
    >>> [stopping.is_best(step, value) for step, value in enumerate([0.7, 0.8, 0.8, 0.75])]
    [True, True, False, False]
    >>> stopping.best_step, stopping.is_over(3)
    (1, True)
    """

    def __init__(self, metric: Metric, *, patience: int) -> None:
        self.best_step: int | None = None
        self.best_value = math.nan
        self._metric = metric
        self._patience = patience

    def go_on(self, step: int, value: float) -> None:
        """Go on from a step that was the best."""
        self.best_step, self.best_value = step, value

    def is_best(self, step: int, value: float) -> bool:
        """Take note of the metric after a step; return whether none was better before.

        Raises:
            UsageError: The metric is not defined.
        """
        if math.isnan(value):
            raise UsageError(
                f"--early-stopping: the {self._metric.label} is not defined on the rows that "
                "decide when to stop: there are none, or those of one class only",
                hint="--metric names another one",
            )
        is_first = self.best_step is None
        if not is_first and not self._metric.gain(value, self.best_value) > 0:
            return False
        self.best_step, self.best_value = step, value
        return True

    def is_over(self, step: int) -> bool:
        """Whether to stop after a step."""
        return self.best_step is not None and step - self.best_step >= self._patience
