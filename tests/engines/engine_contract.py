"""What every engine does: a subclass names one, and gets these tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli.engines.base import AllSubmitted, Engine, Task, Worker

MANY = 1 << 20


def counted(spec: int, common: Any, worker: Worker) -> Iterator[Any]:
    """Two events of progress, and a result."""
    yield ("part", spec, 0)
    yield AllSubmitted()
    yield ("part", spec, 1)
    yield ("result", spec)


def tasks(specs: Iterable[Any], common: Any = None) -> Iterator[Task]:
    """A task for each specification, as it is asked for."""
    return (Task(spec, common) for spec in specs)


class Common:
    """What tasks have in common; it counts how often it is pickled."""

    n_pickled = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        Common.n_pickled += 1
        return Common, (self.value,)


def with_common(spec: int, common: Common, worker: Worker) -> Iterator[Any]:
    """The result is of both."""
    yield AllSubmitted()
    yield ("result", spec, common.value)


def fails_at_two(spec: int, common: Any, worker: Worker) -> Iterator[Any]:
    """A result, but for one specification."""
    if spec == 2:
        raise ValueError("the third")
    yield ("result", spec)


def spins(spec: tuple[str, Path], common: Any, worker: Worker) -> Iterator[Any]:
    """Runs until it is stopped; others wait until it has begun."""
    kind, folder = spec
    yield AllSubmitted()
    if kind == "spin":
        (folder / "begun").touch()
        try:
            while True:
                worker.check()
                time.sleep(0.001)
        finally:
            (folder / "ended").touch()
    while not (folder / "begun").exists():
        time.sleep(0.001)
    if kind == "fail":
        raise ValueError("the second")
    yield ("result", kind)


class EngineContract:
    """The behaviour of an engine, wherever its workers are."""

    n_workers = 1
    can_be_stopped = True
    """Whether work under way can be told to end."""
    seconds_to_end = 0.0
    """That may pass until it does, where an engine does not wait for it."""

    def engine(self) -> Any:
        """A new engine with two threads; a context manager."""
        raise NotImplementedError

    def results(self, engine: Engine, specs: Any, **options: Any) -> list[Any]:
        events = engine.map(counted, tasks(specs), units_per_shard=MANY, **options)
        return [event for event in events if event[0] == "result"]

    def has_ended(self, folder: Path) -> bool:
        """Whether what `spins` in a folder has ended."""
        deadline = time.monotonic() + self.seconds_to_end
        while not (folder / "ended").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return (folder / "ended").exists()

    def test_each_specification_has_one_result(self) -> None:
        with self.engine() as engine:
            assert sorted(self.results(engine, range(20))) == [("result", i) for i in range(20)]
            assert self.results(engine, []) == []

    def test_events_of_one_piece_of_work_keep_their_order(self) -> None:
        with self.engine() as engine:
            events = list(engine.map(counted, tasks(range(9)), units_per_shard=1))
        for spec in range(9):
            assert [event for event in events if event[1] == spec] == [
                ("part", spec, 0), ("part", spec, 1), ("result", spec),
            ]  # fmt: skip

    def test_what_the_engine_sees_of_submission_is_not_given_on(self) -> None:
        with self.engine() as engine:
            events = list(engine.map(counted, tasks(range(3)), units_per_shard=1))
        assert not any(isinstance(event, AllSubmitted) for event in events)

    def test_a_specification_is_taken_when_its_turn_comes(self) -> None:
        """It depends on what is known by then: results that came before."""
        taken = []

        def specs() -> Iterator[int]:
            for spec in range(6):
                taken.append(spec)
                yield spec

        with (
            self.engine() as engine,
            closing(
                engine.map(counted, tasks(specs()), units_per_shard=MANY, one_at_a_time=True)
            ) as events,
        ):
            results = (event for event in events if event[0] == "result")
            for n_results, _ in enumerate(results, start=1):
                assert len(taken) <= n_results + self.n_workers

    def test_an_error_comes_out_after_what_is_complete(self) -> None:
        found = []
        with self.engine() as engine, pytest.raises(ValueError, match="the third"):
            found.extend(
                engine.map(fails_at_two, tasks(range(9)), units_per_shard=MANY, one_at_a_time=True)
            )
        assert {("result", 0), ("result", 1)} - set(found) == set()
        assert len(found) < 9

    def test_an_error_stops_the_rest_and_is_the_reason(self, tmp_path: Path) -> None:
        if not self.can_be_stopped:
            pytest.skip("work of an executor that was handed over cannot be told to end")
        both = tasks([("spin", tmp_path), ("fail", tmp_path)])
        with self.engine() as engine, pytest.raises(ValueError, match="the second"):
            list(engine.map(spins, both, units_per_shard=1))
        assert self.has_ended(tmp_path)

    def test_closing_stops_what_is_under_way(self, tmp_path: Path) -> None:
        if not self.can_be_stopped:
            pytest.skip("work of an executor that was handed over cannot be told to end")
        both = tasks([("spin", tmp_path), ("quick", tmp_path)])
        with self.engine() as engine:
            with closing(engine.map(spins, both, units_per_shard=1)) as events:
                assert next(iter(events)) == ("result", "quick")
            assert self.has_ended(tmp_path)

    def test_its_worker_runs_what_is_given_to_its_pool(self) -> None:
        with self.engine() as engine:
            assert engine.worker.pool.submit(sum, [1, 2]).result() == 3
            assert engine.worker.max_in_flight > 1
            engine.worker.check()

    def test_what_tasks_have_in_common_comes_with_each(self) -> None:
        """It may change from one task to the next."""
        many = [Task(i, common) for common in (Common(10), Common(20)) for i in range(5)]
        with self.engine() as engine:
            found = list(engine.map(with_common, iter(many), units_per_shard=1))
        assert sorted(found) == [("result", i, value) for i in range(5) for value in (10, 20)]

    def test_what_tasks_have_in_common_is_sent_once_to_each_worker(self) -> None:
        Common.n_pickled = 0
        with self.engine() as engine:
            many = tasks(range(50), Common(7))
            found = list(engine.map(with_common, many, units_per_shard=MANY))
        assert sorted(found) == [("result", i, 7) for i in range(50)]
        assert Common.n_pickled <= self.n_workers


class ThreadEngineContract(EngineContract):
    """The behaviour of an engine whose workers are threads of this process."""

    def test_one_at_a_time_is_in_order(self) -> None:
        with self.engine() as engine:
            found = self.results(engine, range(9), one_at_a_time=True)
        assert found == [("result", i) for i in range(9)]

    def test_the_next_begins_when_all_of_the_one_before_is_submitted(self) -> None:
        begun = threading.Event()

        def work(spec: int, common: Any, worker: Worker) -> Iterator[Any]:
            if spec == 1:
                begun.set()
            yield AllSubmitted()
            if spec == 0:
                assert begun.wait(30)
            yield ("result", spec)

        with self.engine() as engine:
            assert len(list(engine.map(work, tasks(range(2)), units_per_shard=MANY))) == 2

    def test_nothing_begins_after_an_error(self) -> None:
        begun = []

        def work(spec: int, common: Any, worker: Worker) -> Iterator[Any]:
            begun.append(spec)
            yield ("begun", spec)
            raise ValueError("the first")

        with self.engine() as engine, pytest.raises(ValueError, match="the first"):
            list(engine.map(work, tasks(range(9)), units_per_shard=1))
        assert begun == [0]

    def test_closing_stops_a_task_that_has_begun(self) -> None:
        ended = threading.Event()

        def work(spec: int, common: Any, worker: Worker) -> Iterator[Any]:
            yield ("begun", spec)
            try:
                while True:
                    worker.check()
                    time.sleep(0.001)
            finally:
                ended.set()

        with self.engine() as engine:
            with closing(engine.map(work, tasks(range(5)), units_per_shard=MANY)) as events:
                assert next(iter(events)) == ("begun", 0)
            assert ended.is_set()
