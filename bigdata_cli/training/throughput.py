"""Whether a training is bound by its input or by its steps, measured on both.

A repeated batch needs no reading: what a step on the stream takes beyond that is the cost of
streaming, be it waiting for rows or sharing the processors with their decoding.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.loaders.examples import Examples
from bigdata_cli.training.backends.base import Backend, Trainer
from bigdata_cli.training.course import LoopResult

REPEATED_STEPS = 16
REPEATS = 5
"""The fastest of so many repeats counts: the others had to share the processors."""
COMPUTE_BOUND_SHARE = 0.1
WAITED_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """The durations of steps.

    Attributes:
        step_seconds: Of a step on the stream.
        repeated_step_seconds: Of a step on a repeated batch.
        waited_share: The share of the time on the stream that the loop waited for rows.
        bound: "input" where that is more than a fifth; "compute" where a step on the stream takes
            at most a tenth more than a repeated one; else "balanced". None where there were no
            whole batches to measure with.
    """

    step_seconds: float
    repeated_step_seconds: float
    waited_share: float
    bound: str | None

    @property
    def streaming_share(self) -> float:
        """The share of a step on the stream that is beyond a repeated step, at least 0."""
        if self.step_seconds <= 0:
            return 0.0
        return max(0.0, 1 - self.repeated_step_seconds / self.step_seconds)

    def sentence(self) -> str:
        """Return what bounds the training, with the figures, as a sentence."""
        if self.bound is None:
            return "not measured: there were too few steps"
        word = {"input": "input-bound", "compute": "compute-bound"}.get(self.bound, self.bound)
        return (
            f"{word}: a step takes {1e3 * self.step_seconds:.3g} ms, on a repeated batch "
            f"{1e3 * self.repeated_step_seconds:.3g} ms; {self.waited_share:.0%} of the time is "
            "waiting for rows"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON values."""
        return {**vars(self), "streaming_share": self.streaming_share}


def measure_throughput(
    trainer: Trainer, backend: Backend, result: LoopResult, *, batch_size: int
) -> Throughput:
    """Compare the steps of a training with those on a repeated batch; the model does not change.

    All workers call this together.
    """
    steps = max(1, result.timed_steps)
    step_seconds = result.timed_seconds / steps
    waited_share = result.waited_seconds / max(result.timed_seconds, 1e-9)
    sizes = backend.gather(np.array([0 if result.batch is None else len(result.batch)]))
    # Batches that are only partly filled, as at the end of an epoch, take less time.
    is_whole = result.timed_rows >= 0.5 * batch_size * steps
    repeated, bound = float("nan"), None
    if sizes.all() and result.batch is not None and is_whole:
        repeated = _repeated_step_seconds(trainer, result.batch, total_rows=int(sizes.sum()))
        bound = which_bound(step_seconds, repeated, waited_share)
    return Throughput(
        step_seconds=step_seconds,
        repeated_step_seconds=repeated,
        waited_share=waited_share,
        bound=bound,
    )


def which_bound(step_seconds: float, repeated_step_seconds: float, waited_share: float) -> str:
    """Return what bounds a training whose steps take so long.

    >>> which_bound(2e-3, 1e-3, 0.5), which_bound(1.05e-3, 1e-3, 0), which_bound(2e-3, 1e-3, 0)
    ('input', 'compute', 'balanced')
    """
    if waited_share > WAITED_SHARE:
        return "input"
    is_compute = step_seconds <= (1 + COMPUTE_BOUND_SHARE) * repeated_step_seconds
    return "compute" if is_compute else "balanced"


def _repeated_step_seconds(trainer: Trainer, batch: Examples, *, total_rows: int) -> float:
    weights = np.ones(len(batch), np.float32)
    snapshot = trainer.snapshot()
    best = float("inf")
    try:
        for _ in range(REPEATS):
            began = time.perf_counter()
            trainer.losses(
                [trainer.step(batch, weights, total_rows) for _ in range(REPEATED_STEPS)]
            )
            best = min(best, (time.perf_counter() - began) / REPEATED_STEPS)
    finally:
        trainer.restore(snapshot)
    return best
