"""How well a model predicts: another dataset, streamed in blocks, or the rows held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import Examples, FeatureEncoder, join
from bigdata_cli.loaders.order import rows_by_shard, split_rows
from bigdata_cli.loaders.target import Task
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.training.backends.base import Backend
from bigdata_cli.training.metrics import METRICS, TaskMetrics, measure, row_losses
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.stream import HOLD_OUT_BYTES, ExampleStream

BLOCK_ROWS = 16_384
EXAMPLE_ROWS = 10_000

Predict = Callable[[Examples], np.ndarray]
"""Gives the logits of examples, or the standardised label: float64 (rows, outputs)."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a model predicts a dataset.

    Attributes:
        loss: The mean; in a regression of the standardised label.
        metric: The name of the metric.
        value: The metric; None where it is not defined, as the AUC of a single class.
        error_bound: The largest possible error of the value, but for rounding.
        rows: Rows with a label.
        null_labels: Rows without a label, or with one that the model does not know.
        notes: What else of the dataset the model does not know.
    """

    loss: float
    metric: str
    value: float | None
    error_bound: float
    rows: int
    null_labels: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, metrics: TaskMetrics, notes: tuple[str, ...] = ()) -> Evaluation:
        """Return what metrics have come to."""
        defined = math.isfinite(metrics.value)
        return cls(
            loss=metrics.loss,
            metric=METRICS[metrics.name].label,
            value=metrics.value if defined else None,
            error_bound=metrics.error_bound if defined else 0.0,
            rows=metrics.rows,
            null_labels=metrics.null_labels,
            notes=notes,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as plain JSON values; a loss that is not finite is None."""
        values = {**vars(self), "notes": list(self.notes)}
        return {**values, "loss": self.loss if math.isfinite(self.loss) else None}


