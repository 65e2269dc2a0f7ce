"""The engine of a Dask cluster: a real scheduler, real processes, killed in the middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli.engines import dask
from bigdata_cli.engines.base import AllSubmitted, Engine, Worker
from bigdata_cli.engines.registry import make_engine
from bigdata_cli.errors import EngineError, MissingDependencyError
from tests.engines.engine_contract import MANY, EngineContract, counted, tasks

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two workers."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


class TestDaskEngine(EngineContract):
    n_workers = 2

    @pytest.fixture(autouse=True)
    def _address(self, scheduler: str) -> None:
        self.address = scheduler

    def engine(self) -> Engine:
        return make_engine("dask", 2, scheduler=self.address)


def dies_once(spec: tuple[int, Path], common: Any, worker: Worker) -> Iterator[Any]:
    """One of the workers is killed in the middle of its task."""
    index, folder = spec
    yield ("part", index)
    if index == 3:
        try:
            (folder / "died").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    yield ("result", index)


def waits(spec: Path, common: Any, worker: Worker) -> Iterator[Any]:
    """Runs until it is stopped."""
    yield AllSubmitted()
    spec.touch()
    while True:
        worker.check()


def test_the_task_of_a_worker_that_is_killed_runs_again(scheduler: str, tmp_path: Path) -> None:
    specs = [(index, tmp_path) for index in range(6)]
    with make_engine("dask", 2, scheduler=scheduler) as engine:
        events = list(engine.map(dies_once, tasks(specs), units_per_shard=MANY))
    assert sorted(event for event in events if event[0] == "result") == [
        ("result", index) for index in range(6)
    ]
    assert len([event for event in events if event[0] == "part"]) == 6
    assert (tmp_path / "died").exists()


def test_the_scheduler_keeps_nothing_of_what_is_done(scheduler: str) -> None:
    with make_engine("dask", 2, scheduler=scheduler) as engine:
        assert len(list(engine.map(counted, tasks(range(40)), units_per_shard=MANY))) == 120
        with distributed.Client(scheduler, set_as_default=False) as client:
            n_tasks = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    assert n_tasks <= 2


def test_no_scheduler_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_CONNECT_SECONDS", 0.3)
    with (
        pytest.raises(EngineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        make_engine("dask", 1, scheduler="tcp://127.0.0.1:9"),
    ):
        pass


def test_without_distributed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError) as raised, make_engine("dask", 1):
        pass
    assert raised.value.hint == "pip install 'bigdata-shards[dask]'"
    assert raised.value.exit_code == 6


@pytest.fixture
def own_scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler in a process of its own, with a worker."""
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    program += ["--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = None
        while found is None:
            line = server.stderr.readline()
            assert line
            found = re.search(r"tcp://127\.0\.0\.1:\d+", line)
        address = found[0]
        program = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        program += ["--nthreads", "1", "--no-dashboard", "--no-nanny"]
        with subprocess.Popen(program, stderr=subprocess.DEVNULL) as worker:
            yield address, server
            worker.kill()
        server.kill()


def test_a_scheduler_that_is_lost_is_an_error(
    own_scheduler: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    address, server = own_scheduler
    begun = tmp_path / "begun"
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
    with (
        pytest.raises(EngineError, match="the workers of the engine dask are gone") as raised,
        make_engine("dask", 1, scheduler=address) as engine,
        closing(engine.map(waits_then_kills, tasks([(begun, server.pid)]), units_per_shard=1)) as e,
    ):
        list(e)
    assert raised.value.hint == "start them again; the same command goes on with what is done"


def waits_then_kills(spec: tuple[Path, int], common: Any, worker: Worker) -> Iterator[Any]:
    """Ends the scheduler, and runs until it is stopped."""
    begun, pid = spec
    os.kill(pid, signal.SIGKILL)
    yield from waits(begun, common, worker)
