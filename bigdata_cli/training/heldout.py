"""What a trained model says of rows that it was not trained on, of all workers together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import split_rows
from bigdata_cli.training.backends import Backend, Trainer
from bigdata_cli.training.encoding import ExampleEncoder
from bigdata_cli.training.evaluate import Evaluation, evaluate
from bigdata_cli.training.examples import HELD_OUT_BYTES, Examples, ExampleStream
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.judgement import metric_value, row_losses
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.target import Target, Task
from bigdata_cli.types.dtype import Schema


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Predictions of rows that were held out, or of another dataset.

    logits (rows, outputs) and y (rows,) are what the judgement is made of; weights: what each row
    counts (rows,). evaluation: loss and metric, of another dataset over all of its rows.
    """

    logits: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    evaluation: Evaluation

    def mean_loss(self, task: Task, logits: np.ndarray) -> float:
        """The mean weighted loss of these logits, or (1, outputs) of a constant; NaN of no rows."""
        if not len(self.y):
            return math.nan
        return float((row_losses(task, logits, self.y) * self.weights).mean())


def predict_held_out(
    trainer: Trainer,
    backend: Backend,
    stream: ExampleStream,
    features: FeaturePlan,
    target: Target,
    options: TrainOptions,
    class_weights: np.ndarray | None,
) -> HeldOut:
    """Predict the rows that the stream held out, or left out, or those of another dataset."""
    if options.evaluate_on is None:
        held = stream.held_out()
        logits = gather_rows(backend, trainer.predict(held))
        y = gather_rows(backend, held.y[:, np.newaxis])[:, 0]
        value = metric_value(target.task, logits, y, scale=target.scale)
        evaluation = Evaluation(
            loss=float(row_losses(target.task, logits, y).mean()) if len(y) else math.nan,
            metric=target.metric,
            value=value if math.isfinite(value) else None,
            error_bound=0.0,
            rows=len(y),
            null_labels=0,
        )
    else:
        other, split = stream.dataset, None
        if options.split is None:
            other = opened(options.evaluate_on)
        else:
            split = split_rows(options.split, other.rows)
        n_rows = other.rows if split is None else len(split)
        kept = _Kept(trainer.predict, n_rows, outputs=len(target.start))
        evaluation = evaluate(
            kept, other, features=features, target=target, schema=stream.dataset.schema, split=split
        )
        logits, y = kept.logits, kept.y
    weights = np.ones(len(y))
    if class_weights is not None and target.task is not Task.REGRESSION:
        weights = class_weights[y.astype(np.intp)]
    return HeldOut(logits=logits, y=y, weights=weights, evaluation=evaluation)


def gather_rows(backend: Backend, rows: np.ndarray) -> np.ndarray:
    """The rows of all workers, (rows, n), that have (their rows, n) each."""
    counts = backend.gather(np.array([len(rows)]))[:, 0].astype(int)
    padded = np.zeros((counts.max(), rows.shape[1]))
    padded[: len(rows)] = rows
    parts = backend.gather(padded)
    return np.concatenate([part[:n] for part, n in zip(parts, counts, strict=True)])


class _Kept:
    """Predicts, and keeps what was said of every so manieth row, within HELD_OUT_BYTES."""

    def __init__(
        self, predict: Callable[[Examples], np.ndarray], rows: int, *, outputs: int
    ) -> None:
        self._predict = predict
        self._every = max(1, math.ceil(rows * 8 * (outputs + 1) / HELD_OUT_BYTES))
        self._seen = 0
        self._logits = [np.empty((0, outputs))]
        self._y = [np.empty(0)]

    def predict(self, examples: Examples) -> np.ndarray:
        logits = self._predict(examples)
        places = np.arange(-self._seen % self._every, len(examples), self._every)
        self._seen += len(examples)
        places = places[~np.isnan(examples.y[places])]
        self._logits.append(logits[places])
        self._y.append(examples.y[places].astype(np.float64))
        return logits

    @property
    def logits(self) -> np.ndarray:
        return np.concatenate(self._logits)

    @property
    def y(self) -> np.ndarray:
        return np.concatenate(self._y)


def opened(dataset: str | Path | Dataset) -> Dataset:
    """The dataset itself, or the one in a folder."""
    return dataset if isinstance(dataset, Dataset) else open_dataset(dataset)


def check_other(other: Dataset, features: FeaturePlan, target: Target, schema: Schema) -> None:
    """Raise UsageError where a dataset to measure on has other columns, or no such label."""
    problem = ExampleEncoder(other, features, target, schema).label_problem
    if problem is not None:
        raise UsageError(f"--eval: {problem}", hint="without --eval, a fifth of the rows is used")
