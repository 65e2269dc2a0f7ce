"""`bigdata train`: what it prints where, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from bigdata_cli.cli import main
from bigdata_cli.cli.progress import ProgressDisplay
from bigdata_cli.training.course import TrainProgress
from tests.datasets import write_dataset


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    table = pa.table(
        {
            "x": x,
            "note": [f"n{i}" for i in range(1000)],
            "isFraud": (x > 0).astype(np.int8),
            "noise": rng.integers(0, 2, 1000).astype(np.int8),
        }
    )
    return write_dataset(tmp_path_factory.mktemp("d") / "d", table, n_shards=2, label="isFraud")


def test_prints_what_was_learned(folder: Path) -> None:
    result = run(folder, "--epochs", 10, "--batch-size", 64)
    assert result.exit_code == 0, result.stderr
    for word in ("CPU:0", "rows/s", "first loss", "last loss", "AUC", "Passed", "isFraud (binary)"):
        assert word in result.stdout
    assert 'Note: column "note" is left out' in result.stdout
    assert all(line.startswith("training: ") for line in result.stderr.splitlines())


def test_json_is_all_that_stdout_has(folder: Path) -> None:
    result = run(folder, "--epochs", 10, "--batch-size", 64, "--label", "isFraud", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["passed"] is True
    assert report["epochs"] == 10
    assert report["metric"] == "AUC"


def test_a_report_says_what_bounds_it_and_where_the_model_is(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    result = run(folder, "--epochs", 10, "--batch-size", 64, "--save", path, "--hidden", "none")
    assert result.exit_code == 0, result.stderr
    assert "on a repeated batch" in result.stdout
    assert f"saved           {path}" in result.stdout.replace("\n", "")
    again = run(folder, "--epochs", 12, "--batch-size", 64, "--save", path, "--hidden", "none",
                "--resume", "--json")  # fmt: skip
    report = json.loads(again.stdout)
    assert (report["epochs"], report["resumed_epochs"], report["hidden"]) == (12, 10, [])
    pace = report["pace"]
    assert pace["bound"] in ("input", "compute", "balanced")
    assert 0 < pace["step_seconds"] < 1
    assert 0 < pace["repeated_step_seconds"] < 1
    assert 0 <= pace["waited_share"] <= 1


def test_memory_over_time_with_its_phases(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "memory.csv"
    words = (folder, "--epochs", 10, "--label", "isFraud", "--json", "--memory-log", log)
    report = json.loads(run(*words).stdout)
    rows = [line.split(",") for line in log.read_text().splitlines()[1:]]
    assert 0 < max(int(row[1]) for row in rows) <= report["peak_memory_bytes"]
    phases = list(dict.fromkeys(row[2] for row in rows if row[2]))
    assert phases == list(report["phases"]) == ["loading", "training", "evaluating"]


def test_a_plot_that_cannot_be_written_is_said_before_any_work(folder: Path) -> None:
    result = run(folder, "--label", "isFraud", "--memory-plot", "missing/plot.png")
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr


def test_a_label_of_noise_is_exit_status_1(folder: Path) -> None:
    result = run(folder, "--label", "noise", "--epochs", 2, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False
    assert "label noise" in result.stderr
    assert "Hint: --epochs" in result.stderr


def test_quiet_prints_nothing(folder: Path) -> None:
    result = run(folder, "--epochs", 10, "--batch-size", 64, "-q")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "isfraud"], 'Did you mean "isFraud"?'),
        (["--label", "note"], "is text"),
        (["--epochs", "0"], "--epochs"),
        (["--batch-size", "0"], "--batch-size"),
        (["--hidden", "16,0"], "is not a list of layers"),
        (["--hidden", ""], "is not a list of layers"),
        (["--dropout", "1"], "--dropout"),
        (["--hash", "note"], "is not COL=BUCKETS"),
        (["--hash", "note=1"], "buckets"),
        (["--hash", "notes=64"], 'Did you mean "note"?'),
        (["--stratify"], "--stratify is of --sample"),
        (["--resume"], "--save model.keras"),
        (["--save", "model.h5"], "is not a .keras file"),
        (["--save", "nowhere/model.keras"], "there is no folder nowhere"),
        (["--eval", "nowhere"], "does not exist"),
        (["--backend", "theano"], "is not one of them"),
        (["--strategy", "mirored"], 'Did you mean "mirrored"?'),
        (["--strategy", "none", "--devices", "2"], "--strategy mirrored"),
        (["--require-gpu"], "sees no GPU"),
    ],
)
def test_usage_errors(folder: Path, arguments: list[str], message: str) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_what_is_no_dataset(tmp_path: Path) -> None:
    result = run(tmp_path / "nothing")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def test_label_problems_do_not_wait_for_tensorflow(folder: Path) -> None:
    code = (
        "import sys\nfrom bigdata_cli import UsageError, train\n"
        f"try: train({str(folder)!r}, label='note')\n"
        "except UsageError: print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_a_process_prints_nothing_of_tensorflows(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bigdata_cli", "train", str(folder), "--epochs", "50", "-q"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_progress_is_a_line_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = TrainProgress(
        epoch=1, epochs=2, step=640, expected_steps=2000, rows=40_960, loss=0.12345
    )
    line = "training: 640 of 2,000 steps (32 %), epoch 1 of 2, loss 0.1235"
    monkeypatch.setattr("bigdata_cli.cli.progress.SECONDS_BETWEEN_LINES", 0.0)
    with ProgressDisplay() as display:
        display(progress)
    assert capsys.readouterr().err == line + "\n"
    with ProgressDisplay(quiet=True) as display:
        display(progress)
    assert capsys.readouterr().err == ""


def test_a_bag(folder: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    words = (folder, "--label", "isFraud", "--epochs", 20, "--batch-size", 32)
    sampled = ("--sample", 0.5, "--stratify", "--bag", 2, "--save", bag)
    result = run(*words, *sampled)
    assert result.exit_code == 0, result.stderr
    for word in ("2 models: AUC", "Passed", f"{bag}"):
        assert word in result.stdout
    assert (bag / "bag.json").is_file()
    result = run(*words, *sampled)
    assert result.exit_code == 2
    assert "--force replaces it" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stratify"], "--stratify is of --sample"),
        (["--bag", "3", "--save", "bag"], "a sample of its own"),
        (["--bag", "1", "--sample", "0.1", "--save", "bag"], "--bag"),
        (["--sample", "0"], "--sample"),
    ],
)
def test_usage_errors_of_bags(folder: Path, arguments: list[str], message: str) -> None:
    result = run(folder, "--label", "isFraud", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
