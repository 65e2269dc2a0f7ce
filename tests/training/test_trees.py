"""Boosted trees and linear models: the rows, the report and the file that a network has."""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost
from sklearn.metrics import roc_auc_score

from bigdata_cli import predict, train
from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training.boosting import LEARNING_RATE, MAX_DEPTH, MIN_HESSIAN, N_LEAVES
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.stream import ExampleStream, Reading
from bigdata_cli.training.tree_model import load_trees, tree_matrix
from tests.datasets import write_dataset
from tests.training.models import example_table

LIBRARIES = ("xgboost", "lightgbm")
LABELS = {"fraud": "AUC", "grade": "accuracy", "price": "RMSE"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bigdata_cli.training.boosting.available_cpus", lambda: 1)


def quick(folder: Path, model: str, label: str = "fraud", **options: object) -> TrainReport:
    return train(folder, label=label, model=model, trees=20, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", LIBRARIES)
class TestTrees:
    @pytest.mark.parametrize("label", LABELS)
    def test_every_kind_of_label_is_learned(self, folder: Path, model: str, label: str) -> None:
        report = quick(folder, model, label)
        assert report.passed, report.reason
        assert (report.model, report.metric, report.trees) == (model, LABELS[label], 20)
        assert report.held_out_loss < report.constant_loss
        assert report.trained_rows + report.held_out_rows == 3_001
        assert report.predicted_memory_bytes is not None
        assert report.predicted_memory_bytes > 30e6
        assert bool(report.predicted_disk_bytes) == (model == "xgboost")
        assert json.loads(json.dumps(report.to_json()))["pace"] is None

    def test_the_auc_is_that_of_the_rows_in_memory(self, folder: Path, model: str) -> None:
        dataset = open_dataset(folder)
        features = plan_features(dataset, "fraud", is_normalized=False)
        target = plan_target(dataset, "fraud")
        stream = ExampleStream(dataset, features, target, Reading(batch_size=512))
        parts = list(stream.epoch(0))
        X = np.concatenate([tree_matrix(part) for part in parts])
        y = np.concatenate([part.y for part in parts])
        held_out = stream.held_out()
        n_numbers = len(features.numbers)
        if model == "xgboost":
            types = ["q"] * n_numbers + ["c"] * len(features.codes)
            rows = xgboost.QuantileDMatrix(X, y, feature_types=types, enable_categorical=True)
            options = {"objective": "binary:logistic", "eta": LEARNING_RATE, "nthread": 1}
            booster = xgboost.train({**options, "max_depth": MAX_DEPTH}, rows, 20)
            found = booster.inplace_predict(tree_matrix(held_out))
        else:
            places = list(range(n_numbers, X.shape[1]))
            whole = lightgbm.Dataset(X, y, categorical_feature=places)
            options = {
                "objective": "binary",
                "num_leaves": N_LEAVES,
                "min_sum_hessian_in_leaf": MIN_HESSIAN,
                "num_threads": 1,
            }
            options |= {"verbosity": -1, "learning_rate": LEARNING_RATE}
            found = lightgbm.train(options, whole, 20).predict(tree_matrix(held_out))
        wanted = roc_auc_score(held_out.y, found)
        assert quick(folder, model).metric_value == pytest.approx(wanted, abs=1e-3)

    def test_the_rows_held_out_are_those_of_a_network(self, folder: Path, model: str) -> None:
        trees, network = quick(folder, model), quick_network(folder)
        assert trees.held_out_rows == network.held_out_rows
        assert trees.constant_loss == pytest.approx(network.constant_loss)

    def test_saved_and_predicted(self, folder: Path, model: str, tmp_path: Path) -> None:
        path = tmp_path / "model.trees"
        report = quick(folder, model, save=path, evaluate_on=folder)
        assert report.saved == path
        found = predict(path, folder, output=tmp_path / "p.parquet")
        assert found.backend == model
        assert found.evaluation is not None
        assert found.evaluation.value == pytest.approx(report.metric_value)
        probabilities = pq.read_table(tmp_path / "p.parquet")["probability"].to_numpy()
        labels = open_dataset(folder)["fraud"]
        assert roc_auc_score(labels, probabilities) == pytest.approx(report.metric_value, abs=1e-6)

    def test_a_bag(self, folder: Path, model: str, tmp_path: Path) -> None:
        report = quick(folder, model, bag=2, sample=0.5, save=tmp_path / "bag")
        assert report.passed, report.reason
        assert len(report.member_metrics) == 2
        found = predict(tmp_path / "bag", folder, output=tmp_path / "p.csv")
        assert found.members == 2

    def test_balanced_sampled_and_hashed(self, folder: Path, model: str) -> None:
        report = quick(
            folder, model, balanced=True, sample=0.5, stratify=True, hashed={"place": 16}, lr=0.3
        )
        assert report.passed, report.reason
        assert "place" in report.features

    def test_a_damaged_file(self, folder: Path, model: str, tmp_path: Path) -> None:
        path = tmp_path / "model.trees"
        quick(folder, model, save=path)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"model\.trees is"):
            load_trees(path)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"epochs": 3}, "--epochs: --model"),
            ({"hidden": (4,)}, "--hidden: --model"),
            ({"backend": "torch"}, "--backend: --model"),
            ({"save": Path("model.keras")}, "not a .trees file"),
        ],
    )
    def test_options_of_networks(
        self, folder: Path, model: str, options: dict[str, object], told: str
    ) -> None:
        with pytest.raises(UsageError, match=told.replace("--", "")):
            quick(folder, model, **options)


def quick_network(folder: Path, **options: object) -> TrainReport:
    return train(folder, label="fraud", epochs=2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", LIBRARIES)
def test_a_rare_class_is_learned(model: str, tmp_path: Path) -> None:
    """LightGBM's own least hessian of a leaf lets the loss grow without bound here."""
    rng = np.random.default_rng(6)
    n = 20_000
    names = ("a", "b", "c", "d")
    columns = {name: rng.lognormal(3, 2, n) for name in names}
    risk = np.log(columns["a"]) + np.log(columns["b"]) + rng.normal(0, 0.5, n)
    columns["rare"] = (risk > np.sort(risk)[-40]).astype(np.int64)
    folder = write_dataset(tmp_path / "rare", pa.table(columns), n_shards=2)
    report = train(folder, label="rare", model=model, trees=100)
    assert report.passed, report.reason
    assert report.held_out_loss < report.constant_loss
    assert report.metric_value > 0.98


def test_a_linear_model_has_no_hidden_layers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "linear.keras"
    report = quick_network(folder, model="linear", save=path)
    assert (report.model, report.hidden, report.dropout) == ("linear", (), 0.0)
    assert predict(path, folder, output=tmp_path / "p.csv").rows == 3_001
    with pytest.raises(UsageError, match="hidden"):
        quick_network(folder, model="linear", hidden=(4,))
    with pytest.raises(UsageError, match="trees"):
        quick_network(folder, model="linear", trees=7)


def test_a_model_of_another_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    quick(folder, "xgboost", save=tmp_path / "model.trees")
    with pytest.raises(UsageError, match="trees, which do not run on Keras"):
        predict(tmp_path / "model.trees", folder, output=tmp_path / "p.csv", backend="tensorflow")
    (tmp_path / "model.trees").rename(tmp_path / "model.keras")
    with pytest.raises(DataError, match="not a model that bigdata can load"):
        predict(tmp_path / "model.keras", folder, output=tmp_path / "p.csv")
