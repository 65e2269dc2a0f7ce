"""The course of boosting: what is measured, saved and told after each tree."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Target
from bigdata_cli.resources.progress import ProgressState
from bigdata_cli.training.boosting import LEARNING_RATE, WatchedRows, first_trees
from bigdata_cli.training.checkpoint import TreeCheckpoint
from bigdata_cli.training.course import (
    EpochRecord,
    LoopResult,
    Position,
    ProgressListener,
    TrainProgress,
    Watched,
)
from bigdata_cli.training.evaluate import weights_of
from bigdata_cli.training.event_file import CourseWriter
from bigdata_cli.training.learning_options import PATIENCE_TREES
from bigdata_cli.training.metrics import METRICS, measure, row_losses
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.stopping import EarlyStopping
from bigdata_cli.training.tree_model import tree_matrix


@dataclass(frozen=True, kw_only=True)
class TreeProgress(TrainProgress):
    """The progress of boosting; a step is a tree."""

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        return ProgressState("training", self.step, self.expected_steps, "trees", "")


class TreeCourse:
    """Follows the trees of a booster, from a position on. An epoch of the records is a tree."""

    def __init__(
        self,
        target: Target,
        options: TrainOptions,
        metric: str,
        start: Position,
        checkpoint: TreeCheckpoint | None,
        progress: ProgressListener | None,
    ) -> None:
        self._target = target
        self._options = options
        self._metric = metric
        self._rate = options.optimizing.learning_rate or LEARNING_RATE
        self._start = start
        self._checkpoint = checkpoint
        self._progress = progress
        self._records: list[EpochRecord] = []
        self._saved_at = time.monotonic()
        self._stopping: EarlyStopping | None = None
        if options.stopping.early:
            patience = options.stopping.patience or PATIENCE_TREES
            self._stopping = EarlyStopping(METRICS[metric], patience=patience)
            if start.best_value is not None:
                self._stopping.go_on(start.epochs, start.best_value)
        self._writer: CourseWriter | None = None
        if options.files.tensorboard is not None:
            self._writer = CourseWriter(options.files.tensorboard, metric=metric)

    def after_tree(self, count: int, booster: Callable[[], Any]) -> None:
        """Tell the progress, and save the trees where it is time."""
        is_due = time.monotonic() - self._saved_at >= self._options.save_every_seconds
        if self._checkpoint is not None and is_due and self._stopping is None:
            self._checkpoint.save(booster(), self.position(count))
            self._saved_at = time.monotonic()
        if self._progress is not None:
            self._progress(
                TreeProgress(
                    epoch=1,
                    epochs=1,
                    step=count - self._start.epochs,
                    expected_steps=self._options.trees - self._start.epochs,
                    rows=0,
                    loss=float("nan"),
                )
            )

    def watch(self, examples: Examples, class_weights: np.ndarray | None) -> WatchedRows:
        """Return the rows to measure after each tree."""
        task, y = self._target.task, examples.y
        weights = weights_of(task, y, class_weights)

        def measured(count: int, loss: float, scores: np.ndarray) -> bool:
            metrics = measure(task, scores, y, scale=self._target.scale, name=self._metric)
            losses = row_losses(task, scores, y) * weights
            mean = float(losses.mean()) if len(y) else float("nan")
            self._record(count, loss, Watched(mean, metrics.value))
            stopping = self._stopping
            if stopping is None:
                return False
            stopping.is_best(count, metrics.value)
            return stopping.is_over(count)

        return WatchedRows(X=tree_matrix(examples), measure=measured)

    def _record(self, count: int, loss: float, watched: Watched) -> None:
        record = EpochRecord(
            epoch=count, last_step=count, loss=loss, watched=watched, learning_rate=self._rate
        )
        self._records.append(record)
        if self._writer is not None:
            self._writer.epoch(record)

    def best_of(self, booster: Any) -> Any:
        """Return the booster of the best trees, where these decide, and end the course."""
        if self._writer is not None:
            self._writer.close()
        stopping = self._stopping
        if stopping is None or stopping.best_step is None:
            return booster
        return first_trees(self._options.model, booster, stopping.best_step)

    def position(self, count: int) -> Position:
        """Return how far so many trees are."""
        value = None if self._stopping is None else self._stopping.best_value
        return Position(epochs=count, steps=count, best_value=value)

    def result(self, loop: LoopResult) -> LoopResult:
        """Return the losses by tree, with those of the untrained model on the same rows."""
        losses = np.array([record.loss for record in self._records])
        best = None if self._stopping is None else self._stopping.best_step
        return replace(
            loop,
            losses=losses,
            untrained_losses=np.repeat(loop.untrained_losses[:1], len(losses)),
            epoch_steps=(1,) * len(losses),
            learning_rates=np.full(len(losses), self._rate),
            records=tuple(self._records),
            best_epoch=best,
        )
