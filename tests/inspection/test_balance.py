"""The classes of a dataset's label."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

from bigdata_cli import convert, inspect, open_dataset
from bigdata_cli.cli import main
from bigdata_cli.inspection import balance
from bigdata_cli.inspection.balance import label_balance
from tests.datasets import LAYOUTS, write_dataset


def rows(n: int = 3000) -> pa.Table:
    rng = np.random.default_rng(5)
    return pa.table({
        "x": pa.array(rng.random(n), pa.float32()),
        "y": pa.array(np.sort(rng.choice([0, 3, 7], n, p=[0.7, 0.2, 0.1])), pa.int8()),
    })  # fmt: skip


def counts_of(column: pa.ChunkedArray) -> dict[str, int]:
    counts = column.value_counts().to_pylist()
    return {str(one["values"]): one["counts"] for one in counts}


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_all_rows_are_counted_in_every_format(tmp_path, format_name, layout):
    folder = write_dataset(tmp_path / "d", rows(), format_name, layout, n_shards=3, label="y")
    found = inspect(folder).balance
    assert dict(zip(found.values, found.counts, strict=True)) == counts_of(rows()["y"])
    assert (found.column, found.rows, found.nulls, found.others) == ("y", 3000, 0, 0)


@pytest.mark.parametrize("kind", [pa.bool_(), pa.uint8()])
def test_two_values_are_told_by_the_statistics_alone(tmp_path, kind):
    values = pa.array([True] * 7 + [False] * 90 + [None] * 3).cast(kind)
    folder = write_dataset(tmp_path / "d", pa.table({"y": values}), label="y", n_shards=2)
    for shard in folder.glob("[!_]*.parquet"):
        shard.unlink()
    found = inspect(folder).balance
    assert found.values == (("false", "true") if kind == pa.bool_() else ("0", "1"))
    assert (found.counts, found.nulls) == ((90, 7), 3)


@pytest.mark.parametrize("format_name", ["parquet", "npy", "tfrecord"])
def test_of_many_rows_some_from_all_over_are_counted(tmp_path, monkeypatch, format_name):
    monkeypatch.setattr(balance, "MAX_ROWS", 640)
    folder = write_dataset(tmp_path / "d", rows(), format_name, n_shards=5, label="y")
    found = inspect(folder).balance
    assert 580 < found.rows <= 640
    for value, count in counts_of(rows()["y"]).items():
        share = found.counts[found.values.index(value)] / found.rows
        assert abs(share - count / 3000) < 0.1, value


def test_without_random_access_the_first_rows_of_shards_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(balance, "MAX_ROWS", 640)
    folder = write_dataset(
        tmp_path / "d", rows(), "tfrecord", n_shards=5, label="y", compression="gzip"
    )
    firsts = pa.concat_arrays([rows()["y"].chunk(0).slice(600 * i, 128) for i in range(5)])
    found = inspect(folder).balance
    assert dict(zip(found.values, found.counts, strict=True)) == counts_of(firsts)


def test_a_number_has_no_classes_and_damage_is_a_note(tmp_path):
    folder = write_dataset(tmp_path / "d", rows(), label="x")
    assert label_balance(open_dataset(folder)) is None
    folder = write_dataset(tmp_path / "e", rows(), label="y")
    next(folder.glob("[!_]*.parquet")).unlink()
    report = inspect(folder)
    assert report.balance is None
    assert report.notes[0].startswith("the classes of the label were not counted: ")


def test_each_split_has_its_classes(tmp_path, sample_data):
    folder = tmp_path / "d"
    convert(
        sample_data / "transactions.csv", to="npy", output=folder, label="type",
        split={"train": 0.8, "test": 0.2},
    )  # fmt: skip
    report = inspect(folder)
    frame = pl.read_csv(sample_data / "transactions.csv")
    assert dict(zip(report.balance.values, report.balance.counts, strict=True)) == dict(
        frame["type"].value_counts().rows()
    )
    for split in report.splits:
        assert split.balance.rows == split.rows == open_dataset(folder)[split.name].rows
    both = [dict(zip(s.balance.values, s.balance.counts, strict=True)) for s in report.splits]
    for value, count in zip(report.balance.values, report.balance.counts, strict=True):
        assert both[0].get(value, 0) + both[1].get(value, 0) == count
    shown = CliRunner().invoke(main, ["inspect", str(folder)]).stdout
    assert "Splits (2)\nsplit" in shown
    assert "Classes of type in each split\nvalue" in shown
    assert "<h2>Splits</h2>" in report.to_html()


def test_it_is_printed_and_on_the_page(tmp_path):
    folder = write_dataset(tmp_path / "d", rows(), label="y")
    shown = CliRunner().invoke(main, ["inspect", str(folder)]).stdout
    assert "Classes of y\n" in shown
    assert "Classes of" in inspect(folder).to_html()
    assert inspect(folder).to_json()["balance"]["values"] == ["0", "3", "7"]
