"""The page of a training: whole, self-contained, and with the figures of the report."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from bigdata_cli import train
from bigdata_cli.dataset import open_dataset
from bigdata_cli.html.charts import Line, line_chart
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training.diagnostics import MAX_POINTS, diagnostics_of
from tests.datasets import write_dataset
from tests.inspection.test_page import check
from tests.training.models import example_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(1_500), n_shards=2)


def headings(page: str) -> list[str]:
    return re.findall(r"<h[23]>(.*?)</h[23]>", page)


def test_the_page_of_two_values(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report = train(
        folder,
        label="fraud",
        model="xgboost",
        trees=12,
        importance=True,
        early_stopping=True,
        report=path,
    )
    page = path.read_text(encoding="utf-8")
    check(page)
    assert headings(page) == [
        *("Course", "Loss", "AUC", "Predictions", "ROC", "Precision and recall", "Calibration"),
        *("Confusion", "Importance", "Memory", "Memory"),
    ]
    assert f"{report.metric_value:.4g}" in page
    assert "the best, which is kept" in page
    assert "peak as predicted" in page


def test_the_page_of_a_network(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    train(folder, label="grade", epochs=2, batch_size=128, schedule="cosine", report=path, seed=1)
    page = path.read_text(encoding="utf-8")
    check(page)
    found = headings(page)
    assert found[:4] == ["Course", "Loss", "accuracy", "Learning rate"]
    assert {"Calibration", "Confusion", "Throughput"} < set(found)


def test_the_page_of_folds_and_numbers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report = train(folder, label="price", model="lightgbm", trees=5, cv=3, report=path)
    page = path.read_text(encoding="utf-8")
    check(page)
    assert headings(page) == ["Folds", "Predictions", "Calibration", "Memory", "Memory"]
    for value in report.fold_metrics:
        assert f"{value:.4g}" in page


def test_names_are_no_markup(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    name = '<img src=x onerror="alert(1)">'
    labels = pa.array([f"<b>{int(value > 0)}" for value in x]).dictionary_encode()
    folder = write_dataset(tmp_path / "d", pa.table({name: x, "<i>y": labels}))
    path = tmp_path / "report.html"
    train(folder, label="<i>y", model="lightgbm", trees=3, importance=True, report=path)
    check(path.read_text(encoding="utf-8"))


class TestDiagnostics:
    @pytest.fixture(scope="class")
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        y = rng.integers(0, 2, 5_000).astype(np.float64)
        return np.round(rng.normal(size=5_000) + y, 2)[:, np.newaxis], y

    def test_curves_are_those_of_scikit_learn(self, folder: Path, rows) -> None:  # type: ignore[no-untyped-def]
        logits, y = rows
        found = diagnostics_of(plan_target(open_dataset(folder), "fraud"), logits, y)
        assert len(found.roc) <= MAX_POINTS + 1
        wrong, hit, _ = roc_curve(y, logits[:, 0], drop_intermediate=False)
        theirs = set(zip(wrong.round(9), hit.round(9), strict=True))
        assert {(round(a, 9), round(b, 9)) for a, b in found.roc} <= theirs
        assert (found.roc[0], found.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
        precision, recall, _ = precision_recall_curve(y, logits[:, 0])
        theirs = set(zip(recall.round(9), precision.round(9), strict=True))
        assert {(round(a, 9), round(b, 9)) for a, b in found.precision_recall} <= theirs

    def test_confusion_and_calibration_are_those_of_scikit_learn(self, folder: Path, rows) -> None:  # type: ignore[no-untyped-def]
        logits, y = rows
        found = diagnostics_of(plan_target(open_dataset(folder), "fraud"), logits, y)
        assert found.confusion is not None
        assert (found.confusion == confusion_matrix(y, logits[:, 0] > 0)).all()
        probability = 1 / (1 + np.exp(-logits[:, 0]))
        shares, means = calibration_curve(y, probability, n_bins=10, strategy="quantile")
        ours = np.array(found.calibration)
        assert ours[:, 0] == pytest.approx(means, abs=0.01)  # ties may be in either tenth
        assert ours[:, 1] == pytest.approx(shares, abs=0.03)


def test_a_chart_of_what_is_not_finite() -> None:
    assert line_chart("t", [Line(name="a", points=[(1, float("nan"))])], x="x", y="y") == ""
    chart = line_chart("t", [Line(name="a", points=[(1, 2.0), (2, float("inf"))])], x="x", y="y")
    assert "inf" not in chart
    assert "nan" not in chart
