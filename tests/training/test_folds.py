"""Folds of a cross-validation: every row in one, equal values together, one clear error each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from bigdata_cli import train
from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training.folds import Fold
from bigdata_cli.training.sampling import RowSample
from bigdata_cli.training.stream import ExampleStream, Reading
from bigdata_cli.types.dtype import Column
from tests.datasets import LAYOUTS, write_dataset
from tests.training.models import example_table

N_ROWS = 3_001


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


def stream_of(dataset: Dataset, index: int, count: int, by: str | None = None, **reading: object):
    column = None if by is None else dataset.schema[by]
    fold = Fold(index=index, count=count, by=column)
    return ExampleStream(
        dataset,
        plan_features(dataset, "fraud", is_normalized=False),
        plan_target(dataset, "fraud"),
        Reading(batch_size=64, hold_out=False, fold=fold, **reading),  # type: ignore[arg-type]
    )


def ids(stream: ExampleStream, parts: object) -> list[int]:
    """The numbers of rows, which the column `id` has."""
    names = [feature.name for feature in stream.encoder.features.numbers]
    place = names.index("id")
    return [int(one) for part in parts for one in part.dense[:, place]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("by", [None, "place", "id", "x"])
def test_every_row_is_measured_once_and_trained_on_in_all_other_folds(
    folder: Path, by: str | None
) -> None:
    dataset = open_dataset(folder)
    held_out = []
    for index in range(4):
        stream = stream_of(dataset, index, 4, by)
        trained = ids(stream, stream.epoch(0))
        assert len(stream.held_out()) == 0  # they are kept nowhere
        measured = ids(stream, stream.fold_rows())
        assert sorted(trained + measured) == list(range(N_ROWS))
        assert sorted(trained) == sorted(ids(stream, stream.epoch(1)))
        assert stream.count_classes().sum() == len(trained)
        held_out += measured
    assert sorted(held_out) == list(range(N_ROWS))


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_equal_values_are_in_the_same_fold_in_every_format(
    tmp_path: Path, format_name: str, layout: str
) -> None:
    table = example_table(600).select(["id", "place", "fraud"])
    folder = write_dataset(tmp_path / "d", table, format_name, layout, 2, "fraud")
    dataset = open_dataset(folder)
    places = {}
    for index in range(3):
        stream = stream_of(dataset, index, 3, "place")
        for one in ids(stream, stream.fold_rows()):
            assert places.setdefault(one % 40, index) == index
    assert set(places.values()) == {0, 1, 2}


def test_folds_have_their_share_of_each_class(folder: Path) -> None:
    dataset = open_dataset(folder)
    y = dataset["fraud"]
    shares = []
    for index in range(5):
        stream = stream_of(dataset, index, 5)
        rows = ids(stream, stream.fold_rows())
        shares.append((len(rows), y[rows].sum()))
    n_rows, n_positive = np.array(shares).T
    assert np.ptp(n_rows) <= 6  # one for each shard and class
    assert np.ptp(n_positive) <= 3


def test_samples_and_watched_rows_are_of_the_rows_to_train_on(folder: Path) -> None:
    dataset = open_dataset(folder)
    sample = RowSample(share=0.5, stratify=True)
    stream = stream_of(dataset, 1, 3, "place", sample=sample, watch=True)
    trained = set(ids(stream, stream.epoch(0)))
    watched, measured = set(ids(stream, [stream.watched()])), set(ids(stream, stream.fold_rows()))
    assert not trained & watched
    assert not (trained | watched) & measured
    assert len(watched) == pytest.approx((N_ROWS - len(measured)) / 10, abs=6)
    assert len(trained) == pytest.approx((N_ROWS - len(measured)) * 0.9 / 2, abs=6)


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_a_cross_validation_of_trees(folder: Path, model: str) -> None:
    report = train(folder, label="fraud", model=model, trees=10, cv=3, importance=True)  # type: ignore[arg-type]
    assert report.passed, report.reason
    assert len(report.fold_metrics) == 3
    assert report.metric_value == pytest.approx(np.mean(report.fold_metrics))
    assert report.evaluated_rows == report.held_out_rows == N_ROWS
    assert report.trained_rows == pytest.approx(N_ROWS * 2 / 3, abs=1)
    assert report.saved is None
    assert report.importance[0].column == "price"
    assert report.to_json()["fold_metrics"] == list(report.fold_metrics)


def test_a_fold_is_measured_as_if_it_were_another_dataset(folder: Path) -> None:
    import xgboost

    report = train(folder, label="fraud", model="xgboost", trees=10, cv=3)
    dataset = open_dataset(folder)
    for index, value in enumerate(report.fold_metrics):
        stream = stream_of(dataset, index, 3)
        rows, held_out = (
            [np.concatenate([getattr(p, n) for p in parts]) for n in ("dense", "codes", "y")]
            for parts in (list(stream.epoch(0)), list(stream.fold_rows()))
        )
        X, X2 = (np.hstack([dense, codes]) for dense, codes, _ in (rows, held_out))
        types = ["q"] * rows[0].shape[1] + ["c"] * rows[1].shape[1]
        matrix = xgboost.QuantileDMatrix(X, rows[2], feature_types=types, enable_categorical=True)
        options = {"objective": "binary:logistic", "eta": 0.1, "max_depth": 6}
        booster = xgboost.train(options, matrix, 10)
        expected = roc_auc_score(held_out[2], booster.inplace_predict(X2))
        assert value == pytest.approx(expected, abs=0.01)


def test_a_network_in_folds_by_a_column(folder: Path) -> None:
    report = train(folder, label="grade", epochs=2, batch_size=128, cv=2, cv_by="place")
    assert len(report.fold_metrics) == 2
    assert report.evaluated_rows == N_ROWS


class TestBadFolds:
    def test_a_class_that_is_in_one_fold_only(self, tmp_path: Path) -> None:
        y = np.zeros(200, np.int8)
        y[7] = 1
        folder = write_dataset(tmp_path / "d", pa.table({"x": np.arange(200.0), "y": y}))
        with pytest.raises(UsageError, match='of one class only, "0" of the label "y"') as caught:
            train(folder, label="y", cv=4)
        assert "cv=4: fold" in caught.value.message

    def test_values_that_tell_the_label(self, tmp_path: Path) -> None:
        folds = Fold(index=0, count=2, by=Column(name="group", dtype="int16")).of_values(
            pa.array(np.arange(20, dtype=np.int16))
        )
        y = (np.arange(200) < 100).astype(np.int8)
        groups = np.array([int(np.flatnonzero(folds == fold)[0]) for fold in (0, 1)], np.int16)
        table = pa.table({"x": np.arange(200.0), "group": groups[y], "y": y})
        folder = write_dataset(tmp_path / "d", table)
        with pytest.raises(UsageError, match='of one class only, "0" of the label'):
            train(folder, label="y", cv=2, cv_by="group")

    def test_more_folds_than_values(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        table = pa.table(
            {
                "x": rng.normal(size=300),
                "group": np.arange(300, dtype=np.int16) % 3,
                "y": rng.integers(0, 2, 300).astype(np.int8),
            }
        )
        folder = write_dataset(tmp_path / "d", table)
        with pytest.raises(UsageError, match='has no rows: "group" has too few values'):
            train(folder, label="y", cv=9, cv_by="group")
