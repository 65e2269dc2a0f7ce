"""The course of a training: what a loop is given, what is told of it, and what it records."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from bigdata_cli.loaders.examples import Examples
from bigdata_cli.resources.progress import ProgressState
from bigdata_cli.training.learning_rate import LearningRate
from bigdata_cli.training.stopping import EarlyStopping


@dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """The progress of a training; `loss` is the mean of the last steps."""

    epoch: int
    epochs: int
    step: int
    expected_steps: int
    rows: int
    loss: float

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        detail = f"epoch {self.epoch:,} of {self.epochs:,}, loss {self.loss:.4g}"
        return ProgressState("training", self.step, self.expected_steps, "steps", detail)


ProgressListener = Callable[[TrainProgress], None]


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a training is: whole epochs, windows of the next epoch, and the steps of both.

    Attributes:
        best_value: The metric after the last epoch, where that decides when to stop.
    """

    epochs: int = 0
    windows: int = 0
    steps: int = 0
    best_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What to train, from a position on until so many epochs.

    Attributes:
        batch_size: The rows of a step, of all workers.
        learning_rate: Of each step.
        class_weights: The weight of a row of each class (n_classes,).
    """

    epochs: int
    batch_size: int
    learning_rate: LearningRate
    start: Position = Position()
    class_weights: np.ndarray | None = None


class Watched(NamedTuple):
    """The loss and the metric on rows that are not trained on."""

    loss: float
    value: float


class CourseListener(Protocol):
    """What is told of steps and epochs as they come."""

    def steps(self, first_step: int, losses: np.ndarray, rates: np.ndarray) -> None:
        """Take losses and learning rates of steps from `first_step` on, (steps,) each."""

    def epoch(self, record: EpochRecord) -> None:
        """Take what is known after an epoch."""


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """What is told of a training, or decides about it.

    Attributes:
        progress: Called after windows.
        watch: Measures the model after an epoch; all workers call it together.
        stopping: Decides by the metric that `watch` measures when to stop.
        save: Writes the model at a position.
        writer: Writes the course as it goes on.
        save_every_seconds: After how long it is written within an epoch.
    """

    progress: ProgressListener | None = None
    watch: Callable[[], Watched] | None = None
    stopping: EarlyStopping | None = None
    save: Callable[[Position], None] | None = None
    writer: CourseListener | None = None
    save_every_seconds: float = math.inf


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """An epoch, counted from 1: its last step, its mean loss, and what was measured after it."""

    epoch: int
    last_step: int
    loss: float
    watched: Watched | None
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """The result of the steps.

    Attributes:
        losses: Of the model (steps,).
        untrained_losses: Of the untrained model on the same rows (steps,).
        rows: Rows learned from, by all workers.
        timed_steps: Steps without those of the first window, in which much is compiled, where there
            are others. `timed_rows`, `timed_seconds` and `waited_seconds` for rows are of these.
        epoch_steps: The steps of each epoch (epochs,), of the last one as far as it came.
        learning_rates: Of the steps (steps,).
        records: Of the epochs.
        best_epoch: Where the best epoch decides: the one that the model is of.
        batch: A whole batch of this worker to time steps with; None where there was none.
        epochs: The epochs that the model has had.
    """

    losses: np.ndarray
    untrained_losses: np.ndarray
    rows: int
    seconds: float
    timed_steps: int
    timed_rows: int
    timed_seconds: float
    waited_seconds: float
    batch: Examples | None
    epochs: int
    epoch_steps: tuple[int, ...] = ()
    learning_rates: np.ndarray = field(default_factory=lambda: np.empty(0))
    records: tuple[EpochRecord, ...] = ()
    best_epoch: int | None = None

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.losses).all())

    def last(self, steps: int) -> tuple[float, float]:
        """Return the mean losses of the untrained and the trained model over the last steps."""
        if len(self.losses) == 0:
            return float("nan"), float("nan")
        return float(self.untrained_losses[-steps:].mean()), float(self.losses[-steps:].mean())
