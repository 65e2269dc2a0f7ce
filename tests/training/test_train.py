"""Training on real shards with TensorFlow: what learns passes, what cannot fails."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import train
from bigdata_cli.errors import MissingDependencyError, UsageError, VerificationError
from bigdata_cli.training.course import TrainProgress
from bigdata_cli.training.report import TrainReport
from tests.datasets import LAYOUTS, edited_manifest, write_dataset

N_ROWS = 2000
MEASURED = ("seconds", "rows_per_second", "peak_memory_bytes", "phases", "pace")


def example_table(n_rows: int = N_ROWS) -> pa.Table:
    """Labels that the features tell: a bool, classes, a number; and one that they do not."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(1000, 50, n_rows), rng.normal(size=n_rows)
    kind = rng.integers(0, 3, n_rows)
    holes = rng.random(n_rows) < 0.1
    return pa.table(
        {
            "a": pa.array(a.astype(np.float32), mask=holes),
            "b": b,
            "kind": pa.array([f"k{i}" for i in kind]).dictionary_encode(),
            "yes": pa.array((b + kind > 1).astype(np.int8)),
            "number": 5000 + 300 * b + 10 * kind,
            "noise": rng.integers(0, 2, n_rows).astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


def quick(folder: Path, label: str, **options: object) -> TrainReport:
    return train(folder, label=label, batch_size=64, **{"epochs": 6, **options})  # type: ignore[arg-type]


class TestLearning:
    def test_a_binary_label(self, folder: Path) -> None:
        seen: list[TrainProgress] = []
        report = quick(folder, "yes", progress=seen.append)
        assert report.passed, report.reason
        assert (report.task, report.metric) == ("binary", "AUC")
        assert report.metric_value is not None
        assert report.metric_value > 0.95
        assert report.last_loss < report.first_loss
        assert report.held_out_loss < report.constant_loss
        assert report.rows == N_ROWS == report.trained_rows + report.held_out_rows
        assert report.steps == 6 * math.ceil(report.trained_rows / 64)
        assert any(device.startswith("CPU") for device in report.devices)
        assert report.features == ("a", "b", "number", "noise", "kind")
        assert (seen[-1].epoch, seen[-1].step) == (6, report.steps)
        assert json.loads(json.dumps(report.to_json(), allow_nan=False))["passed"] is True

    def test_classes(self, folder: Path) -> None:
        report = quick(folder, "kind", epochs=12)
        assert report.passed, report.reason
        assert (report.task, report.metric) == ("classes", "accuracy")
        assert report.metric_value is not None
        assert report.metric_value > 0.4

    def test_a_number_with_its_error_in_its_units(self, folder: Path) -> None:
        report = quick(folder, "number", epochs=12)
        assert report.passed, report.reason
        assert (report.task, report.metric) == ("regression", "RMSE")
        assert report.metric_value is not None
        assert 10 < report.metric_value < 200
        assert report.constant_loss == pytest.approx(1, rel=0.2)

    def test_noise_fails(self, folder: Path) -> None:
        report = quick(folder, "noise", epochs=12)
        assert not report.passed

    def test_memorised_noise_fails(self, tmp_path: Path) -> None:
        index = np.arange(600)
        noise = np.random.default_rng(0).integers(0, 2, 600).astype(np.int8)
        rng = np.random.default_rng(1)
        table = pa.table({"y": noise} | {f"f{i}": rng.normal(size=600) for i in range(30)})
        report = train(write_dataset(tmp_path / "d", table), label="y", batch_size=16, epochs=30)
        assert report.last_loss < report.first_loss - 0.02
        assert not report.passed
        assert "held out" in report.reason
        assert len(index) == report.rows

    def test_the_same_seed_gives_the_same_training(self, folder: Path) -> None:
        first, again, other = (quick(folder, "yes", epochs=1, seed=s) for s in (3, 3, 4))
        timeless = [
            {k: v for k, v in r.to_json().items() if k not in MEASURED}
            for r in (first, again, other)
        ]
        assert timeless[0] == timeless[1]
        assert timeless[0]["last_loss"] != timeless[2]["last_loss"]

    def test_no_global_random_state_is_touched(self, folder: Path) -> None:
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        expected = random.getstate()[1], np.random.get_state()[1].tolist()  # noqa: NPY002
        quick(folder, "yes", epochs=1)
        assert (random.getstate()[1], np.random.get_state()[1].tolist()) == expected  # noqa: NPY002

    @pytest.mark.slow
    @pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
    def test_every_layout_trains_alike(self, tmp_path: Path, format_name: str, layout: str) -> None:
        rounded = example_table().drop(["number"])
        rounded = rounded.set_column(1, "b", rounded.column("b").cast(pa.float32()))
        reports = [
            quick(write_dataset(tmp_path / name, rounded, name, kind, 3, "yes"), "yes", epochs=2)
            for name, kind in (("parquet", "rows"), (format_name, layout))
        ]
        assert reports[0].last_loss == pytest.approx(reports[1].last_loss, abs=1e-3)
        assert reports[1].passed

    @pytest.mark.slow
    def test_rare_positives(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        n_rows = 100_000
        x = rng.normal(size=(n_rows, 4)).astype(np.float32)
        score = x[:, 0] + x[:, 1]
        y = (score > np.quantile(score, 0.9987)).astype(np.int8)
        table = pa.table({f"x{i}": x[:, i] for i in range(4)} | {"y": y})
        folder = write_dataset(tmp_path / "d", table, n_shards=3, label="y")
        report = train(folder)
        assert report.passed, report.reason
        assert report.metric_value is not None
        assert report.metric_value > 0.98
        shuffled = table.set_column(4, "y", pa.array(rng.permutation(y)))
        assert not train(write_dataset(tmp_path / "s", shuffled, label="y")).passed


class TestFailing:
    def test_a_loss_that_is_not_finite(self, tmp_path: Path) -> None:
        y = np.random.default_rng(0).normal(size=500)
        y[250] = np.inf
        folder = write_dataset(tmp_path / "d", pa.table({"x": np.arange(500), "y": y}))
        with edited_manifest(folder) as manifest:
            manifest["columns"][1]["statistics"]["infinite"] = 0
        report = train(folder, label="y", batch_size=32, epochs=50)
        assert not report.passed
        assert "the loss became" in report.reason
        assert report.steps < 50
        assert report.to_json()["last_loss"] is None

    def test_a_damaged_shard_is_reported_as_such(self, tmp_path: Path) -> None:
        folder = write_dataset(tmp_path / "d", example_table(), n_shards=2)
        (folder / "data-00001-of-00002.parquet").unlink()
        with pytest.raises(VerificationError, match="is missing"):
            quick(folder, "yes")

    @pytest.mark.parametrize("options", [{"epochs": 0}, {"batch_size": 0}, {"batch_size": 1.5}])
    def test_wrong_options(self, folder: Path, options: dict[str, object]) -> None:
        with pytest.raises(UsageError, match=next(iter(options))):
            train(folder, label="yes", **options)  # type: ignore[arg-type]

    def test_without_tensorflow(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tensorflow", None)
        with pytest.raises(MissingDependencyError, match="bigdata train needs tensorflow") as got:
            train(folder, label="yes", backend="tensorflow")
        assert got.value.hint == "pip install 'bigdata-shards[train]'"

    def test_hardly_any_rows_is_a_doubt_and_no_error(self, tmp_path: Path) -> None:
        table = pa.table({"x": [0.0, 1.0, 2.0, 3.0], "y": [0, 1, 0, 1]})
        report = train(write_dataset(tmp_path / "d", table), label="y", epochs=2)
        assert report.rows == 4
        assert report.notes or not report.passed
