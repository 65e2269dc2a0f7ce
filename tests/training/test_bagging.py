"""Bags: members on samples of their own, judged and averaged as one, trained once each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import predict, train
from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import join
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import Task, plan_target
from bigdata_cli.training.bag import average, load_bag
from bigdata_cli.training.metrics import auc
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.sampling import HoldOut, RowSample
from bigdata_cli.training.stream import ExampleStream, Reading
from tests.datasets import write_dataset
from tests.training.models import example_table


def test_probabilities_are_average() -> None:
    random = np.random.default_rng(0)
    each = [random.normal(size=(50, 1)) for _ in range(4)]
    mean = np.mean([1 / (1 + np.exp(-one)) for one in each], axis=0)
    np.testing.assert_allclose(average(Task.BINARY, each), np.log(mean / (1 - mean)))
    each = [random.normal(size=(50, 3)) for _ in range(4)]
    shares = [np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in each]
    np.testing.assert_allclose(np.exp(average(Task.CLASSES, each)), np.mean(shares, axis=0))
    np.testing.assert_allclose(average(Task.REGRESSION, each), np.mean(each, axis=0))


def test_what_is_nearly_certain_keeps_its_order() -> None:
    each = [np.array([[-900.0], [-800.0], [700.0], [900.0]])] * 3
    assert average(Task.BINARY, each)[:, 0] == pytest.approx([-900, -800, 700, 900])


# Training a bag, on real data with TensorFlow.

N_ROWS = 6000
SHARE = 0.2
OPTIONS = {
    "label": "fraud",
    "epochs": 6,
    "batch_size": 128,
    "sample": SHARE,
    "stratify": True,
    "seed": 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = example_table(N_ROWS).drop_columns(["kind", "grade", "price"])
    return write_dataset(tmp_path_factory.mktemp("d") / "d", table, n_shards=3)


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport]:
    bag = tmp_path_factory.mktemp("b") / "bag"
    return bag, train(folder, **OPTIONS, save=bag, bag=3)


def copied(bag: Path, to: Path) -> Path:
    to.mkdir()
    for path in bag.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_members_are_trained_on_samples_of_their_own(trained: tuple[Path, TrainReport]) -> None:
    bag, report = trained
    assert sorted(path.name for path in bag.iterdir()) == [
        "bag.json", "member-00.keras", "member-01.keras", "member-02.keras",
    ]  # fmt: skip
    assert report.passed
    assert report.saved == bag
    assert report.trained_rows == pytest.approx(0.8 * SHARE * N_ROWS, abs=8)
    weights = [member.keras_model.get_weights()[0] for member in load_bag(bag).members]
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[1], weights[2])


def test_the_bag_is_judged_as_a_whole(trained: tuple[Path, TrainReport]) -> None:
    _, report = trained
    assert report.held_out_rows == pytest.approx(N_ROWS / 5, abs=8)
    single = [value for value in report.member_metrics if value is not None]
    assert len(single) == 3
    assert report.metric_value is not None
    assert report.metric_value > np.mean(single) - 0.01
    assert report.metric_value > 0.8


def test_the_metric_is_that_of_the_saved_bag_on_rows_held_out(
    trained: tuple[Path, TrainReport], folder: Path, tmp_path: Path
) -> None:
    path, report = trained
    bag = load_bag(path)
    dataset = open_dataset(folder)
    encoder = bag.encoder(dataset)
    held_out = []
    for shard in range(len(dataset.shards)):
        chooser = HoldOut(5, shard=shard, n_classes=2)
        names = [column.name for column in encoder.columns]
        for batch in dataset.read(names, shards=[shard]):
            examples = encoder.examples(batch)
            held_out.append(examples.take(chooser.choose(examples.y)))
    rows = join(held_out)
    assert len(rows) == report.held_out_rows
    assert auc(bag.predict(rows)[:, 0], rows.y) == pytest.approx(report.metric_value, abs=1e-5)
    predicted = predict(path, folder, output=tmp_path / "p.parquet")
    assert predicted.members == 3
    assert predicted.evaluation is not None
    assert predicted.evaluation.rows == N_ROWS


def test_only_missing_members_are_trained_again(
    trained: tuple[Path, TrainReport], folder: Path, tmp_path: Path
) -> None:
    bag = copied(trained[0], tmp_path / "bag")
    (bag / "bag.json").unlink()
    (bag / "member-02.keras").unlink()
    with pytest.raises(UsageError, match="only 2 of its members"):
        load_bag(bag)
    rows: list[int] = []
    report = train(
        folder, **OPTIONS, save=bag, bag=3, resume=True, progress=lambda p: rows.append(p.rows)
    )
    assert max(rows) == 6 * report.trained_rows
    for index in range(2):
        name = f"member-{index:02d}.keras"
        assert (bag / name).read_bytes() == (trained[0] / name).read_bytes()
    # The same seed gives the same member, but for what rounding in parallel sums makes of it.
    a, b = (load_bag(path).members[2].keras_model.get_weights() for path in (bag, trained[0]))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert report.metric_value == pytest.approx(trained[1].metric_value, abs=1e-3)


def test_another_bag_is_not_mixed_in(
    trained: tuple[Path, TrainReport], folder: Path, tmp_path: Path
) -> None:
    bag = copied(trained[0], tmp_path / "bag")
    with pytest.raises(UsageError, match="a finished bag"):
        train(folder, **OPTIONS, save=bag, bag=3)
    (bag / "bag.json").unlink()
    with pytest.raises(UsageError, match=r"member-00\.keras exists"):
        train(folder, **OPTIONS, save=bag, bag=3)
    others = {**OPTIONS, "sample": 0.1}
    with pytest.raises(UsageError, match=r"sample=0.2"):
        train(folder, **others, save=bag, bag=3, resume=True)
    train(folder, **{**OPTIONS, "epochs": 1}, save=bag, bag=2, force=True)
    assert len(load_bag(bag).members) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample": None, "stratify": False}, "a sample of its own"),
        ({"bag": 1}, "bag=1: it is at least 2"),
        ({"bag": 101}, "bag=101: it is at least 2, up to 100"),
        ({"save": "m.keras"}, "a bag is a folder"),
        ({"save": "missing/bag"}, "no folder missing"),
        ({"label": "x"}, "stratify=True: .* is a number"),
        ({"strategy": "multiworker"}, "in one process"),
    ],
)
def test_usage_errors_of_a_bag(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        train(folder, **{**OPTIONS, "save": "bag", "bag": 2, **changes})
    assert not list(tmp_path.rglob("*.*"))


def test_a_folder_of_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match="no part of a bag"):
            train(folder, **OPTIONS, save=tmp_path, bag=2, force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_label_of_noise_does_not_pass(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = pa.table(
        {"x": random.normal(size=2000), "noise": random.integers(0, 2, 2000).astype(np.int8)}
    )
    folder = write_dataset(tmp_path / "d", table)
    report = train(folder, **{**OPTIONS, "label": "noise", "epochs": 2}, bag=2)
    assert not report.passed
    assert report.metric_value == pytest.approx(0.5, abs=0.1)


def test_a_sample_is_trained_on_the_same_rows_in_every_epoch(folder: Path) -> None:
    dataset = open_dataset(folder)
    target, features = plan_target(dataset, "fraud"), plan_features(dataset, "fraud")
    sample = RowSample(share=0.25, seed=1, stratify=True)
    streams = [
        ExampleStream(dataset, features, target, Reading(batch_size=64, sample=sample))
        for _ in range(2)
    ]
    streams[1]._sample_room = -1
    place = [feature.name for feature in features.numbers].index("id")
    rows = []
    for epoch in range(2):
        kept, read = (join(list(stream.epoch(epoch))) for stream in streams)
        np.testing.assert_array_equal(kept.dense, read.dense)
        np.testing.assert_array_equal(kept.codes, read.codes)
        np.testing.assert_array_equal(kept.y, read.y)
        rows.append(kept.dense[:, place])
    assert [len(stream._sampled) for stream in streams] == [3, 0]
    assert not np.array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(np.sort(rows[0]), np.sort(rows[1]))
    assert len(np.unique(rows[0])) == len(rows[0]) == pytest.approx(0.2 * N_ROWS, abs=10)
    held = streams[0].held_out().dense[:, place]
    assert not np.isin(held, rows[0]).any()
    np.testing.assert_array_equal(held, streams[1].held_out().dense[:, place])


@pytest.mark.slow
def test_memory_is_that_of_one_member(folder: Path, tmp_path: Path) -> None:
    peaks = []
    quiet = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")  # what this process has set itself
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    for members in (2, 12):
        code = (
            "import sys\nfrom tests.training.test_bagging import OPTIONS\n"
            "from bigdata_cli import train\n"
            "options = {**OPTIONS, 'epochs': 2}\n"
            "report = train(sys.argv[1], **options, save=sys.argv[2], bag=int(sys.argv[3]))\n"
            "print(report.peak_memory_bytes)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, folder, tmp_path / str(members), str(members)],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        assert done.stderr == ""
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < peaks[0] + 60_000_000
