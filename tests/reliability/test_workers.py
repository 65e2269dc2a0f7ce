"""Conversions by processes, of which one is killed in the middle, or the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bigdata_cli import convert

ROWS = 400_000
SHARDS = 40


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "rows.csv"
    line = "{0},{0}.25,name {0},2024-01-01\n"
    path.write_text("id,price,text,when\n" + "".join(line.format(i) for i in range(ROWS)))
    return path


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed conversion by threads."""
    output = tmp_path_factory.mktemp("expected") / "out"
    convert(source, to="parquet", shards=SHARDS, output=output)
    return files_of(output)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def start(source: Path, output: Path) -> subprocess.Popen[str]:
    """A conversion by two processes."""
    command = [sys.executable, "-m", "bigdata_cli", "convert", str(source), "--to", "parquet"]
    command += ["--shards", str(SHARDS), "-o", str(output), "--engine", "processes", "-j", "2"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def wait_until_writing(process: subprocess.Popen[str], output: Path) -> list[int]:
    """Until some shards are done; returns the workers."""
    journal = output / "_journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    return workers_of(process.pid)


def workers_of(pid: int) -> list[int]:
    """The processes that run work for a process."""
    children = psutil.Process(pid).children()
    server = next(one for one in children if any("forkserver" in word for word in one.cmdline()))
    return [worker.pid for worker in server.children()]


def wait_for_end(pids: list[int]) -> None:
    """Until processes are gone."""
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_worker_that_is_killed_costs_nothing_but_time(
    source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    process = start(source, tmp_path / "out")
    workers = wait_until_writing(process, tmp_path / "out")
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert files_of(tmp_path / "out") == expected


def test_an_interrupt_leaves_no_process_and_the_command_goes_on(
    source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    process = start(source, tmp_path / "out")
    workers = wait_until_writing(process, tmp_path / "out")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    # A busy machine needs longer than the command waits for its own end: then it leaves at once.
    left_at_once = "the same command puts in order what it left" in errors
    assert left_at_once or "the same command goes on from there" in errors
    wait_for_end(workers)
    again = start(source, tmp_path / "out")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert f"of {SHARDS} shards are done" in errors
    assert files_of(tmp_path / "out") == expected


def test_a_second_interrupt_ends_it_at_once_and_without_a_warning(
    source: Path, tmp_path: Path
) -> None:
    process = start(source, tmp_path / "out")
    workers = wait_until_writing(process, tmp_path / "out")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Warning" not in errors
    wait_for_end(workers)


def test_workers_end_with_the_process_that_started_them(source: Path, tmp_path: Path) -> None:
    process = start(source, tmp_path / "out")
    workers = wait_until_writing(process, tmp_path / "out")
    process.kill()
    process.communicate(timeout=60)
    wait_for_end(workers)
    assert not any(map(is_running, workers))
