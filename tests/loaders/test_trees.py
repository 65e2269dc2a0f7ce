"""Datasets for XGBoost, LightGBM and scikit-learn: the models of the same rows in memory."""

from __future__ import annotations

import gc
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import roc_auc_score

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.loaders import lightgbm as lightgbm_loader
from bigdata_cli.loaders import tree_rows
from bigdata_cli.loaders import xgboost as xgboost_loader
from bigdata_cli.loaders.tree_memory import xgboost_memory
from tests.datasets import write_dataset
from tests.loaders import tables

FORMATS = [("parquet", "rows"), ("npy", "columns"), ("tfrecord", "block"), ("hdf5", "columns")]
XGBOOST = {"objective": "binary:logistic", "nthread": 1, "max_depth": 4}
LIGHTGBM = {"objective": "binary", "num_threads": 1, "verbosity": -1, "deterministic": True}
N_ROWS = 3_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_rows, "BLOCK_BYTES", 12_000)
    monkeypatch.setattr(lightgbm_loader, "BATCH_ROWS", 128)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.default_rng(0)
    x = random.normal(size=N_ROWS)
    city = random.integers(0, 5, N_ROWS)
    holes = random.random(N_ROWS) < 0.1
    p = 1 / (1 + np.exp(-(2 * x + np.where(city == 2, 2, -1))))
    return pa.table(
        {
            "x": pa.array(x.astype(np.float32), mask=holes),
            "count": pa.array(random.integers(0, 100, N_ROWS).astype(np.int8)),
            "city": pa.array([f"c{i}" for i in city]).dictionary_encode(),
            "day": pa.array(np.datetime64("2020-01-01") + np.arange(N_ROWS) % 365),
            "label": pa.array((random.random(N_ROWS) < p).astype(np.int8)),
        }
    )


@pytest.fixture(scope="module", params=FORMATS, ids="-".join)
def dataset(
    request: pytest.FixtureRequest, table: pa.Table, tmp_path_factory: pytest.TempPathFactory
) -> Dataset:
    folder = tmp_path_factory.mktemp("trees") / "d"
    return open_dataset(write_dataset(folder, table, *request.param, 3, "label"))


