"""Early stopping, learning rates, penalties, precision; what is written of the course."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import predict, train
from bigdata_cli.errors import UsageError
from bigdata_cli.training.learning_rate import LearningRate
from bigdata_cli.training.metrics import METRICS
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.saved import load_model
from bigdata_cli.training.stopping import EarlyStopping
from bigdata_cli.training.tree_model import load_trees, n_trees
from tests.datasets import write_dataset
from tests.training.models import example_table

TREES = ("xgboost", "lightgbm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(1_500), n_shards=2)


def quick(folder: Path, **options: object) -> TrainReport:
    chosen = {"label": "fraud", "epochs": 2, "batch_size": 128, "dropout": 0.0, **options}
    return train(folder, **chosen)  # type: ignore[arg-type]


def boosted(folder: Path, model: str, **options: object) -> TrainReport:
    return train(folder, label="fraud", model=model, **options)  # type: ignore[arg-type]


class TestLearningRate:
    @pytest.mark.parametrize("warmup", [0, 7])
    def test_cosine_is_that_of_keras(self, warmup: int) -> None:
        import keras

        ours = LearningRate(peak=0.5, schedule="cosine", warmup_steps=warmup, total_steps=40)
        theirs = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else 0.5,
            40 - warmup,
            warmup_target=0.5 if warmup else None,
            warmup_steps=warmup,
        )
        for step in range(50):
            assert ours.at(step) == pytest.approx(float(theirs(step)), abs=1e-6)

    def test_linear_and_step_are_those_of_keras(self) -> None:
        import keras

        schedules = keras.optimizers.schedules
        pairs = {
            "linear": schedules.PolynomialDecay(0.5, 40, end_learning_rate=0.0),
            "step": schedules.PiecewiseConstantDecay([19, 29], [0.5, 0.05, 0.005]),
        }
        for name, theirs in pairs.items():
            ours = LearningRate(peak=0.5, schedule=name, total_steps=40)
            for step in range(50):
                assert ours.at(step) == pytest.approx(float(theirs(step)), abs=1e-6), (name, step)

    def test_the_steps_have_them(self, folder: Path, tmp_path: Path) -> None:
        import pandas as pd

        path = tmp_path / "h.csv"
        report = quick(folder, history=path, schedule="linear", warmup_steps=3, lr=0.01)
        rates = pd.read_csv(path)["learning_rate"].tolist()
        expected = LearningRate(
            peak=0.01, schedule="linear", warmup_steps=3, total_steps=report.steps
        )
        assert rates == pytest.approx([expected.at(step) for step in range(report.steps)])
        assert rates[0] == 0
        assert rates[-1] < 0.002


class TestStopping:
    @given(
        st.lists(st.floats(0, 1, width=16), min_size=1, max_size=20),
        st.integers(1, 5),
        st.sampled_from(["auc", "log-loss"]),
    )
    def test_it_ends_after_so_many_steps_without_a_better_one(
        self, values: list[float], patience: int, metric: str
    ) -> None:
        stopping = EarlyStopping(METRICS[metric], patience=patience)
        best = max if metric == "auc" else min
        for step, value in enumerate(values):
            is_best = stopping.is_best(step, value)
            seen = values[: step + 1]
            assert is_best == (value not in values[:step] and best(seen) == value)
            assert stopping.best_step == seen.index(best(seen))
            assert stopping.is_over(step) == (step - seen.index(best(seen)) >= patience)

    def test_the_best_epoch_is_kept_and_saved(self, folder: Path, tmp_path: Path) -> None:
        path = tmp_path / "m.keras"
        options = {"early_stopping": True, "patience": 2, "lr": 0.05, "save": path}
        report = quick(folder, epochs=60, **options)
        assert report.best_epoch is not None
        assert report.best_epoch == report.epochs - 2 < 58
        assert load_model(path).state["epochs"] == report.best_epoch
        again = quick(folder, epochs=60, **options, resume=True)  # from the best epoch on
        assert (again.best_epoch, again.epochs) == (report.best_epoch, report.epochs)
        assert again.metric_value == pytest.approx(report.metric_value, abs=1e-9)

    @pytest.mark.parametrize("model", TREES)
    def test_the_best_tree_is_the_last_one(self, folder: Path, model: str, tmp_path: Path) -> None:
        path = tmp_path / "m.trees"
        options = {"early_stopping": True, "patience": 5, "lr": 0.5, "metric": "log-loss"}
        report = boosted(folder, model, trees=100, save=path, **options)
        assert report.best_epoch == report.trees < 95
        assert n_trees(load_trees(path).booster, model) == report.trees
        plain = boosted(folder, model, trees=report.trees, lr=0.5)
        assert plain.trained_rows > report.trained_rows  # which decide, are not trained on
        found = predict(path, folder, output=tmp_path / "p.csv")
        assert found.rows == 1_500

    def test_a_metric_that_is_not_defined(self, tmp_path: Path) -> None:
        table = example_table(60)
        label = np.zeros(60, np.int8)
        label[:2] = 1
        folder = write_dataset(tmp_path / "d", table.set_column(6, "fraud", [label]))
        with pytest.raises(UsageError, match="AUC is not defined on the rows") as caught:
            boosted(folder, "xgboost", trees=3, early_stopping=True)
        assert "metric" in str(caught.value.hint)


class TestPenaltyAndPrecision:
    def test_the_penalty_makes_weights_small_and_is_no_part_of_the_loss(
        self, folder: Path, tmp_path: Path
    ) -> None:
        norms, losses = [], []
        for l2 in (None, 0.5):
            path = tmp_path / f"{l2}.keras"
            report = quick(folder, l2=l2, save=path, epochs=6, lr=0.01)
            weights = load_model(path).keras_model.trainable_weights
            kernels = [weight for weight in weights if len(weight.shape) > 1]
            norms.append(sum(float(np.square(np.array(kernel)).sum()) for kernel in kernels))
            losses.append(report.last_loss)
        assert norms[1] < 0.1 * norms[0]
        assert losses[1] < 1  # the penalty alone would be more

    @pytest.mark.parametrize("model", TREES)
    def test_the_penalty_of_trees(self, folder: Path, model: str) -> None:
        losses = [boosted(folder, model, trees=10, l2=l2).last_loss for l2 in (None, 1_000.0)]
        assert losses[1] > losses[0] + 0.02

    def test_mixed_precision_computes_in_bfloat16(self, folder: Path, tmp_path: Path) -> None:
        path = tmp_path / "m.keras"
        plain = quick(folder)
        mixed = quick(folder, mixed_precision=True, save=path)
        assert mixed.last_loss == pytest.approx(plain.last_loss, abs=0.02)
        network = load_model(path).keras_model
        layers = [layer for layer in network.layers if layer.name.startswith("hidden")]
        assert {layer.compute_dtype for layer in layers} == {"bfloat16"}
        assert {str(weight.dtype) for weight in network.weights} == {"float32"}
        assert network.outputs[0].dtype == "float32"
        assert predict(path, folder, output=tmp_path / "p.csv").rows == 1_500


class TestFiles:
    def test_tensorboard_reads_the_events(self, folder: Path, tmp_path: Path) -> None:
        logs = tmp_path / "logs"
        report = quick(folder, tensorboard=logs, epochs=3)
        train_values, validation = (events(logs / name) for name in ("train", "validation"))
        assert len(train_values["batch_loss"]) == report.steps
        assert sorted(train_values["epoch_loss"]) == [1, 2, 3]
        assert train_values["epoch_loss"][3] == pytest.approx(report.last_loss, rel=1e-5)
        assert validation["epoch_loss"][3] == pytest.approx(report.held_out_loss, rel=1e-5)
        assert validation["epoch_auc"][3] == pytest.approx(report.metric_value, rel=1e-5)

    @pytest.mark.parametrize("model", TREES)
    def test_the_course_of_trees(self, folder: Path, model: str, tmp_path: Path) -> None:
        import pandas as pd

        path, logs, picture = tmp_path / "h.csv", tmp_path / "logs", tmp_path / "p.svg"
        report = boosted(
            folder, model, trees=7, history=path, tensorboard=logs, plot=picture, balanced=True
        )
        history = pd.read_csv(path)
        assert history["step"].tolist() == list(range(1, 8))
        assert (history["loss"].diff().dropna() < 0).all()
        assert history["held_out_loss"].iloc[-1] == pytest.approx(report.held_out_loss, rel=1e-4)
        assert history["held_out_metric"].iloc[-1] == pytest.approx(report.metric_value, rel=1e-5)
        assert history["loss"].iloc[-1] == pytest.approx(report.last_loss, abs=0.05)
        assert len(events(logs / "validation")["epoch_auc"]) == 7
        assert "<svg" in picture.read_text()

    @pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
    def test_a_picture_of_the_losses(self, folder: Path, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"loss{suffix}"
        boosted(folder, "lightgbm", trees=3, plot=path)
        begin = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
        assert path.read_bytes().startswith(begin)


def events(folder: Path) -> dict[str, dict[int, float]]:
    """The values in the event files of a folder, by name and step, as TensorFlow reads them."""
    import tensorflow as tf

    found: dict[str, dict[int, float]] = {}
    for path in folder.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
            assert math.isfinite(event.wall_time)
    return found
