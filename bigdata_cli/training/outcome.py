"""What a training came to: what its workers counted, the judgement, the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.training.backends import Backend
from bigdata_cli.training.examples import ExampleStream
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.heldout import HeldOut
from bigdata_cli.training.judgement import Verdict, best_constant, judge
from bigdata_cli.training.loop import LoopResult
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.pace import Pace
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.target import Target, Task

SHORTEST_LAST_STEPS = 64
UNEVEN = 1.1
"""Workers are told of where one has so many times the rows of another."""


@dataclass(frozen=True)
class Totals:
    """What the streams of all workers have counted; worker_rows: those of each (workers,)."""

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
class Outcome:
    """All that is known at the end. first_epoch: the epochs that the model had had before."""

    dataset: Dataset
    options: TrainOptions
    features: FeaturePlan
    target: Target
    result: LoopResult
    pace: Pace
    held: HeldOut
    totals: Totals
    class_weights: np.ndarray | None
    first_epoch: int

    @property
    def constant(self) -> np.ndarray:
        """What the best constant says: (outputs,)."""
        return best_constant(
            self.target.task,
            class_counts=self.totals.class_counts,
            y_sum=self.totals.y_sum,
            class_weights=self.class_weights,
        )

    @property
    def trained_losses(self) -> tuple[float, float]:
        """Of the untrained and of the trained model, on the rows of the last steps."""
        n_epochs = max(1, self.result.epochs - self.first_epoch)
        return self.result.last(_last_steps(len(self.result.losses), n_epochs))

    def report(self, backend: Backend) -> TrainReport:
        """The report of a process."""
        options, target, result, held = self.options, self.target, self.result, self.held
        constant = self.constant
        first_loss, last_loss = self.trained_losses
        verdict = _judge(self, constant)
        evaluation = held.evaluation
        measured_on = None if options.split is not None else _path_of(options.evaluate_on)
        return TrainReport(
            dataset=self.dataset.path,
            label=target.column.name,
            task=str(target.task),
            features=self.features.column_names,
            hidden=options.hidden,
            dropout=options.dropout,
            devices=backend.devices(),
            backend=backend.name,
            strategy=backend.strategy,
            replicas=backend.replicas,
            workers=backend.worker.count,
            worker=backend.worker.rank,
            versions=backend.versions(),
            rows=self.dataset.rows,
            trained_rows=self.totals.rows,
            held_out_rows=evaluation.rows if measured_on is None else 0,
            null_labels=self.totals.null_labels,
            epochs=result.epochs,
            resumed_epochs=self.first_epoch,
            batch_size=options.batch_size,
            steps=len(result.losses),
            seconds=result.seconds,
            rows_per_second=result.rows / max(result.seconds, 1e-9),
            pace=self.pace,
            first_loss=first_loss,
            last_loss=last_loss,
            held_out_loss=held.mean_loss(target.task, held.logits),
            constant_loss=held.mean_loss(target.task, constant[np.newaxis]),
            metric=target.metric,
            metric_value=evaluation.value,
            metric_error_bound=evaluation.error_bound,
            evaluated_on=measured_on,
            evaluated_rows=evaluation.rows,
            saved=options.save if result.finite else None,
            notes=(
                *self.features.notes,
                *_label_notes(target, self.totals.null_labels),
                *_dealing_notes(self.totals),
                *_resume_notes(options, self.first_epoch),
                *evaluation.notes,
                *verdict.doubts,
            ),
            passed=verdict.passed,
            reason=verdict.reason,
        )


def _last_steps(steps: int, epochs: int) -> int:
    """The steps that the first and last loss are of: the last epoch, or the end of the only one."""
    if epochs > 1:
        return max(1, steps // epochs)
    return min(max(1, steps), max(SHORTEST_LAST_STEPS, steps // 10))


def _judge(outcome: Outcome, constant: np.ndarray) -> Verdict:
    """Whether the model passes, and why."""
    result = outcome.result
    if len(result.losses) == 0:
        return Verdict(False, "no row has a label")
    if not result.finite:
        step = int(np.flatnonzero(~np.isfinite(result.losses))[0])
        return Verdict(False, f"the loss became {result.losses[step]} in step {step + 1:,}")
    return judge(
        outcome.target.task,
        outcome.held.logits,
        constant,
        outcome.held.y,
        trained_losses=outcome.trained_losses,
        weights=outcome.held.weights,
    )


def _label_notes(target: Target, null_labels: int) -> tuple[str, ...]:
    notes = []
    if null_labels:
        notes.append(f"{null_labels:,} rows without a label are left out")
    vocabulary = target.column.vocabulary
    if target.task is Task.BINARY and vocabulary is not None:
        notes.append(f'"{vocabulary[1]}" is the positive class of the label')
    return tuple(notes)


def _dealing_notes(totals: Totals) -> tuple[str, ...]:
    """A note where the shards give some workers much more to do than others."""
    least, most = int(totals.worker_rows.min()), int(totals.worker_rows.max())
    if most <= UNEVEN * least:
        return ()
    n_workers = len(totals.worker_rows)
    note = (
        f"the workers have {least:,} to {most:,} rows: the last steps of an epoch have fewer than "
        f"others (a multiple of {n_workers} shards deals evenly)"
    )
    return (note,)


def _resume_notes(options: TrainOptions, first_epoch: int) -> tuple[str, ...]:
    if options.resume and not first_epoch:
        return (f"{options.save} was not there: the training began anew",)
    return ()


def _path_of(dataset: str | Path | Dataset | None) -> Path | None:
    if dataset is None:
        return None
    return dataset.path if isinstance(dataset, Dataset) else Path(dataset)
