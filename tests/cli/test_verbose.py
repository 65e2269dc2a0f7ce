"""`--verbose` says what was decided, and why."""

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
        r"sampling: a sample of the source, its dialect and types",
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


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verbose")
    rows = [f"{i},{i % 2},{i / 8}" for i in range(600)]
    (folder / "trips.csv").write_text("\n".join(["id,tip,price", *rows]) + "\n")
    words = ["convert", folder / "trips.csv", "--to", "parquet", "-o", folder / "trips"]
    CliRunner().invoke(main, [*map(str, words), "--label", "tip", "-q"])
    return folder / "trips"


COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "verify": (
        ["verify", "DATASET", "--source", "SOURCE"],
        ["dataset: parquet, layout rows, ", "manifest: _manifest.parquet, ", "jobs: ",
         "verifying: ", "source: ", "comparing: ", "comparing took "],
    ),
    "inspect": (
        ["inspect", "SOURCE", "--full"],
        ["sampling: ", "source: ", "dialect, as flags: --delimiter ,", "types: from ", "reading: ",
         "encoding: ", "encoding took "],
    ),
    "inspect a dataset": (["inspect", "DATASET"], ["dataset: parquet, ", "counting took "]),
    "inspect --compare": (["inspect", "SOURCE", "DATASET", "--compare"], ["sampling took "]),
    "diff": (
        ["diff", "SOURCE", "DATASET"],
        ["sampling: ", "columns that both have", "comparing took "],
    ),
    "cat": (["cat", "DATASET", "--columns", "id"], ["rows: 1 of ", "written: 600 rows"]),
    "sample": (["sample", "sensors", "--rows", "50"], ["sample: 50 rows of sensors, seed 0"]),
    "train": (
        ["train", "DATASET", "--model", "lightgbm", "--trees", "3"],
        ["label: tip (int8), a task of binary, judged by auc", "features: 2 columns of numbers",
         "trees: 3 of lightgbm, ", "training: ", "evaluating took "],
    ),
    "push": (
        ["push", "DATASET", "kaggle://me/trips-of-may", "--dry-run", "--license", "CC0-1.0"],
        ["dataset: 2 files, "],
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_takes_long_says_what_it_decides(command: str, dataset: Path) -> None:
    words, expected = COMMANDS[command]
    if command == "train":
        pytest.importorskip("lightgbm")
    names = {"DATASET": str(dataset), "SOURCE": str(dataset.with_suffix(".csv"))}
    words = [names.get(word, word) for word in words]
    result = CliRunner().invoke(main, [*words, "-v"])
    assert result.exit_code in (0, 1), result.output
    said = re.sub(r"^\[ *[\d.]+ s\] ", "", result.stderr, flags=re.M).splitlines()
    for line in expected:
        assert any(one.startswith(line) for one in said), (line, said)
    silent = CliRunner().invoke(main, words).stderr
    assert not re.search(r"^\[ *[\d.]+ s\]", silent, re.M)


@pytest.mark.parametrize("command", ["verify", "train", "predict", "diff", "commit", "push"])
def test_quiet_and_verbose_exclude_each_other(command: str) -> None:
    words = {"diff": ["a", "b"], "push": ["a", "b"], "predict": ["a", "b", "-o", "c"]}.get(
        command, ["a"]
    )
    result = CliRunner().invoke(main, [command, *words, "-q", "-v"])
    assert result.exit_code == 2
    assert "--quiet and --verbose exclude each other" in result.stderr
