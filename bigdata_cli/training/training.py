"""One training, from the plan of its features to its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError, WorkerLostError
from bigdata_cli.loaders.examples import FeatureEncoder
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.order import split_rows
from bigdata_cli.loaders.target import Target, Task, plan_target
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.training.backends.base import Backend, Trainer
from bigdata_cli.training.backends.registry import open_backend
from bigdata_cli.training.checkpoint import NetworkCheckpoint
from bigdata_cli.training.course import Listeners, Position, ProgressListener, Schedule, Watched
from bigdata_cli.training.evaluate import (
    HoldOutResult,
    Predictor,
    as_dataset,
    evaluate_hold_out,
    predict_rows,
    weights_of,
)
from bigdata_cli.training.event_file import CourseWriter
from bigdata_cli.training.folds import Fold
from bigdata_cli.training.importance import Importance, importance_of
from bigdata_cli.training.learning_options import PATIENCE_EPOCHS
from bigdata_cli.training.learning_rate import LearningRate
from bigdata_cli.training.loop import TrainingLoop
from bigdata_cli.training.metrics import METRICS, measure, metric_of, row_losses
from bigdata_cli.training.model import LEARNING_RATE, build_network, set_dropout_steps
from bigdata_cli.training.options import BATCH_SIZE, TrainOptions
from bigdata_cli.training.report import Totals, TrainingResult, TrainReport
from bigdata_cli.training.stopping import EarlyStopping
from bigdata_cli.training.stream import ExampleStream, Reading
from bigdata_cli.training.throughput import measure_throughput
from bigdata_cli.training.verdict import balanced_weights

DEFAULT_STEPS = 2_000
"""About the steps of a training without a number of epochs."""
MAX_DEFAULT_EPOCHS = 100


class Training:
    """One training, from the plan of its features to its report.

    Attributes:
        is_normalized: Whether the model takes normalised numbers.
    """

    is_normalized = True

    def __init__(
        self,
        dataset: Dataset,
        options: TrainOptions,
        *,
        is_member: bool = False,
        fold: Fold | None = None,
    ) -> None:
        """Plan a training; a member of a bag that has had all its epochs is only evaluated.

        The rows of a fold are not trained on, and are those of the metric.

        Raises:
            UsageError: The options do not fit the dataset.
        """
        self._is_member = is_member
        self._fold = fold
        self._dataset = dataset
        self._options = options
        self._target = plan_target(dataset, options.label)
        name = self._target.column.name
        _check_classes(options, self._target)
        self._features = plan_features(
            dataset, name, hashed=options.hashed, is_normalized=self.is_normalized
        )
        if options.balanced:  # the untrained model predicts all classes equally
            self._target = replace(self._target, start=(0.0,) * len(self._target.start))
        self._held_rows = range(0)
        if options.split is not None:
            self._held_rows = _held_rows(options.split, dataset)
        elif options.evaluate_on is not None:
            self._check_other(as_dataset(options.evaluate_on, options.cached))
        options.files.check()
        self._metric = metric_of(self._target, options.measuring.metric)
        self._report_decisions()
        self._checkpoint: NetworkCheckpoint | None = None
        self._check_save()

    def _report_decisions(self) -> None:
        """Say what is learned from what."""
        target, features = self._target, self._features
        report_decision(
            f"label: {target.column.name} ({target.column.dtype}), a task of {target.task.value}, "
            f"judged by {self._metric}"
        )
        report_decision(
            f"features: {len(features.numbers):,} columns of numbers, {len(features.codes):,} of "
            "categories"
        )
        held_out = "a fifth of each class"
        if self._fold is not None:
            held_out = "one fold"
        elif self._options.split is not None or self._options.evaluate_on is not None:
            held_out = "those of --eval"
        report_decision(f"rows that are not trained on: {held_out}; seed {self._options.seed}")

    def _check_save(self) -> None:
        """Raise UsageError where the model cannot be saved, or may not replace what is there."""
        options = self._options
        if options.save is not None:
            self._checkpoint = NetworkCheckpoint(
                options.save, options, self._dataset, self._features, self._target
            )
            self._checkpoint.check()

    def _check_other(self, other: Dataset) -> None:
        """Raise UsageError where a dataset to evaluate on has other columns, or no such label."""
        schema = self._dataset.schema
        problem = FeatureEncoder(other, self._features, self._target, schema).label_problem
        if problem is not None:
            raise UsageError(
                f"--eval: {problem}", hint="without --eval, a fifth of the rows is used"
            )

    def run(self, progress: ProgressListener | None) -> tuple[TrainingResult, TrainReport]:
        """Train and evaluate; progress is that of worker 0 only.

        Raises:
            UsageError: The devices do not exist, or the saved model does not fit the options.
            MissingDependencyError: The backend is not installed.
            VerificationError: The shards are not what the manifest says.
            WorkerLostError: Another worker has ended.
        """
        backend = open_backend(self._options.backend, self._options.devices)
        try:
            with _lost_workers(backend):
                result = self._run(backend, progress)
            return result, result.report(backend)
        finally:
            backend.close()

    def _run(self, backend: Backend, progress: ProgressListener | None) -> TrainingResult:
        options, target = self._options, self._target
        stream = self._stream(backend)
        class_weights = _class_weights(backend, stream) if options.balanced else None
        network, start = self._network(backend)
        trainer = backend.trainer(network, target)
        # All workers take the steps of the one that has most of them.
        n_steps = int(backend.gather(np.array([stream.expected_batches])).max())
        n_epochs = _n_epochs(options, n_steps)
        if n_epochs <= start.epochs:
            if not self._is_member:
                raise UsageError(
                    f"{options.save} already has {start.epochs:,} epochs, --epochs is {n_epochs:,}",
                    hint=f"--epochs {start.epochs + 1}",
                )
            for _ in stream.epoch(0):  # counts the rows, and collects those held out
                pass
        begin_phase("training")
        writer = None
        if options.files.tensorboard is not None and backend.worker.rank == 0:
            writer = CourseWriter(options.files.tensorboard, metric=self._metric)
        loop = TrainingLoop(
            trainer,
            backend,
            stream,
            Schedule(
                start=start,
                epochs=n_epochs,
                batch_size=options.batch_size,
                learning_rate=self._learning_rate(n_epochs * n_steps),
                class_weights=class_weights,
            ),
            Listeners(
                progress=progress if backend.worker.rank == 0 else None,
                watch=self._watch(trainer, backend, stream, class_weights),
                stopping=self._stopping(),
                save=self._saver(backend, trainer, network),
                writer=writer,
                save_every_seconds=options.save_every_seconds,
            ),
        )
        with self._resume_hint():
            result = loop.run()
        if writer is not None:
            writer.close()
        begin_phase("evaluating")
        hold_out = evaluate_hold_out(trainer, backend, stream, options, class_weights)
        return TrainingResult(
            options=options,
            stream=stream,
            loop=result,
            throughput=measure_throughput(trainer, backend, result, batch_size=options.batch_size),
            hold_out=hold_out,
            totals=Totals.of(backend, stream),
            class_weights=class_weights,
            first_epoch=start.epochs,
            importance=self._importance(trainer, backend, hold_out),
        )

    def _learning_rate(self, total_steps: int) -> LearningRate:
        optimizing = self._options.optimizing
        return LearningRate(
            peak=optimizing.learning_rate or LEARNING_RATE,
            schedule=optimizing.schedule,
            warmup_steps=optimizing.warmup_steps,
            total_steps=total_steps,
        )

    def _importance(
        self, model: Predictor, backend: Backend, hold_out: HoldOutResult
    ) -> tuple[Importance, ...]:
        """Return the importance of the columns, where it is asked for."""
        if not self._options.measuring.importance or hold_out.examples is None:
            return ()
        begin_phase("importance")
        return importance_of(
            model,
            backend,
            hold_out.examples,
            self._features,
            self._target,
            metric=self._metric,
            seed=self._options.seed,
        )

    def _watch(
        self,
        trainer: Trainer,
        backend: Backend,
        stream: ExampleStream,
        class_weights: np.ndarray | None,
    ) -> Callable[[], Watched] | None:
        """Return what measures the model after an epoch; None where nobody wants to know."""
        options, task = self._options, self._target.task

        def watch_rows() -> Watched:
            logits, y = predict_rows(trainer, backend, stream.watched())
            losses = row_losses(task, logits, y) * weights_of(task, y, class_weights)
            metrics = measure(task, logits, y, scale=self._target.scale, name=self._metric)
            return Watched(float(losses.mean()) if len(y) else math.nan, metrics.value)

        def watch_hold_out() -> Watched:
            found = evaluate_hold_out(trainer, backend, stream, options, class_weights)
            value = found.evaluation.value
            loss = found.mean_loss(task, found.logits)
            return Watched(loss, math.nan if value is None else value)

        if options.stopping.early:
            return watch_rows
        return watch_hold_out if options.files.has_curves else None

    def _stopping(self) -> EarlyStopping | None:
        if not self._options.stopping.early:
            return None
        patience = self._options.stopping.patience or PATIENCE_EPOCHS
        return EarlyStopping(METRICS[self._metric], patience=patience)

    def _stream(self, backend: Backend) -> ExampleStream:
        worker, options = backend.worker, self._options
        if options.batch_size < backend.replicas:
            raise UsageError(
                f"batches of {options.batch_size} rows cannot be split over {backend.replicas} "
                "devices",
                hint=f"--batch-size {max(BATCH_SIZE, backend.replicas)}",
            )
        reading = Reading(
            batch_size=worker.part(options.batch_size),
            seed=options.seed,
            hold_out=options.evaluate_on is None and self._fold is None,
            fold=self._fold,
            watch=options.stopping.early,
            left_out=self._held_rows,
            sample=options.sample,
            rank=worker.rank,
            workers=worker.count,
        )
        return ExampleStream(self._dataset, self._features, self._target, reading)

    def _network(self, backend: Backend) -> tuple[Any, Position]:
        """Return the Keras model, new or as it was saved, and how far its training is."""
        options = self._options
        with backend.scope():
            if options.resume and self._checkpoint is not None and self._checkpoint.path.exists():
                return self._checkpoint.load(backend=backend.name, worker=backend.worker.rank)
            network = build_network(
                self._features,
                self._target,
                hidden=options.layers,
                dropout=options.dropout,
                seed=options.seed,
                optimizing=options.optimizing,
            )
            set_dropout_steps(network, 0, worker=backend.worker.rank)
            return network, Position()

    def _saver(
        self, backend: Backend, trainer: Trainer, network: Any
    ) -> Callable[[Position], None] | None:
        checkpoint = self._checkpoint
        if checkpoint is None or backend.worker.rank != 0:
            return None

        def save(position: Position) -> None:
            trainer.write_back()
            checkpoint.save(network, position)

        return save

    @contextmanager
    def _resume_hint(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            checkpoint = self._checkpoint
            if checkpoint is not None and checkpoint.saved.steps:
                saved = checkpoint.saved
                also = " and a part of the next" if saved.windows else ""
                error.add_note(
                    f"{checkpoint.path} has {saved.epochs:,} epochs{also}; the same command "
                    "with --resume continues"
                )
            raise


@contextmanager
def _lost_workers(backend: Backend) -> Iterator[None]:
    """Turn the errors that follow from the end of another worker into WorkerLostError."""
    try:
        yield
    except backend.lost_worker_errors as error:
        if backend.worker.count == 1:
            raise
        raise WorkerLostError(
            f"worker {backend.worker.rank} of {backend.worker.count} cannot continue: "
            f"{str(error).splitlines()[0][:300]}",
            hint="see the messages of the other workers; with --save and --resume the training "
            "continues after the last epoch",
        ) from error


def _n_epochs(options: TrainOptions, n_steps: int) -> int:
    """How many epochs to train, of so many steps."""
    n_epochs = options.epochs or default_epochs(n_steps, stops=options.stopping.early)
    why = "--epochs" if options.epochs else "the default for that many steps"
    report_decision(
        f"epochs: {n_epochs:,} ({why}) of {n_steps:,} steps of {options.batch_size:,} rows"
    )
    return n_epochs


def _class_weights(backend: Backend, stream: ExampleStream) -> np.ndarray:
    counts = backend.gather(stream.count_classes()).sum(axis=0).astype(np.int64)
    return balanced_weights(counts)


def _held_rows(split: str, dataset: Dataset) -> range:
    """Return the rows of a slice; raise UsageError where it leaves none to train on."""
    rows = split_rows(split, dataset.rows)
    if len(rows) == dataset.rows:
        raise UsageError(
            f"--eval {split} holds out all of the {dataset.rows:,} rows", hint='--eval "[80%:]"'
        )
    return rows


def _check_classes(options: TrainOptions, target: Target) -> None:
    """Raise UsageError where an option needs classes and the label is a number."""
    is_stratified = options.sample is not None and options.sample.stratify
    for flag, is_set in (("--stratify", is_stratified), ("--balanced", options.balanced)):
        if is_set and target.task is Task.REGRESSION:
            raise UsageError(
                f'{flag}: the label "{target.column.name}" is a number, not a class',
                hint=f"without {flag}",
            )


def default_epochs(steps_per_epoch: int, *, stops: bool = False) -> int:
    """Return enough epochs for about DEFAULT_STEPS; for a training that stops itself, the most."""
    if stops:
        return MAX_DEFAULT_EPOCHS
    return min(MAX_DEFAULT_EPOCHS, math.ceil(DEFAULT_STEPS / steps_per_epoch))
