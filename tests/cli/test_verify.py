"""`bigdata verify`: one line, or every difference, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from bigdata_cli.cli import main
from bigdata_cli.manifest import MANIFEST_NAME
from tests.datasets import write_dataset


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
    assert "data-00001-of-00003.parquet: SHA-256 is" in result.stderr
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
    assert "4 differences" in result.stderr


def test_json_of_a_whole_dataset(folder: Path) -> None:
    result = run(folder / MANIFEST_NAME, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["rows"] == 300


def test_quiet(folder: Path) -> None:
    result = run(folder, "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_a_damaged_manifest_and_none_at_all(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text('{"manifest_version": 1}')
    assert run(folder).exit_code == 5
    (folder / MANIFEST_NAME).unlink()
    assert run(folder).exit_code == 2
