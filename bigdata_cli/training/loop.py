"""The training loop: steps over streamed batches, ended by a loss that is not finite.

All workers take the same steps: they agree on those of each window, and a worker without rows left
takes part with empty batches. The loss of a step is a mean over the rows of all workers. So nothing
depends on how the rows are shared, and no row is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Task
from bigdata_cli.resources.progress import ProgressState
from bigdata_cli.training.backends.base import Backend, Trainer, Worker
from bigdata_cli.training.metrics import row_losses
from bigdata_cli.training.stream import ExampleStream

PREFETCH_WINDOWS = 2


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
class Schedule:
    """Epochs [first_epoch, epochs) to train.

    Attributes:
        batch_size: The rows of a step, of all workers.
        class_weights: The weight of a row of each class (n_classes,).
    """

    first_epoch: int
    epochs: int
    batch_size: int
    class_weights: np.ndarray | None = None


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

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.losses).all())

    def last(self, steps: int) -> tuple[float, float]:
        """Return the mean losses of the untrained and the trained model over the last steps."""
        if len(self.losses) == 0:
            return float("nan"), float("nan")
        return float(self.untrained_losses[-steps:].mean()), float(self.losses[-steps:].mean())


class TrainingLoop:
    """Trains a model on a stream."""

    def __init__(
        self,
        trainer: Trainer,
        backend: Backend,
        stream: ExampleStream,
        schedule: Schedule,
        *,
        progress: ProgressListener | None = None,
        after_epoch: Callable[[int], None] | None = None,
    ) -> None:
        """Make a loop; it calls `after_epoch` with the number of epochs done."""
        self._trainer = trainer
        self._backend = backend
        self._stream = stream
        self._target = stream.target
        self._schedule = schedule
        self._progress = progress
        self._after_epoch = after_epoch
        self._start = np.array(stream.target.start)[np.newaxis]
        self._losses: list[np.ndarray] = []
        self._windows: list[tuple[int, int, float, float]] = []
        self._n_steps = 0
        self._epoch_steps: list[int] = []
        self._n_rows = 0
        self._batch: Examples | None = None

    def run(self) -> LoopResult:
        """Train until the end, or until a loss is not finite."""
        began = time.perf_counter()
        schedule, n_done = self._schedule, self._schedule.first_epoch
        items = _windows(self._stream, schedule)
        with closing(Prefetch(items, depth=PREFETCH_WINDOWS, name="examples")) as windows:
            for epoch in range(schedule.first_epoch, schedule.epochs):
                n_before = self._n_steps
                is_finite = self._epoch(windows, epoch)
                self._epoch_steps.append(self._n_steps - n_before)
                if not is_finite:
                    break
                n_done = epoch + 1
                if self._after_epoch is not None:
                    self._after_epoch(n_done)
        return self._result(time.perf_counter() - began, n_done)

    def _epoch(self, windows: Iterator[Examples | None], epoch: int) -> bool:
        """Train one epoch; return False where a loss was not finite."""
        ended = False
        while True:
            began = time.perf_counter()
            window = None if ended else next(windows)
            waited = time.perf_counter() - began
            ended = window is None
            rows = self._backend.gather(np.array([0 if window is None else len(window)]))[:, 0]
            if not rows.any() and self._all(ended):
                return True
            losses = self._window(window, rows.astype(int))
            seconds = time.perf_counter() - began
            self._windows.append((len(losses), int(rows.sum()), seconds, waited))
            if not np.isfinite(losses[:, 0]).all():
                return False
            if self._progress is not None and len(losses):
                self._progress(self._progress_at(epoch, float(losses[:, 0].mean())))

    def _all(self, ended: bool) -> bool:
        """Whether every worker is at the end of the epoch."""
        return bool(self._backend.gather(np.array([ended])).all())

    def _window(self, window: Examples | None, rows: np.ndarray) -> np.ndarray:
        """Learn from a window.

        Args:
            window: The rows of this worker, None where it has none left.
            rows: The number of rows of each worker (workers,).

        Returns:
            The losses of the steps, of the model and of the untrained one: (steps, 2).
        """
        sizes = self._sizes(rows)
        if not len(sizes):
            return np.empty((0, 2))
        totals = sizes.sum(axis=1)
        mine = sizes[:, self._backend.worker.rank]
        if window is None:
            window = self._stream.no_examples()
        weights = self._weights(window.y)
        pending, first = [], 0
        for size, total in zip(mine.tolist(), totals.tolist(), strict=True):
            batch = slice(first, first + size)
            pending.append(self._trainer.step(window.take(batch), weights[batch], total))
            first += size
        untrained = row_losses(self._target.task, self._start, window.y) * weights
        sums = [part.sum() for part in np.split(untrained, np.cumsum(mine)[:-1])]
        parts = np.stack([self._trainer.losses(pending), sums / totals], axis=1)
        losses = self._backend.gather(parts).sum(axis=0)
        self._losses.append(losses)
        self._n_steps += len(losses)
        self._n_rows += int(totals.sum())
        self._keep_batch(window, int(mine[0]))
        return losses

    def _sizes(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of rows of each worker in each step of a window: (steps, workers)."""
        workers = [Worker(rank, len(rows)) for rank in range(len(rows))]
        sizes = np.array([worker.part(self._schedule.batch_size) for worker in workers])
        step = np.arange((-(-rows // sizes)).max())[:, np.newaxis]
        return np.clip(rows - step * sizes, 0, sizes)

    def _weights(self, y: np.ndarray) -> np.ndarray:
        by_class = self._schedule.class_weights
        if by_class is None or self._target.task is Task.REGRESSION:
            return np.ones(len(y), np.float32)
        return by_class.astype(np.float32)[y.astype(np.intp)]

    def _keep_batch(self, window: Examples, size: int) -> None:
        if self._batch is None or len(self._batch) < size:
            self._batch = window.take(np.arange(size))  # a copy, so that the window can go

    def _progress_at(self, epoch: int, loss: float) -> TrainProgress:
        schedule = self._schedule
        n_epochs = schedule.epochs - schedule.first_epoch
        return TrainProgress(
            epoch=epoch + 1,
            epochs=schedule.epochs,
            step=self._n_steps,
            expected_steps=max(n_epochs * self._stream.expected_batches, self._n_steps),
            rows=self._n_rows,
            loss=loss,
        )

    def _result(self, seconds: float, epochs: int) -> LoopResult:
        table = np.concatenate([np.empty((0, 2)), *self._losses])
        timed = self._windows[1:] or self._windows
        return LoopResult(
            losses=table[:, 0],
            untrained_losses=table[:, 1],
            rows=self._n_rows,
            seconds=seconds,
            timed_steps=sum(steps for steps, *_ in timed),
            timed_rows=sum(rows for _, rows, *_ in timed),
            timed_seconds=sum(seconds for *_, seconds, _ in timed),
            waited_seconds=sum(waited for *_, waited in timed),
            batch=self._batch,
            epochs=epochs,
            epoch_steps=tuple(self._epoch_steps),
        )


def _windows(stream: ExampleStream, schedule: Schedule) -> Generator[Examples | None]:
    """Yield the windows of all epochs, and None after each epoch."""
    for epoch in range(schedule.first_epoch, schedule.epochs):
        yield from stream.epoch(epoch)
        yield None
