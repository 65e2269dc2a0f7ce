"""The engine of a Ray cluster, where Ray is installed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli.engines.base import Engine, Worker
from bigdata_cli.engines.registry import make_engine
from bigdata_cli.errors import MissingDependencyError
from tests.engines.engine_contract import MANY, EngineContract, tasks


class TestRayEngine(EngineContract):
    n_workers = 2
    seconds_to_end = 10.0

    @pytest.fixture(scope="class", autouse=True)
    def _cluster(self) -> Iterator[None]:
        ray = pytest.importorskip("ray")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()

    def engine(self) -> Engine:
        return make_engine("ray", 2)

    def test_the_task_of_a_worker_that_is_killed_runs_again(self, tmp_path: Path) -> None:
        specs = [(index, tmp_path) for index in range(6)]
        with self.engine() as engine:
            events = list(engine.map(dies_once, tasks(specs), units_per_shard=MANY))
        assert sorted(events) == [("result", index) for index in range(6)]
        assert (tmp_path / "died").exists()


def dies_once(spec: tuple[int, Path], common: Any, worker: Worker) -> Iterator[Any]:
    """One of the workers is killed in the middle of its task."""
    index, folder = spec
    if index == 3:
        try:
            (folder / "died").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    yield ("result", index)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError) as raised, make_engine("ray", 1):
        pass
    assert raised.value.hint == "pip install 'bigdata-shards[ray]'"
