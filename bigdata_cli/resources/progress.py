"""How far work is, in one form for all kinds of it, and a bar that shows it."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TextIO, TypeVar

SECONDS_BETWEEN_UPDATES = 0.2
_COLUMNS = 80


class ProgressState(NamedTuple):
    """How far work is.

    Attributes:
        task: What is being done; a new one gets a bar of its own.
        done, total: In units; total is 0 where it is not known.
        unit: "B", "rows" or "steps".
        detail: What is shown beside them.
        message: What the user should read now, in place of all else.
    """

    task: str
    done: int
    total: int
    unit: str
    detail: str
    message: str | None = None


class HasState(Protocol):
    """The progress of any kind of work."""

    @property
    def state(self) -> ProgressState:
        """How far it is."""


class RowsProgress(NamedTuple):
    """So many rows are done, of all of them; `total` is 0 where that is not known."""

    task: str
    rows: int
    total: int

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        return ProgressState(self.task, self.rows, self.total, "rows", "")


AnyProgress = TypeVar("AnyProgress", bound=HasState)


class ProgressBar:
    """A tqdm bar with rate and time left.

    tqdm: The class of the bar; None for the one of terminals.
    """

    def __init__(self, stream: TextIO, tqdm: Any = None) -> None:
        self._stream = stream
        self._tqdm = tqdm
        self._bar: Any = None
        self._task = ""

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        self.close()
        print(message, file=self._stream, flush=True)

    def show(self, state: ProgressState) -> None:
        """Move the bar; a new task, or one that starts again, gets a bar of its own."""
        if self._bar is not None and (state.task != self._task or state.done < self._bar.n):
            self.close()
        if self._bar is None:
            self._bar = self._open(state)
        self._bar.total = state.total or None
        self._bar.set_postfix_str(state.detail, refresh=False)
        self._bar.update(state.done - self._bar.n)

    def _open(self, state: ProgressState) -> Any:
        if self._tqdm is None:
            from tqdm import tqdm

            self._tqdm = tqdm
        self._task = state.task
        return self._tqdm(
            total=state.total or None,
            desc=state.task,
            unit="B" if state.unit == "B" else f" {state.unit}",
            unit_scale=True,
            file=self._stream,
            mininterval=SECONDS_BETWEEN_UPDATES,
            **_width(self._stream),
        )

    def close(self) -> None:
        """End the bar where it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _width(stream: TextIO) -> dict[str, Any]:
    """How wide a bar is: as the terminal, or 80 where that does not know its width."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = _COLUMNS
    return {"dynamic_ncols": True} if columns else {"ncols": _COLUMNS}


@contextmanager
def progress_listener(
    progress: bool | Callable[[AnyProgress], None] | None,
) -> Iterator[Callable[[AnyProgress], None] | None]:
    """What is called with the progress of work: True is a bar, in a notebook or a terminal."""
    if not isinstance(progress, bool):
        yield progress
        return
    if not progress:
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without widgets gets a bar of text
        from tqdm.auto import tqdm

    bar, lock = ProgressBar(sys.stderr, tqdm), threading.Lock()

    def show(one: HasState) -> None:
        with lock:  # threads report
            state = one.state
            if state.message is None:
                bar.show(state)
            else:
                bar.say(state.message)

    try:
        yield show
    finally:
        bar.close()
