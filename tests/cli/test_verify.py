"""`bigdata verify`: one line, or every difference, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from bigdata_cli import convert
from bigdata_cli.cli import main
from tests.datasets import write_dataset
from tests.manifest_files import as_json, manifest_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "d", pa.table({"a": range(300)}), n_shards=3)


@pytest.fixture
def damaged(folder: Path) -> Path:
    (folder / "data-00000-of-00003.parquet").unlink()
    (folder / "data-00001-of-00003.parquet").write_bytes(b"PAR1 no more")
    return folder


def test_one_line_where_all_is_well(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    assert "3 shards in 3 files (parquet, layout rows), 300 rows" in result.stdout
    assert result.stderr == ""


def test_every_difference_is_listed(damaged: Path) -> None:
    result = run(damaged)
    assert result.exit_code == 5
    assert result.stdout == ""
    assert "data-00000-of-00003.parquet: the file is missing" in result.stderr
    assert "data-00001-of-00003.parquet: size is 12, the manifest says" in result.stderr
    assert "data-00001-of-00003.parquet: checksum (XXH3) is" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Hint:" in result.stderr


def test_json_has_the_findings(damaged: Path) -> None:
    result = run(damaged, "--json")
    assert result.exit_code == 5
    report = json.loads(result.stdout)
    assert report["passed"] is False
    assert {finding["file"] for finding in report["findings"]} == {
        "data-00000-of-00003.parquet",
        "data-00001-of-00003.parquet",
    }
    assert "3 differences" in result.stderr


def test_json_of_a_whole_dataset(folder: Path) -> None:
    result = run(manifest_path(folder), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["rows"] == 300


def test_quiet(folder: Path) -> None:
    result = run(folder, "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_a_damaged_manifest_and_none_at_all(folder: Path) -> None:
    as_json(folder).write_text('{"manifest_version": 1}')
    assert run(folder).exit_code == 5
    manifest_path(folder).unlink()
    assert run(folder).exit_code == 2


def test_the_source_is_named_once_or_as_a_shell_does(tmp_path: Path) -> None:
    names = [tmp_path / f"{name}.csv" for name in "ab"]
    for number, path in enumerate(names):
        path.write_text("n,t\n" + f"{number},x\n" * 100)
    folder = tmp_path / "d"
    convert(names, to="npy", output=folder)
    for arguments in (
        ["--source", names[0], names[1]],
        ["--source", names[0], "--source", names[1]],
        ["--source", tmp_path / "*.csv", "--jobs", "1"],
    ):
        result = run(folder, *arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.endswith("as the manifest says, and every value as in the source\n")
    assert json.loads(run(folder, "--source", *names, "--json").stdout)["compared_rows"] == 200
    assert run(folder, *names).exit_code == 2
    names[1].write_text("n,t\n" + "2,x\n" * 100)
    result = run(folder, "--source", *names)
    assert result.exit_code == 5
    assert "is not what its manifest says: 1 difference" in result.stderr
    assert "is not what the dataset was made of, and was not compared" in result.stderr


def test_files_that_are_no_part_of_it_are_mentioned(folder: Path) -> None:
    for number in range(7):
        (folder / f"note{number}.txt").write_text("x")
    result = run(folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == (
        "not part of the dataset: note0.txt, note1.txt, note2.txt, note3.txt, note4.txt and 2 more"
    )
