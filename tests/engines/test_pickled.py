"""The protocol of engines suffices for workers that share no memory."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from bigdata_cli.engines.base import Event, Task, Work, Worker
from bigdata_cli.engines.local import LocalEngine
from tests.engines.engine_contract import ThreadEngineContract


class PickledEngine(LocalEngine):
    """Sends copies of specifications to two workers, as an engine of processes does.

    A worker is a thread, and keeps the copy of what its tasks have in common.
    """

    def map(
        self, work: Work[Event], tasks: Iterable[Task], **options: Any
    ) -> Generator[Event, None, None]:
        kept = threading.local()

        def run(sent: bytes, common: Any, worker: Worker) -> Iterator[Event]:
            if getattr(kept, "of", kept) is not common:
                kept.of, kept.copy = common, pickle.loads(pickle.dumps(common))
            return work(pickle.loads(sent), kept.copy, worker)

        yield from super().map(
            run, (Task(pickle.dumps(task.spec), task.common) for task in tasks), **options
        )


class TestPickledEngine(ThreadEngineContract):
    n_workers = 2

    def engine(self) -> PickledEngine:
        return PickledEngine(2)
