"""Training for real on other backends and on several devices and processes, which learn as one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import train
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.saved import load_model
from tests.datasets import write_dataset
from tests.training.forked import Command, Ended, run_forked

N_ROWS = 1501
SMALL_BATCHES = {
    "epochs": 2,
    "batch_size": 64,
    "dropout": 0.0,
    "hashed": {"name": 100},
    "l2": 0.001,
    "schedule": "cosine",
    "warmup_steps": 3,
}
"""Batches that divide neither by the replicas nor into the rows; a penalty, which no replica may
add once more, and learning rates, which must be the same everywhere."""
WHOLE_BATCHES = {**SMALL_BATCHES, "epochs": 12, "batch_size": 4096}
"""Every step is of all rows, in whatever order: however they are dealt, all must learn alike."""
SECONDS = 240
BIGDATA = ("-m", "bigdata_cli")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(7)
    b, kind = rng.normal(size=N_ROWS), rng.integers(0, 3, N_ROWS)
    table = pa.table(
        {
            "b": b,
            "a": pa.array(rng.normal(1000, 50, N_ROWS), mask=rng.random(N_ROWS) < 0.1),
            "kind": pa.array([f"k{i}" for i in kind], mask=kind == 2).dictionary_encode(),
            "town": pa.array([f"t{i % 40}" for i in range(N_ROWS)]).dictionary_encode(),
            "name": [f"n{i}" for i in rng.integers(0, 5000, N_ROWS)],
            "yes": (b + kind > 1).astype(np.int8),
        }
    )
    return write_dataset(tmp_path_factory.mktemp("d") / "d", table, n_shards=3, label="yes")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trainings of this module save their models."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def small(folder: Path, models: Path) -> TrainReport:
    return train(folder, save=models / "small.keras", **SMALL_BATCHES)


@pytest.fixture(scope="module")
def whole(folder: Path, models: Path) -> TrainReport:
    return train(folder, save=models / "whole.keras", **WHOLE_BATCHES)


def words(folder: Path, options: dict[str, Any], *more: object) -> list[str]:
    """The command line of a training."""
    given = ["train", folder, "--json", "--hash", "name=100"]
    for name in ("epochs", "batch_size", "dropout", "l2", "schedule", "warmup_steps"):
        given += [f"--{name.replace('_', '-')}", options[name]]
    return [str(word) for word in (*given, *more)]


def start(
    arguments: list[str], module: tuple[str, ...] = BIGDATA, **environment: str
) -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, *module, *arguments],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    try:
        out, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Ended(process.returncode, out, errors)


def addresses() -> list[str]:
    """Two of this machine, which nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        for taken in (one, other):
            taken.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{taken.getsockname()[1]}" for taken in (one, other)]


@pytest.fixture(scope="module")
def of_tensorflow(folder: Path, models: Path) -> list[Ended]:
    """A training on three devices, two workers of another, and one that is interrupted."""
    cluster = {"worker": addresses()}
    replicas = ("--strategy", "mirrored", "--devices", 3, "--save", models / "mirrored.keras")
    together = words(folder, WHOLE_BATCHES, "--save", models / "workers.keras")
    task = [{"cluster": cluster, "task": {"type": "worker", "index": one}} for one in range(2)]
    endless = {**SMALL_BATCHES, "schedule": "constant", "epochs": 1_000_000}
    cut = models / "interrupted.keras"
    commands = [
        Command(words(folder, endless, "--save", cut), interrupt_at=str(cut)),
        Command(words(folder, SMALL_BATCHES, *replicas)),
        *(Command(together, {"TF_CONFIG": json.dumps(one)}) for one in task),
    ]
    return run_forked("tensorflow", commands, models / "tensorflow", max_seconds=SECONDS)


def variables(path: Path) -> dict[str, np.ndarray]:
    """The weights of a saved model, and the optimizer's state: it tells how large gradients are."""
    network = load_model(path).keras_model
    found = {v.path: np.array(v) for v in network.weights}
    state = enumerate(network.optimizer.variables)
    return found | {f"optimizer {place}": np.array(v) for place, v in state}


def assert_learned_alike(report: dict[str, Any], other: TrainReport) -> None:
    for name in ("first_loss", "last_loss", "held_out_loss", "constant_loss", "metric_value"):
        assert report[name] == pytest.approx(getattr(other, name), rel=2e-4), name
    for name in ("steps", "trained_rows", "held_out_rows", "rows"):
        assert report[name] == getattr(other, name), name
    assert report["trained_rows"] + report["held_out_rows"] == N_ROWS


def assert_same_model(path: Path, other: Path) -> None:
    found, expected = variables(path), variables(other)
    assert len(found) == len(expected)
    for (name, value), reference in zip(found.items(), expected.values(), strict=True):
        np.testing.assert_allclose(value, reference, rtol=2e-3, atol=2e-5, err_msg=name)


def test_three_replicas_learn_as_one(
    models: Path, small: TrainReport, of_tensorflow: list[Ended]
) -> None:
    report = of_tensorflow[1].report
    assert (report["strategy"], report["replicas"]) == ("mirrored", 3)
    assert report["devices"] == ["CPU:0", "CPU:1", "CPU:2"]
    assert_learned_alike(report, small)
    assert_same_model(models / "mirrored.keras", models / "small.keras")


