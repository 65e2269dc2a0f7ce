"""Averages of several models' predictions."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.training.bagging import averaged
from bigdata_cli.training.target import Task


def test_probabilities_are_averaged() -> None:
    random = np.random.default_rng(0)
    each = [random.normal(size=(50, 1)) for _ in range(4)]
    mean = np.mean([1 / (1 + np.exp(-one)) for one in each], axis=0)
    np.testing.assert_allclose(averaged(Task.BINARY, each), np.log(mean / (1 - mean)))
    each = [random.normal(size=(50, 3)) for _ in range(4)]
    shares = [np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in each]
    np.testing.assert_allclose(np.exp(averaged(Task.CLASSES, each)), np.mean(shares, axis=0))
    np.testing.assert_allclose(averaged(Task.REGRESSION, each), np.mean(each, axis=0))


def test_what_is_nearly_certain_keeps_its_order() -> None:
    each = [np.array([[-900.0], [-800.0], [700.0], [900.0]])] * 3
    assert averaged(Task.BINARY, each)[:, 0] == pytest.approx([-900, -800, 700, 900])
