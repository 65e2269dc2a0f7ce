"""What a training reports at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.printable import ShortRepr
from bigdata_cli.resources.recorder import MemoryRecord
from bigdata_cli.training.backends.base import Backend
from bigdata_cli.training.course import LoopResult
from bigdata_cli.training.evaluate import HoldOutResult
from bigdata_cli.training.importance import Importance
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.stream import ExampleStream
from bigdata_cli.training.throughput import Throughput
from bigdata_cli.training.verdict import Verdict, best_constant, judge
from bigdata_cli.url import Place, as_place

MIN_LAST_STEPS = 64
UNEVEN = 1.1
"""A note says where one worker has so many times the rows of another."""


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainReport(ShortRepr):
    """The report of a training, with the verdict whether the model learned (training/verdict.py).

    All workers have the same report but for what is measured. With balanced classes losses are
    weighted. Losses of a regression are of the standardised label, the RMSE is in its units.

    Attributes:
        devices: The devices of this process, as its backend names them.
        strategy: "none", "mirrored" or "multiworker".
        replicas: The devices that trained, of all workers.
        worker: The number of this process among the workers.
        rows: The rows of the dataset.
        trained_rows: The rows learned from in an epoch.
        held_out_rows: The rows kept for the metric.
        epochs: The epochs that the model has had, `resumed_epochs` of them before.
        rows_per_second: Rows learned from, reading included.
        pace: The throughput of the steps, and what bounds it; None of trees.
        first_loss: The mean loss of the untrained model on the rows of the last steps.
        last_loss: The mean loss of the trained model on the same rows.
        held_out_loss: The loss on the rows held out, or on those of `evaluated_on`.
        constant_loss: The loss of the best constant on the same rows.
        metric_value: None where there are too few rows.
        metric_error_bound: The largest possible error of the metric.
        evaluated_on: The dataset that the metric is of; None for rows held out.
        saved: The file of the model, or the folder of the bag.
        member_metrics: The metrics of the models of a bag. Its own metric and held-out loss are
            those of their average; everything else is a sum or a mean.
        trees: The rounds of boosting, `resumed_trees` of them before; 0 of a network.
        fold_metrics: The metrics of the folds of a cross-validation, whose mean is `metric_value`.
            Losses and numbers of rows to train on are means, too.
        importance: Of the columns, the largest first, where it was asked for.
        best_epoch: Where early stopping chose it: the epoch, or tree, that the model is of.
        predicted_memory_bytes: The peak of the process, and predicted_disk_bytes the cache, as
            predicted before training; None of networks.
        memory: Over time, with its phases.
    """

    shown = (
        "dataset",
        "model",
        "label",
        "task",
        "passed",
        "reason",
        "metric",
        "metric_value",
        "held_out_loss",
        "constant_loss",
        "epochs",
        "trained_rows",
        "seconds",
        "saved",
        "notes",
    )

    dataset: Place
    label: str
    task: str
    features: tuple[str, ...]
    model: str
    hidden: tuple[int, ...]
    dropout: float
    devices: tuple[str, ...]
    backend: str
    strategy: str
    replicas: int
    workers: int
    worker: int
    versions: Mapping[str, str]
    rows: int
    trained_rows: int
    held_out_rows: int
    null_labels: int
    epochs: int
    resumed_epochs: int
    batch_size: int
    steps: int
    seconds: float
    rows_per_second: float
    pace: Throughput | None
    first_loss: float
    last_loss: float
    held_out_loss: float
    constant_loss: float
    metric: str
    metric_value: float | None
    metric_error_bound: float
    evaluated_on: Place | None
    evaluated_rows: int
    saved: Path | None
    notes: tuple[str, ...]
    passed: bool
    reason: str
    member_metrics: tuple[float | None, ...] = ()
    trees: int = 0
    resumed_trees: int = 0
    best_epoch: int | None = None
    fold_metrics: tuple[float | None, ...] = ()
    importance: tuple[Importance, ...] = ()
    predicted_memory_bytes: int | None = None
    predicted_disk_bytes: int | None = None
    peak_memory_bytes: int = 0
    memory: MemoryRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values; a figure that is not finite is None."""
        values = dict(vars(self))
        values["phases"] = None if self.memory is None else self.memory.phase_seconds()
        del values["memory"]
        for name in ("dataset", "evaluated_on", "saved"):
            values[name] = None if values[name] is None else str(values[name])
        values["versions"] = dict(self.versions)
        values["pace"] = None if self.pace is None else _finite(self.pace.to_json())
        for name in ("features", "hidden", "devices", "notes", "member_metrics", "fold_metrics"):
            values[name] = list(values[name])
        values["importance"] = [one.to_json() for one in self.importance]
        return _finite(values)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


