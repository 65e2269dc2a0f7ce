"""One training, from the plan of its columns to its outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError, WorkerLostError
from bigdata_cli.loaders.order import split_rows
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.backends import Backend, Trainer, open_backend
from bigdata_cli.training.checkpoint import Checkpoint
from bigdata_cli.training.examples import ExampleStream, Reading
from bigdata_cli.training.features import plan_features
from bigdata_cli.training.heldout import check_other, opened, predict_held_out
from bigdata_cli.training.judgement import balanced_weights
from bigdata_cli.training.loop import ProgressListener, Schedule, TrainingLoop
from bigdata_cli.training.model import build_network, set_dropout_steps
from bigdata_cli.training.options import BATCH_SIZE, TrainOptions
from bigdata_cli.training.outcome import Outcome, Totals
from bigdata_cli.training.pace import measure_pace
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.target import Target, Task, plan_target

DEFAULT_STEPS = 2_000
"""Where the number of epochs is left open, there are enough for about so many steps."""
MOST_DEFAULT_EPOCHS = 100


class Training:
    """One training, from the plan of its columns to its report.

    is_member: of a bag; where it has had all its epochs it is only looked at again.
    """

    def __init__(self, dataset: Dataset, options: TrainOptions, *, is_member: bool = False) -> None:
        self._is_member = is_member
        self._dataset = dataset
        self._options = options
        self._target = plan_target(dataset, options.label)
        name = self._target.column.name
        _check_sample(options, self._target)
        self._features = plan_features(dataset, name, hashed=options.hashed)
        if options.balanced:
            self._target = balanced_target(self._target)
        self._held_rows = range(0)
        if options.split is not None:
            self._held_rows = _held_rows(options.split, dataset)
        elif options.evaluate_on is not None:
            other = opened(options.evaluate_on)
            check_other(other, self._features, self._target, dataset.schema)
        self._checkpoint = None
        if options.save is not None:
            self._checkpoint = Checkpoint(
                options.save, options, dataset, self._features, self._target
            )
            self._checkpoint.check()

    def run(self, progress: ProgressListener | None) -> tuple[Outcome, TrainReport]:
        """Train; raises as `run.train` does."""
        backend = open_backend(self._options.backend, self._options.devices)
        try:
            with _lost_workers(backend):
                outcome = self._run(backend, progress)
            return outcome, outcome.report(backend)
        finally:
            backend.close()

    def _run(self, backend: Backend, progress: ProgressListener | None) -> Outcome:
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
                    f"{options.save} has had {first_epoch:,} epochs already, and {n_epochs:,} are "
                    "asked for",
                    hint=f"--epochs {first_epoch + 1}",
                )
            for _ in stream.epoch(0):  # which rows are held out, and the counts
                pass
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
        return Outcome(
            dataset=self._dataset,
            options=options,
            features=self._features,
            target=target,
            result=result,
            pace=pace,
            held=held,
            totals=Totals.of(backend, stream),
            class_weights=class_weights,
            first_epoch=first_epoch,
        )

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
            left_out=self._held_rows,
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


def _held_rows(split: str, dataset: Dataset) -> range:
    """The rows of a slice; UsageError where it leaves none to train on."""
    rows = split_rows(split, dataset.rows)
    if len(rows) == dataset.rows:
        raise UsageError(
            f"--eval {split} holds out all of the {dataset.rows:,} rows", hint='--eval "[80%:]"'
        )
    return rows


def _check_sample(options: TrainOptions, target: Target) -> None:
    sample = options.sample
    if sample is not None and sample.stratify and target.task is Task.REGRESSION:
        raise UsageError(
            f'--stratify: the label "{target.column.name}" is a number, not a class',
            hint="without --stratify",
        )


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
