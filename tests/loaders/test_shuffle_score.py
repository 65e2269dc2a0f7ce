"""Batches of sorted rows mix the classes, as far as a format allows, and a score says how far."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from bigdata_cli.cli import main
from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.inspection.options import InspectOptions
from bigdata_cli.inspection.run import run
from bigdata_cli.loaders import cut, stream
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.shuffle_score import score_of
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training import stream as training_stream
from bigdata_cli.training.stream import ExampleStream, Reading
from tests.datasets import LAYOUTS, write_dataset

N_ROWS = 60_000
CLASSES = 10


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many windows and pieces as in a dataset that is a hundred times larger."""
    monkeypatch.setattr(stream, "WINDOW_BYTES", 480_000)
    monkeypatch.setattr(stream, "ORDERED_WINDOW_BYTES", 80_000)
    monkeypatch.setattr(training_stream, "MIXED_BYTES", 240_000)
    monkeypatch.setattr(cut, "PIECE_BYTES", 2_500)


def sorted_table() -> pa.Table:
    random = np.random.default_rng(0)
    columns = {f"f{i}": random.random(N_ROWS, np.float32) for i in range(4)}
    columns["label"] = (np.arange(N_ROWS) * CLASSES // N_ROWS).astype(np.int8)
    return pa.table(columns)


def sorted_dataset(
    folder: Path,
    format_name: str,
    layout: str | None,
    *,
    n_shards: int = 30,
    compression: str | None = None,
) -> Path:
    """A dataset of which each shard, and so each row group, has one class."""
    return write_dataset(
        folder, sorted_table(), format_name, layout, n_shards, "label", compression=compression
    )


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_batches_of_sorted_rows_have_all_classes(
    tmp_path: Path, format_name: str, layout: str
) -> None:
    dataset = open_dataset(sorted_dataset(tmp_path / "d", format_name, layout))
    batches = [y for _, y in dataset.to_numpy_batches(256, shuffle=True) if len(y) == 256]
    # A record of the layout block has 1,024 rows, so that a window has two dozen of them.
    wanted = 9.0 if layout == "block" else 9.5
    assert np.mean([len(np.unique(y)) for y in batches]) >= wanted
    score = dataset.shuffle_score(batch_size=256)
    assert (score.n_classes, score.n_batches) == (CLASSES, len(batches))
    assert score.score < (0.2 if layout == "block" else 0.1)
    of_batches = np.array([np.bincount(y, minlength=CLASSES) for y in batches])
    again = score_of(of_batches, np.full(CLASSES, 0.1), label="label")
    assert again.score == pytest.approx(score.score, abs=0.01)


@pytest.mark.parametrize("format_name", ["npy", "parquet"])
def test_training_mixes_the_classes_too(tmp_path: Path, format_name: str) -> None:
    dataset = open_dataset(sorted_dataset(tmp_path / "d", format_name, None))
    target = plan_target(dataset, "label")
    examples = ExampleStream(
        dataset, plan_features(dataset, "label"), target, Reading(batch_size=256)
    )
    windows = list(examples.epoch(0))
    y = np.concatenate([window.y for window in windows])
    batches = np.split(y[: len(y) // 256 * 256], len(y) // 256)
    assert np.mean([len(np.unique(batch)) for batch in batches]) >= 9.5
    score = examples.shuffle_score()
    assert score is not None
    assert not score.is_weak


def test_what_can_only_be_read_on_is_said_to_be_weak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WINDOW_BYTES", 240_000)
    folder = sorted_dataset(tmp_path / "d", "tfrecord", "packed", n_shards=6, compression="gzip")
    score = open_dataset(folder).shuffle_score(batch_size=256)
    assert score.is_weak
    assert 4 < score.classes_per_batch < 9
    report = run(folder, InspectOptions(shuffle_score=True))
    assert any("bigdata convert" in note and "--shuffle" in note for note in report.notes)
    assert "Shuffle score" in report.to_html()
    said = CliRunner().invoke(main, ["inspect", str(folder), "--shuffle-score"])
    assert "Shuffle score: 0." in said.output
    said = CliRunner().invoke(main, ["inspect", str(folder), "--shuffle-score", "--json"])
    assert json.loads(said.output)["shuffle_score"]["n_classes"] == CLASSES


def test_a_score_is_0_for_a_permutation_and_near_1_for_one_class_a_batch() -> None:
    labels = np.arange(100_000) % 10
    shares = np.full(10, 0.1)

    def score(y: np.ndarray) -> float:
        counts = np.array([np.bincount(batch, minlength=10) for batch in np.split(y, 100)])
        return score_of(counts, shares, label="y").score

    assert score(np.random.default_rng(1).permutation(labels)) < 0.01
    assert score(np.sort(labels)) == pytest.approx(0.9, abs=0.05)


def test_a_label_that_is_a_number_has_bins(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = pa.table({"x": random.random(20_000), "y": np.sort(random.random(20_000))})
    dataset = open_dataset(write_dataset(tmp_path / "d", table, "npy", "columns", 3))
    score = dataset.shuffle_score(label="y", batch_size=128)
    assert score.n_classes == 10
    assert not score.is_weak


def test_what_has_no_score(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0], "t": ["a", "b"]})
    dataset = open_dataset(write_dataset(tmp_path / "d", table))
    with pytest.raises(UsageError, match="without a label"):
        dataset.shuffle_score()
    with pytest.raises(UsageError, match='"t" is text'):
        dataset.shuffle_score(label="t")
    with pytest.raises(UsageError, match="batch_size"):
        dataset.shuffle_score(label="x", batch_size=0)
    source = tmp_path / "a.csv"
    source.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match="--shuffle-score is for datasets"):
        run(source, InspectOptions(shuffle_score=True))
