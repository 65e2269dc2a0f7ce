"""What a model owes to each column: how much worse it is on rows whose values are shuffled.

Permutation importance (Breiman, "Random Forests", Machine Learning 45, 2001; as in scikit-learn):
the values of a column are permuted among rows that the model was not trained on, and the metric is
measured again. A column that others tell as well shows little, as the model still has those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target
from bigdata_cli.training.backends.base import Backend
from bigdata_cli.training.evaluate import Predictor, predict_rows
from bigdata_cli.training.metrics import METRICS, measure

REPEATS = 5
MAX_ROWS = 10_000
"""Of a worker: evenly spaced among those held out."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much worse the metric gets where a column is shuffled.

    Attributes:
        column: Its name.
        mean: Of the repeats, in the units of the metric; near 0, or below, where the model does not
            use the column.
        std: Of the repeats.
    """

    column: str
    mean: float
    std: float

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def importance_of(
    model: Predictor,
    backend: Backend,
    examples: Examples,
    features: FeaturePlan,
    target: Target,
    *,
    metric: str,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """Return the importance of each column, the largest first; all workers call this together.

    Args:
        model: What predicts.
        backend: Of the model.
        examples: Rows of this worker that the model was not trained on.
        features: The features.
        target: The label.
        metric: One of METRICS.
        seed: Of the permutations.
    """
    every = -(-len(examples) // MAX_ROWS) or 1
    examples = examples.take(np.arange(0, len(examples), every))

    def value_of(shown: Examples) -> float:
        logits, y = predict_rows(model, backend, shown)
        return measure(target.task, logits, y, scale=target.scale, name=metric).value

    whole = value_of(examples)
    random = np.random.default_rng(seed)
    found = []
    for name, numbers, codes in places_of(features):
        losses = []
        for _ in range(REPEATS):
            order = random.permutation(len(examples))
            value = value_of(_shuffled(examples, order, numbers, codes))
            losses.append(METRICS[metric].gain(whole, value))
        found.append(
            Importance(column=name, mean=float(np.mean(losses)), std=float(np.std(losses)))
        )
    return tuple(sorted(found, key=lambda one: -one.mean))


def places_of(features: FeaturePlan) -> Iterator[tuple[str, list[int], list[int]]]:
    """Yield the columns, each with its places among the numbers and among the codes."""
    next_flag = len(features.numbers)
    for place, number in enumerate(features.numbers):
        places = [place]
        if number.has_nulls and features.is_normalized:  # the flag goes with its number
            places.append(next_flag)
            next_flag += 1
        yield number.name, places, []
    for place, code in enumerate(features.codes):
        yield code.name, [], [place]


def _shuffled(
    examples: Examples, order: np.ndarray, numbers: Sequence[int], codes: Sequence[int]
) -> Examples:
    """Return examples with some columns of other rows."""
    dense, coded = examples.dense, examples.codes
    if numbers:
        dense = dense.copy()
        dense[:, numbers] = examples.dense[order][:, numbers]
    if codes:
        coded = coded.copy()
        coded[:, codes] = examples.codes[order][:, codes]
    return Examples(dense, coded, examples.y)
