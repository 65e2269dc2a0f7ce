"""`bigdata inspect`: tables, JSON, and what bad input gets."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from bigdata_cli.cli import main
from tests.datasets import write_dataset

CSV = 'id,fare,city\n1,2.5,Oslo\n2,,"Ålesund, N"\n300,0.1,Oslo\n4,8,Oslo\n5,9,Oslo\n'


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with trips.csv and the dataset trips-parquet in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trips.csv").write_text(CSV, encoding="utf-8")
    rows = {"id": pa.array([5, 7], pa.int8()), "city\x1b[31m": pa.array(["a", None])}
    write_dataset(tmp_path / "trips-parquet", pa.table(rows), n_shards=2)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(main, ["inspect", *arguments])


def test_a_file_is_shown_with_its_types_and_their_memory(folder):
    result = run("trips.csv")
    assert result.exit_code == 0, result.output
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["rows", "5"] in words
    assert any(line[:2] == ["id", "int16"] for line in words)
    assert any(line[:4] == ["fare", "float32", "20", "%"] for line in words)
    assert any(line[:3] == ["city", "category", "(2)"] for line in words)
    assert "Ålesund, N" in result.stdout
    assert result.stdout.rstrip().endswith("bigdata convert trips.csv --to parquet")


def test_a_dataset_is_shown_with_its_shards_and_statistics(folder):
    result = run("trips-parquet")
    assert result.exit_code == 0, result.output
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["rows", "2"] in words
    assert any(line[:3] == ["data-00000-of-00002.parquet", "1", "1"] for line in words)
    assert any(line[:5] == ["id", "int8", "5", "7", "6"] for line in words)
    assert "\x1b" not in result.stdout
    assert "bigdata verify trips-parquet" in result.stdout


@pytest.mark.parametrize("path", ["trips.csv", "trips-parquet"])
def test_json_is_all_that_is_printed(folder, path):
    result = run(path, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["path"] == path
    assert report["columns"][0]["name"] == "id"


def test_options_of_the_source_are_heeded(folder):
    (folder / "plain").write_text("a;b\nc;d\n")
    report = json.loads(run("plain", "--json", "--delimiter", ";", "--no-header").stdout)
    assert (report["rows"], len(report["columns"])) == (2, 2)
    report = json.loads(run("plain", "--json", "--text").stdout)
    assert [column["name"] for column in report["columns"]] == ["text"]
    (folder / "table.txt").write_text("a;b\nc;d\n")
    report = json.loads(run("table.txt", "--json", "--no-text").stdout)
    assert len(report["columns"]) == 2
    assert (
        report["next_command"] == "bigdata convert table.txt --to parquet --delimiter ';' --header"
    )


def test_the_dialect_is_shown_as_flags_and_how_sure_it_is(folder):
    (folder / "prices.csv").write_text("id;price\n1;2,50\n2;3,75\n")
    lines = run("prices.csv").stdout.splitlines()
    assert ["flags", "--delimiter", "';'", "--header"] in [line.split() for line in lines]
    (confidence,) = (line for line in lines if line.startswith("confidence"))
    assert "--decimal , reads them" in confidence
    report = json.loads(run("prices.csv", "--json", "--decimal", ",").stdout)
    assert report["flags"] == ["--delimiter", ";", "--header", "--decimal", ","]
    assert [column["dtype"] for column in report["columns"]] == ["int8", "float32"]
    assert report["next_command"].endswith("parquet --delimiter ';' --header --decimal ,")


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (2, ["trip.csv"]),
        (2, ["empty"]),
        (2, ["trips.csv", "--text", "--delimiter", ";"]),
        (2, ["trips.csv", "--delimiter", "long"]),
        (3, ["empty.csv"]),
        (3, ["damaged"]),
        (2, ["trips-parquet/data-00000-of-00002.parquet"]),
    ],
)
def test_bad_input_gets_one_message(folder, status, arguments):
    (folder / "empty.csv").write_text("")
    (folder / "damaged").mkdir()
    (folder / "empty").mkdir()
    (folder / "damaged" / "_manifest.json").write_text("{")
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
