"""The target of a model: the label as one of three tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import CategoryCodes, numbers
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.features import normalisation
from bigdata_cli.types.dtype import Column, Kind, Schema
from bigdata_cli.types.statistics import ColumnStatistics

MAX_CLASSES = 100
PRIOR_ROWS = 65_536
"""The first rows of the dataset, from which the class frequencies are estimated."""


class Task(StrEnum):
    """The kind of prediction, with its loss and metric."""

    BINARY = "binary"  # cross-entropy, AUC
    CLASSES = "classes"  # cross-entropy, accuracy
    REGRESSION = "regression"  # mean squared error of the standardised label, RMSE in its units


@dataclass(frozen=True, kw_only=True)
class Target:
    """The label and its encoding, y = (label - center) / scale.

    Attributes:
        center: In a classification the lowest label; the scale is 1, so y is 0 … n_classes - 1.
        start: The prediction of the untrained model: the log-odds of the label, the logits of the
            classes, or 0.
    """

    column: Column
    task: Task
    n_classes: int
    center: float
    scale: float
    start: tuple[float, ...]

    def class_name(self, code: int) -> object:
        """The value of the label that a class stands for."""
        if self.column.vocabulary is not None:
            return self.column.vocabulary[code]
        value = int(self.center) + code
        return bool(value) if self.column.kind is Kind.BOOL else value

    def encode(self, array: pa.Array, *, strict: bool = True) -> np.ndarray:
        """Return the label of a batch as it is learned: float64 (rows,), NaN where it is null.

        Args:
            array: The label, a category as codes.
            strict: Whether to check it against the manifest.

        Raises:
            VerificationError: `strict`, and the manifest's statistics exclude a class.
        """
        y = (numbers(array) - self.center) / self.scale
        if strict and self.n_classes and ((y < 0) | (y > self.n_classes - 1)).any():
            raise VerificationError(
                f'the label "{self.column.name}" holds values beyond those in the manifest',
                hint="bigdata verify DATASET shows what else differs",
            )
        return y

    def classes(self, y: np.ndarray) -> np.ndarray:
        """Return the class of each encoded label, 0 of a regression: int16 (rows,)."""
        if self.task is Task.REGRESSION:
            return np.zeros(len(y), np.int16)
        return y.astype(np.int16)


def plan_target(dataset: ReadableDataset, label: str | None) -> Target:
    """Plan the target: binary for a bool or 0 and 1, classes for few values, else regression.

    Raises:
        UsageError: There is no such label, it is text, or it has only one value.
    """
    column = dataset.label(label)
    known = dataset.statistics(column.name)
    _check_label(column, known)
    task = task_of(column, known)
    if column.kind is Kind.CATEGORY:
        return _classes(dataset, column, column.n_values, lowest=0)
    if column.kind is Kind.BOOL or _is_zero_or_one(column, known):
        share = known.mean if known.mean is not None else 0.5
        share = min(max(share, 1e-7), 1 - 1e-7)
        return Target(
            column=column,
            task=Task.BINARY,
            n_classes=2,
            center=0.0,
            scale=1.0,
            start=(math.log(share / (1 - share)),),
        )
    if task is not Task.REGRESSION:
        n_classes = known.maximum - known.minimum + 1
        return _classes(dataset, column, n_classes, lowest=known.minimum)
    center, scale = normalisation(column, known)
    return Target(
        column=column, task=Task.REGRESSION, n_classes=0, center=center, scale=scale, start=(0.0,)
    )


def task_of(column: Column, known: ColumnStatistics) -> Task:
    """Return what a label is learned as: two values, few classes, or a number."""
    if column.kind is Kind.CATEGORY:
        return Task.BINARY if column.n_values == 2 else Task.CLASSES
    if column.kind is Kind.BOOL or _is_zero_or_one(column, known):
        return Task.BINARY
    if column.kind is Kind.INT and known.minimum is not None and known.maximum is not None:
        if known.maximum - known.minimum < MAX_CLASSES:
            return Task.BINARY if known.maximum - known.minimum == 1 else Task.CLASSES
    return Task.REGRESSION


def _check_label(column: Column, known: ColumnStatistics) -> None:
    name = column.name
    if column.kind is Kind.TEXT:
        raise UsageError(
            f'the label "{name}" is text with many distinct values, which cannot be learned',
            hint=f"another --label, or convert with --type {name}=category",
        )
    if column.kind is Kind.NULL or known.values == 0:
        raise UsageError(f'the label "{name}" has no values', hint="another --label")
    if column.kind is Kind.CATEGORY:
        if column.n_values > MAX_CLASSES:
            raise UsageError(
                f'the label "{name}" has {column.n_values:,} categories; '
                f"the model learns up to {MAX_CLASSES}",
                hint="another --label",
            )
        if column.n_values == 1 and column.vocabulary:
            raise _constant(name, column.vocabulary[0])
        return
    if known.infinite:
        raise UsageError(
            f'the label "{name}" is infinite in {known.infinite:,} rows', hint="another --label"
        )
    if known.minimum is None or known.maximum is None:
        raise UsageError(f'the manifest has no statistics of the label "{name}"')
    if known.minimum == known.maximum:
        raise _constant(name, known.minimum)


def _constant(name: str, value: object) -> UsageError:
    return UsageError(
        f'the label "{name}" is {value!r} in every row: there is nothing to learn',
        hint="another --label",
    )


def _is_zero_or_one(column: Column, known: ColumnStatistics) -> bool:
    """Whether every value is 0 or 1, from the statistics alone.

    For values between 0 and 1, the sum of x - x² is 0 only where each is 0 or 1; with mean and
    M2 that sum is n·mean·(1 - mean) - M2.
    """
    if (known.minimum, known.maximum) != (0, 1) or known.mean is None or known.m2 is None:
        return False
    if column.kind is Kind.INT:
        return True
    most = known.finite * known.mean * (1 - known.mean)
    return column.kind is Kind.FLOAT and abs(most - known.m2) <= 1e-9 * most


def _classes(dataset: ReadableDataset, column: Column, n_classes: int, *, lowest: int) -> Target:
    """Return a target of classes; two classes are a binary task, and the second one is 1."""
    codes = CategoryCodes(Schema((column,)))
    counts = np.ones(n_classes)
    for batch in dataset.read([column.name], max_rows=PRIOR_ROWS):
        y = numbers(codes.apply(batch).column(column.name)) - lowest
        known = y[(y >= 0) & (y < n_classes)].astype(np.int64)
        counts += np.bincount(known, minlength=n_classes)
        break
    logits = np.log(counts / counts.sum())
    binary = n_classes == 2
    return Target(
        column=column,
        task=Task.BINARY if binary else Task.CLASSES,
        n_classes=n_classes,
        center=float(lowest),
        scale=1.0,
        start=(float(logits[1] - logits[0]),) if binary else tuple(logits.tolist()),
    )
