"""The training loop: steps over streamed batches, ended by a loss that is not finite.

All workers take the same steps: they agree on those of each window, and a worker without rows left
takes part with empty batches. The loss of a step is a mean over the rows of all workers. So nothing
depends on how the rows are shared, and no row is left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Task
from bigdata_cli.training.backends.base import Backend, Trainer, Worker
from bigdata_cli.training.course import (
    EpochRecord,
    Listeners,
    LoopResult,
    Position,
    Schedule,
    TrainProgress,
)
from bigdata_cli.training.metrics import row_losses
from bigdata_cli.training.stream import ExampleStream

PREFETCH_WINDOWS = 2
_UNHEARD = Listeners()


class TrainingLoop:
    """Trains a model on a stream."""

    def __init__(
        self,
        trainer: Trainer,
        backend: Backend,
        stream: ExampleStream,
        schedule: Schedule,
        listeners: Listeners = _UNHEARD,
    ) -> None:
        """Make a loop."""
        self._trainer = trainer
        self._backend = backend
        self._stream = stream
        self._target = stream.target
        self._schedule = schedule
        self._listeners = listeners
        self._records: list[EpochRecord] = []
        self._rates: list[float] = []
        self._best: Any = None
        self._saved_at = time.monotonic()
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
        schedule, n_done = self._schedule, self._schedule.start.epochs
        stopping = self._listeners.stopping
        if stopping is not None and schedule.start.best_value is not None:
            stopping.go_on(n_done, schedule.start.best_value)
            self._best = self._trainer.snapshot()
        items = _windows(self._stream, schedule)
        with closing(Prefetch(items, depth=PREFETCH_WINDOWS, name="examples")) as windows:
            for epoch in range(schedule.start.epochs, schedule.epochs):
                n_before = self._n_steps
                is_finite = self._epoch(windows, epoch)
                self._epoch_steps.append(self._n_steps - n_before)
                if not is_finite:
                    break
                n_done = epoch + 1
                self._end_epoch(n_done)
                if stopping is not None and stopping.is_over(n_done):
                    break
        if self._best is not None:
            self._trainer.restore(self._best)
        return self._result(time.perf_counter() - began, n_done)

    def _end_epoch(self, epochs: int) -> None:
        """Measure the model after an epoch, and save it where it is to be kept."""
        listeners, stopping = self._listeners, self._listeners.stopping
        watched = None if listeners.watch is None else listeners.watch()
        n_steps = self._epoch_steps[-1]
        losses = np.concatenate([np.empty((0, 2)), *self._losses])[-n_steps:, 0]
        record = EpochRecord(
            epoch=epochs,
            last_step=self._schedule.start.steps + self._n_steps,
            loss=float(losses.mean()) if n_steps else math.nan,
            watched=watched,
            learning_rate=self._rates[-1] if self._rates else math.nan,
        )
        self._records.append(record)
        if listeners.writer is not None:
            listeners.writer.epoch(record)
        is_kept = True
        if stopping is not None and watched is not None:
            is_kept = stopping.is_best(epochs, watched.value)
            if is_kept:
                self._best = self._trainer.snapshot()
        if is_kept:
            value = None if stopping is None else stopping.best_value
            self._save(Position(epochs=epochs, best_value=value))

    def _save(self, position: Position) -> None:
        if self._listeners.save is not None:
            steps = self._schedule.start.steps + self._n_steps
            self._listeners.save(replace(position, steps=steps))
            self._saved_at = time.monotonic()

    def _epoch(self, windows: Iterator[Examples | None], epoch: int) -> bool:
        """Train one epoch; return False where a loss was not finite."""
        ended = False
        start = self._schedule.start
        n_windows = start.windows if epoch == start.epochs else 0
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
            n_windows += 1
            if self._listeners.progress is not None and len(losses):
                self._listeners.progress(self._progress_at(epoch, float(losses[:, 0].mean())))
            is_due = time.monotonic() - self._saved_at >= self._listeners.save_every_seconds
            if is_due and self._listeners.stopping is None:
                self._save(Position(epochs=epoch, windows=n_windows))

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
        pending: list[Any] = []
        first = 0
        for size, total in zip(mine.tolist(), totals.tolist(), strict=True):
            batch = slice(first, first + size)
            self._set_learning_rate(len(pending))
            pending.append(self._trainer.step(window.take(batch), weights[batch], total))
            first += size
        untrained = row_losses(self._target.task, self._start, window.y) * weights
        sums = [part.sum() for part in np.split(untrained, np.cumsum(mine)[:-1])]
        parts = np.stack([self._trainer.losses(pending), sums / totals], axis=1)
        losses = self._backend.gather(parts).sum(axis=0)
        self._losses.append(losses)
        if self._listeners.writer is not None:
            first_step = self._schedule.start.steps + self._n_steps + 1
            rates = np.array(self._rates[-len(losses) :])
            self._listeners.writer.steps(first_step, losses[:, 0], rates)
        self._n_steps += len(losses)
        self._n_rows += int(totals.sum())
        self._keep_batch(window, int(mine[0]))
        return losses

    def _set_learning_rate(self, n_pending: int) -> None:
        """Set the learning rate of the next step, after those that are not counted yet."""
        rates, start = self._schedule.learning_rate, self._schedule.start
        rate = rates.at(start.steps + self._n_steps + n_pending)
        if not rates.is_constant:
            self._trainer.set_learning_rate(rate)
        self._rates.append(rate)

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
        n_epochs = schedule.epochs - schedule.start.epochs
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
        stopping = self._listeners.stopping
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
            learning_rates=np.array(self._rates),
            records=tuple(self._records),
            best_epoch=None if stopping is None else stopping.best_step,
        )


def _windows(stream: ExampleStream, schedule: Schedule) -> Generator[Examples | None]:
    """Yield the windows of all epochs, and None after each epoch."""
    start = schedule.start
    for epoch in range(start.epochs, schedule.epochs):
        # All of the first epoch is read: it shows which rows are held out.
        n_before = start.windows if epoch == start.epochs else 0
        yield from islice(stream.epoch(epoch), n_before, None)
        yield None
