"""Training boosted trees: the same rows, report and file as a network has.

The rows come from the stream of examples, without those held out, block by block, as often as the
library reads them. XGBoost keeps them in a file (external memory), LightGBM their bins in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.loaders.tree_memory import TreeMemory, lightgbm_memory, xgboost_memory
from bigdata_cli.loaders.tree_rows import TreeBlock, TreeRows
from bigdata_cli.resources.memory import available_cpus, peak_memory_bytes, tree_memory_bytes
from bigdata_cli.resources.progress import ProgressState
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.backends.base import Backend, Trainer
from bigdata_cli.training.checkpoint import preprocessing_of
from bigdata_cli.training.evaluate import evaluate_hold_out
from bigdata_cli.training.loop import LoopResult, ProgressListener, TrainProgress
from bigdata_cli.training.metrics import row_losses
from bigdata_cli.training.report import Totals, TrainingResult, TrainReport
from bigdata_cli.training.stream import ExampleStream
from bigdata_cli.training.training import Training
from bigdata_cli.training.tree_model import (
    TreeModel,
    check_new_trees,
    n_trees,
    save_trees,
    tree_matrix,
)
from bigdata_cli.training.verdict import balanced_weights
from bigdata_cli.types.dtype import Schema

LEARNING_RATE = 0.1
MAX_DEPTH = 6
N_LEAVES = 63


@dataclass(frozen=True, kw_only=True)
class TreeProgress(TrainProgress):
    """The progress of boosting; a step is a tree."""

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        return ProgressState("training", self.step, self.expected_steps, "trees", "")


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
        if self._options.save is not None:
            check_new_trees(self._options.save, force=self._options.force)

    def run(self, progress: ProgressListener | None) -> tuple[TrainingResult, TrainReport]:
        """Train and evaluate.

        Raises:
            MissingDependencyError: The library is not installed.
            BudgetError: The rows do not fit into the memory or onto the disk.
            VerificationError: The shards are not what the manifest says.
        """
        options = self._options
        backend = TreeBackend(options.model)
        _import(options.model)
        before = tree_memory_bytes()
        stream = self._stream(backend)
        for _ in stream.epoch(0):  # counts the rows, and collects those held out
            pass
        class_weights = None
        if options.balanced:
            class_weights = balanced_weights(stream.class_counts)
        rows = _rows(stream, class_weights)
        needed = self._memory(rows)
        # The library reads the rows as this pass did, and has its own beside that.
        predicted_bytes = max(peak_memory_bytes(), before) + needed.memory_bytes
        begin_phase("training")
        began = time.perf_counter()
        booster = self._boost(rows, progress) if rows.n_rows else None
        seconds = time.perf_counter() - began
        begin_phase("evaluating")
        model = self._model(booster)
        loop = _losses(stream, model, class_weights, seconds)
        if options.save is not None and loop.finite and booster is not None:
            save_trees(options.save, model)
        result = TrainingResult(
            options=options,
            stream=stream,
            loop=loop,
            throughput=None,
            hold_out=evaluate_hold_out(model, backend, stream, options, class_weights),
            totals=Totals.of(backend, stream),
            class_weights=class_weights,
            first_epoch=0,
        )
        report = replace(
            result.report(backend),
            trees=0 if booster is None else n_trees(booster, options.model),
            predicted_memory_bytes=predicted_bytes,
            predicted_disk_bytes=needed.disk_bytes,
        )
        return result, report

    def _memory(self, rows: TreeRows) -> TreeMemory:
        n_outputs = len(self._target.start)
        if self._options.model == "xgboost":
            return xgboost_memory(rows, n_outputs=n_outputs)
        return lightgbm_memory(rows, n_outputs=n_outputs)

    def _boost(self, rows: TreeRows, progress: ProgressListener | None) -> Any:
        def report(step: int) -> None:
            if progress is not None:
                progress(
                    TreeProgress(
                        epoch=1,
                        epochs=1,
                        step=step,
                        expected_steps=self._options.trees,
                        rows=rows.n_rows * step,
                        loss=float("nan"),
                    )
                )

        boost = _boost_xgboost if self._options.model == "xgboost" else _boost_lightgbm
        return boost(
            rows,
            self._target,
            n_rounds=self._options.trees,
            learning_rate=self._options.learning_rate or LEARNING_RATE,
            seed=self._options.seed,
            report=report,
        )

    def _model(self, booster: Any) -> TreeModel:
        names = (*self._features.column_names, self._target.column.name)
        return TreeModel(
            booster=booster,
            backend=self._options.model,
            features=self._features,
            target=self._target,
            schema=Schema(tuple(self._dataset.schema[name] for name in names)),
            state={"options": self._options.settled()},
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


def _boost_xgboost(
    rows: TreeRows,
    target: Target,
    *,
    n_rounds: int,
    learning_rate: float,
    seed: int,
    report: Callable[[int], None],
) -> Any:
    import xgboost

    from bigdata_cli.loaders.xgboost import external_matrix

    class Listener(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            report(epoch + 1)
            return False

    objectives: dict[Task, dict[str, Any]] = {
        Task.BINARY: {"objective": "binary:logistic"},
        Task.CLASSES: {"objective": "multi:softprob", "num_class": target.n_classes},
        Task.REGRESSION: {"objective": "reg:squarederror"},
    }
    n_threads = available_cpus()
    parameters = {
        **objectives[target.task],
        "eta": learning_rate,
        "max_depth": MAX_DEPTH,
        "seed": seed,
        "nthread": n_threads,
        "tree_method": "hist",
    }
    matrix = external_matrix(rows, threads=n_threads)
    return xgboost.train(parameters, matrix, n_rounds, callbacks=[Listener()])


def _boost_lightgbm(
    rows: TreeRows,
    target: Target,
    *,
    n_rounds: int,
    learning_rate: float,
    seed: int,
    report: Callable[[int], None],
) -> Any:
    import lightgbm

    from bigdata_cli.loaders.lightgbm import PARAMETERS, binned_dataset

    objectives: dict[Task, dict[str, Any]] = {
        Task.BINARY: {"objective": "binary"},
        Task.CLASSES: {"objective": "multiclass", "num_class": target.n_classes},
        Task.REGRESSION: {"objective": "regression"},
    }
    parameters = {
        **PARAMETERS,
        **objectives[target.task],
        "learning_rate": learning_rate,
        "num_leaves": N_LEAVES,
        "seed": seed,
        "deterministic": True,
        "num_threads": available_cpus(),
    }
    dataset = binned_dataset(rows, parameters=parameters)

    def listener(state: Any) -> None:
        report(state.iteration + 1)

    return lightgbm.train(parameters, dataset, n_rounds, callbacks=[listener])
