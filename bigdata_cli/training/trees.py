"""Training boosted trees: the same rows, report and file as a network has.

The rows come from the stream of examples, without those held out, block by block, as often as the
library reads them. XGBoost keeps them in a file (external memory), LightGBM their bins in memory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Target
from bigdata_cli.loaders.tree_memory import TreeMemory, lightgbm_memory, xgboost_memory
from bigdata_cli.loaders.tree_rows import TreeBlock, TreeRows
from bigdata_cli.resources.memory import available_cpus, peak_memory_bytes, tree_memory_bytes
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.training.backends.base import Backend, Trainer
from bigdata_cli.training.boosting import LEARNING_RATE, Boosting, WatchedRows, boost
from bigdata_cli.training.checkpoint import TreeCheckpoint, preprocessing_of
from bigdata_cli.training.course import LoopResult, Position, ProgressListener
from bigdata_cli.training.evaluate import evaluate_hold_out
from bigdata_cli.training.metrics import row_losses
from bigdata_cli.training.report import Totals, TrainingResult, TrainReport
from bigdata_cli.training.stream import ExampleStream
from bigdata_cli.training.training import Training
from bigdata_cli.training.tree_course import TreeCourse
from bigdata_cli.training.tree_model import TreeModel, n_trees, tree_matrix
from bigdata_cli.training.verdict import balanced_weights
from bigdata_cli.types.dtype import Schema


class TreeBackend(Backend):
    """XGBoost or LightGBM on the processors of this machine."""

    def __init__(self, name: str) -> None:
        self.name = name

    def trainer(self, network: Any, target: Target) -> Trainer:
        raise TypeError(f"{self.name} takes no steps")

    def devices(self) -> tuple[str, ...]:
        return (f"{available_cpus()} CPUs",)

    def versions(self) -> dict[str, str]:
        library = _import(self.name)
        return {self.name: library.__version__, "numpy": np.__version__}


class TreeTraining(Training):
    """The training of boosted trees, from the plan of their features to their report."""

    is_normalized = False

    def _check_save(self) -> None:
        options = self._options
        self._trees: TreeCheckpoint | None = None
        if options.save is not None:
            self._trees = TreeCheckpoint(
                options.save, options, self._dataset, self._features, self._target
            )
            self._trees.check()

    def run(self, progress: ProgressListener | None) -> tuple[TrainingResult, TrainReport]:
        """Train and evaluate.

        Raises:
            MissingDependencyError: The library is not installed.
            UsageError: The saved model does not fit the options.
            BudgetError: The rows do not fit into the memory or onto the disk.
            VerificationError: The shards are not what the manifest says.
        """
        options = self._options
        backend = TreeBackend(options.model)
        _import(options.model)
        before = tree_memory_bytes()
        booster, start = self._begun()
        stream = self._stream(backend)
        for _ in stream.epoch(0):  # counts the rows, and collects those held out
            pass
        class_weights = balanced_weights(stream.class_counts) if options.balanced else None
        rows = _rows(stream, class_weights)
        needed = self._memory(rows)
        watched = self._watched_rows(stream)
        # The library reads the rows as this pass did, and has its own beside that.
        predicted_bytes = max(peak_memory_bytes(), before) + needed.memory_bytes
        if watched is not None:
            predicted_bytes += self._watched_bytes(watched, rows)
        report_decision(f"trees: {options.trees:,} of {options.model}, {rows.n_rows:,} rows")
        begin_phase("training")
        course = TreeCourse(self._target, options, self._metric, start, self._trees, progress)
        began = time.perf_counter()
        if rows.n_rows and start.epochs < options.trees:
            watch = course.watch(watched, class_weights) if watched is not None else None
            how = self._boosting(booster, course, watch)
            booster = course.best_of(boost(options.model, rows, self._target, how))
        seconds = time.perf_counter() - began
        begin_phase("evaluating")
        model = self._model(booster)
        loop = _losses(stream, model, class_weights, seconds)
        if self._trees is not None and loop.finite and booster is not None:
            self._trees.save(booster, course.position(n_trees(booster, options.model)))
        hold_out = evaluate_hold_out(model, backend, stream, options, class_weights)
        result = TrainingResult(
            options=options,
            stream=stream,
            loop=loop,
            throughput=None,
            hold_out=hold_out,
            importance=self._importance(model, backend, hold_out),
            totals=Totals.of(backend, stream),
            class_weights=class_weights,
            first_epoch=0,
            course=course.result(loop),
        )
        report = replace(
            result.report(backend),
            trees=0 if booster is None else n_trees(booster, options.model),
            resumed_trees=start.epochs,
            predicted_memory_bytes=predicted_bytes,
            predicted_disk_bytes=needed.disk_bytes,
        )
        return result, report

    def _begun(self) -> tuple[Any, Position]:
        """Return the booster to go on with, and how far it is; None to begin."""
        options = self._options
        if not options.resume or self._trees is None or not self._trees.path.exists():
            return None, Position()
        booster, start = self._trees.load()
        if start.epochs >= options.trees and not self._is_member:
            raise UsageError(
                f"{options.save} already has {start.epochs:,} trees, --trees is {options.trees:,}",
                hint=f"--trees {start.epochs + 1}",
            )
        return booster, start

    def _boosting(self, booster: Any, course: TreeCourse, watched: WatchedRows | None) -> Boosting:
        options = self._options
        return Boosting(
            n_rounds=options.trees,
            learning_rate=options.optimizing.learning_rate or LEARNING_RATE,
            l2=options.optimizing.l2,
            seed=options.seed,
            after_tree=course.after_tree,
            booster=booster,
            watched=watched,
        )

    def _watched_rows(self, stream: ExampleStream) -> Examples | None:
        """Return the rows that are measured after each tree; None where nobody wants to know."""
        if self._options.stopping.early:
            return stream.watched()
        held_out = stream.held_out()
        return held_out if self._options.files.has_curves and len(held_out) else None

    def _watched_bytes(self, watched: Examples, rows: TreeRows) -> int:
        """Return what watched rows take beside themselves: as a matrix, its bins, their scores."""
        n_features, n_outputs = len(rows.names), len(self._target.start)
        matrix = 4 * n_features if watched.codes.shape[1] else 0
        return len(watched) * (matrix + n_features + 8 * (3 * n_outputs + 2))

    def _memory(self, rows: TreeRows) -> TreeMemory:
        n_outputs = len(self._target.start)
        if self._options.model == "xgboost":
            return xgboost_memory(rows, n_outputs=n_outputs)
        return lightgbm_memory(rows, n_outputs=n_outputs)

    def _model(self, booster: Any) -> TreeModel:
        names = (*self._features.column_names, self._target.column.name)
        return TreeModel(
            booster=booster,
            backend=self._options.model,
            features=self._features,
            target=self._target,
            schema=Schema(tuple(self._dataset.schema[name] for name in names)),
            preprocessing=preprocessing_of(self._dataset),
        )


def _import(library: str) -> Any:
    """Import a library; raise MissingDependencyError where it is not installed."""
    if library == "xgboost":
        from bigdata_cli.loaders import xgboost as loader

        return loader.xgboost
    from bigdata_cli.loaders import lightgbm as other_loader

    return other_loader.lightgbm


def _rows(stream: ExampleStream, class_weights: np.ndarray | None) -> TreeRows:
    """Return the rows to train on, of a stream that has counted them."""
    features = stream.encoder.features

    def blocks() -> Iterator[TreeBlock]:
        for examples in stream.epoch(0):
            weights = None
            if class_weights is not None:
                weights = class_weights.astype(np.float32)[examples.y.astype(np.intp)]
            yield TreeBlock(tree_matrix(examples), examples.y, weights)

    codes = [feature.name for feature in features.codes]
    return TreeRows(
        names=(*(feature.name for feature in features.numbers), *codes),
        is_category=(False,) * len(features.numbers) + (True,) * len(codes),
        n_rows=int(stream.class_counts.sum()),
        has_nulls=any(stream.dataset.statistics(name).nulls for name in features.column_names),
        blocks=blocks,
    )


def _losses(
    stream: ExampleStream, model: TreeModel, class_weights: np.ndarray | None, seconds: float
) -> LoopResult:
    """Return the losses of the untrained and of the trained model, on the first rows trained on."""
    n_rows = int(stream.class_counts.sum())
    losses = np.empty((0, 2))
    if n_rows:
        first = next(iter(stream.epoch(0)))
        weights = np.ones(len(first))
        if class_weights is not None:
            weights = class_weights[first.y.astype(np.intp)]
        task, start = model.target.task, np.array(model.target.start)[np.newaxis]
        by_row = [row_losses(task, logits, first.y) for logits in (model.predict(first), start)]
        losses = np.array([[float((one * weights).mean()) for one in by_row]])
    return LoopResult(
        losses=losses[:, 0],
        untrained_losses=losses[:, 1],
        rows=n_rows,
        seconds=seconds,
        timed_steps=0,
        timed_rows=0,
        timed_seconds=0.0,
        waited_seconds=0.0,
        batch=None,
        epochs=1,
    )
