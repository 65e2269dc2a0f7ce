"""Which rows are trained on and measured with: samples, classes in balance, another dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import train
from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import split_rows
from bigdata_cli.loaders.target import Task
from bigdata_cli.training.metrics import auc
from bigdata_cli.training.sampling import RowSample
from bigdata_cli.training.verdict import balanced_weights, best_constant
from tests.datasets import write_dataset
from tests.training.test_stream import ids, stream_of

N_ROWS = 4000


def example_table(*, seed: int = 0, n_rows: int = N_ROWS) -> pa.Table:
    """A rare label that a number tells, and one that only a text of many values tells."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n_rows)
    who = random.integers(0, 300, n_rows)
    return pa.table(
        {
            "id": np.arange(n_rows),
            "x": x.astype(np.float32),
            "who": [f"customer {i}" for i in who],
            "rare": (x + random.normal(size=n_rows) > 2.8).astype(np.int8),
            "regular": (np.random.default_rng(1).random(300)[who] > 0.5).astype(np.int8),
            "grade": np.digitize(x, [-1, 2]).astype(np.int8),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = example_table(seed=9, n_rows=1700)
    return write_dataset(tmp_path_factory.mktemp("e") / "e", table, n_shards=2)


class TestSample:
    def test_the_sample_is_the_same_in_every_epoch(self, folder: Path) -> None:
        sample = RowSample(share=0.1, seed=3)
        stream, features = stream_of(folder, label="rare", sample=sample)
        epochs = [
            np.concatenate([ids(window, features) for window in stream.epoch(number)])
            for number in range(2)
        ]
        assert sorted(epochs[0]) == sorted(epochs[1])
        assert len(epochs[0]) == len(set(epochs[0])) == pytest.approx(0.08 * N_ROWS, abs=6)
        assert stream.class_counts.sum() == len(epochs[0])
        np.testing.assert_array_equal(stream.count_classes(), stream.class_counts)

    def test_what_is_held_out_does_not_depend_on_the_sample(self, folder: Path) -> None:
        held = []
        for sample in (None, RowSample(share=0.1, seed=3), RowSample(share=0.1, seed=4)):
            stream, features = stream_of(folder, label="rare", sample=sample, seed=len(held))
            trained = np.concatenate([ids(window, features) for window in stream.epoch(0)])
            held.append(ids(stream.held_out(), features).tolist())
            assert set(trained).isdisjoint(held[-1])
        assert held[0] == held[1] == held[2]

    def test_a_model_learns_from_a_sample(self, folder: Path) -> None:
        report = train(folder, label="grade", batch_size=32, epochs=20, sample=0.2)
        assert report.passed, report.reason
        assert report.trained_rows == pytest.approx(0.16 * N_ROWS, abs=6)


class TestBalanced:
    def test_weights_make_classes_count_alike(self) -> None:
        counts = np.array([970, 30, 0])
        weights = balanced_weights(counts)
        assert (weights * counts).tolist() == pytest.approx([500, 500, 0])
        assert (weights * counts).sum() == pytest.approx(counts.sum())
        constant = best_constant(
            Task.CLASSES, class_counts=counts, y_sum=0.0, class_weights=weights
        )
        assert constant[0] == pytest.approx(constant[1])
        assert constant[2] < constant[0] - 5

    def test_a_rare_class_is_predicted_more_often(self, folder: Path) -> None:
        plain, balanced = (
            train(folder, label="grade", batch_size=64, epochs=12, balanced=balanced)
            for balanced in (False, True)
        )
        assert plain.passed, plain.reason
        assert balanced.passed, balanced.reason
        # Three classes that count alike, of which nothing is known, have the loss ln 3.
        assert balanced.first_loss == pytest.approx(np.log(3), rel=0.02)
        assert balanced.constant_loss == pytest.approx(np.log(3), rel=0.02)
        assert plain.first_loss < 0.8 * np.log(3)

    def test_a_number_has_no_classes(self, folder: Path) -> None:
        with pytest.raises(UsageError, match='balanced=True: the label "x" is a number'):
            train(folder, label="x", balanced=True)


class TestHash:
    def test_a_text_is_learned_from(self, folder: Path) -> None:
        without = train(folder, label="regular", batch_size=64, epochs=12)
        hashed = train(
            folder, label="regular", batch_size=64, epochs=12, hashed={"who": 2000}, dropout=0.0
        )
        assert not without.passed
        assert any("--hash who=1024" in note for note in without.notes)
        assert hashed.passed, hashed.reason
        assert hashed.metric_value is not None
        assert hashed.metric_value > 0.9
        assert "who" in hashed.features

    @pytest.mark.parametrize(
        ("hashed", "message"),
        [
            ({"whom": 10}, 'has no column "whom"'),
            ({"x": 10}, "only text and categories are hashed"),
            ({"regular": 10}, "is the label"),
            ({"who": 1}, "2 to 4,194,304 buckets"),
        ],
    )
    def test_what_cannot_be_hashed(
        self, folder: Path, hashed: dict[str, int], message: str
    ) -> None:
        with pytest.raises(UsageError, match=message):
            train(folder, label="regular", hashed=hashed)


class TestAnotherDataset:
    def test_is_measured_on_and_nothing_is_held_out(
        self, folder: Path, other: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "m.keras"
        report = train(folder, label="rare", batch_size=64, epochs=6, evaluate_on=other, save=path)
        assert report.passed, report.reason
        assert (report.trained_rows, report.held_out_rows) == (N_ROWS, 0)
        assert (report.evaluated_on, report.evaluated_rows) == (other, 1700)
        from bigdata_cli.training.evaluate import blocks
        from bigdata_cli.training.saved import load_model

        model, dataset = load_model(path), open_dataset(other)
        encoder = model.encoder(dataset)
        parts = [encoder.examples(batch) for batch in blocks(dataset, encoder, 500)]
        scores = np.concatenate([model.predict(part)[:, 0] for part in parts])
        y = np.concatenate([part.y for part in parts])
        assert report.metric_value == pytest.approx(auc(scores, y), abs=1e-6)

    def test_with_other_columns_is_refused(self, folder: Path, tmp_path: Path) -> None:
        table = example_table(n_rows=100)
        without_x = write_dataset(tmp_path / "x", table.drop(["x"]))
        with pytest.raises(UsageError, match=r'lacks 1 of the columns .*"x"'):
            train(folder, label="rare", epochs=1, evaluate_on=without_x, save=tmp_path / "m.keras")
        assert not (tmp_path / "m.keras").exists(), "it is said before the training"
        without_label = write_dataset(tmp_path / "y", table.drop(["rare"]))
        with pytest.raises(UsageError, match='no column "rare"'):
            train(folder, label="rare", epochs=1, evaluate_on=without_label)


class TestASliceOfTheRows:
    @pytest.mark.parametrize("split", ["[80%:]", "[:2500]", "[1000:1010]"])
    def test_is_measured_on(self, folder: Path, tmp_path: Path, split: str) -> None:
        path, dataset = tmp_path / "m.keras", open_dataset(folder)
        rows = split_rows(split, dataset.rows)
        report = train(folder, label="rare", batch_size=64, epochs=2, evaluate_on=split, save=path)
        assert (report.trained_rows, report.held_out_rows) == (N_ROWS - len(rows), len(rows))
        assert (report.evaluated_on, report.evaluated_rows) == (None, len(rows))
        from bigdata_cli.training.evaluate import blocks
        from bigdata_cli.training.saved import load_model

        model = load_model(path)
        encoder = model.encoder(dataset)
        parts = [encoder.examples(batch) for batch in blocks(dataset, encoder, 500)]
        y = np.concatenate([part.y for part in parts])[rows.start : rows.stop]
        if len(set(y)) == 2:
            scores = np.concatenate([model.predict(part)[:, 0] for part in parts])
            expected = auc(scores[rows.start : rows.stop], y)
            assert report.metric_value == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("split", ["[80%:]", "[:2500]", "[1000:1010]"])
    def test_is_not_trained_on(self, folder: Path, split: str) -> None:
        rows = split_rows(split, N_ROWS)
        options = {"hold_out": False, "left_out": rows}
        stream, features = stream_of(folder, label="rare", **options)
        for epoch in range(2):
            trained = np.concatenate([ids(window, features) for window in stream.epoch(epoch)])
            assert sorted(trained) == [row for row in range(N_ROWS) if row not in rows]
        table = pa.Table.from_batches(open_dataset(folder).read(["rare"]))
        y = table["rare"].to_numpy()[np.sort(trained)]
        assert stream.count_classes().tolist() == np.bincount(y).tolist()

    def test_workers_share_the_shards_that_are_left(self, folder: Path) -> None:
        options = {"hold_out": False, "left_out": split_rows("[:50%]", N_ROWS), "workers": 2}
        parts = [stream_of(folder, label="rare", rank=rank, **options)[0] for rank in range(2)]
        counts = [sum(len(window) for window in part.epoch(0)) for part in parts]
        assert sum(counts) == N_ROWS / 2
        assert min(counts) > 0
        with pytest.raises(UsageError, match="has 2 shards for 3 workers"):
            stream_of(folder, label="rare", **options | {"workers": 3})

    @pytest.mark.parametrize(("split", "message"), [
        ("[:]", r"holds out all of the 4,000 rows"),
        ("[4000:]", "has none of the 4,000 rows"),
        ("[a:]", "neither a row nor a percent"),
    ])  # fmt: skip
    def test_that_cannot_be(self, folder: Path, split: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            train(folder, label="rare", epochs=1, evaluate_on=split)
