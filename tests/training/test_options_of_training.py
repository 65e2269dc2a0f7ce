"""Options of the trainer: the optimizer, the size of its steps, the history of the loss."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bigdata_cli import train
from bigdata_cli.errors import UsageError
from bigdata_cli.training.history import HISTORY_COLUMNS
from bigdata_cli.training.report import TrainReport
from tests.datasets import write_dataset
from tests.training.models import example_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


def quick(folder: Path, **options: object) -> TrainReport:
    return train(folder, label="fraud", **{"epochs": 2, "batch_size": 128, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_optimizers_learn_and_go_on(folder: Path, tmp_path: Path, optimizer: str) -> None:
    path = tmp_path / "model.keras"
    options = {"optimizer": optimizer, "lr": 0.01, "dropout": 0.0, "save": path}
    first = quick(folder, **options)
    assert first.last_loss < first.first_loss
    again = quick(folder, **{**options, "epochs": 3, "resume": True})
    assert (again.epochs, again.resumed_epochs) == (3, 2)
    assert again.last_loss < again.first_loss
    with pytest.raises(UsageError, match=f"optimizer=.{optimizer}., which is adam"):
        quick(folder, **{**options, "optimizer": "adam", "epochs": 4, "resume": True})


def test_the_size_of_a_step_is_used(folder: Path) -> None:
    losses = [quick(folder, lr=lr, dropout=0.0).last_loss for lr in (1e-5, 1e-2)]
    assert losses[1] < losses[0] - 0.01


def test_the_history_has_every_step(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    report = quick(folder, history=path, epochs=3)
    history = pd.read_csv(path)
    assert tuple(history.columns) == HISTORY_COLUMNS
    assert history["step"].tolist() == list(range(1, report.steps + 1))
    assert history["epoch"].value_counts().to_dict() == dict.fromkeys((1, 2, 3), report.steps // 3)
    last = history[history["epoch"] == 3]
    assert last["loss"].mean() == pytest.approx(report.last_loss, rel=1e-6)
    assert last["untrained_loss"].mean() == pytest.approx(report.first_loss, rel=1e-6)
    assert (history["learning_rate"] == 0.002).all()
    measured = history.dropna()
    assert measured["epoch"].tolist() == [1, 2, 3]  # at the end of each epoch
    assert measured["held_out_loss"].iloc[-1] == pytest.approx(report.held_out_loss, rel=1e-6)
    assert measured["held_out_metric"].iloc[-1] == pytest.approx(report.metric_value, rel=1e-6)


def test_a_resumed_history_goes_on_with_its_epochs(folder: Path, tmp_path: Path) -> None:
    path, model = tmp_path / "history.csv", tmp_path / "model.keras"
    quick(folder, save=model)
    quick(folder, save=model, resume=True, epochs=3, history=path)
    assert set(pd.read_csv(path)["epoch"]) == {3}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"optimizer": "adm"}, "adm"),
        ({"lr": 0.0}, r"lr=0\.0: it is above 0"),
        ({"lr": float("nan")}, "it is above 0"),
        ({"model": "xgboost", "epochs": None, "trees": 0}, "trees=0: it is at least 1"),
        ({"l2": -0.1}, r"l2=-0\.1: it is at least 0"),
        ({"cv": 1}, "cv=1: it is at least 2, up to 100"),
        ({"schedule": "cosin"}, "cosine"),
        ({"metric": "rmse"}, r'metric="rmse": the label "fraud" has two values'),
        ({"patience": 3}, "patience is of early_stopping"),
        ({"cv_by": "kind"}, "cv_by is of cv"),
        ({"cv": 3, "save": Path("m.keras")}, "save is of one model, and cv trains several"),
        ({"cv": 3, "evaluate_on": "[80%:]"}, "cv measures each model"),
        ({"importance": True, "bag": 2, "sample": 0.5}, "importance=True is of one model, and bag"),
        ({"mixed_precision": True, "model": "xgboost", "epochs": None}, "mixed_precision"),
        ({"schedule": "cosine", "model": "lightgbm", "epochs": None}, "schedule"),
        ({"plot": Path("loss.gif")}, "is not a kind of picture"),
        ({"tensorboard": Path("none/logs")}, "there is no folder none"),
        ({"history": Path("x.csv"), "plot": Path("x.csv")}, "not a kind of picture"),
        ({"early_stopping": True, "save_every": 5.0, "save": Path("m.keras")}, "best epoch"),
        ({"cv": 3, "cv_by": "knd"}, 'has no column "knd"'),
        ({"history": Path("none/history.csv")}, "there is no folder none"),
        ({"history": Path("h.csv"), "bag": 2, "sample": 0.5}, "history is of one model"),
    ],
)
def test_what_is_refused(folder: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        quick(folder, **{"batch_size": 512, **options})
