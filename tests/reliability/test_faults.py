"""A call that changes the output fails, or the process dies there: the same command goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.children import Zygote
from tests.reliability.faults import FAULTS, SCENARIOS, Sweep, faulty_children, sampled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc")
N_SAMPLED = 6
EIO = FAULTS[0]


@pytest.fixture(scope="module")
def faulty() -> Iterator[Zygote]:
    """A process that forks conversions, in which calls can be made to fail."""
    with faulty_children() as process:
        yield process


@pytest.mark.parametrize("name", ["parquet", "tfrecord rows", "hdf5 columns", "force", "shuffle"])
def test_faults_of_some_calls(name: str, faulty: Zygote, source: Path, tmp_path: Path) -> None:
    sweep = Sweep(faulty, name, source, tmp_path)
    assert {"write", "fsync", "rename", "unlink"} <= set(sweep.calls)
    for at, fault in sampled(sweep, N_SAMPLED, name):
        sweep.check(at, fault)


def test_clean_goes_on_after_a_file_that_could_not_be_removed(
    faulty: Zygote, source: Path, tmp_path: Path
) -> None:
    sweep = Sweep(faulty, "clean", source, tmp_path)
    for call in ("unlink", "rmdir"):
        sweep.check(sweep.calls.index(call) + 1, EIO)


def test_the_request_of_tasks_is_written_whole_or_not_at_all(
    faulty: Zygote, source: Path, tmp_path: Path
) -> None:
    sweep = Sweep(faulty, "tasks", source, tmp_path)
    at = sweep.calls.index("write") + 1
    for fault in sweep.faults_of(at):
        sweep.check(at, fault)


def test_a_lock_of_tasks_that_cannot_be_written(
    faulty: Zygote, source: Path, tmp_path: Path
) -> None:
    sweep = Sweep(faulty, "tasks", source, tmp_path)
    for at, call in enumerate(sweep.calls, 1):
        if call == "flock":
            sweep.check(at, EIO)


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_fault_of_every_call(name: str, faulty: Zygote, source: Path, tmp_path: Path) -> None:
    sweep = Sweep(faulty, name, source, tmp_path)
    for at in range(1, len(sweep.calls) + 1):
        for fault in sweep.faults_of(at):
            sweep.check(at, fault)


def test_a_fault_is_a_fault(faulty: Zygote, source: Path, tmp_path: Path) -> None:
    """The library that fails calls is at work: a full disk is said to be full."""
    sweep = Sweep(faulty, "parquet", source, tmp_path)
    at = sweep.calls.index("write") + 1
    full = next(fault for fault in sweep.faults_of(at) if fault.name == "ENOSPC from here on")
    answer = sweep.run_with(at, full)
    assert answer["error"] == "BudgetError"
    assert "the disk is full" in answer["message"]