def evaluate(
    predict: Predict,
    dataset: Dataset,
    encoder: FeatureEncoder,
    *,
    metric: str | None = None,
    split: range | None = None,
    block_rows: int = BLOCK_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measure a model on a dataset, in the memory of one block.

    Args:
        predict: The model.
        dataset: The dataset.
        encoder: What makes examples of its rows.
        metric: One of METRICS; None for that of the task.
        split: The rows to measure on, None for all.
        block_rows: The largest number of rows in a block.
        progress: Called with the number of rows read so far.

    Raises:
        UsageError: The dataset has no label for the model.
    """
    if not encoder.has_label:
        raise UsageError(
            f"there is nothing to evaluate: {encoder.label_problem}",
            hint="bigdata predict needs no label",
        )
    metrics = TaskMetrics(encoder.target.task, name=metric, scale=encoder.target.scale)
    n_read = 0
    for batch in blocks(dataset, encoder, block_rows, split=split):
        examples = encoder.examples(batch)
        metrics.add(predict(examples), examples.y)
        n_read += batch.num_rows
        if progress is not None:
            progress(n_read)
    return Evaluation.of(metrics, encoder.notes)


def blocks(
    dataset: Dataset,
    encoder: FeatureEncoder,
    block_rows: int,
    *,
    columns: tuple[str, ...] = (),
    split: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield rows in blocks of at most `block_rows`, with the columns of the encoder and others."""
    names = tuple(dict.fromkeys((*(column.name for column in encoder.columns), *columns)))
    max_rows = min(block_rows, dataset.read_rows([dataset.schema[name] for name in names]))
    if split is None:
        yield from dataset.read(names, max_rows=max_rows)
        return
    ranges = rows_by_shard([shard.rows for shard in dataset.shards], split)
    for shard, rows in enumerate(ranges):
        if rows:
            yield from dataset.read_shard(shard, names, rows=rows, max_rows=max_rows)


@dataclass(frozen=True, kw_only=True)
class HoldOutResult:
    """Predictions of the hold-out set, of all workers: rows held out, or of another dataset.

    Attributes:
        logits: float64 (rows, outputs).
        y: The encoded labels (rows,).
        weights: The weight of each row (rows,).
        evaluation: Loss and metric; of another dataset over all of its rows.
        examples: Rows of this worker, up to EXAMPLE_ROWS of another dataset or of a fold.
    """

    logits: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    evaluation: Evaluation
    examples: Examples | None = None

    def mean_loss(self, task: Task, logits: np.ndarray) -> float:
        """Return the weighted mean loss of logits, or of a constant (1, outputs)."""
        if not len(self.y):
            return math.nan
        return float((row_losses(task, logits, self.y) * self.weights).mean())


class Predictor(Protocol):
    """What predicts examples: a trainer, or a model."""

    def predict(self, examples: Examples) -> np.ndarray:
        """Return the logits, or the standardised label: float64 (rows, outputs)."""


def evaluate_hold_out(
    trainer: Predictor,
    backend: Backend,
    stream: ExampleStream,
    options: TrainOptions,
    class_weights: np.ndarray | None,
) -> HoldOutResult:
    """Predict the rows that the stream held out or left out, of its fold, or another dataset's."""
    target, metric = stream.target, options.measuring.metric
    if stream.fold is not None:
        n_rows, share = stream.dataset.rows // stream.fold.count, stream.fold.count
        recorder = _Recorder(trainer.predict, n_rows, n_outputs=len(target.start), share=share)
        metrics = TaskMetrics(target.task, name=metric, scale=target.scale)
        for examples in stream.fold_rows():
            metrics.add(recorder.predict(examples), examples.y)
        evaluation = Evaluation.of(metrics)
        logits, y, shown = recorder.recorded()
    elif options.evaluate_on is None:
        shown = stream.held_out()
        logits, y = predict_rows(trainer, backend, shown)
        evaluation = Evaluation.of(measure(target.task, logits, y, scale=target.scale, name=metric))
    else:
        other, split = stream.dataset, None
        if options.split is None:
            other = as_dataset(options.evaluate_on, options.cached)
        else:
            split = split_rows(options.split, other.rows)
        encoder = stream.encoder.for_dataset(other)
        n_rows = other.rows if split is None else len(split)
        recorder = _Recorder(trainer.predict, n_rows, n_outputs=len(target.start))
        evaluation = evaluate(recorder.predict, other, encoder, metric=metric, split=split)
        logits, y, shown = recorder.recorded()
    weights = weights_of(target.task, y, class_weights)
    return HoldOutResult(logits=logits, y=y, weights=weights, evaluation=evaluation, examples=shown)


def predict_rows(
    trainer: Predictor, backend: Backend, examples: Examples
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits (rows, outputs) and labels (rows,) of the examples of all workers."""
    logits = gather_rows(backend, trainer.predict(examples))
    return logits, gather_rows(backend, examples.y[:, np.newaxis])[:, 0]


def weights_of(task: Task, y: np.ndarray, class_weights: np.ndarray | None) -> np.ndarray:
    """Return the weights of rows by their labels (rows,)."""
    if class_weights is None or task is Task.REGRESSION:
        return np.ones(len(y))
    return class_weights[y.astype(np.intp)]


def gather_rows(backend: Backend, rows: np.ndarray) -> np.ndarray:
    """Return the rows of all workers, (rows, n), which have different numbers of them."""
    counts = backend.gather(np.array([len(rows)]))[:, 0].astype(int)
    padded = np.zeros((counts.max(), rows.shape[1]))
    padded[: len(rows)] = rows
    parts = backend.gather(padded)
    return np.concatenate([part[:n] for part, n in zip(parts, counts, strict=True)])


class _Recorder:
    """Predicts, and records evenly spaced rows: predictions and labels, examples of fewer rows."""

    def __init__(self, predict: Predict, n_rows: int, *, n_outputs: int, share: int = 1) -> None:
        """Record of `n_rows` rows as many as fit into HOLD_OUT_BYTES / share."""
        self._predict = predict
        row_bytes = 8 * (n_outputs + 1)
        self._every = max(1, math.ceil(n_rows * row_bytes * share / HOLD_OUT_BYTES))
        self._example_every = self._every * max(1, math.ceil(n_rows / self._every / EXAMPLE_ROWS))
        self._n_seen = 0
        self._examples: list[Examples] = []
        self.logits = [np.empty((0, n_outputs))]
        self.y = [np.empty(0)]

    def predict(self, examples: Examples) -> np.ndarray:
        logits = self._predict(examples)
        places = np.arange(-self._n_seen % self._every, len(examples), self._every)
        few = np.arange(-self._n_seen % self._example_every, len(examples), self._example_every)
        self._n_seen += len(examples)
        places = places[~np.isnan(examples.y[places])]
        self.logits.append(logits[places])
        self.y.append(examples.y[places].astype(np.float64))
        self._examples.append(examples.take(few[~np.isnan(examples.y[few])]))
        return logits

    def recorded(self) -> tuple[np.ndarray, np.ndarray, Examples | None]:
        """Return the predictions (rows, outputs), the labels (rows,), and the examples."""
        examples = join(self._examples) if self._examples else None
        return np.concatenate(self.logits), np.concatenate(self.y), examples


def as_dataset(dataset: str | Path | Dataset, cached: CacheOptions) -> Dataset:
    """Return the dataset itself, or open the one at a place."""
    return dataset if isinstance(dataset, Dataset) else open_dataset(cached.place(dataset))
