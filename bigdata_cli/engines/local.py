"""Shards on the threads of this machine.

Two levels share the work: a few shards are under way at a time, each in a thread of its own that
only keeps order; their units are parsed and encoded in one pool of `jobs` threads. So one shard
alone keeps all cores busy, and so do a thousand small ones. A shard begins when all units of the
one before are under way: the cores never wait for the end of a shard, and no more is in memory
than one shard needs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from bigdata_cli.conversion.shard import convert_shard
from bigdata_cli.conversion.shard_spec import ShardResult, ShardTask
from bigdata_cli.conversion.stream import StreamWork, convert_stream

Work = TypeVar("Work")
Result = TypeVar("Result")


class LocalEngine:
    """Runs shards on `jobs` threads; a context manager."""

    def __init__(self, jobs: int, on_progress: Callable[[int, int], None] | None = None) -> None:
        self.jobs = jobs
        self.on_progress = on_progress
        self.stop = threading.Event()
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="unit")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def shards_at_once(self, task: ShardTask) -> int:
        """How many shards like this one keep the threads busy: at least two, so that the end of one
        is filled by the next."""
        task_bytes = sum(piece.stop - piece.start for piece in task.ranges)
        units = max(1, -(-task_bytes // task.unit_bytes))
        return 1 if self.jobs == 1 else max(2, -(-2 * self.jobs // units))

    def map_stream(self, work: StreamWork) -> Iterator[ShardResult]:
        """The results of the shards of a stream, as they are done."""
        return convert_stream(
            work,
            pool=self._pool,
            in_flight=self.jobs + 1,
            stop=self.stop,
            on_progress=self.on_progress,
        )

    def map_rewrites(
        self, works: Iterable[Work], rewrite: Callable[[Work, Executor], Result]
    ) -> Generator[Result]:
        """What `rewrite` makes of each, in order: it reads in a thread, and encodes in the pool."""
        at_once = 1 if self.jobs == 1 else 2
        waiting: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(at_once, thread_name_prefix="rewrite") as threads:
            try:
                for work in works:
                    waiting.append(threads.submit(rewrite, work, self._pool))
                    if len(waiting) > at_once:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                if waiting:
                    self.stop.set()
                    for future in waiting:
                        future.cancel()

    def map(
        self, indices: Sequence[int], make_task: Callable[[int], ShardTask]
    ) -> Iterator[ShardResult]:
        """The results of the tasks, as they are done; a task is made when its turn comes."""
        if not indices:
            return
        at_once = min(len(indices), self.shards_at_once(make_task(indices[0])))
        turns = [threading.Event() for _ in range(len(indices) + 1)]
        turns[0].set()

        def run(place: int) -> ShardResult:
            turns[place].wait()
            try:
                return convert_shard(
                    replace(make_task(indices[place]), in_flight=self.jobs + 1),
                    pool=self._pool,
                    stop=self.stop,
                    on_progress=self.on_progress,
                    on_submitted=turns[place + 1].set,
                )
            finally:
                turns[place + 1].set()

        with ThreadPoolExecutor(at_once, thread_name_prefix="shard") as shards:
            pending: set[Future[ShardResult]] = {
                shards.submit(run, place) for place in range(len(indices))
            }
            try:
                while pending:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in sorted(done, key=_failed):  # what is whole counts, failures last
                        yield future.result()
            finally:
                if pending:
                    self.stop.set()
                    for future in pending:
                        future.cancel()


def _failed(future: Future[ShardResult]) -> bool:
    return future.exception() is not None
