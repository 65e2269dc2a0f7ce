"""Engines whose workers are processes of this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli.engines import remote
from bigdata_cli.engines.base import Engine, Worker
from bigdata_cli.engines.registry import make_engine
from bigdata_cli.errors import EngineError
from tests.engines.engine_contract import MANY, EngineContract, counted, tasks


class TestProcessesEngine(EngineContract):
    n_workers = 2

    def engine(self) -> Engine:
        return make_engine("processes", 2)


class TestExecutorEngine(EngineContract):
    """One that is handed over, as it is used for several conversions."""

    n_workers = 2
    can_be_stopped = False

    @pytest.fixture(scope="class", autouse=True)
    def _executor(self) -> Iterator[None]:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
            type(self).executor = executor
            yield

    executor: ProcessPoolExecutor

    def engine(self) -> Engine:
        return make_engine(self.executor, 1)


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


def dies(spec: int, common: Any, worker: Worker) -> Iterator[Any]:
    """It kills its worker each time."""
    if spec == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield ("result", spec)


def own_process(spec: Path, common: Any, worker: Worker) -> Iterator[Any]:
    """Where it runs; it waits for another one, so that they are in two processes."""
    (spec / str(os.getpid())).touch()
    deadline = time.monotonic() + 30
    while len(list(spec.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    yield os.getpid()


def test_the_task_of_a_worker_that_is_killed_runs_again(tmp_path: Path) -> None:
    specs = [(index, tmp_path) for index in range(6)]
    with make_engine("processes", 2) as engine:
        events = list(engine.map(dies_once, tasks(specs), units_per_shard=MANY))
    assert sorted(event for event in events if event[0] == "result") == [
        ("result", index) for index in range(6)
    ]
    assert len([event for event in events if event[0] == "part"]) == 6
    assert (tmp_path / "died").exists()


def test_a_task_that_kills_its_workers_is_an_error() -> None:
    with (
        make_engine("processes", 1) as engine,
        pytest.raises(EngineError, match="died 3 times at the same shard") as raised,
    ):
        list(engine.map(dies, tasks(range(3)), units_per_shard=MANY))
    assert raised.value.exit_code == 7


def test_no_process_is_left(tmp_path: Path) -> None:
    with make_engine("processes", 2) as engine:
        pids = list(engine.map(own_process, tasks([tmp_path] * 2), units_per_shard=MANY))
    assert len(set(pids)) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_executor_that_is_broken_is_an_error() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        engine = make_engine(executor, 1)
        with (
            engine,
            pytest.raises(EngineError, match="the workers of the engine executor are gone"),
        ):
            list(engine.map(dies, tasks([1]), units_per_shard=MANY))


def test_a_worker_of_another_version_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bigdata_cli.engines.executor.own_versions", lambda: remote.Versions("9.9.9", "1.2.3")
    )
    with make_engine("processes", 1) as engine, pytest.raises(EngineError) as raised:
        list(engine.map(counted, tasks(range(3)), units_per_shard=MANY))
    assert "a worker has another version: bigdata" in raised.value.message
    assert "and the conversion 9.9.9" in raised.value.message
    assert raised.value.hint == "pip install bigdata-shards==9.9.9 pyarrow==1.2.3 on the workers"


def test_what_was_not_sent_is_asked_for() -> None:
    envelope = remote.Envelope(
        versions=remote.own_versions(), task=b"", common="not there", common_bytes=None
    )
    assert remote.run(envelope).needs_common
