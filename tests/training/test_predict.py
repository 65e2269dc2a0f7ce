"""Predictions of every row, in order, from every format, of a model or a bag, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from bigdata_cli import predict
from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.training.bag import member_name, write_bag
from bigdata_cli.training.evaluate import blocks
from bigdata_cli.training.metrics import auc
from bigdata_cli.training.predict import PredictProgress
from bigdata_cli.training.saved import TrainedModel, save_model
from tests.datasets import LAYOUTS, write_dataset
from tests.training.models import N_ROWS, example_table, network_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


@pytest.fixture(scope="module")
def models(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each label, and two more for the fraud."""
    path = tmp_path_factory.mktemp("m")
    for label in ("fraud", "kind", "grade", "price"):
        save_model(path / f"{label}.keras", network_of(folder, label))
    (path / "bag").mkdir()
    for index in range(3):
        save_model(path / "bag" / member_name(index), network_of(folder, "fraud", seed=index))
    write_bag(path / "bag", 3, {})
    return path


def logits_of(model: TrainedModel, folder: Path) -> np.ndarray:
    dataset = open_dataset(folder)
    encoder = model.encoder(dataset)
    found = [model.predict(encoder.examples(batch)) for batch in blocks(dataset, encoder, N_ROWS)]
    return np.concatenate(found)


