"""Whether a training waits for its rows or for its steps, measured on both.

A batch that is repeated needs no reading: what a step takes beyond that on the stream is what
streaming costs, be it waiting for rows or sharing the processors with their decoding.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.training.backends import Backend, Trainer
from bigdata_cli.training.loop import LoopResult

REPEATED_STEPS = 16
REPEATS = 5
"""The fastest of so many times counts: others had to share the processors."""
COMPUTE_BOUND_SHARE = 0.1
WAITED_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast steps are, in seconds: on the stream, and on one batch again and again.

    waited_share: of the time on the stream, what was spent waiting for rows. bound: "input" where
    that is more than a fifth; "compute" where a step on the stream takes at most a tenth more than
    on a repeated batch; else "balanced", as where steps share the processors with the reading.
    None where there were no whole batches to measure with.
    """

    step_seconds: float
    repeated_step_seconds: float
    waited_share: float
    bound: str | None

    @property
    def streaming_share(self) -> float:
        """The part of a step on the stream that it takes beyond a repeated one, at least 0."""
        if self.step_seconds <= 0:
            return 0.0
        return max(0.0, 1 - self.repeated_step_seconds / self.step_seconds)

    def sentence(self) -> str:
        """The verdict with its figures."""
        if self.bound is None:
            return "not measured: there were too few steps"
        word = {"input": "input-bound", "compute": "compute-bound"}.get(self.bound, self.bound)
        return (
            f"{word}: a step takes {1e3 * self.step_seconds:.3g} ms, on a repeated batch "
            f"{1e3 * self.repeated_step_seconds:.3g} ms; {self.waited_share:.0%} of the time is "
            "waiting for rows"
        )

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {**vars(self), "streaming_share": self.streaming_share}


def measure_pace(
    trainer: Trainer, backend: Backend, result: LoopResult, *, batch_size: int
) -> Pace:
    """Repeat a batch, and compare; the model is as before. All workers do this together."""
    steps = max(1, result.timed_steps)
    step_seconds = result.timed_seconds / steps
    waited_share = result.waited_seconds / max(result.timed_seconds, 1e-9)
    sizes = backend.gather(np.array([0 if result.batch is None else len(result.batch)]))
    # Batches that are filled only in part, as at the end of an epoch, take less than whole ones.
    is_whole = result.timed_rows >= 0.5 * batch_size * steps
    if not sizes.all() or result.batch is None or not is_whole:
        return Pace(
            step_seconds=step_seconds,
            repeated_step_seconds=float("nan"),
            waited_share=waited_share,
            bound=None,
        )
    repeated = _repeated_step_seconds(trainer, result, total_rows=int(sizes.sum()))
    return Pace(
        step_seconds=step_seconds,
        repeated_step_seconds=repeated,
        waited_share=waited_share,
        bound=which_bound(step_seconds, repeated, waited_share),
    )


def which_bound(step_seconds: float, repeated_step_seconds: float, waited_share: float) -> str:
    """What bounds a training whose steps take so long.

    >>> which_bound(2e-3, 1e-3, 0.5), which_bound(1.05e-3, 1e-3, 0), which_bound(2e-3, 1e-3, 0)
    ('input', 'compute', 'balanced')
    """
    if waited_share > WAITED_SHARE:
        return "input"
    is_compute = step_seconds <= (1 + COMPUTE_BOUND_SHARE) * repeated_step_seconds
    return "compute" if is_compute else "balanced"


def _repeated_step_seconds(trainer: Trainer, result: LoopResult, *, total_rows: int) -> float:
    batch = result.batch
    assert batch is not None
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
