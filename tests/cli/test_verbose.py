"""`convert --verbose` says what was decided, and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bigdata_cli.cli import main


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "trips.csv"
    rows = [f"{i};{'xyz'[i % 3]};{'' if i % 4 == 0 else i / 8}" for i in range(400)]
    path.write_text("\n".join(["id;kind;price", *rows]) + "\n")
    return path


def run(*words: object) -> Result:
    result = CliRunner().invoke(main, ["convert", *map(str, words)])
    assert result.exit_code in (0, 2), result.output
    return result


def test_what_was_decided_and_why(source: Path, tmp_path: Path) -> None:
    result = run(source, "--to", "parquet", "-o", tmp_path / "out", "--type", "id=int64", "-v",
                 "--shards", 3, "--jobs", 2)  # fmt: skip
    said = re.sub(r"^\[ *[\d.]+ s\] ", "", result.stderr, flags=re.M)
    for line in (
        r"dialect: delimiter ;, quote \", header",
        r"types: from all rows, 400 rows in ",
        r"  id: int64 \(as it was asked for\)",
        r"  kind: category \(3 different texts\)",
        r"  price: float32 \(0.125 to 49.875, 100 nulls\)",
        r"format: parquet, layout rows, compression zstd, the default",
        r"shards: 3 \(--shards\)",
        r"memory: at most .* \(what is free\)",
        r"jobs: \d+ \(--jobs\)",
        r"engine: local",
        r"sampling: the source is looked at",
        r"converting took ",
        r"committing took ",
    ):
        assert re.search(rf"^{line}", said, re.M), (line, said)
    assert "dialect: " not in re.sub(r"^dialect +.*", "", result.stdout, flags=re.M)


def test_a_dry_run_says_it_too(source: Path, tmp_path: Path) -> None:
    result = run(source, "--to", "npy", "-o", tmp_path / "out", "--dry-run", "--verbose", "--json")
    assert "format: npy, layout columns, compression none, the default" in result.stderr
    assert result.stdout.startswith("{")
    assert not (tmp_path / "out").exists()


def test_nothing_is_said_where_it_is_not_asked_for(source: Path, tmp_path: Path) -> None:
    assert run(source, "--to", "npy", "-o", tmp_path / "out").stderr == ""
    result = run(source, "--to", "npy", "-o", tmp_path / "out", "--force", "-q", "-v")
    assert result.exit_code == 2
    assert "--quiet and --verbose exclude each other" in result.stderr
