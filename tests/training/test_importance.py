"""Permutation importance: what the model uses, in the units of the metric, on every model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import train
from bigdata_cli.dataset import open_dataset
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training.importance import importance_of, places_of
from bigdata_cli.training.trees import TreeBackend
from tests.datasets import write_dataset


def table(n_rows: int = 2_000) -> pa.Table:
    rng = np.random.default_rng(3)
    a, b, noise = rng.normal(size=(3, n_rows))
    kind = rng.integers(0, 3, n_rows)
    return pa.table(
        {
            "a": pa.array(a, mask=rng.random(n_rows) < 0.2),
            "noise": noise,
            "b": b,
            "kind": pa.array([f"k{one}" for one in kind]).dictionary_encode(),
            "y": 10 * np.where(np.isnan(a), 0, a) + 6 * b + 5 * (kind == 1),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", table(), n_shards=2)


def test_the_places_of_a_column_are_its_number_and_its_flag(folder: Path) -> None:
    features = plan_features(open_dataset(folder), "y")
    assert list(places_of(features)) == [
        ("a", [0, 3], []),
        ("noise", [1], []),
        ("b", [2], []),
        ("kind", [], [0]),
    ]


def test_it_is_the_loss_of_a_known_model(folder: Path) -> None:
    """Of y = 10 a without noise, shuffling a makes the mean squared error twice its variance."""
    dataset = open_dataset(folder)
    features = plan_features(dataset, "y", is_normalized=False)
    target = plan_target(dataset, "y")
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(4_000, 3)).astype(np.float32)
    y = dense[:, 0].copy()
    examples = Examples(dense, np.zeros((4_000, 1), np.int32), y)

    class Known:
        def predict(self, rows: Examples) -> np.ndarray:
            return rows.dense[:, :1].astype(np.float64)

    first, *others = importance_of(
        Known(), TreeBackend("xgboost"), examples, features, target, metric="rmse"
    )
    assert first.column == "a"
    assert first.mean == pytest.approx(np.sqrt(2) * y.std() * target.scale, rel=0.02)
    assert first.std < 0.02 * first.mean
    assert {(one.mean, one.std) for one in others} == {(0.0, 0.0)}


@pytest.mark.parametrize("model", ["xgboost", "lightgbm", "mlp"])
def test_the_order_is_that_of_what_makes_the_label(folder: Path, model: str) -> None:
    options = {"epochs": 12, "batch_size": 64} if model == "mlp" else {"trees": 60}
    report = train(folder, label="y", model=model, importance=True, **options)  # type: ignore[arg-type]
    assert [one.column for one in report.importance][:3] == ["a", "b", "kind"]
    assert report.importance[-1].column == "noise"
    assert report.importance[0].mean > 4
    assert abs(report.importance[-1].mean) < 0.3
    shown = report.to_json()["importance"][0]
    assert (shown["column"], shown["mean"]) == ("a", report.importance[0].mean)


def test_of_rows_of_another_dataset(folder: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", table(700))
    report = train(
        folder, label="y", model="lightgbm", trees=30, importance=True, evaluate_on=other
    )
    assert [one.column for one in report.importance][:2] == ["a", "b"]