@dataclass(frozen=True)
class Totals:
    """The counts of the streams of all workers; `worker_rows` is of each worker, (workers,)."""

    class_counts: np.ndarray
    null_labels: int
    y_sum: float
    worker_rows: np.ndarray

    @classmethod
    def of(cls, backend: Backend, stream: ExampleStream) -> Totals:
        counted = [stream.null_labels, stream.y_sum, *stream.class_counts]
        table = backend.gather(np.array(counted, np.float64))
        null_labels, y_sum, *counts = table.sum(axis=0)
        rows = table[:, 2:].sum(axis=1).astype(np.int64)
        return cls(np.array(counts).astype(np.int64), int(null_labels), float(y_sum), rows)

    @property
    def rows(self) -> int:
        return int(self.class_counts.sum())


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """All that is known at the end; `first_epoch` epochs were trained before.

    course: The losses of each step; of trees by tree, while `loop` has those at the end.
    """

    options: TrainOptions
    stream: ExampleStream
    loop: LoopResult
    throughput: Throughput | None
    hold_out: HoldOutResult
    totals: Totals
    class_weights: np.ndarray | None
    first_epoch: int
    course: LoopResult | None = None
    importance: tuple[Importance, ...] = ()

    @property
    def constant(self) -> np.ndarray:
        """The logits of the best constant (outputs,)."""
        return best_constant(
            self.stream.target.task,
            class_counts=self.totals.class_counts,
            y_sum=self.totals.y_sum,
            class_weights=self.class_weights,
        )

    @property
    def trained_losses(self) -> tuple[float, float]:
        """The losses of the untrained and of the trained model on the rows of the last steps."""
        n_epochs = max(1, self.loop.epochs - self.first_epoch)
        return self.loop.last(_last_steps(len(self.loop.losses), n_epochs))

    def report(self, backend: Backend) -> TrainReport:
        """Return the report of a process."""
        options, target, loop, hold_out = self.options, self.stream.target, self.loop, self.hold_out
        dataset, features = self.stream.dataset, self.stream.encoder.features
        constant = self.constant
        first_loss, last_loss = self.trained_losses
        verdict = _judge(self, constant)
        evaluation = hold_out.evaluation
        measured_on = None if options.split is not None else _path_of(options.evaluate_on)
        return TrainReport(
            dataset=dataset.path,
            label=target.column.name,
            task=str(target.task),
            features=features.column_names,
            model=options.model,
            hidden=options.layers,
            dropout=options.dropout if options.layers else 0.0,
            devices=backend.devices(),
            backend=backend.name,
            strategy=backend.strategy,
            replicas=backend.replicas,
            workers=backend.worker.count,
            worker=backend.worker.rank,
            versions=backend.versions(),
            rows=dataset.rows,
            trained_rows=self.totals.rows,
            held_out_rows=evaluation.rows if measured_on is None else 0,
            null_labels=self.totals.null_labels,
            epochs=loop.epochs,
            resumed_epochs=self.first_epoch,
            batch_size=options.batch_size,
            steps=len(loop.losses),
            seconds=loop.seconds,
            rows_per_second=loop.rows / max(loop.seconds, 1e-9),
            pace=self.throughput,
            first_loss=first_loss,
            last_loss=last_loss,
            held_out_loss=hold_out.mean_loss(target.task, hold_out.logits),
            constant_loss=hold_out.mean_loss(target.task, constant[np.newaxis]),
            metric=evaluation.metric,
            metric_value=evaluation.value,
            metric_error_bound=evaluation.error_bound,
            evaluated_on=measured_on,
            evaluated_rows=evaluation.rows,
            importance=self.importance,
            best_epoch=(self.course or loop).best_epoch,
            saved=options.save if loop.finite else None,
            notes=(
                *features.notes,
                *_label_notes(target, self.totals.null_labels),
                *_worker_notes(self.totals),
                *_shuffle_notes(self.stream),
                *_resume_notes(options, self.first_epoch),
                *evaluation.notes,
                *verdict.doubts,
            ),
            passed=verdict.passed,
            reason=verdict.reason,
        )


def _last_steps(steps: int, epochs: int) -> int:
    """Return the steps that the losses are of: the last epoch, or the end of the only one."""
    if epochs > 1:
        return max(1, steps // epochs)
    return min(max(1, steps), max(MIN_LAST_STEPS, steps // 10))


def _judge(result: TrainingResult, constant: np.ndarray) -> Verdict:
    """Judge whether the model passes."""
    losses = result.loop.losses
    if len(losses) == 0:
        return Verdict(False, "no row has a label")
    if not result.loop.finite:
        step = int(np.flatnonzero(~np.isfinite(losses))[0])
        return Verdict(False, f"the loss became {losses[step]} in step {step + 1:,}")
    return judge(
        result.stream.target.task,
        result.hold_out.logits,
        constant,
        result.hold_out.y,
        trained_losses=result.trained_losses,
        weights=result.hold_out.weights,
    )


def _label_notes(target: Target, null_labels: int) -> tuple[str, ...]:
    notes = []
    if null_labels:
        notes.append(f"{null_labels:,} rows without a label are left out")
    vocabulary = target.column.vocabulary
    if target.task is Task.BINARY and vocabulary is not None:
        notes.append(f'"{vocabulary[1]}" is the positive class of the label')
    return tuple(notes)


def _worker_notes(totals: Totals) -> tuple[str, ...]:
    """Say where some workers have many more rows than others."""
    low, high = int(totals.worker_rows.min()), int(totals.worker_rows.max())
    if high <= UNEVEN * low:
        return ()
    n_workers = len(totals.worker_rows)
    note = (
        f"the workers have {low:,} to {high:,} rows: the last steps of an epoch have fewer than "
        f"others (a multiple of {n_workers} shards shares them evenly)"
    )
    return (note,)


def _shuffle_notes(stream: ExampleStream) -> tuple[str, ...]:
    """Say where the batches did not mix the classes; of this worker."""
    score = stream.shuffle_score()
    if score is None or not score.is_weak:
        return ()
    advice = score.advice(str(stream.dataset.path))
    return (f"shuffle score {score.sentence()}", advice)


def _resume_notes(options: TrainOptions, first_epoch: int) -> tuple[str, ...]:
    if options.resume and not first_epoch:
        return (f"{options.save} did not exist: the training started from the beginning",)
    return ()


def _path_of(dataset: str | Path | Dataset | None) -> Place | None:
    if dataset is None:
        return None
    return dataset.path if isinstance(dataset, Dataset) else as_place(dataset)
