"""What an engine is: where the work of a conversion runs.

The work is a function of a specification and what all specifications have in common. It gives
events, the last of which is its result. An engine calls nothing back: all that the work reports
comes out of `map`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

Event = TypeVar("Event")


class Stopped(Exception):
    """The work was stopped from outside."""


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
    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise Stopped when the work is to end."""
        if self.stop.is_set():
            raise Stopped


Work = Callable[[Any, Worker], Iterator[Event]]
"""A specification and a worker → events, the last of which is the result."""


class Engine(Protocol):
    """Runs work on workers; a context manager.

    worker: of this process, for what can only be read here, as pipes are.
    """

    worker: Worker

    def map(
        self,
        work: Work[Event],
        specs: Iterable[Any],
        *,
        units_per_shard: int,
        one_at_a_time: bool = False,
    ) -> Generator[Event]:
        """The events of the work on each of the specifications, as they come.

        A specification is taken from `specs` when its turn comes: when all units of the one before
        are under way (`AllSubmitted`), or its work has ended.

        Args:
            work: What is done with each specification.
            specs: One for each shard.
            units_per_shard: Pieces of work in a shard, from which it follows how many shards keep
                all threads busy.
            one_at_a_time: Each worker has one shard at a time, as one takes much memory.

        Raises:
            BaseException: What the first work that fails raises. Then, and when the iterator is
                closed, the rest is stopped; what is complete by then is given before.
        """
        ...