def test_a_label_of_two_values_has_the_probability_of_the_second(
    models: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.parquet"
    report = predict(models / "fraud.keras", folder, output=out, columns=["id", "kind"])
    table = pq.read_table(out)
    assert table.column_names == ["id", "kind", "probability"] == list(report.columns)
    expected = 1 / (1 + np.exp(-logits_of(network_of(folder, "fraud"), folder)[:, 0]))
    np.testing.assert_allclose(table["probability"].to_numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(table["id"].to_numpy(), np.arange(N_ROWS))
    assert table["kind"].to_pylist() == example_table()["kind"].cast(pa.string()).to_pylist()
    assert (report.rows, report.positive, report.members) == (N_ROWS, "1", 1)
    assert report.evaluation is not None
    y = example_table()["fraud"].to_numpy()
    assert report.evaluation.value == pytest.approx(auc(expected, y), abs=1e-5)
    assert report.peak_memory_bytes > 50_000_000


@pytest.mark.parametrize("label", ["kind", "grade"])
def test_classes_are_the_labels_values(
    models: Path, folder: Path, tmp_path: Path, label: str
) -> None:
    out = tmp_path / "p.parquet"
    report = predict(models / f"{label}.keras", folder, output=out, probabilities=True)
    table = pq.read_table(out)
    logits = logits_of(network_of(folder, label), folder)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values = {"kind": ["a", "b", "c"], "grade": [5, 6, 7, 8]}[label]
    expected = np.array(values)[shares.argmax(axis=1)]
    assert table["prediction"].to_pylist() == expected.tolist()
    assert len(set(expected)) > 1
    np.testing.assert_allclose(table["probability"].to_numpy(), shares.max(axis=1), rtol=1e-5)
    for place, value in enumerate(values):
        column = table[f"probability_{value}"].to_numpy()
        np.testing.assert_allclose(column, shares[:, place], rtol=1e-4)
    assert table["prediction"].type == {"kind": pa.string(), "grade": pa.int8()}[label]
    assert report.evaluation is not None
    truth = np.array(example_table()[label].to_pylist())
    assert report.evaluation.value == pytest.approx((expected == truth).mean())


def test_numbers_are_in_the_labels_units(models: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    report = predict(models / "price.keras", folder, output=out)
    model = network_of(folder, "price")
    expected = logits_of(model, folder)[:, 0] * model.target.scale + model.target.center
    found = pq.read_table(out)["prediction"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    truth = example_table()["price"].to_numpy()
    assert report.evaluation is not None
    assert report.evaluation.value == pytest.approx(
        np.sqrt(np.mean((found - truth) ** 2)), rel=1e-4
    )


@pytest.mark.parametrize("dtype", ["date", "timestamp"])
def test_times_are_times(tmp_path: Path, dtype: str) -> None:
    days = np.datetime64("2024-01-01") + np.arange(200)
    values = days if dtype == "date" else days.astype("datetime64[us]")
    table = pa.table({"x": np.arange(200) * 1.0, "day": pa.array(values)})
    folder = write_dataset(tmp_path / "d", table)
    out = tmp_path / "p.csv"
    predict(network_of(folder, "day"), folder, output=out)
    first = pyarrow.csv.read_csv(out)["prediction"][0].as_py()
    assert 2020 < first.year < 2030


def test_probabilities_of_a_binary_label(models: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    predict(models / "fraud.keras", folder, output=out, probabilities=True)
    table = pq.read_table(out)
    assert table.column_names == ["probability", "probability_0", "probability_1"]
    assert table["probability"] == table["probability_1"]
    both = table["probability_0"].to_numpy() + table["probability_1"].to_numpy()
    np.testing.assert_allclose(both, 1)


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_every_layout_is_predicted_the_same(
    models: Path, folder: Path, tmp_path: Path, format_name: str, layout: str
) -> None:
    other = write_dataset(tmp_path / "o", example_table(), format_name, layout, 4, "fraud")
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for source, out in zip((folder, other), outs, strict=True):
        predict(models / "fraud.keras", source, output=out, columns=["id"])
    a, b = (pq.read_table(out) for out in outs)
    np.testing.assert_array_equal(a["id"].to_numpy(), b["id"].to_numpy())
    np.testing.assert_allclose(a["probability"].to_numpy(), b["probability"].to_numpy(), rtol=1e-5)


def test_blocks_and_files_do_not_matter(models: Path, folder: Path, tmp_path: Path) -> None:
    found = []
    for number, (batch_size, suffix) in enumerate(
        [(1000, "csv"), (16_384, "csv"), (77, "parquet")]
    ):
        out = tmp_path / f"{number}.{suffix}"
        predict(models / "kind.keras", folder, output=out, batch_size=batch_size, columns=["id"])
        found.append(pyarrow.csv.read_csv(out) if suffix == "csv" else pq.read_table(out))
    for table in found[1:]:
        assert table["id"].to_pylist() == list(range(N_ROWS))
        assert table["prediction"] == found[0]["prediction"].cast(table["prediction"].type)
        np.testing.assert_allclose(
            table["probability"].to_numpy(), found[0]["probability"].to_numpy(), rtol=1e-5
        )


def test_a_bag_gives_the_mean_of_its_members(models: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    report = predict(models / "bag", folder, output=out)
    each = [logits_of(network_of(folder, "fraud", seed=seed), folder)[:, 0] for seed in range(3)]
    expected = np.mean([1 / (1 + np.exp(-logits)) for logits in each], axis=0)
    found = pq.read_table(out)["probability"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert report.members == 3
    assert report.evaluation is not None
    y = example_table()["fraud"].to_numpy()
    assert report.evaluation.value == pytest.approx(auc(expected, y), abs=1e-5)


def test_without_the_label_there_is_no_metric(models: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", example_table(50).drop_columns(["fraud", "grade"]))
    model = network_of(write_dataset(tmp_path / "t", example_table().drop_columns(["grade"])),
                       "fraud")  # fmt: skip
    report = predict(model, other, output=tmp_path / "p.csv")
    assert report.evaluation is None
    assert report.rows == 50
    assert "no AUC: " in report.notes[0]
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 51


def test_a_dataset_without_rows(folder: Path, tmp_path: Path) -> None:
    other = write_dataset(
        tmp_path / "d", example_table(10).slice(0, 0).cast(example_table(10).schema)
    )
    for suffix in ("parquet", "csv"):
        out = tmp_path / f"p.{suffix}"
        report = predict(network_of(folder, "kind"), other, output=out, columns=["id", "place"])
        table = pq.read_table(out) if suffix == "parquet" else pyarrow.csv.read_csv(out)
        assert table.num_rows == report.rows == 0
        assert table.column_names == ["id", "place", "prediction", "probability"]


def test_what_is_not_finite_has_no_prediction(folder: Path, tmp_path: Path) -> None:
    for label in ("fraud", "kind", "price"):
        model = network_of(folder, label)
        weights = model.keras_model.get_weights()
        weights[-1][:] = np.nan
        model.keras_model.set_weights(weights)
        report = predict(model, folder, output=tmp_path / f"{label}.parquet")
        table = pq.read_table(tmp_path / f"{label}.parquet")
        assert table.column(0).null_count == N_ROWS == report.not_finite
        assert "not finite" in report.notes[-1]
        assert report.evaluation is not None
        assert report.to_json()["evaluation"]["loss"] is None


def test_progress_comes_to_all_rows(models: Path, folder: Path, tmp_path: Path) -> None:
    seen: list[PredictProgress] = []
    predict(
        models / "fraud.keras", folder, output=tmp_path / "p.csv", batch_size=700,
        progress=seen.append,
    )  # fmt: skip
    sizes = np.diff([0, *(p.rows for p in seen)])
    assert seen[-1].rows == N_ROWS
    assert sizes.min() > 0
    assert sizes.max() == 700
    assert {p.total_rows for p in seen} == {N_ROWS}


def test_a_failure_leaves_no_file(models: Path, folder: Path, tmp_path: Path) -> None:
    def fail(_: PredictProgress) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        predict(models / "fraud.keras", folder, output=tmp_path / "p.csv", progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_replaced_only_by_force(
    models: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.csv"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        predict(models / "fraud.keras", folder, output=out)
    assert out.read_text() == "mine"
    predict(models / "fraud.keras", folder, output=out, force=True)
    assert out.read_text().startswith("probability\n")


@pytest.mark.parametrize(
    ("output", "columns", "message"),
    [
        ("p.txt", [], "written as .parquet or .csv"),
        ("missing/p.csv", [], "there is no folder"),
        (".", [], "written as"),
        ("p.csv", ["nothing"], 'no column "nothing"'),
        ("p.csv", ["id", "id"], "twice"),
    ],
)
def test_usage_errors(
    models: Path, folder: Path, tmp_path: Path, output: str, columns: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        predict(models / "fraud.keras", folder, output=tmp_path / output, columns=columns)
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_would_be_there_twice(tmp_path: Path) -> None:
    table = example_table(100).append_column("probability", pa.array(np.arange(100) / 100))
    folder = write_dataset(tmp_path / "d", table)
    with pytest.raises(UsageError, match="there twice"):
        predict(network_of(folder, "fraud"), folder, output=tmp_path / "p.csv",
                columns=["probability"])  # fmt: skip


def test_a_bag_that_is_damaged_is_refused(models: Path, folder: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    out = tmp_path / "p.csv"

    def copied() -> None:
        bag.mkdir(exist_ok=True)
        for path in (models / "bag").iterdir():
            (bag / path.name).write_bytes(path.read_bytes())

    copied()
    (bag / "bag.json").unlink()
    with pytest.raises(UsageError, match="only 3 of its members"):
        predict(bag, folder, output=out)
    copied()
    (bag / member_name(1)).unlink()
    with pytest.raises(DataError, match=r"member-01.keras is missing"):
        predict(bag, folder, output=out)
    copied()
    save_model(bag / member_name(1), network_of(folder, "price"))
    with pytest.raises(DataError, match="is not what was written"):
        predict(bag, folder, output=out)
    write_bag(bag, 3, {})
    with pytest.raises(DataError, match="reads other columns"):
        predict(bag, folder, output=out)
    copied()
    text = (bag / "bag.json").read_text()
    (bag / "bag.json").write_text(text.replace("member-01.keras", "../member-01.keras"))
    with pytest.raises(DataError, match=r"it is not member-01.keras"):
        predict(bag, folder, output=out)
    assert not out.exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    small = write_dataset(tmp_path / "small", example_table(300_000), n_shards=3)
    large = write_dataset(tmp_path / "large", example_table(1_500_000), n_shards=15)
    save_model(tmp_path / "m.keras", network_of(small, "fraud"))
    peaks = []
    for folder in (small, large):
        code = (
            "import sys\nfrom bigdata_cli import predict\n"
            "report = predict(*sys.argv[1:3], output=sys.argv[3], columns=['id', 'place'])\n"
            "print(report.peak_memory_bytes, report.rows)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "m.keras", folder, folder / "p.parquet"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout.split()[0]))
    assert peaks[1] < peaks[0] + 50_000_000
