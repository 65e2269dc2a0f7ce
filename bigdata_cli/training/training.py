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
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.backends.base import Backend, Trainer
from bigdata_cli.training.backends.registry import open_backend
from bigdata_cli.training.checkpoint import Checkpoint
from bigdata_cli.training.evaluate import as_dataset, evaluate_hold_out
from bigdata_cli.training.history import check_history, write_history
from bigdata_cli.training.loop import ProgressListener, Schedule, TrainingLoop
from bigdata_cli.training.model import LEARNING_RATE, build_network, set_dropout_steps
from bigdata_cli.training.options import BATCH_SIZE, TrainOptions
from bigdata_cli.training.report import Totals, TrainingResult, TrainReport
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

    def __init__(self, dataset: Dataset, options: TrainOptions, *, is_member: bool = False) -> None:
        """Plan a training; a member of a bag that has had all its epochs is only evaluated.

        Raises:
            UsageError: The options do not fit the dataset.
        """
        self._is_member = is_member
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
        if options.history is not None:
            check_history(options.history)
        self._checkpoint: Checkpoint | None = None
        self._check_save()

    def _check_save(self) -> None:
        """Raise UsageError where the model cannot be saved, or may not replace what is there."""
        options = self._options
        if options.save is not None:
            self._checkpoint = Checkpoint(
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
        class_weights = None
        if options.balanced:
            counts = backend.gather(stream.count_classes()).sum(axis=0).astype(np.int64)
            class_weights = balanced_weights(counts)
        network, first_epoch = self._network(backend)
        trainer = backend.trainer(network, target)
        n_epochs = options.epochs or default_epochs(stream.expected_batches)
        if n_epochs <= first_epoch:
            if not self._is_member:
                raise UsageError(
                    f"{options.save} already has {first_epoch:,} epochs, --epochs is {n_epochs:,}",
                    hint=f"--epochs {first_epoch + 1}",
                )
            for _ in stream.epoch(0):  # counts the rows, and collects those held out
                pass
        begin_phase("training")
        loop = TrainingLoop(
            trainer,
            backend,
            stream,
            Schedule(
                first_epoch=first_epoch,
                epochs=n_epochs,
                batch_size=options.batch_size,
                class_weights=class_weights,
            ),
            progress=progress if backend.worker.rank == 0 else None,
            after_epoch=self._saver(backend, trainer, network),
        )
        with self._resume_hint():
            result = loop.run()
        if options.history is not None and backend.worker.rank == 0:
            write_history(options.history, result, first_epoch)
        begin_phase("evaluating")
        return TrainingResult(
            options=options,
            stream=stream,
            loop=result,
            throughput=measure_throughput(trainer, backend, result, batch_size=options.batch_size),
            hold_out=evaluate_hold_out(trainer, backend, stream, options, class_weights),
            totals=Totals.of(backend, stream),
            class_weights=class_weights,
            first_epoch=first_epoch,
        )

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
            hold_out=options.evaluate_on is None,
            left_out=self._held_rows,
            sample=options.sample,
            rank=worker.rank,
            workers=worker.count,
        )
        return ExampleStream(self._dataset, self._features, self._target, reading)

    def _network(self, backend: Backend) -> tuple[Any, int]:
        """Return the Keras model, new or as it was saved, and the epochs that it has had."""
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
                learning_rate=options.learning_rate or LEARNING_RATE,
                optimizer=options.optimizer,
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
    def _resume_hint(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            checkpoint = self._checkpoint
            if checkpoint is not None and checkpoint.saved_epochs:
                error.add_note(
                    f"{checkpoint.path} has {checkpoint.saved_epochs:,} epochs; the same command "
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


def default_epochs(steps_per_epoch: int) -> int:
    """Return enough epochs for about DEFAULT_STEPS."""
    return min(MAX_DEFAULT_EPOCHS, math.ceil(DEFAULT_STEPS / steps_per_epoch))
