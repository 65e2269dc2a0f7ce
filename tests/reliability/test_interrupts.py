"""Ctrl-C and SIGTERM, sent to a real process: out within two seconds, and the command to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from bigdata_cli.cli import exit_status
from tests.reliability.children import contents

ROWS = 3_000_000
SHARDS = 60


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file whose conversion takes a second on one thread."""
    path = tmp_path_factory.mktemp("large") / "large.csv"
    line = "{0},{0}.25,name {0},2024-01-01\n"
    path.write_text("id,price,text,when\n" + "".join(line.format(i) for i in range(ROWS)))
    return path


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bigdata_cli", *arguments]
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stdin=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _heeded_interrupts():
    """What this process ignores, as in the background it may, those that it starts would too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_for(path: Path, n_lines: int) -> None:
    """Until a file has so many lines."""
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_bytes().count(b"\n") >= n_lines):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ended(process: subprocess.Popen[str]) -> tuple[float, str]:
    """How long the process still takes, and what it says."""
    begun = time.monotonic()
    _, errors = process.communicate(timeout=30)
    return time.monotonic() - begun, errors


def test_it_ends_in_order_and_says_how_to_go_on(large, tmp_path):
    arguments = ["convert", str(large), "--to", "npy", "--shards", str(SHARDS), "-o", "out"]
    process = start(tmp_path, *arguments, "-j", "1")
    wait_for(tmp_path / "out" / "_journal.jsonl", 3)
    process.send_signal(signal.SIGINT)
    seconds, errors = ended(process)
    assert process.returncode == 130
    assert seconds < 2
    first, note, command = errors.splitlines()[-3:]
    assert first == "Interrupted"
    assert note.endswith(f"of {SHARDS} shards are done; the same command goes on from there:")
    assert command == f"  bigdata convert {large} --to npy --shards {SHARDS} -o out -j 1"
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert not (tmp_path / "out" / "_lock").exists()

    again = start(tmp_path, *arguments)
    _, errors = ended(again)
    assert again.returncode == 0, errors
    assert f"resuming: {note.split()[0]} of {SHARDS} shards are done" in errors
    straight = start(tmp_path, *arguments[:-1], "straight", "-q")
    assert ended(straight)[1] == ""
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def test_the_second_leaves_at_once(large, tmp_path):
    process = start(tmp_path, "convert", str(large), "--to", "hdf5", "--shards", "9", "-o", "out")
    wait_for(tmp_path / "out" / "_journal.jsonl", 2)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    seconds, errors = ended(process)
    assert process.returncode == 130
    assert seconds < 1
    assert "Traceback" not in errors


@pytest.mark.parametrize("delay", [0.1, 0.25, 0.4])
def test_at_the_start_while_libraries_are_loaded(delay, large, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS")]:
        monkeypatch.delenv(name)  # coverage would be loaded first, and takes interrupts for its own
    process = start(tmp_path, "convert", str(large), "--to", "parquet", "--shards", "9")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    seconds, errors = ended(process)
    # Python ends by the signal where it was starting itself, or where the interrupt came within
    # exec() of a text, as dataclasses use it, whatever is done about it. A shell sees 130 as well.
    assert process.returncode in (130, -signal.SIGINT)
    if process.returncode == 130:
        assert "Interrupted" in errors
    assert seconds < 2
    assert not list(tmp_path.glob("*-parquet/[!_]*"))


def test_a_library_that_does_not_come_back_cannot_hold_it_up(tmp_path):
    code = (
        "import sys, threading, time\n"
        "from bigdata_cli.cli.interrupts import Interrupts\n"
        "with Interrupts('last words\\n'):\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    seconds, errors = ended(process)
    assert process.returncode == 130
    assert seconds < 2
    assert errors == "\nlast words\n"


def test_a_pipe_leaves_nothing(tmp_path):
    process = start(tmp_path, "convert", "-", "--to", "npy", "-o", "out", "--shard-size", "1MB")
    lines = "".join(f"{i},{i}.5,some text {i}\n" for i in range(500_000))
    process.stdin.write("a,b,c\n" + lines)
    process.stdin.flush()
    process.send_signal(signal.SIGTERM)
    seconds, errors = ended(process)
    assert process.returncode == 130
    assert seconds < 2
    assert "what comes from a pipe cannot be resumed" in errors
    assert not list(tmp_path.iterdir())


def test_an_interrupt_within_a_class_statement_is_no_bug():
    def command() -> None:
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    assert exit_status(command) == 130

    def aborted() -> None:
        raise click.Abort

    assert exit_status(aborted) == 130


def test_an_interrupt_that_python_ignores_ends_the_command():
    code = (
        "import time\n"
        "from bigdata_cli.cli.interrupts import Interrupts\n"
        "class Finalized:\n"
        "    def __del__(self): raise KeyboardInterrupt\n"
        "with Interrupts('last words\\n'):\n"
        "    Finalized()\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (130, "\nlast words\n")
