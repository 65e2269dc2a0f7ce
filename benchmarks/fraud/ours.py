"""Trained and asked from the shards of `bigdata convert`: trees on samples, and partial_fit.

`python -m benchmarks.fraud.ours NAME TRAIN TEST SCORES SEED`: TRAIN and TEST are datasets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fraud.features import LABEL
from benchmarks.fraud.scores import write_scores
from bigdata_cli import open_dataset

if TYPE_CHECKING:
    from bigdata_cli.dataset import Dataset

MEMBERS, SAMPLE_SHARE = 10, 0.05
TREES, LEAF_ROWS = 20, 10
READ_ROWS = 32_768
HIDDEN, BATCH_ROWS = (16, 16, 16), 512

Score = Callable[[np.ndarray], np.ndarray]
"""Features, float32 (rows, features), to the probabilities of fraud."""


def bagged(train: Dataset, seed: int) -> Score:
    """Trees in groups, each grown on a sample of its own; the memory is that of one sample."""
    from sklearn.ensemble import ExtraTreesClassifier

    random = np.random.default_rng(seed)
    counts = class_counts(train)
    forest: Any = None
    for member in range(MEMBERS):
        X, y = draw(train, np.rint(counts * SAMPLE_SHARE).astype(np.int64), random)
        model = ExtraTreesClassifier(
            n_estimators=TREES, min_samples_leaf=LEAF_ROWS, n_jobs=-1, random_state=seed + member
        ).fit(X, y)
        if forest is None:
            forest = model
        else:  # the mean over all trees is that of the members' means
            forest.estimators_ += model.estimators_
            forest.n_estimators += model.n_estimators
    return lambda X: forest.predict_proba(X)[:, 1]


def class_counts(dataset: Dataset) -> np.ndarray:
    """The rows of labels 0 and 1, from the manifest: int64 (2,)."""
    positive = round((dataset.statistics(LABEL).mean or 0.0) * dataset.rows)
    return np.array([dataset.rows - positive, positive])


def draw(
    dataset: Dataset, wanted: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """So many rows of each class, chosen without replacement in one pass over the shards.

    Every choice of rows is as likely as any other: how many come from a batch is hypergeometric.
    """
    left, wanted = class_counts(dataset), wanted.copy()
    n_features = len(dataset.features(LABEL))
    X = np.empty((wanted.sum(), n_features), np.float32)
    y = np.empty(len(X), np.uint8)
    filled = 0
    for features, labels in dataset.xy_batches(READ_ROWS, label=LABEL):
        for value in (0, 1):
            rows = np.flatnonzero(labels == value)
            n_taken = random.hypergeometric(wanted[value], left[value] - wanted[value], len(rows))
            taken = np.sort(random.choice(rows, n_taken, replace=False, shuffle=False))
            X[filled : filled + n_taken], y[filled : filled + n_taken] = features[taken], value
            filled += n_taken
            wanted[value] -= n_taken
            left[value] -= len(rows)
    return X, y


def partial_fit(train: Dataset, seed: int) -> Score:
    """A network of scikit-learn that sees batch after batch, normalised by the manifest."""
    from sklearn.neural_network import MLPClassifier

    statistics = [train.statistics(column.name) for column in train.features(LABEL)]
    mean = np.array([column.mean for column in statistics], np.float32)
    std = np.array([column.std or 1.0 for column in statistics], np.float32)
    model = MLPClassifier(hidden_layer_sizes=HIDDEN, random_state=seed)
    for X, y in train.xy_batches(BATCH_ROWS, label=LABEL):
        model.partial_fit((X - mean) / std, y, classes=(0, 1))
    return lambda X: model.predict_proba((X - mean) / std)[:, 1]


OURS: dict[str, Callable[[Dataset, int], Score]] = {"bagged": bagged, "partial-fit": partial_fit}


def score_batches(test: Dataset, score: Score) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Scores and labels, batch by batch."""
    for X, y in test.xy_batches(READ_ROWS, label=LABEL):
        yield score(X), y


def main(arguments: list[str]) -> None:
    """Train, score, write the scores."""
    name, train, test, folder, seed = arguments
    score = OURS[name](open_dataset(train), int(seed))
    scores, labels = zip(*score_batches(open_dataset(test), score), strict=True)
    write_scores(Path(folder), np.concatenate(scores), np.concatenate(labels))


if __name__ == "__main__":
    main(sys.argv[1:])
