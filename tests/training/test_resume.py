"""A training that was saved goes on as if it had never ended, and only where it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import train
from bigdata_cli.errors import UsageError
from bigdata_cli.training import stream as stream_module
from bigdata_cli.training.course import TrainProgress
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.saved import load_model
from bigdata_cli.training.tree_model import load_trees, n_trees
from tests.datasets import edited_manifest, write_dataset
from tests.training.models import example_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(1200), n_shards=2)


def quick(folder: Path, path: Path | None, **options: Any) -> TrainReport:
    chosen = {"label": "fraud", "epochs": 4, "batch_size": 64, "hidden": (8,), **options}
    return train(folder, save=path, **chosen)


def variables(path: Path) -> list[np.ndarray]:
    network = load_model(path).keras_model
    return [np.array(v) for v in (*network.weights, *network.optimizer.variables)]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "whole.keras"
    report = quick(folder, path)
    assert (report.saved, report.epochs, report.resumed_epochs) == (path, 4, 0)
    return path


@pytest.fixture(scope="module")
def half(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "half.keras"
    quick(folder, path, epochs=2)
    return path


def copy_of(path: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "m.keras"
    copy.write_bytes(path.read_bytes())
    return copy


def test_a_resumed_training_ends_with_the_same_weights(
    folder: Path, whole: Path, half: Path, tmp_path: Path
) -> None:
    path = copy_of(half, tmp_path)
    report = quick(folder, path, resume=True)
    assert (report.epochs, report.resumed_epochs) == (4, 2)
    for resumed, uninterrupted in zip(variables(path), variables(whole), strict=True):
        np.testing.assert_array_equal(resumed, uninterrupted)


def test_an_interrupted_training_goes_on_from_the_last_epoch(
    folder: Path, whole: Path, tmp_path: Path
) -> None:
    def interrupt(progress: TrainProgress) -> None:
        if progress.epoch == 3:
            raise KeyboardInterrupt

    path = tmp_path / "m.keras"
    with pytest.raises(KeyboardInterrupt) as caught:
        quick(folder, path, progress=interrupt)
    assert caught.value.__notes__ == [
        f"{path} has 2 epochs; the same command with --resume continues"
    ]
    quick(folder, path, resume=True)
    for resumed, uninterrupted in zip(variables(path), variables(whole), strict=True):
        np.testing.assert_array_equal(resumed, uninterrupted)


def test_a_training_goes_on_within_an_epoch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "WINDOW_BATCHES", 4)  # several windows in an epoch
    path = tmp_path / "m.keras"

    def interrupt(progress: TrainProgress) -> None:
        if progress.epoch == 3 and progress.step > 2 * progress.expected_steps // 4 + 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        quick(folder, path, progress=interrupt, save_every=0)
    (note,) = caught.value.__notes__
    assert note.startswith(f"{path} has 2 epochs and a part of the next")
    state = load_model(path).state
    assert (state["epochs"], state["windows"]) == (2, 1)
    seen: list[TrainProgress] = []
    report = quick(folder, path, resume=True, progress=seen.append)
    assert (report.epochs, report.resumed_epochs) == (4, 2)
    assert report.rows == report.trained_rows + report.held_out_rows
    expected = variables(whole_of(folder, tmp_path))
    for resumed, uninterrupted in zip(variables(path), expected, strict=True):
        np.testing.assert_array_equal(resumed, uninterrupted)


def whole_of(folder: Path, tmp_path: Path) -> Path:
    """A training without an end in between, with the windows that there are now."""
    path = tmp_path / "uninterrupted.keras"
    quick(folder, path)
    return path


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
class TestTrees:
    def boosted(self, folder: Path, model: str, path: Path, **options: Any) -> TrainReport:
        return train(folder, label="fraud", model=model, save=path, **options)  # type: ignore[arg-type]

    @pytest.mark.parametrize("label", ["fraud", "grade", "price"])
    def test_trees_go_on_as_if_they_had_never_ended(
        self, folder: Path, model: str, tmp_path: Path, label: str
    ) -> None:
        options = {"label": label, "model": model, "balanced": label == "grade"}
        whole = train(folder, trees=9, save=tmp_path / "w.trees", **options)
        path = tmp_path / "m.trees"
        train(folder, trees=4, save=path, **options)
        report = train(folder, trees=9, save=path, resume=True, **options)
        assert (report.trees, report.resumed_trees) == (9, 4)
        assert report.held_out_loss == pytest.approx(whole.held_out_loss, rel=1e-6)
        assert report.metric_value == pytest.approx(whole.metric_value, rel=1e-6)

    def test_trees_are_saved_in_between(self, folder: Path, model: str, tmp_path: Path) -> None:
        path = tmp_path / "m.trees"

        def interrupt(progress: TrainProgress) -> None:
            if progress.step == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.boosted(folder, model, path, trees=9, save_every=0, progress=interrupt)
        assert n_trees(load_trees(path).booster, model) == 5
        assert self.boosted(folder, model, path, trees=9, resume=True).resumed_trees == 5

    def test_what_does_not_go_on(self, folder: Path, model: str, tmp_path: Path) -> None:
        path = tmp_path / "m.trees"
        self.boosted(folder, model, path, trees=3)
        with pytest.raises(UsageError, match="already has 3 trees, trees is 3"):
            self.boosted(folder, model, path, trees=3, resume=True)
        with pytest.raises(UsageError, match=r"lr off, which is 0\.5 now"):
            self.boosted(folder, model, path, trees=4, resume=True, lr=0.5)
        other = write_dataset(tmp_path / "d", example_table(1200, seed=1), n_shards=2)
        with pytest.raises(UsageError, match="was trained on other rows"):
            self.boosted(other, model, path, trees=4, resume=True)


def test_a_file_that_is_not_there_yet_is_a_training_from_the_start(
    folder: Path, tmp_path: Path
) -> None:
    report = quick(folder, tmp_path / "m.keras", epochs=1, resume=True)
    assert report.resumed_epochs == 0
    assert any("started from the beginning" in note for note in report.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 32}, "batch_size=64, which is 32 now"),
        ({"seed": 1}, "seed=0, which is 1 now"),
        ({"hidden": (8, 8)}, r"hidden=\[8\], which is 8,8 now"),
        ({"dropout": 0.5}, "dropout=0.25"),
        ({"balanced": True}, "balanced=False, which is on now"),
        ({"sample": 0.5}, "sample off, which is 0.5 now"),
        ({"label": "kind"}, 'its label is "fraud", not "kind"'),
        ({"epochs": 2}, "already has 2 epochs, epochs is 2"),
    ],
)
def test_another_training_does_not_go_on(
    folder: Path, half: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    path = copy_of(half, tmp_path)
    with pytest.raises(UsageError, match=message):
        quick(folder, path, resume=True, **options)
    assert path.read_bytes() == half.read_bytes()


def test_columns_that_the_model_was_not_trained_on(half: Path, tmp_path: Path) -> None:
    table = example_table(1200)
    renamed = table.rename_columns(["z" if name == "x" else name for name in table.column_names])
    other = write_dataset(tmp_path / "d", renamed)
    with pytest.raises(UsageError, match=r"does not fit .*d: column \"x\" is not there, and was"):
        quick(other, copy_of(half, tmp_path), resume=True)


def test_other_rows_of_the_same_columns(half: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", example_table(1200, seed=1), n_shards=2)
    with pytest.raises(UsageError, match="was trained on other rows"):
        quick(other, copy_of(half, tmp_path), resume=True)


def test_a_file_is_not_replaced_unasked(folder: Path, half: Path, tmp_path: Path) -> None:
    path = copy_of(half, tmp_path)
    with pytest.raises(UsageError, match="exists") as caught:
        quick(folder, path)
    assert caught.value.hint == "resume=True continues from it, force=True replaces it"
    assert quick(folder, path, epochs=1, force=True).epochs == 1


@pytest.mark.parametrize("name", ["m.h5", "nowhere/m.keras"])
def test_where_a_model_cannot_be_saved(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^save: "):
        quick(folder, tmp_path / name)


def test_resume_needs_a_file(folder: Path) -> None:
    with pytest.raises(UsageError, match="resume=True goes on from the file that save names"):
        quick(folder, None, resume=True)


def test_a_loss_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    y = np.random.default_rng(0).normal(size=500)
    y[250] = np.inf
    folder = write_dataset(tmp_path / "d", pa.table({"x": np.arange(500), "y": y}))
    with edited_manifest(folder) as manifest:
        manifest["columns"][1]["statistics"]["infinite"] = 0
    report = train(folder, label="y", batch_size=32, epochs=3, save=tmp_path / "m.keras")
    assert "the loss became" in report.reason
    assert report.saved is None
    assert not (tmp_path / "m.keras").exists()
