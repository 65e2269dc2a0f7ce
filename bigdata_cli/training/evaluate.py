"""A model's loss and metric on a dataset, streamed in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import rows_by_shard
from bigdata_cli.training.encoding import ExampleEncoder
from bigdata_cli.training.examples import Examples
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.metrics import TaskMetrics
from bigdata_cli.training.target import Target, Task
from bigdata_cli.types.dtype import Schema

BLOCK_ROWS = 16_384


class Predictor(Protocol):
    """What has learned: logits, or the standardised label, float64 (rows, outputs)."""

    def predict(self, examples: Examples) -> np.ndarray: ...


class RowChooser(Protocol):
    """Chooses among the next rows of a shard: bool (rows,), by their classes (rows,)."""

    def choose(self, classes: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a model predicts a dataset.

    loss: the mean, of the standardised label in a regression. metric: its name; value: None where
    it is not defined, as the AUC of a single class; error_bound: by how much the value may be wrong
    at most, beside rounding. rows: with a label; null_labels: without one, or with one that the
    model does not know. notes: what else of the dataset the model does not know.
    """

    loss: float
    metric: str
    value: float | None
    error_bound: float
    rows: int
    null_labels: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, metrics: TaskMetrics, target: Target, notes: tuple[str, ...] = ()) -> Evaluation:
        """What accumulators have come to."""
        defined = math.isfinite(metrics.value)
        return cls(
            loss=metrics.loss,
            metric=target.metric,
            value=metrics.value if defined else None,
            error_bound=metrics.error_bound if defined else 0.0,
            rows=metrics.rows,
            null_labels=metrics.null_labels,
            notes=notes,
        )

    def to_json(self) -> dict[str, Any]:
        """The evaluation as plain JSON values; a loss that is not finite is None."""
        values = {**vars(self), "notes": list(self.notes)}
        return {**values, "loss": self.loss if math.isfinite(self.loss) else None}


def evaluate(
    model: Predictor,
    dataset: Dataset,
    *,
    features: FeaturePlan,
    target: Target,
    schema: Schema | None = None,
    rows: Callable[[int], RowChooser] | None = None,
    split: range | None = None,
    block_rows: int = BLOCK_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """The loss and metric of a model on all rows of a dataset, in the memory of one block.

    features, target: what the model was trained with; schema: the columns of the dataset that they
    were made for, where that is another one. rows: gives for each shard (by its index) what chooses
    the rows to look at; split: these rows of the dataset, None for all. progress: is told how many
    rows were read. Raises UsageError where the dataset has other columns, or no such label.
    """
    encoder = ExampleEncoder(dataset, features, target, schema or dataset.schema)
    if encoder.label_problem is not None:
        raise UsageError(
            f"there is nothing to evaluate: {encoder.label_problem}",
            hint="bigdata predict needs no label",
        )
    metrics = TaskMetrics(target.task, scale=target.scale)
    n_read = 0
    for shard in range(len(dataset.shards)):
        chooser = None if rows is None else rows(shard)
        for batch in blocks(dataset, encoder, block_rows, shards=[shard], split=split):
            n_read += batch.num_rows
            examples = encoder.encode(batch)
            if chooser is not None:
                examples = _chosen(examples, chooser, target, metrics)
            metrics.add(model.predict(examples), examples.y)
            if progress is not None:
                progress(n_read)
    return Evaluation.of(metrics, target, encoder.notes)


def blocks(
    dataset: Dataset,
    encoder: ExampleEncoder,
    block_rows: int,
    *,
    columns: tuple[str, ...] = (),
    shards: list[int] | None = None,
    split: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows in blocks of up to so many: the encoder's columns and others.

    shards: of these, None for all; split: these rows of the dataset, None for all.
    """
    names = tuple(dict.fromkeys((*encoder.columns, *columns)))
    max_rows = min(block_rows, dataset.read_rows([dataset.schema[name] for name in names]))
    if split is None:
        yield from dataset.read(names, max_rows=max_rows, shards=shards)
        return
    ranges = rows_by_shard([shard.rows for shard in dataset.shards], split)
    for shard in range(len(ranges)) if shards is None else shards:
        if ranges[shard]:
            yield from dataset.read_shard(shard, names, rows=ranges[shard], max_rows=max_rows)


def _chosen(
    examples: Examples, chooser: RowChooser, target: Target, metrics: TaskMetrics
) -> Examples:
    """The examples that are chosen among those with a label, as `ExampleStream` counts them."""
    known = ~np.isnan(examples.y)
    metrics.null_labels += int(len(examples) - known.sum())
    examples = examples.take(known)
    classes = np.zeros(len(examples), np.int16)
    if target.task is not Task.REGRESSION:
        classes += examples.y.astype(np.int16)
    return examples.take(chooser.choose(classes))
