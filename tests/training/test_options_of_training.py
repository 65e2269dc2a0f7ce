"""Options of the trainer: the optimizer, the size of its steps, the history of the loss."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bigdata_cli import train
from bigdata_cli.errors import UsageError
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
    assert list(history.columns) == ["epoch", "step", "loss", "untrained_loss"]
    assert history["step"].tolist() == list(range(1, report.steps + 1))
    assert history["epoch"].value_counts().to_dict() == dict.fromkeys((1, 2, 3), report.steps // 3)
    last = history[history["epoch"] == 3]
    assert last["loss"].mean() == pytest.approx(report.last_loss, rel=1e-6)
    assert last["untrained_loss"].mean() == pytest.approx(report.first_loss, rel=1e-6)


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
        ({"model": "xgboost", "epochs": None, "trees": 0}, "trees is 0"),
        ({"history": Path("none/history.csv")}, "there is no folder none"),
        ({"history": Path("h.csv"), "bag": 2, "sample": 0.5}, "history is of one model"),
        ({"history": Path("h.csv"), "model": "xgboost", "epochs": None}, "history"),
    ],
)
def test_what_is_refused(folder: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        quick(folder, **{"batch_size": 512, **options})
