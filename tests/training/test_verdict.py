"""Losses and metrics against their definitions; who passes and who does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.loaders.target import Task
from bigdata_cli.training.metrics import auc, measure, row_losses
from bigdata_cli.training.verdict import deviations_beyond_chance, judge, ranks
from tests.examples import examples

FELL = (0.7, 0.5)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=40))
@examples(100)
def test_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    positives = [score for score, label in rows if label]
    negatives = [score for score, label in rows if not label]
    value = auc(np.array([s for s, _ in rows], float), np.array([y for _, y in rows], float))
    if not positives or not negatives:
        assert math.isnan(value)
        return
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert value == pytest.approx(sum(pairs) / len(pairs))


def test_equal_values_share_their_rank() -> None:
    assert ranks(np.array([10.0, 20.0, 20.0, 5.0])).tolist() == [2, 3.5, 3.5, 1]


def test_losses_are_those_of_the_definition() -> None:
    logits = np.array([[2.0], [-1.0], [800.0], [-800.0]])
    y = np.array([1.0, 0.0, 0.0, 0.0])
    losses = row_losses(Task.BINARY, logits, y)
    p = 1 / (1 + np.exp(-logits[:2, 0]))
    assert losses[:2] == pytest.approx([-np.log(p[0]), -np.log(1 - p[1])])
    assert losses[2:].tolist() == [800, 0]
    logits = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, 0.0]])
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    losses = row_losses(Task.CLASSES, logits, np.array([0, 1]))
    assert losses == pytest.approx([-np.log(shares[0]), 1000])
    one = row_losses(Task.CLASSES, logits[:1], np.array([0, 1, 2]))
    assert one == pytest.approx(-np.log(shares))
    assert row_losses(Task.REGRESSION, np.array([[2.0]]), np.array([2.0, 5.0])).tolist() == [0, 9]


def test_metrics() -> None:
    logits = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert measure(Task.CLASSES, logits, np.array([1, 0, 1, 1])).value == 0.75
    rmse = measure(Task.REGRESSION, np.array([[1.0], [1.0]]), np.array([1.0, 3.0]), scale=10).value
    assert rmse == pytest.approx(math.sqrt(2) * 10)
    assert math.isnan(measure(Task.BINARY, np.empty((0, 1)), np.empty(0)).value)


def rare_positives(n_positive: int) -> np.ndarray:
    y = np.zeros(4000)
    y[:n_positive] = 1
    return y


def test_few_positives_that_rank_on_top_suffice() -> None:
    y = rare_positives(4)
    # Far too sure of itself, so that the loss is worse than a constant's; but the order is right.
    logits = np.where(y > 0, -8.0, -9.0)[:, np.newaxis] + 6
    constant = np.array([-7.0])
    gain = row_losses(Task.BINARY, constant[np.newaxis], y) - row_losses(Task.BINARY, logits, y)
    assert gain.mean() < 0
    assert judge(Task.BINARY, logits, constant, y, trained_losses=FELL).passed


def test_predictions_by_chance_fail() -> None:
    y = rare_positives(40)
    passed = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        logits = -5.0 + random.normal(size=(len(y), 1))
        passed += judge(Task.BINARY, logits, np.array([-4.6]), y, trained_losses=FELL).passed
    assert passed <= 6


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.CLASSES])
def test_learned_and_chance_are_told_apart(task: Task) -> None:
    random = np.random.default_rng(0)
    if task is Task.REGRESSION:
        y = random.normal(size=500)
        learned = (y + random.normal(size=500))[:, np.newaxis] * 0.5
        constant = np.array([0.0])
    else:
        y = random.integers(0, 4, 500).astype(float)
        learned = np.eye(4)[y.astype(int)] + random.normal(size=(500, 4)) * 0.5
        constant = np.zeros(4)
    beyond = deviations_beyond_chance(task, learned, constant, y)
    assert beyond is not None
    assert beyond > 5
    assert judge(task, learned, constant, y, trained_losses=FELL).passed
    verdict = judge(task, random.permutation(learned), constant, y, trained_losses=FELL)
    assert not verdict.passed
    assert "no better than a constant" in verdict.reason


def test_too_few_rows_are_a_doubt() -> None:
    logits, y = np.zeros((4000, 1)), rare_positives(2)
    verdict = judge(Task.BINARY, logits, np.zeros(1), y, trained_losses=FELL)
    assert verdict.passed
    assert "too few" in verdict.doubts[0]


def test_a_loss_that_did_not_fall_fails() -> None:
    y = rare_positives(400)
    logits = y[:, np.newaxis] * 10
    verdict = judge(Task.BINARY, logits, np.zeros(1), y, trained_losses=(0.5, 0.5))
    assert not verdict.passed
    assert "did not fall" in verdict.reason
    verdict = judge(Task.BINARY, logits * np.nan, np.zeros(1), y, trained_losses=FELL)
    assert not verdict.passed
