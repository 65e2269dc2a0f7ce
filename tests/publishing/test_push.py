"""What can be pushed where, and what Kaggle needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bigdata_cli import convert, push, verify
from bigdata_cli.errors import UsageError, VerificationError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "trips.csv"
    path.write_text("id,fare,day\n" + "".join(f"{i},{i / 4},2026-01-01\n" for i in range(100)))
    return path


def test_kaggle_gets_its_file_and_the_command_is_told(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "my trips"
    convert(source, to="npy", output=out, label="fare", drop=["day"])
    report = push(out, "kaggle://me/new-york-trips", license="CC0-1.0")
    written = json.loads((out / "dataset-metadata.json").read_text())
    assert written["id"] == "me/new-york-trips"
    assert written["title"] == "New York Trips"
    assert written["licenses"] == [{"name": "CC0-1.0"}]
    files = {path.name for path in out.glob("*.npy")}
    assert {one["path"] for one in written["resources"]} == files
    types = {one["name"]: one["type"] for one in written["resources"][0]["schema"]["fields"]}
    assert types == {"id": "integer", "fare": "decimal"}
    assert report.command == f"kaggle datasets create --dir-mode zip -p '{out}'"
    assert verify(out).passed


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("hf://models/me/x", "is no repository of datasets"),
        ("hf://datasets/x", "is no repository of datasets"),
        ("kaggle://me", "is no dataset of Kaggle"),
        ("kaggle://me/No Such", "is no dataset of Kaggle"),
        ("s3://bucket/x", "is no place to push to"),
    ],
)
def test_where_it_cannot_go(source: Path, tmp_path: Path, to: str, words: str) -> None:
    convert(source, to="parquet", output=tmp_path / "out")
    with pytest.raises(UsageError, match=words):
        push(tmp_path / "out", to)


def test_what_load_dataset_does_not_read(source: Path, tmp_path: Path) -> None:
    convert(source, to="tfrecord", output=tmp_path / "out")
    with pytest.raises(UsageError, match="does not read files of tfrecord") as caught:
        push(tmp_path / "out", "hf://datasets/me/x")
    assert 'to="parquet"' in str(caught.value.hint)
    convert(source, to="parquet", output=tmp_path / "by-day", partition_by=["day"])
    with pytest.raises(UsageError, match="names of folders"):
        push(tmp_path / "by-day", "hf://datasets/me/x")


def test_a_dataset_that_lacks_a_file_is_not_pushed(source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=tmp_path / "out")
    next((tmp_path / "out").glob("*.parquet")).unlink()
    with pytest.raises(VerificationError, match="the file is missing"):
        push(tmp_path / "out", "hf://datasets/me/x")
