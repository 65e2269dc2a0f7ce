"""An iterator that runs ahead in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
_NO_MORE: Any = object()


class Prefetch(Generic[Item]):
    """The items of a generator, which runs in a thread: `depth` items ahead, and one more.

    The next item is made as soon as no more than `depth` wait to be taken; with 0, when the one
    before it was taken.
    What the generator raises is raised in its place. `close` (or the end of the items) ends the
    thread: the generator is closed where it stands, once the item it is making is made.
    """

    def __init__(self, items: Generator[Item], *, depth: int, name: str) -> None:
        self._items = items
        self._depth = depth
        self._ready: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while self._has_room():
                item = next(self._items, _NO_MORE)
                if item is _NO_MORE:
                    break
                with self._changed:
                    if not self._closed:
                        self._ready.append(item)
                    del item  # it is of who takes it
                    self._changed.notify_all()
        except BaseException as raised:  # it is raised where the items are taken
            error = raised
        finally:
            self._items.close()
            with self._changed:
                self._error, self._ended = error, True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait until the next item is to be made; False where no more is."""
        with self._changed:
            while len(self._ready) > self._depth and not self._closed:
                self._changed.wait()
            return not self._closed

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._changed:
            while not self._ready and not self._ended:
                self._changed.wait()
            if self._ready:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """End the thread; items that were not taken are dropped."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join()
