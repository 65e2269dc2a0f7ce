"""The size of each step: it rises in the first steps, and falls until the last one."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = ((0.75, 0.01), (0.5, 0.1))
"""Of the schedule "step": from which share of the steps on the rate is which share of the peak."""


@dataclass(frozen=True, kw_only=True)
class LearningRate:
    """The learning rate of every step; "cosine" is Keras' CosineDecay, "linear" PolynomialDecay.

    Attributes:
        peak: The largest rate.
        schedule: "constant", "cosine", "linear" or "step".
        warmup_steps: In which the rate rises from 0 to the peak; the schedule begins after them.
        total_steps: About the steps of the whole training.
    """

    peak: float
    schedule: str = "constant"
    warmup_steps: int = 0
    total_steps: int = 1

    @property
    def is_constant(self) -> bool:
        return self.schedule == "constant" and not self.warmup_steps

    def at(self, step: int) -> float:
        """Return the rate of a step, counted from 0.

        >>> rate = LearningRate(peak=0.1, schedule="linear", warmup_steps=2, total_steps=6)
        >>> [round(rate.at(step), 3) for step in range(8)]
        [0.0, 0.05, 0.1, 0.075, 0.05, 0.025, 0.0, 0.0]
        """
        if step < self.warmup_steps:
            return self.peak * step / self.warmup_steps
        n_left = max(1, self.total_steps - self.warmup_steps)
        return self.peak * self._share(min(1.0, (step - self.warmup_steps) / n_left))

    def _share(self, done: float) -> float:
        """Return the share of the peak where `done` of the steps are done, 0 to 1."""
        if self.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "linear":
            return 1 - done
        if self.schedule == "step":
            return next((share for start, share in _STEPS if done >= start), 1.0)
        return 1.0
