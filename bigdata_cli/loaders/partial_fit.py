"""Fits models of scikit-learn batch by batch."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.stream import BatchStream
from bigdata_cli.loaders.target import MAX_CLASSES, Task, task_of
from bigdata_cli.types.dtype import Column, Kind


def fit_batches(model: Any, stream: BatchStream, label: Column, *, epochs: int) -> Any:
    """See `Dataset.partial_fit`."""
    if not hasattr(model, "partial_fit"):
        raise UsageError(
            f"{type(model).__name__} has no partial_fit: it learns from all rows at once",
            hint="sklearn.linear_model.SGDClassifier, and others, have it",
        )
    if len(stream.encoder.specs) > 2:
        raise UsageError(
            "a category has more than 32 values, which are codes and no columns of X",
            hint="columns=[…] leaves it out",
        )
    arguments: dict[str, Any] = {}
    if "classes" in inspect.signature(model.partial_fit).parameters:
        arguments["classes"] = _classes(stream, label)
    for X, y in stream.for_epochs(epochs):
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), bool)
        if known.any():
            model.partial_fit(X[known], y[known], **arguments)
    return model


def _classes(stream: BatchStream, label: Column) -> np.ndarray:
    """Return the classes that there may be, from the manifest."""
    known = stream.dataset.statistics(label.name)
    if label.kind is Kind.CATEGORY:
        return np.arange(label.n_values)
    if label.kind is Kind.BOOL:
        return np.array([0, 1])
    if task_of(label, known) is Task.REGRESSION:
        raise UsageError(
            f'the label "{label.name}" is a number with more than {MAX_CLASSES} values, and the '
            "model learns classes",
            hint="a regressor, such as sklearn.linear_model.SGDRegressor",
        )
    return np.arange(int(known.minimum), int(known.maximum) + 1)
