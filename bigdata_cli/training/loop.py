"""The training loop: steps over streamed batches, watched for losses that are not finite."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bigdata_cli.loaders.tensorflow import BatchFeed
from bigdata_cli.training.examples import ExampleStream
from bigdata_cli.training.model import Perceptron
from bigdata_cli.training.report import TrainProgress

CHECK_STEPS = 64
"""Losses are fetched from the device so often: each time waits for it."""

ProgressListener = Callable[[TrainProgress], None]


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """What the steps gave: losses (steps,) of the model, and of the untrained one."""

    losses: np.ndarray
    untrained_losses: np.ndarray
    rows: int
    seconds: float

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.losses).all())

    def last(self, steps: int) -> tuple[float, float]:
        """The mean losses over the last steps: of the untrained model, and of the trained one."""
        if len(self.losses) == 0:
            return float("nan"), float("nan")
        return float(self.untrained_losses[-steps:].mean()), float(self.losses[-steps:].mean())


def run_epochs(
    model: Perceptron,
    stream: ExampleStream,
    *,
    epochs: int,
    progress: ProgressListener | None = None,
) -> LoopResult:
    """Train for some epochs; ends early where a loss is not finite."""
    began = time.perf_counter()
    losses: list[np.ndarray] = []
    rows = step = 0
    expected = epochs * stream.expected_batches
    for epoch in range(epochs):
        pending: list[Any] = []
        feed = BatchFeed(partial(_arrays, stream, epoch), model.signature)
        for dense, codes, y in feed.batches():
            pending.append(model.step(dense, codes, y))
            rows += y.shape[0]
            step += 1
            if len(pending) < CHECK_STEPS:
                continue
            losses.append(np.array(pending, np.float64))
            pending.clear()
            if not np.isfinite(losses[-1]).all():
                break
            if progress is not None:
                progress(
                    TrainProgress(
                        epoch=epoch + 1,
                        epochs=epochs,
                        step=step,
                        expected_steps=max(expected, step),
                        rows=rows,
                        loss=float(losses[-1][:, 0].mean()),
                    )
                )
        if pending:
            losses.append(np.array(pending, np.float64))
        if losses and not np.isfinite(losses[-1]).all():
            break
    table = np.concatenate([np.empty((0, 2)), *losses])
    return LoopResult(
        losses=table[:, 0],
        untrained_losses=table[:, 1],
        rows=rows,
        seconds=time.perf_counter() - began,
    )


def _arrays(stream: ExampleStream, epoch: int) -> Any:
    return ((batch.dense, batch.codes, batch.y) for batch in stream.epoch(epoch))
