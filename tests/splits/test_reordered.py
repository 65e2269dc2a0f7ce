"""Splits that are shuffled or sorted, each in itself: the rows that they have in order."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import UsageError
from bigdata_cli.options import request_of
from tests.manifest_files import as_json

SPLIT = {"train": 0.7, "val": 0.2, "test": 0.1}
ORDERS: dict[str, dict[str, Any]] = {"shuffle": {"shuffle": True}, "sort": {"sort_by": "x"}}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    chance = random.Random(4)
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = [f"{n},{chance.random():.2f},{chance.choice('ab')}" for n in range(4_000)]
    path.write_text("n,x,kind\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(scatter, "PART_BYTES", 20_000)


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [row for batch in part.read() for row in batch.to_pylist()]
        for name, part in open_dataset(folder).splits.items()
    }


def by_number(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["n"])


@pytest.mark.parametrize("to", ["parquet", "hdf5", "tfrecord"])
@pytest.mark.parametrize("how", [{}, {"split_order": True}, {"stratify": "kind"}])
@pytest.mark.parametrize("order", ORDERS)
def test_each_split_has_the_rows_that_it_has_in_order(order, how, to, source, tmp_path):
    plain, output = tmp_path / "plain", tmp_path / "out"
    convert(source, to=to, output=plain, shards=3, split=SPLIT, **how)
    convert(source, to=to, output=output, shards=3, split=SPLIT, **how, **ORDERS[order])
    expected, found = rows_of(plain), rows_of(output)
    for name, rows in expected.items():
        assert by_number(found[name]) == by_number(rows)
        numbers = [row["n"] for row in found[name]]
        if order == "sort":
            assert found[name] == sorted(rows, key=lambda row: row["x"])
        else:
            assert numbers != sorted(numbers)
        ours, theirs = (open_dataset(folder)[name].statistics("x") for folder in (output, plain))
        assert (ours.count, ours.minimum, ours.maximum) == (
            theirs.count,
            theirs.minimum,
            theirs.maximum,
        )
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-12)
    report = verify(output, source=[source])
    assert report.passed, report.findings
    assert report.compared_rows == 4_000


@pytest.mark.parametrize("how", [{"jobs": 1, "shards": 1}, {"shards": 7}])
def test_jobs_and_shards_change_no_order(how, source, tmp_path):
    for name, more in (("a", {"shards": 3}), ("b", how)):
        convert(source, to="arrow", output=tmp_path / name, split=SPLIT, shuffle=True, **more)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_an_interrupted_one_goes_on(source, tmp_path, monkeypatch):
    options = {"to": "parquet", "shards": 3, "split": SPLIT, "shuffle": True}
    convert(source, output=tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        patch.setattr(
            "bigdata_cli.conversion.reorder.Scatter.plan",
            property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt)),
        )
        with pytest.raises(KeyboardInterrupt):
            convert(source, output=tmp_path / "out", **options)
    convert(source, output=tmp_path / "out", **options)
    whole, found = (
        {path.name: path.read_bytes() for path in folder.glob("[!_]*.parquet")}
        for folder in (tmp_path / "whole", tmp_path / "out")
    )
    assert found == whole


def test_rows_of_another_split_are_found(source, tmp_path):
    """All rows of the source are there, and some of them in another split."""
    convert(
        source, to="parquet", output=tmp_path / "out", shards=1, split={"a": 0.5, "b": 0.5},
        split_order=True, shuffle=True,
    )  # fmt: skip
    path = as_json(tmp_path / "out")
    entry = json.loads(path.read_text())
    ((_, cuts),) = entry["options"]["split_cuts"]["cuts"]
    cuts[0] -= 1_000  # bytes of the source
    path.write_text(json.dumps(entry))
    report = verify(tmp_path / "out", source=[source])
    assert any(finding.what.startswith("split a: column") for finding in report.findings)


def in_folders(folder: Path) -> dict[str, list[str]]:
    """The names of the files of each split."""
    dataset = open_dataset(folder)
    return {
        name: [file for shard in part.shards for file in shard.file_names]
        for name, part in dataset.splits.items()
    }


@pytest.mark.parametrize("how", [{}, {"split_order": True}, {"stratify": "kind"}])
@pytest.mark.parametrize("more", [{}, {"shard_size": 9_000}, {"sort_by": "x"}])
def test_folders_of_values_are_within_those_of_splits(how, more, source, tmp_path):
    folders, plain = tmp_path / "folders", tmp_path / "plain"
    convert(source, to="parquet", output=folders, split=SPLIT, partition_by="kind", **how, **more)
    convert(source, to="parquet", output=plain, shards=3, split=SPLIT, **how)
    found, wanted = rows_of(folders), rows_of(plain)
    by = ("kind", "x") if "sort_by" in more else ("kind",)
    for name, rows in wanted.items():
        assert found[name] == sorted(rows, key=lambda row: tuple(row[key] for key in by))
        for file in in_folders(folders)[name]:
            split, kind, last = file.split("/")
            assert split == f"split={name}"
            assert kind in ("kind=a", "kind=b")
            assert last.startswith(f"{name}-")
    assert verify(folders, source=[source]).findings == ()


def test_others_read_folders_of_splits(source, tmp_path):
    convert(source, to="parquet", output=tmp_path / "o", split=SPLIT, partition_by="kind")
    everything = f"{tmp_path}/o/**/*.parquet"
    counts = pl.scan_parquet(everything, hive_partitioning=True).group_by("split", "kind").len()
    query = f"select split, kind, count(*) from read_parquet('{everything}') group by all"
    wanted = Counter(
        (name, row["kind"]) for name, rows in rows_of(tmp_path / "o").items() for row in rows
    )
    assert {tuple(row[:2]): row[2] for row in counts.collect().rows()} == wanted
    assert {tuple(row[:2]): row[2] for row in duckdb.sql(query).fetchall()} == wanted
    train = ds.dataset(tmp_path / "o" / "split=train", partitioning="hive").to_table()
    assert train.num_rows == len(rows_of(tmp_path / "o")["train"])


def test_a_split_without_rows_has_a_folder(tmp_path):
    (tmp_path / "few.csv").write_text("n,kind\n1,a\n1,a\n1,a\n")
    for names in (["a", "b"], ["b", "a"]):
        output = tmp_path / "-".join(names)
        split = dict.fromkeys(names, 0.5)
        convert(tmp_path / "few.csv", to="parquet", output=output, split=split, partition_by="kind")
        files = in_folders(output)
        assert sorted(map(len, rows_of(output).values())) == [0, 3]
        assert all(
            len(own) == 1 and own[0].startswith(f"split={name}/") for name, own in files.items()
        )


def test_a_column_called_split_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("split,kind,n\nx,a,1\ny,b,2\n")
    about = {"to": "parquet", "output": tmp_path / "o", "split": SPLIT, "partition_by": "kind"}
    with pytest.raises(UsageError, match="as is a column"):
        convert(tmp_path / "t.csv", **about)
    convert(tmp_path / "t.csv", **about, rename={"split": "part"})
    assert open_dataset(tmp_path / "o").rows == 2


class Stopped(Exception):
    """In place of a kill."""


def test_folders_of_splits_resume(source, tmp_path):
    options = request_of(
        ConvertOptions,
        {"to": "parquet", "split": SPLIT, "partition_by": "kind", "output": tmp_path / "o",
         "shard_size": 9_000},
    )  # fmt: skip
    attempts = itertools.count(1)
    resumed = []
    while True:
        left = 4 * next(attempts)

        def stop(progress: Any) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stopped

        try:
            resumed.append(run([source], options, progress=stop).resumed_shards)
            break
        except Stopped:
            continue
    assert next(attempts) > 3
    assert resumed[0] > 0
    convert(
        source, to="parquet", output=tmp_path / "at-once", split=SPLIT, partition_by="kind",
        shard_size=9_000,
    )  # fmt: skip
    assert rows_of(tmp_path / "o") == rows_of(tmp_path / "at-once")
    assert in_folders(tmp_path / "o") == in_folders(tmp_path / "at-once")
