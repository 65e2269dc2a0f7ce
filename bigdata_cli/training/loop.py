"""The training loop: steps over streamed batches, watched for losses that are not finite."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.loaders.tensorflow import BatchFeed
from bigdata_cli.training.examples import ExampleStream
from bigdata_cli.training.model import Perceptron
from bigdata_cli.training.report import TrainProgress

PREFETCH_WINDOWS = 2

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
    batch_size: int,
    progress: ProgressListener | None = None,
) -> LoopResult:
    """Train for some epochs; ends early where a loss is not finite."""
    import tensorflow as tf

    began = time.perf_counter()
    log = _LossLog()
    rows = 0
    feed = BatchFeed(
        lambda: _windows(stream, epochs),
        (*model.signature, tf.TensorSpec((), "int64")),
        prefetch=PREFETCH_WINDOWS,
    )
    for dense, codes, y, epoch in feed.batches():
        # A window per turn, since what a generator hands to TensorFlow costs as much as a step.
        for start in range(0, y.shape[0], batch_size):
            batch = slice(start, start + batch_size)
            log.add(model.step(dense[batch], codes[batch], y[batch]))
        rows += y.shape[0]
        loss = log.fetch()
        if not math.isfinite(loss):
            break
        if progress is not None:
            progress(
                TrainProgress(
                    epoch=int(epoch) + 1,
                    epochs=epochs,
                    step=log.steps,
                    expected_steps=max(epochs * stream.expected_batches, log.steps),
                    rows=rows,
                    loss=loss,
                )
            )
    table = log.table()
    return LoopResult(
        losses=table[:, 0],
        untrained_losses=table[:, 1],
        rows=rows,
        seconds=time.perf_counter() - began,
    )


class _LossLog:
    """The losses of all steps, fetched from the device a window at a time: each fetch waits."""

    def __init__(self) -> None:
        self._pending: list[Any] = []
        self._fetched: list[np.ndarray] = []
        self.steps = 0

    def add(self, losses: tuple[Any, Any]) -> None:
        """Note a step's losses, of the model and of the untrained one."""
        self._pending.append(losses)
        self.steps += 1

    def fetch(self) -> float:
        """Wait for the steps that were added; returns the model's mean loss over them."""
        losses = np.array(
            [[float(trained), float(untrained)] for trained, untrained in self._pending]
        )
        self._pending.clear()
        self._fetched.append(losses)
        return float(losses[:, 0].mean())

    def table(self) -> np.ndarray:
        """All that was fetched: (steps, 2)."""
        return np.concatenate([np.empty((0, 2)), *self._fetched])


def _windows(stream: ExampleStream, epochs: int) -> Iterator[tuple[Any, ...]]:
    for epoch in range(epochs):
        for window in stream.epoch(epoch):
            yield window.dense, window.codes, window.y, np.int64(epoch)
