"""`train`: a small model on a dataset, as the proof that the dataset can be trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError, WorkerLostError
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import RecordFiles, record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.backends import Backend, DeviceOptions, Trainer, open_backend
from bigdata_cli.training.checkpoint import Checkpoint
from bigdata_cli.training.examples import ExampleStream, Reading
from bigdata_cli.training.features import plan_features
from bigdata_cli.training.heldout import HeldOut, predict_held_out
from bigdata_cli.training.judgement import Verdict, balanced_weights, best_constant, judge
from bigdata_cli.training.loop import LoopResult, ProgressListener, Schedule, TrainingLoop
from bigdata_cli.training.model import DROPOUT, HIDDEN_UNITS, build_network, set_dropout_steps
from bigdata_cli.training.options import BATCH_SIZE, TrainOptions
from bigdata_cli.training.pace import Pace, measure_pace
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.sampling import RowSample
from bigdata_cli.training.target import Target, Task, plan_target

DEFAULT_STEPS = 2_000
"""Where the number of epochs is left open, there are enough for about so many steps."""
MOST_DEFAULT_EPOCHS = 100
SHORTEST_LAST_STEPS = 64
UNEVEN = 1.1
"""Workers are told of where one has so many times the rows of another."""


def train(
    dataset: str | Path | Dataset,
    *,
    label: str | None = None,
    epochs: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    hidden: Sequence[int] = HIDDEN_UNITS,
    dropout: float = DROPOUT,
    hashed: Mapping[str, int] | None = None,
    balanced: bool = False,
    sample: RowSample | None = None,
    evaluate_on: str | Path | Dataset | None = None,
    save: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    backend: str | None = None,
    strategy: str = "auto",
    devices: int | None = None,
    require_gpu: bool = False,
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    progress: ProgressListener | None = None,
) -> TrainReport:
    """Train a small perceptron on a dataset, streamed from its shards, and judge it.

    label: a column, by default the manifest's. bool, 0 and 1, or two categories: binary
    cross-entropy and AUC; integers or categories with up to 100 values: cross-entropy and
    accuracy; other numbers and times: mean squared error and RMSE. epochs: by default enough for
    about 2,000 steps, at least 1. A fifth of the rows, up to 64 MB of them, is held out, unless
    `evaluate_on` is another dataset for the metric. `options.TrainOptions` describes the rest;
    strategy, devices, require_gpu: see `backends.DeviceOptions`. memory_plot, memory_log: files for
    a picture of the memory over time, and for its samples.

    The report says whether the model learned; a model that did not is no exception. Raises
    UsageError for a label that cannot be learned, or devices that are not there,
    MissingDependencyError without the backend, VerificationError where the shards are not what the
    manifest says.
    """
    options = TrainOptions(
        label=label,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        hidden=tuple(hidden),
        dropout=dropout,
        hashed=hashed or {},
        balanced=balanced,
        sample=sample,
        evaluate_on=evaluate_on,
        save=None if save is None else Path(save),
        resume=resume,
        force=force,
        backend=backend,
        devices=DeviceOptions(strategy=strategy, devices=devices, require_gpu=require_gpu),
    )
    files = RecordFiles.of(memory_plot, memory_log)
    with record_memory(files, title="bigdata train") as recorder, memory_errors():
        begin_phase("loading")
        opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
        report = _Training(opened, options).run(progress)
    record = recorder.record()
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)


@dataclass(frozen=True)
class _Totals:
    """What the streams of all workers have counted; worker_rows: those of each (workers,)."""

    class_counts: np.ndarray
    null_labels: int
    y_sum: float
    worker_rows: np.ndarray

    @classmethod
    def of(cls, backend: Backend, stream: ExampleStream) -> _Totals:
        counted = [stream.null_labels, stream.y_sum, *stream.class_counts]
        table = backend.gather(np.array(counted, np.float64))
        null_labels, y_sum, *counts = table.sum(axis=0)
        rows = table[:, 2:].sum(axis=1).astype(np.int64)
        return cls(np.array(counts).astype(np.int64), int(null_labels), float(y_sum), rows)

    @property
    def rows(self) -> int:
        return int(self.class_counts.sum())


class _Training:
    """One training, from the plan of its columns to its report."""

    def __init__(self, dataset: Dataset, options: TrainOptions) -> None:
        self._dataset = dataset
        self._options = options
        self._target = plan_target(dataset, options.label)
        name = self._target.column.name
        self._features = plan_features(dataset, name, hashed=options.hashed)
        if options.balanced:
            self._target = balanced_target(self._target)
        self._checkpoint = None
        if options.save is not None:
            self._checkpoint = Checkpoint(
                options.save, options, dataset, self._features, self._target
            )
            self._checkpoint.check()

    def run(self, progress: ProgressListener | None) -> TrainReport:
        backend = open_backend(self._options.backend, self._options.devices)
        try:
            with _lost_workers(backend):
                return self._run(backend, progress)
        finally:
            backend.close()

    def _run(self, backend: Backend, progress: ProgressListener | None) -> TrainReport:
        options, target = self._options, self._target
        stream = self._stream(backend)
        class_weights = None
        if options.balanced:
            counts = backend.gather(stream.count_classes()).sum(axis=0).astype(np.int64)
            class_weights = balanced_weights(counts)
        network, first_epoch = self._network(backend)
        trainer = backend.trainer(network, target)
        n_epochs = options.epochs or default_epochs(stream.expected_batches)
        if n_epochs <= first_epoch:
            raise UsageError(
                f"{options.save} has had {first_epoch:,} epochs already, and {n_epochs:,} are "
                "asked for",
                hint=f"--epochs {first_epoch + 1}",
            )
        begin_phase("training")
        loop = TrainingLoop(
            trainer,
            backend,
            stream,
            target,
            Schedule(
                first_epoch=first_epoch,
                epochs=n_epochs,
                batch_size=options.batch_size,
                class_weights=class_weights,
            ),
            progress=progress if backend.worker.rank == 0 else None,
            after_epoch=self._saver(backend, trainer, network),
        )
        with self._said_how_to_go_on():
            result = loop.run()
        begin_phase("evaluating")
        pace = measure_pace(trainer, backend, result, batch_size=options.batch_size)
        held = predict_held_out(
            trainer, backend, stream, self._features, target, options, class_weights
        )
        totals = _Totals.of(backend, stream)
        return self._report(backend, result, pace, held, totals, class_weights, first_epoch)

    def _stream(self, backend: Backend) -> ExampleStream:
        worker, options = backend.worker, self._options
        if options.batch_size < backend.replicas:
            raise UsageError(
                f"batches of {options.batch_size} rows cannot be dealt to {backend.replicas} "
                "devices",
                hint=f"--batch-size {max(BATCH_SIZE, backend.replicas)}",
            )
        reading = Reading(
            batch_size=worker.part(options.batch_size),
            seed=options.seed,
            hold_out=options.evaluate_on is None,
            sample=options.sample,
            rank=worker.rank,
            workers=worker.count,
        )
        return ExampleStream(self._dataset, self._features, self._target, reading)

    def _network(self, backend: Backend) -> tuple[Any, int]:
        """The Keras model, new or as it was saved, and the epochs that it has had."""
        options = self._options
        with backend.scope():
            if options.resume and self._checkpoint is not None and self._checkpoint.path.exists():
                return self._checkpoint.load(backend=backend.name, worker=backend.worker.rank)
            network = build_network(
                self._features,
                self._target,
                hidden=options.hidden,
                dropout=options.dropout,
                seed=options.seed,
            )
            set_dropout_steps(network, 0, worker=backend.worker.rank)
            return network, 0

    def _saver(
        self, backend: Backend, trainer: Trainer, network: Any
    ) -> Callable[[int], None] | None:
        checkpoint = self._checkpoint
        if checkpoint is None or backend.worker.rank != 0:
            return None

        def save(epochs: int) -> None:
            trainer.write_back()
            checkpoint.save(network, epochs)

        return save

    @contextmanager
    def _said_how_to_go_on(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            checkpoint = self._checkpoint
            if checkpoint is not None and checkpoint.saved_epochs:
                error.add_note(
                    f"{checkpoint.path} has {checkpoint.saved_epochs:,} epochs; with --resume the "
                    "same command goes on"
                )
            raise

    def _report(
        self,
        backend: Backend,
        result: LoopResult,
        pace: Pace,
        held: HeldOut,
        totals: _Totals,
        class_weights: np.ndarray | None,
        first_epoch: int,
    ) -> TrainReport:
        options, target = self._options, self._target
        constant = best_constant(
            target.task,
            class_counts=totals.class_counts,
            y_sum=totals.y_sum,
            class_weights=class_weights,
        )
        n_epochs = max(1, result.epochs - first_epoch)
        last_steps = _last_steps(len(result.losses), n_epochs)
        first_loss, last_loss = result.last(last_steps)
        verdict = _judge(result, last_steps, target, constant, held)
        evaluation = held.evaluation
        return TrainReport(
            dataset=self._dataset.path,
            label=target.column.name,
            task=str(target.task),
            features=self._features.column_names,
            hidden=options.hidden,
            dropout=options.dropout,
            devices=backend.devices(),
            backend=backend.name,
            strategy=backend.strategy,
            replicas=backend.replicas,
            workers=backend.worker.count,
            worker=backend.worker.rank,
            versions=backend.versions(),
            rows=self._dataset.rows,
            trained_rows=totals.rows,
            held_out_rows=evaluation.rows if options.evaluate_on is None else 0,
            null_labels=totals.null_labels,
            epochs=result.epochs,
            resumed_epochs=first_epoch,
            batch_size=options.batch_size,
            steps=len(result.losses),
            seconds=result.seconds,
            rows_per_second=result.rows / max(result.seconds, 1e-9),
            pace=pace,
            first_loss=first_loss,
            last_loss=last_loss,
            held_out_loss=held.mean_loss(target.task, held.logits),
            constant_loss=held.mean_loss(target.task, constant[np.newaxis]),
            metric=target.metric,
            metric_value=evaluation.value,
            metric_error_bound=evaluation.error_bound,
            evaluated_on=_path_of(options.evaluate_on),
            evaluated_rows=evaluation.rows,
            saved=options.save if self._is_saved(result) else None,
            notes=(
                *self._features.notes,
                *_label_notes(target, totals.null_labels),
                *_dealing_notes(totals),
                *self._resume_notes(first_epoch),
                *evaluation.notes,
                *verdict.doubts,
            ),
            passed=verdict.passed,
            reason=verdict.reason,
        )

    def _is_saved(self, result: LoopResult) -> bool:
        return self._options.save is not None and result.finite

    def _resume_notes(self, first_epoch: int) -> tuple[str, ...]:
        if self._options.resume and not first_epoch:
            return (f"{self._options.save} was not there: the training began anew",)
        return ()


@contextmanager
def _lost_workers(backend: Backend) -> Iterator[None]:
    """What another worker's end makes of this one's steps, as WorkerLostError."""
    try:
        yield
    except backend.lost_worker_errors as error:
        if backend.worker.count == 1:
            raise
        raise WorkerLostError(
            f"worker {backend.worker.rank} of {backend.worker.count} cannot go on: "
            f"{str(error).splitlines()[0][:300]}",
            hint="the messages of the other workers say what happened; --save and --resume go on "
            "after the last epoch",
        ) from error


def balanced_target(target: Target) -> Target:
    """The target where all classes count alike: what is said before training is the same of all."""
    if target.task is Task.REGRESSION:
        raise UsageError(
            f'--balanced: the label "{target.column.name}" is a number, not a class',
            hint="without --balanced",
        )
    return replace(target, start=(0.0,) * len(target.start))


def default_epochs(steps_of_an_epoch: int) -> int:
    """Enough epochs for about DEFAULT_STEPS."""
    return min(MOST_DEFAULT_EPOCHS, math.ceil(DEFAULT_STEPS / steps_of_an_epoch))


def _last_steps(steps: int, epochs: int) -> int:
    """The steps that the first and last loss are of: the last epoch, or the end of the only one."""
    if epochs > 1:
        return max(1, steps // epochs)
    return min(max(1, steps), max(SHORTEST_LAST_STEPS, steps // 10))


def _judge(
    result: LoopResult, last_steps: int, target: Target, constant: np.ndarray, held: HeldOut
) -> Verdict:
    """Whether the model passes, and why."""
    if len(result.losses) == 0:
        return Verdict(False, "no row has a label")
    if not result.finite:
        step = int(np.flatnonzero(~np.isfinite(result.losses))[0])
        return Verdict(False, f"the loss became {result.losses[step]} in step {step + 1:,}")
    return judge(
        target.task,
        held.logits,
        constant,
        held.y,
        trained_losses=result.last(last_steps),
        weights=held.weights,
    )


def _label_notes(target: Target, null_labels: int) -> tuple[str, ...]:
    notes = []
    if null_labels:
        notes.append(f"{null_labels:,} rows without a label are left out")
    vocabulary = target.column.vocabulary
    if target.task is Task.BINARY and vocabulary is not None:
        notes.append(f'"{vocabulary[1]}" is the positive class of the label')
    return tuple(notes)


def _dealing_notes(totals: _Totals) -> tuple[str, ...]:
    """A note where the shards give some workers much more to do than others."""
    least, most = int(totals.worker_rows.min()), int(totals.worker_rows.max())
    if most <= UNEVEN * least:
        return ()
    n_workers = len(totals.worker_rows)
    return (
        f"the workers have {least:,} to {most:,} rows: those with fewer take part in the last "
        f"steps of an epoch without any (a multiple of {n_workers} shards deals evenly)",
    )


def _path_of(dataset: str | Path | Dataset | None) -> Path | None:
    if dataset is None:
        return None
    return dataset.path if isinstance(dataset, Dataset) else Path(dataset)
