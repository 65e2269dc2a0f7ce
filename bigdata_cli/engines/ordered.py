"""The parallel map that keeps the order of its items, with a bound on what is in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], *, max_in_flight: int
) -> Generator[tuple[Item, Result]]:
    """Yield each item with the result of its work, in order.

    An item is taken when there is room for it. What has not begun is cancelled when the generator
    ends early.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) >= max_in_flight:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()
