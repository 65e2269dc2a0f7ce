"""`bigdata predict`: what it prints where, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from bigdata_cli.cli import main
from bigdata_cli.cli.progress import ProgressDisplay
from bigdata_cli.training.predict import PredictProgress
from bigdata_cli.training.saved import save_model
from tests.datasets import write_dataset
from tests.training.models import N_ROWS, example_table, network_of


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "model.keras"
    save_model(path, network_of(folder, "fraud"))
    return path


def test_prints_what_was_predicted(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    result = run(model, folder, "-o", out, "--columns", "id,kind", "--columns", "x")
    assert result.exit_code == 0, result.output
    for word in ("fraud (binary)", "rows/s", "AUC", "probability of 1", "peak memory", "3,001"):
        assert word in result.stdout
    assert result.stderr == ""
    assert pq.read_table(out).column_names == ["id", "kind", "x", "probability"]


def test_json_is_all_that_stdout_has(model: Path, folder: Path, tmp_path: Path) -> None:
    result = run(model, folder, "-o", tmp_path / "p.csv", "--json", "--batch-size", 500)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["rows"] == N_ROWS
    assert report["evaluation"]["metric"] == "AUC"
    assert 0 < report["evaluation"]["value"] < 1
    assert report["rows_per_second"] > 0
    assert report["peak_memory_bytes"] > 0
    assert set(report["phases"]) == {"loading", "predicting"}


def test_standard_output_has_nothing_but_the_csv(model: Path, folder: Path) -> None:
    result = run(model, folder, "-o", "-", "--columns", "id")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "id,probability"
    assert len(lines) == N_ROWS + 1
    assert lines[-1].startswith(f"{N_ROWS - 1},")
    assert "rows/s" in result.stderr


def test_quiet_prints_nothing(model: Path, folder: Path, tmp_path: Path) -> None:
    result = run(model, folder, "-o", tmp_path / "p.csv", "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_a_label_that_is_not_there_is_a_note(model: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", example_table(100).drop_columns(["fraud"]))
    result = run(model, other, "-o", tmp_path / "p.csv")
    assert result.exit_code == 0
    assert "Note: no AUC" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["-o", "p.json"], 2, "written as .parquet or .csv"),
        (["-o", "-", "--json"], 2, "both write on standard output"),
        (["-o", "p.csv", "--columns", "Id"], 2, 'Did you mean "id"?'),
        (["-o", "p.csv", "--backend", "theano"], 2, "not one of them"),
        (["-o", "p.csv", "--backend", "jax"], 2, "Keras runs on tensorflow"),
        (["-o", "p.csv", "--batch-size", "0"], 2, "--batch-size"),
        ([], 2, "--output"),
    ],
)
def test_usage_errors(
    model: Path, folder: Path, arguments: list[str], status: int, message: str
) -> None:
    result = run(model, folder, *arguments)
    assert result.exit_code == status
    assert message in result.stderr
    assert result.stdout == ""


def test_errors_say_what_is_wrong(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    result = run(tmp_path / "none.keras", folder, "-o", out)
    assert (result.exit_code, "does not exist" in result.stderr) == (2, True)
    other = write_dataset(tmp_path / "d", example_table(100).drop_columns(["x"]))
    result = run(model, other, "-o", out)
    assert (result.exit_code, "lacks 1 of the columns" in result.stderr) == (2, True)
    (tmp_path / "bad.keras").write_bytes(model.read_bytes()[:-100])
    result = run(tmp_path / "bad.keras", folder, "-o", out)
    assert (result.exit_code, "not a model" in result.stderr) == (3, True)
    assert not out.exists()


def test_progress_is_a_line_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigdata_cli.cli.progress.SECONDS_BETWEEN_LINES", 0.0)
    with ProgressDisplay() as display:
        display(PredictProgress(rows=5_000, total_rows=60_000))
    assert capsys.readouterr().err == "predicting: 5,000 of 60,000 rows (8 %)\n"
    with ProgressDisplay(quiet=True) as display:
        display(PredictProgress(rows=1, total_rows=2))
    assert capsys.readouterr().err == ""
