"""Bags: members on samples of their own, judged and averaged as one, trained once each."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.training.backends import DeviceOptions
from bigdata_cli.training.bagging import averaged, load_bag, read_bag, write_bag
from bigdata_cli.training.evaluate import blocks
from bigdata_cli.training.examples import HeldOutRows
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.predict import predict
from bigdata_cli.training.sampling import RowSample
from bigdata_cli.training.target import Task
from bigdata_cli.training.train_bag import BagReport, member_options, train_bag
from tests.datasets import write_dataset
from tests.training.models import example_table


def test_probabilities_are_averaged() -> None:
    random = np.random.default_rng(0)
    each = [random.normal(size=(50, 1)) for _ in range(4)]
    mean = np.mean([1 / (1 + np.exp(-one)) for one in each], axis=0)
    np.testing.assert_allclose(averaged(Task.BINARY, each), np.log(mean / (1 - mean)))
    each = [random.normal(size=(50, 3)) for _ in range(4)]
    shares = [np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in each]
    np.testing.assert_allclose(np.exp(averaged(Task.CLASSES, each)), np.mean(shares, axis=0))
    np.testing.assert_allclose(averaged(Task.REGRESSION, each), np.mean(each, axis=0))


def test_what_is_nearly_certain_keeps_its_order() -> None:
    each = [np.array([[-900.0], [-800.0], [700.0], [900.0]])] * 3
    assert averaged(Task.BINARY, each)[:, 0] == pytest.approx([-900, -800, 700, 900])


# Training a bag, on real data with TensorFlow.

N_ROWS = 6000
OPTIONS = TrainOptions(
    label="fraud",
    epochs=6,
    batch_size=128,
    sample=RowSample(share=0.2, seed=3, stratify=True),
    seed=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = example_table(N_ROWS).drop_columns(["kind", "grade", "price"])
    return write_dataset(tmp_path_factory.mktemp("d") / "d", table, n_shards=3)


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BagReport]:
    bag = tmp_path_factory.mktemp("b") / "bag"
    report = train_bag(folder, replace(OPTIONS, save=bag), members=3)
    return bag, report


def copied(bag: Path, to: Path) -> Path:
    to.mkdir()
    for path in bag.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_members_are_trained_on_samples_of_their_own(
    trained: tuple[Path, BagReport], folder: Path
) -> None:
    bag, report = trained
    assert sorted(path.name for path in bag.iterdir()) == [
        "bag.json", "member-00.keras", "member-01.keras", "member-02.keras",
    ]  # fmt: skip
    assert report.passed
    assert report.trained == len(report.members) == 3
    for member in report.members:
        assert member["trained_rows"] == pytest.approx(0.8 * 0.2 * N_ROWS, abs=8)
    weights = [member.keras_model.get_weights()[0] for member in load_bag(bag).members]
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[1], weights[2])


def test_the_bag_is_judged_on_rows_that_no_member_has_seen(
    trained: tuple[Path, BagReport], folder: Path
) -> None:
    bag, report = trained
    assert report.evaluation is not None
    assert report.evaluation.rows == pytest.approx(N_ROWS / 5, abs=8)
    single = [float(member["metric_value"]) for member in report.members]
    assert report.evaluation.value is not None
    assert report.evaluation.value > np.mean(single) - 0.01
    assert report.evaluation.value > 0.8
    dataset = open_dataset(folder)
    model = load_bag(bag).members[0]
    options = member_options(replace(OPTIONS, save=bag), bag, 0)
    rows = []
    for shard in range(3):
        encoder = model.check(dataset)
        held = HeldOutRows(5, shard=shard, n_classes=2)
        assert options.sample is not None
        sample = options.sample.of_shard(shard, n_classes=2)
        for batch in blocks(dataset, encoder, 500, shards=[shard]):
            classes = encoder.encode(batch).y.astype(np.int16)
            left = ~held.choose(classes)
            taken = np.zeros(len(classes), bool)
            taken[left] = sample.choose(classes[left])
            rows.append(int(taken.sum()))
    assert sum(rows) == report.members[0]["trained_rows"]


def test_a_bag_predicts_what_its_evaluation_says(
    trained: tuple[Path, BagReport], folder: Path, tmp_path: Path
) -> None:
    bag, report = trained
    predicted = predict(bag, folder, output=tmp_path / "p.parquet")
    assert predicted.members == 3
    assert predicted.evaluation is not None
    assert report.evaluation is not None
    assert predicted.evaluation.value == pytest.approx(report.evaluation.value, abs=0.05)
    stored = json.loads((bag / "bag.json").read_text())["report"]
    assert stored["value"] == report.evaluation.value


def test_only_missing_members_are_trained_again(
    trained: tuple[Path, BagReport], folder: Path, tmp_path: Path
) -> None:
    bag = copied(trained[0], tmp_path / "bag")
    record = read_bag(bag)
    write_bag(bag, replace(record, members=record.members[:2], report=None))
    (bag / "member-02.keras").write_bytes(b"half a model")
    with pytest.raises(UsageError, match="2 of its 3 members"):
        load_bag(bag)
    seen: list[int] = []
    report = train_bag(
        folder, replace(OPTIONS, save=bag, resume=True), members=3,
        progress=lambda index, _: seen.append(index),
    )  # fmt: skip
    assert set(seen) == {2}
    assert report.trained == 1
    for index in range(2):
        assert read_bag(bag).members[index] == record.members[index]
    # The same seed gives the same member, but for what rounding in parallel sums makes of it.
    a, b = (load_bag(path).members[2].keras_model.get_weights() for path in (bag, trained[0]))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_training_that_is_interrupted_keeps_its_members(folder: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"

    def stop(index: int, _: object) -> None:
        if index == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        train_bag(folder, replace(OPTIONS, save=bag), members=2, progress=stop)
    assert caught.value.__notes__ == [
        f"{bag} has 1 of 2 models; with --resume the same command goes on"
    ]
    assert len(read_bag(bag).members) == 1
    assert train_bag(folder, replace(OPTIONS, save=bag, resume=True), members=2).trained == 1


def test_another_bag_is_not_mixed_in(
    trained: tuple[Path, BagReport], folder: Path, tmp_path: Path
) -> None:
    bag = copied(trained[0], tmp_path / "bag")
    options = replace(OPTIONS, save=bag)
    with pytest.raises(UsageError, match="holds a bag"):
        train_bag(folder, options, members=3)
    for other, message in (
        (replace(options, epochs=7), "--epochs 6, not 7"),
        (replace(options, seed=4), "--seed 3, not 4"),
        (replace(options, sample=RowSample(share=0.1, stratify=True)), "--sample 0.2, not 0.1"),
    ):
        with pytest.raises(UsageError, match=message):
            train_bag(folder, replace(other, resume=True), members=3)
    with pytest.raises(UsageError, match="--bag 3, not 4"):
        train_bag(folder, replace(options, resume=True), members=4)
    (bag / "member-00.keras").write_bytes(b"")
    with pytest.raises(DataError, match="not what was written"):
        train_bag(folder, replace(options, resume=True), members=3)
    report = train_bag(folder, replace(options, force=True, epochs=1), members=2)
    assert report.trained == 2
    assert len(list(bag.glob("member-*.keras"))) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample": None}, "differ by their samples"),
        ({"save": None}, "needs a folder"),
        ({"save": Path("m.keras")}, "a bag is a folder"),
        ({"save": Path("missing/bag")}, "no folder missing"),
        ({"label": "x", "save": Path("bag")}, "--stratify: .* is a number"),
        ({"devices": DeviceOptions(strategy="multiworker"), "save": Path("b")}, "by one process"),
    ],
)
def test_usage_errors(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        train_bag(folder, replace(OPTIONS, **changes), members=2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match="not a bag"):
            train_bag(folder, replace(OPTIONS, save=tmp_path, force=force), members=2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_label_of_noise_does_not_pass(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = pa.table(
        {"x": random.normal(size=2000), "noise": random.integers(0, 2, 2000).astype(np.int8)}
    )
    folder = write_dataset(tmp_path / "d", table)
    options = replace(OPTIONS, label="noise", save=tmp_path / "bag", epochs=2)
    report = train_bag(folder, options, members=2)
    assert not report.passed
    assert report.evaluation is not None
    assert report.to_json()["evaluation"]["value"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_memory_is_that_of_one_member(folder: Path, tmp_path: Path) -> None:
    peaks = []
    for members in (2, 12):
        code = (
            "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
            "from tests.training.test_bagging import OPTIONS\n"
            "from bigdata_cli.training.train_bag import train_bag\n"
            "options = replace(OPTIONS, save=Path(sys.argv[2]), epochs=2)\n"
            "report = train_bag(sys.argv[1], options, members=int(sys.argv[3]))\n"
            "print(report.peak_memory_bytes)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, folder, tmp_path / str(members), str(members)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "retracing" not in done.stderr
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < peaks[0] + 100_000_000
