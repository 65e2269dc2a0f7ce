"""Work on the threads of this machine.

Two levels share it: a few shards are under way at a time, each in a thread of its own that only
keeps order; their units are parsed and encoded in one pool of `jobs` threads. So one shard alone
keeps all cores busy, and so do a thousand small ones. A shard begins when all units of the one
before are under way: the cores never wait for the end of a shard, and no more is in memory than one
shard needs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self

from bigdata_cli.engines.base import AllSubmitted, Event, Stopped, Task, Work, Worker


class LocalEngine:
    """Runs work on `jobs` threads; a context manager."""

    in_other_processes = False

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="unit")
        self.worker = Worker(pool=self._pool, max_in_flight=jobs + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.worker.stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self,
        work: Work[Event],
        tasks: Iterable[Task],
        *,
        units_per_shard: int,
        one_at_a_time: bool = False,
    ) -> Generator[Event]:
        """See `Engine.map`; with several threads at least two shards are under way.

        So the end of one is filled by the next.
        """
        max_at_once = max(2, -(-2 * self.jobs // units_per_shard))
        if self.jobs == 1 or one_at_a_time:
            max_at_once = 1
        with ThreadPoolExecutor(max_at_once, thread_name_prefix="shard") as threads:
            run = _Run(work, iter(tasks), self.worker, threads, max_at_once)
            try:
                yield from run.events()
            finally:
                if run.n_running:
                    self.worker.stop.set()


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """The event that the work on a shard has ended. error: why; was_submitting: up to then."""

    error: BaseException | None
    was_submitting: bool


class _Run:
    """The work under way, and its events."""

    def __init__(
        self,
        work: Work[Any],
        tasks: Iterator[Task],
        worker: Worker,
        threads: ThreadPoolExecutor,
        max_at_once: int,
    ) -> None:
        self._work = work
        self._tasks = tasks
        self._worker = worker
        self._threads = threads
        self._max_at_once = max_at_once
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._n_submitting = 0
        self.n_running = 0

    def events(self) -> Iterator[Any]:
        error: BaseException | None = None
        self._begin()
        while self.n_running:
            event = self._events.get()
            if isinstance(event, AllSubmitted):
                self._n_submitting -= 1
            elif isinstance(event, _Ended):
                self.n_running -= 1
                self._n_submitting -= event.was_submitting
                if event.error is not None:
                    # Those that were stopped say so; the reason is another one.
                    if error is None or isinstance(error, Stopped):
                        error = event.error
                    self._worker.stop.set()
            else:
                yield event  # what is complete counts, after a failure too
                continue
            if error is None:
                self._begin()
        if error is not None:
            raise error

    def _begin(self) -> None:
        """Begin the next shard, unless one is still being submitted or enough are under way."""
        if self._n_submitting or self.n_running >= self._max_at_once:
            return
        for task in self._tasks:
            self._n_submitting += 1
            self.n_running += 1
            self._threads.submit(self._drive, task)
            return

    def _drive(self, task: Task) -> None:
        """Put the events of one shard into the queue."""
        error: BaseException | None = None
        is_submitting = True
        try:
            for event in self._work(task.spec, task.common, self._worker):
                if isinstance(event, AllSubmitted):
                    if not is_submitting:
                        continue
                    is_submitting = False
                self._events.put(event)
        except BaseException as raised:  # an interrupt too: it is raised where events are taken
            error = raised
        self._events.put(_Ended(error=error, was_submitting=is_submitting))