def in_memory(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    parts = list(dataset.to_numpy_batches(500))
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


class TestXgboost:
    def test_the_model_is_that_of_the_rows_in_memory(self, dataset: Dataset) -> None:
        X, y = in_memory(dataset)
        types = ["q", "q", "c", "q"]
        whole = xgboost.QuantileDMatrix(X, y, feature_types=types, enable_categorical=True)
        wanted = xgboost.train(XGBOOST, whole, 10).predict(whole)
        matrix = dataset.to_xgboost()
        assert (matrix.num_row(), matrix.num_col()) == X.shape
        assert matrix.feature_names == ["x", "count", "city", "day"]
        assert matrix.feature_types == types
        booster = xgboost.train(XGBOOST, matrix, 10)
        found = booster.inplace_predict(X)
        assert abs(roc_auc_score(y, found) - roc_auc_score(y, wanted)) < 1e-3

    def test_a_split_and_columns(self, dataset: Dataset) -> None:
        matrix = dataset.to_xgboost(split="[:50%]", columns=["x", "count"])
        assert (matrix.num_row(), matrix.num_col()) == (1_500, 2)

    def test_rows_to_evaluate_on_have_the_same_bins(self, dataset: Dataset) -> None:
        rows = dataset.to_xgboost(split="[:80%]")
        held_out = dataset.to_xgboost(split="[80%:]", ref=rows)
        results: dict = {}
        options = {**XGBOOST, "eval_metric": "auc"}
        xgboost.train(
            options, rows, 5, evals=[(held_out, "on")], evals_result=results, verbose_eval=0
        )
        assert results["on"]["auc"][-1] > 0.85

    def test_the_cache_is_where_it_is_wanted_and_then_gone(
        self, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tree_rows, "BLOCK_BYTES", 1_000_000)  # one page, with one header
        matrix = dataset.to_xgboost(cache=tmp_path)
        pages = [path for path in tmp_path.rglob("*.page") if path.is_file()]
        n_bytes = sum(path.stat().st_size for path in pages)
        expected = xgboost_memory(tree_rows.tree_rows(dataset)).disk_bytes
        assert n_bytes == pytest.approx(expected, rel=0.1)
        del matrix
        gc.collect()
        assert not list(tmp_path.iterdir())

    def test_a_cache_that_does_not_fit(
        self, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(UsageError, match="there is no folder"):
            dataset.to_xgboost(cache=tmp_path / "none")
        monkeypatch.setattr(xgboost_loader, "free_bytes", lambda folder: 1_000)
        with pytest.raises(BudgetError, match="the cache of XGBoost takes about"):
            dataset.to_xgboost(cache=tmp_path)
        assert not list(tmp_path.iterdir())

    def test_an_error_of_reading_is_the_error(self, dataset: Dataset, tmp_path: Path) -> None:
        broken = open_dataset(dataset.path)
        broken.check_files = _damaged  # type: ignore[method-assign]
        with pytest.raises(ValueError, match="a damaged shard"):
            broken.to_xgboost(cache=tmp_path)


def _damaged(index: int) -> None:
    raise ValueError("a damaged shard")


class TestLightgbm:
    def test_the_model_is_that_of_the_rows_in_memory(self, dataset: Dataset) -> None:
        X, y = in_memory(dataset)
        whole = lightgbm.Dataset(X, y, categorical_feature=[2], params=LIGHTGBM)
        wanted = lightgbm.train(LIGHTGBM, whole, 10).predict(X)
        rows = dataset.to_lightgbm()
        assert rows.num_data() == N_ROWS
        np.testing.assert_array_equal(rows.get_label(), y)
        found = lightgbm.train(LIGHTGBM, rows, 10).predict(X)
        np.testing.assert_allclose(found, wanted, atol=1e-6)

    def test_rows_to_evaluate_on_have_the_same_bins(self, dataset: Dataset) -> None:
        rows = dataset.to_lightgbm(split="[:80%]")
        held_out = dataset.to_lightgbm(split="[80%:]", reference=rows)
        results: dict = {}
        record = lightgbm.record_evaluation(results)
        options = {**LIGHTGBM, "metric": "auc"}
        lightgbm.train(options, rows, 5, valid_sets=[held_out], callbacks=[record])
        assert results["valid_0"]["auc"][-1] > 0.85

    def test_parameters_of_the_bins(self, dataset: Dataset) -> None:
        rows = dataset.to_lightgbm(columns=["x"], parameters={"max_bin": 15})
        assert rows.feature_num_bin(0) <= 16

    def test_what_does_not_fit_is_said_beforehand(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needed = dataset.tree_memory("lightgbm").memory_bytes
        monkeypatch.setattr(lightgbm_loader, "available_memory_bytes", lambda: needed - 1)
        with pytest.raises(BudgetError, match="LightGBM keeps 3,000 rows of 4 features"):
            dataset.to_lightgbm()


class TestRefused:
    def test_text(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match="text and have no number: note"):
            npy.to_xgboost()

    def test_labels_that_are_null(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match='"count" is null in 143 rows'):
            npy.to_lightgbm(label="count", columns=["id"])

    def test_another_library(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match='"xgbost" is not a library of trees'):
            npy.tree_memory("xgbost")


class TestPartialFit:
    def test_a_classifier_learns(self, dataset: Dataset) -> None:
        model = SGDClassifier(loss="log_loss", alpha=0.01, average=True, random_state=0)
        assert dataset.partial_fit(model, batch_size=256, epochs=3) is model
        X = np.concatenate([X for X, _ in dataset.to_numpy_batches(500, normalize=True)])
        _, y = in_memory(dataset)
        assert roc_auc_score(y, model.decision_function(X)) > 0.8
        assert model.classes_.tolist() == [0, 1]

    def test_rows_without_a_label_are_left_out(self, npy: Dataset) -> None:
        model = SGDRegressor(random_state=0)
        npy.partial_fit(model, label="fare", columns=["id", "count"])
        assert np.isfinite(model.coef_).all()

    def test_what_is_refused(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match="RandomForestClassifier has no partial_fit"):
            npy.partial_fit(RandomForestClassifier())
        with pytest.raises(UsageError, match="the model learns classes"):
            npy.partial_fit(SGDClassifier(), label="ratio", columns=["id"])


def test_names_that_the_libraries_do_not_take(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = ["a[0]", "b<c>", 'd,"e"', "f g"]
    columns = {name: random.normal(size=200) for name in names}
    rows = pa.table({**columns, "label": np.arange(200) % 2})
    dataset = open_dataset(write_dataset(tmp_path / "d", rows, "npy", "columns", 1, "label"))
    wanted = ["a_0_", "b_c_", "d__e_", "f_g"]
    assert dataset.to_xgboost().feature_names == wanted
    assert dataset.to_lightgbm().feature_name == wanted


def test_blocks_are_all_rows(npy: Dataset) -> None:
    rows = tree_rows.tree_rows(npy, columns=tables.FEATURES)
    for _ in range(2):
        blocks = list(rows.blocks())
        assert len(blocks) > 1
        X = np.concatenate([block.X for block in blocks])
        np.testing.assert_array_equal(X, tables.expected_x(np.arange(tables.N_ROWS)))
