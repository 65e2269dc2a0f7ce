"""What an engine is: where the work of a conversion runs.

The work is a function of a specification, what it has in common with others, and a worker. It gives
events, the last of which is its result. An engine calls nothing back: all that the work reports
comes out of `map`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self, TypeVar

Event = TypeVar("Event")


class Stopped(Exception):
    """The work was stopped from outside."""


class StopSignal(Protocol):
    """What says that work is to end."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...


class AllSubmitted:
    """The event of a shard whose units are all under way: another one can begin."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """Where work runs.

    pool: threads that parse and encode. max_in_flight: pieces of a shard that are in the pool at
    the same time. stop: set when the work is to end.
    """

    pool: Executor
    max_in_flight: int
    stop: StopSignal = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise Stopped when the work is to end."""
        if self.stop.is_set():
            raise Stopped


class Task(NamedTuple):
    """The work on one shard.

    Attributes:
        spec: What is its own; small.
        common: What it has in common with others: the same object where it is the same, so that it
            is sent to a worker once, and not with each task.
    """

    spec: Any
    common: Any = None


Work = Callable[[Any, Any, Worker], Iterator[Event]]
"""A specification, what is common, a worker → events, the last of which is the result."""


class Engine(Protocol):
    """Runs work on workers; a context manager.

    worker: of this process, for what can only be read here, as pipes are. in_other_processes: work
    does not run here, and perhaps on another machine.
    """

    worker: Worker
    in_other_processes: bool

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...

    def map(
        self,
        work: Work[Event],
        tasks: Iterable[Task],
        *,
        units_per_shard: int,
        one_at_a_time: bool = False,
    ) -> Generator[Event]:
        """The events of the work on each task, as they come.

        A task is taken from `tasks` when its turn comes: when all units of the one before are under
        way (`AllSubmitted`), or its work has ended. An engine whose workers are other processes
        pickles `work`, and `Task.common` once for each worker.

        Args:
            work: What is done for each task.
            tasks: One for each shard.
            units_per_shard: Pieces of work in a shard, from which it follows how many shards keep
                all threads busy.
            one_at_a_time: Each worker has one shard at a time, as one takes much memory.

        Raises:
            BaseException: What the first work that fails raises. Then, and when the iterator is
                closed, the rest is stopped; what is complete by then is given before.
        """
        ...
