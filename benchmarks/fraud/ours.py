"""Trained and asked from the shards of `bigdata convert`: trees on samples, and partial_fit.

`python -m benchmarks.fraud.ours NAME TRAIN TEST SCORES SEED`: TRAIN and TEST are datasets of
PaySim's columns in float64. The features are computed batch by batch while the shards are read: a
pass over five million rows takes a second, so that nothing derived need be stored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fraud.features import COLUMNS, FEATURES, KIND, LABEL, array_features
from benchmarks.fraud.scores import write_scores
from bigdata_cli import open_dataset
from bigdata_cli.resources.heap import return_freed_memory

if TYPE_CHECKING:
    from bigdata_cli.dataset import Dataset

MEMBERS, SAMPLE_SHARE = 5, 0.05
ITERATIONS, LEAVES = 30, 15
READ_ROWS = 16_384
ALPHA = 1e-5

Columns = dict[str, np.ndarray]
Score = Callable[[np.ndarray], np.ndarray]
"""Features, float64 (rows, features), to scores that are higher for fraud: float64 (rows,)."""


def bagged(train: Dataset, seed: int) -> Score:
    """Boosted trees, each group on all frauds and a sample of its own of the other rows.

    The memory is that of one sample, however many groups there are.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(seed)
    genuine, frauds = class_counts(train)
    wanted = np.array([round(genuine * SAMPLE_SHARE), frauds])
    members = []
    for member in range(MEMBERS):
        X, y = draw(train, wanted, random)
        model = HistGradientBoostingClassifier(
            max_iter=ITERATIONS,
            max_leaf_nodes=LEAVES,
            early_stopping=False,
            random_state=seed + member,
        )
        members.append(model.fit(X, y))
        del X, y  # before there are others
    return lambda X: sum(member.predict_proba(X)[:, 1] for member in members) / MEMBERS


def class_counts(dataset: Dataset) -> np.ndarray:
    """The rows of labels 0 and 1, from the manifest: int64 (2,)."""
    positive = round((dataset.statistics(LABEL).mean or 0.0) * dataset.rows)
    return np.array([dataset.rows - positive, positive])


def draw(
    dataset: Dataset, wanted: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of so many rows of each class, without replacement, in one pass.

    Every choice of rows is as likely as any other: how many come from a batch is hypergeometric.
    """
    left, wanted = class_counts(dataset), wanted.copy()
    kinds = _kinds(dataset)
    X = np.empty((wanted.sum(), len(FEATURES)))
    y = np.empty(len(X), np.uint8)
    filled = 0
    for batch in dataset.batches(READ_ROWS, columns=COLUMNS):
        for value in (0, 1):
            rows = np.flatnonzero(batch[LABEL] == value)
            n_taken = random.hypergeometric(wanted[value], left[value] - wanted[value], len(rows))
            taken = np.sort(random.choice(rows, n_taken, replace=False, shuffle=False))
            chosen = {name: values[taken] for name, values in batch.items()}
            X[filled : filled + n_taken] = array_features(chosen, kinds)
            y[filled : filled + n_taken] = value
            filled += n_taken
            wanted[value] -= n_taken
            left[value] -= len(rows)
    return X, y


def partial_fit(train: Dataset, seed: int) -> Score:
    """A linear model of scikit-learn that sees batch after batch, once.

    Amounts of cents and of millions are brought together by arcsinh, as a logarithm that knows 0
    and debts.
    """
    from sklearn.linear_model import SGDClassifier

    mean, std = moments(train)

    def scaled(X: np.ndarray) -> np.ndarray:
        return (np.arcsinh(X) - mean) / std

    model = SGDClassifier(loss="log_loss", alpha=ALPHA, random_state=seed)
    for X, y in batches(train, READ_ROWS):
        model.partial_fit(scaled(X), y, classes=(0, 1))
    return lambda X: model.decision_function(scaled(X))


def moments(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the arcsinh of each feature, float64 (features,)."""
    total = np.zeros((2, len(FEATURES)))
    for X, _ in batches(dataset, READ_ROWS):
        X = np.arcsinh(X)
        total += X.sum(axis=0), np.square(X).sum(axis=0)
    mean, square = total / dataset.rows
    std = np.sqrt(np.maximum(square - mean**2, 0.0))
    return mean, np.where(std > 0, std, 1.0)


def batches(dataset: Dataset, n_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All rows as features and labels."""
    kinds = _kinds(dataset)
    for batch in dataset.batches(n_rows, columns=COLUMNS):
        yield array_features(batch, kinds), batch[LABEL]


def _kinds(dataset: Dataset) -> tuple[str, ...]:
    return dataset.schema[KIND].vocabulary or ()


OURS: dict[str, Callable[[Dataset, int], Score]] = {"bagged": bagged, "partial-fit": partial_fit}


def main(arguments: list[str]) -> None:
    """Train, score, write the scores."""
    return_freed_memory()  # as a conversion does under a low limit
    name, train, test, folder, seed = arguments
    score = OURS[name](open_dataset(train), int(seed))
    scored = [(score(X), y) for X, y in batches(open_dataset(test), READ_ROWS)]
    scores, labels = zip(*scored, strict=True)
    write_scores(Path(folder), np.concatenate(scores), np.concatenate(labels))


if __name__ == "__main__":
    main(sys.argv[1:])
