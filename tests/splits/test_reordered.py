"""Splits that are shuffled or sorted, each in itself: the rows that they have in order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.errors import UsageError
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


def test_folders_of_values_have_no_splits(source, tmp_path):
    with pytest.raises(UsageError, match="exclude each other"):
        convert(source, to="parquet", output=tmp_path / "out", split=SPLIT, partition_by="kind")
