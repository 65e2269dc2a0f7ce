"""Metrics of blocks are those of the whole, and an AUC that is not exact says by how much."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.target import Task, plan_target
from bigdata_cli.training.learning_options import METRICS as METRIC_NAMES
from bigdata_cli.training.metrics import (
    METRICS,
    TaskMetrics,
    auc,
    measure,
    metric_of,
    row_losses,
)
from bigdata_cli.training.roc import RocAuc, score_keys
from bigdata_cli.training.verdict import ranks
from tests.datasets import write_dataset
from tests.examples import examples

SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, math.inf, -math.inf]),
    st.floats(allow_nan=False, width=32),
    st.floats(allow_nan=False),
)
ROWS = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=60)


def reference_auc(scores: np.ndarray, y: np.ndarray) -> float:
    """The AUC from the ranks of the scores."""
    positives = y > 0.5
    n_positive, n_negative = int(positives.sum()), int((~positives).sum())
    if not n_positive or not n_negative:
        return math.nan
    rank_sum = float(ranks(scores)[positives].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def streamed(scores: np.ndarray, y: np.ndarray, *, cuts: int = 1, max_bins: int = 1 << 18):
    found = RocAuc(max_bins)
    for piece in np.array_split(np.arange(len(scores)), cuts):
        found.add(scores[piece], y[piece])
        found._count_pending()
    return found


@given(ROWS, st.integers(1, 5))
@examples(200)
def test_few_scores_are_exact(rows, cuts: int) -> None:
    scores, y = np.array([s for s, _ in rows]), np.array([float(y) for _, y in rows])
    found = streamed(scores, y, cuts=cuts)
    if math.isnan(reference_auc(scores, y)):
        assert math.isnan(found.value)
        return
    assert found.value == pytest.approx(reference_auc(scores, y), abs=1e-12)
    assert found.error_bound == 0


@given(ROWS, st.integers(1, 5), st.integers(2, 12))
@examples(300)
def test_many_scores_keep_their_bound(rows, cuts: int, max_bins: int) -> None:
    scores, y = np.array([s for s, _ in rows]), np.array([float(y) for _, y in rows])
    found = streamed(scores, y, cuts=cuts, max_bins=max_bins)
    assume(not math.isnan(reference_auc(scores, y)))
    assert len(found._bins) <= max_bins
    assert abs(found.value - reference_auc(scores, y)) <= found.error_bound + 1e-12


@given(ROWS)
@examples(200)
def test_the_auc_in_memory_is_exact(rows) -> None:
    scores, y = np.array([s for s, _ in rows]), np.array([float(y) for _, y in rows])
    expected = reference_auc(scores, y)
    assert auc(scores, y) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_bound_is_small_and_memory_is_bounded() -> None:
    random = np.random.default_rng(0)
    n_rows = 3_000_000
    y = (random.random(n_rows) < 0.01).astype(np.float32)
    scores = random.normal(size=n_rows).astype(np.float32) - 6 + 3 * y
    tracemalloc.start()
    found = RocAuc()
    for first in range(0, n_rows, 50_000):
        found.add(scores[first : first + 50_000], y[first : first + 50_000])
    value = found.value
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < found.error_bound < 3e-5
    assert abs(value - reference_auc(scores, y)) <= found.error_bound
    assert peak < 60_000_000


def test_many_equal_scores_cost_no_exactness() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=20_000)
    scores[::2] = 0.125  # a network that is dead for half of the rows
    y = (random.random(20_000) < 0.3).astype(float)
    found = streamed(scores, y, cuts=7, max_bins=500)
    assert abs(found.value - reference_auc(scores, y)) <= found.error_bound < 0.002


def test_a_score_that_is_nan_has_no_auc() -> None:
    found = streamed(np.array([0.5, np.nan, 0.1]), np.array([1.0, 0.0, 0.0]))
    assert math.isnan(found.value)


@given(st.lists(SCORES, min_size=2, max_size=50))
@examples(200)
def test_keys_are_in_the_order_of_the_scores(scores: list[float]) -> None:
    ordered = np.sort(np.array(scores))
    keys = score_keys(ordered)
    same = ordered[1:] == ordered[:-1]
    np.testing.assert_array_equal(keys[1:] == keys[:-1], same)
    assert (keys[1:] >= keys[:-1]).all()


@pytest.mark.parametrize("task", list(Task))
def test_blocks_give_what_the_whole_gives(task: Task) -> None:
    random = np.random.default_rng(1)
    outputs = 3 if task is Task.CLASSES else 1
    logits = random.normal(size=(1000, outputs))
    y = (
        random.normal(size=1000)
        if task is Task.REGRESSION
        else random.integers(0, outputs + 1, 1000)
    )
    y = np.minimum(y, 2).astype(float)
    y[::10] = np.nan
    known = ~np.isnan(y)
    found = TaskMetrics(task, scale=2.5)
    for piece in np.array_split(np.arange(1000), 9):
        found.add(logits[piece], y[piece])
    assert (found.rows, found.null_labels) == (900, 100)
    losses = row_losses(task, logits[known], y[known])
    assert found.loss == pytest.approx(losses.mean())
    whole = measure(task, logits[known], y[known], scale=2.5)
    assert found.value == pytest.approx(whole.value)
    assert found.error_bound == 0


def test_nothing_has_no_metric() -> None:
    for task in Task:
        metrics = TaskMetrics(task)
        metrics.add(np.zeros((2, 3 if task is Task.CLASSES else 1)), np.full(2, np.nan))
        assert math.isnan(metrics.loss)
        assert math.isnan(metrics.value)
        assert metrics.null_labels == 2


class TestAllMetrics:
    """Each metric is scikit-learn's, however the rows are cut into blocks."""

    @pytest.mark.parametrize("task", list(Task))
    def test_they_are_those_of_scikit_learn(self, task: Task) -> None:
        rng = np.random.default_rng(5)
        n_rows, scale = 2_001, 3.5
        if task is Task.REGRESSION:
            y = rng.normal(size=n_rows)
            logits = (y + rng.normal(size=n_rows))[:, np.newaxis]
        else:
            n_classes = 2 if task is Task.BINARY else 4
            y = rng.integers(0, n_classes, n_rows).astype(np.float64)
            one_hot = np.eye(n_classes)[y.astype(int)]
            logits = np.round(2 * one_hot + rng.normal(size=one_hot.shape), 2)
            logits = logits[:, 1:] - logits[:, :1] if task is Task.BINARY else logits
        expected = by_scikit_learn(task, logits, y, scale)
        names = {name for name, metric in METRICS.items() if task in metric.tasks}
        assert names == set(expected)
        for name, value in expected.items():
            metrics = TaskMetrics(task, name=name, scale=scale)
            for rows in np.array_split(np.arange(n_rows), 7):
                metrics.add(logits[rows], y[rows])
            assert metrics.value == pytest.approx(value, rel=1e-9), name
            assert metrics.error_bound == 0

    @given(ROWS, st.integers(2, 8))
    @examples(100)
    def test_an_average_precision_that_is_not_exact_has_a_bound(self, rows, max_bins: int) -> None:
        scores, y = np.array([s for s, _ in rows]), np.array([float(y) for _, y in rows])
        assume(0 < y.sum() < len(y))
        exact, no_error = streamed(scores, y).average_precision()
        assert no_error == 0
        assert exact == pytest.approx(average_precision_score(y, ranks(scores)), abs=1e-9)
        value, error = streamed(scores, y, max_bins=max_bins).average_precision()
        assert abs(value - exact) <= error + 1e-9

    def test_a_metric_of_another_label(self, tmp_path: Path) -> None:
        table = pa.table({"x": np.arange(50.0), "y": np.arange(50) % 3})
        target = plan_target(open_dataset(write_dataset(tmp_path / "d", table)), "y")
        with pytest.raises(UsageError, match='--metric auc: the label "y" is of classes') as caught:
            metric_of(target, "auc")
        assert caught.value.hint == "--metric accuracy, balanced-accuracy, f1, log-loss"

    def test_what_the_options_name_is_what_there_is(self) -> None:
        assert tuple(METRICS) == METRIC_NAMES


def by_scikit_learn(
    task: Task, logits: np.ndarray, y: np.ndarray, scale: float
) -> dict[str, float]:
    if task is Task.REGRESSION:
        found, label = logits[:, 0] * scale, y * scale
        return {
            "rmse": math.sqrt(sklearn.metrics.mean_squared_error(label, found)),
            "mae": sklearn.metrics.mean_absolute_error(label, found),
            "r2": sklearn.metrics.r2_score(label, found),
        }
    shares = 1 / (1 + np.exp(-logits[:, 0])) if task is Task.BINARY else softmax(logits)
    found = (logits[:, 0] > 0) if task is Task.BINARY else logits.argmax(axis=1)
    f1 = sklearn.metrics.f1_score(y, found, average="binary" if task is Task.BINARY else "macro")
    values = {
        "accuracy": sklearn.metrics.accuracy_score(y, found),
        "balanced-accuracy": sklearn.metrics.balanced_accuracy_score(y, found),
        "f1": f1,
        "log-loss": sklearn.metrics.log_loss(y, shares),
    }
    if task is Task.BINARY:
        values["auc"] = sklearn.metrics.roc_auc_score(y, logits[:, 0])
        values["average-precision"] = average_precision_score(y, logits[:, 0])
    return values


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)