def test_two_workers_learn_as_one_process(
    models: Path, whole: TrainReport, of_tensorflow: list[Ended]
) -> None:
    _, _, first, second = of_tensorflow
    report = first.report
    assert (report["strategy"], report["replicas"], report["workers"]) == ("multiworker", 2, 2)
    assert_learned_alike(report, whole)
    assert_same_model(models / "workers.keras", models / "whole.keras")
    assert (second.status, second.out) == (0, ""), "only one worker reports"
    assert any("a multiple of 2 shards" in note for note in report["notes"])


def test_two_ranks_of_torch_learn_as_one_process(
    folder: Path, models: Path, whole: TrainReport
) -> None:
    """As torchrun starts them: it sets these variables."""
    pytest.importorskip("torch")
    arguments = words(folder, WHOLE_BATCHES, "--backend", "torch", "--save", models / "ranks.keras")
    address, port = addresses()[0].split(":")
    rank = {"WORLD_SIZE": "2", "MASTER_ADDR": address, "MASTER_PORT": port}
    commands = [Command(arguments, {**rank, "RANK": str(number)}) for number in range(2)]
    first, second = run_forked("torch", commands, models / "torch", max_seconds=SECONDS)
    assert_ranks_learned(first.report, models, whole)
    assert (second.status, second.out) == (0, ""), "only one rank reports"


def assert_ranks_learned(report: dict[str, Any], models: Path, whole: TrainReport) -> None:
    assert (report["backend"], report["strategy"], report["workers"]) == ("torch", "multiworker", 2)
    assert_learned_alike(report, whole)
    assert_same_model(models / "ranks.keras", models / "whole.keras")


@pytest.mark.slow
def test_two_ranks_of_torchrun_learn_as_one_process(
    folder: Path, models: Path, whole: TrainReport
) -> None:
    pytest.importorskip("torch")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *BIGDATA)
    options = ("--backend", "torch", "--save", models / "ranks.keras", "--force")
    done = ended(start(words(folder, WHOLE_BATCHES, *options), torchrun))
    assert done.out.count('"dataset"') == 1, "only one rank reports"
    assert_ranks_learned(done.report, models, whole)


def test_jax_learns_as_tensorflow(folder: Path, models: Path, small: TrainReport) -> None:
    pytest.importorskip("jax")
    path = models / "jax.keras"
    options = ("--backend", "jax", "--save", path)
    report = ended(start(words(folder, SMALL_BATCHES, *options))).report
    assert report["backend"] == "jax"
    assert_learned_alike(report, small)
    assert_same_model(path, models / "small.keras")


@pytest.mark.slow
def test_torch_in_one_process_learns_as_tensorflow(folder: Path, small: TrainReport) -> None:
    pytest.importorskip("torch")
    report = ended(start(words(folder, SMALL_BATCHES, "--backend", "torch"))).report
    assert_learned_alike(report, small)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--backend", "torch"),
        ("--backend", "jax"),
        ("--strategy", "mirrored", "--devices", 2),
    ],
    ids=lambda options: options[1],
)
def test_every_backend_resumes(folder: Path, tmp_path: Path, options: tuple[Any, ...]) -> None:
    """With dropout, and without any difference."""
    if options[0] == "--backend":
        pytest.importorskip(options[1])
    drop = {**SMALL_BATCHES, "dropout": 0.25, "schedule": "constant"}
    for name, *parts in (("whole", 4), ("parts", 2, 4)):
        for epochs in parts:
            chosen = ("--save", tmp_path / f"{name}.keras", "--resume", *options)
            assert ended(start(words(folder, {**drop, "epochs": epochs}, *chosen))).report
    found, expected = variables(tmp_path / "parts.keras"), variables(tmp_path / "whole.keras")
    for (name, value), reference in zip(found.items(), expected.values(), strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.slow
def test_a_worker_that_ends_is_told_of(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    long = {**SMALL_BATCHES, "epochs": 100_000}
    ranks = [
        start(
            words(folder, long, "--backend", "torch", "--save", tmp_path / "m.keras"),
            RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port,
        )
        for rank in range(2)
    ]  # fmt: skip
    wait_for(tmp_path / "m.keras", ranks[0])
    ranks[1].kill()
    other = ended(ranks[0])
    assert other.status == 1
    assert "Error: worker 0 of 2 cannot continue" in other.errors
    assert "Traceback" not in other.errors
    ranks[1].communicate()


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interrupt_ends_it_in_order(
    folder: Path, models: Path, of_tensorflow: list[Ended]
) -> None:
    done, path = of_tensorflow[0], models / "interrupted.keras"
    assert done.interrupted_seconds < 15
    assert done.status == 130
    assert "Interrupted" in done.errors
    assert "Traceback" not in done.errors
    assert [one.name for one in models.iterdir() if path.stem in one.name] == [path.name]
    before = load_model(path).state["epochs"]
    again = {**SMALL_BATCHES, "schedule": "constant", "epochs": before + 1}
    report = train(folder, save=path, resume=True, **again)
    assert (report.resumed_epochs, report.epochs) == (before, before + 1)
