"""Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Self, TextIO

from bigdata_cli.resources.progress import HasState, ProgressBar, ProgressState
from bigdata_cli.resources.sizes import format_duration, format_size

SECONDS_BETWEEN_LINES = 5.0


class ProgressLines:
    """A line every few seconds; nothing for a run that is over before the first is due."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._first: ProgressState | None = None
        self._task_started = 0.0
        self._next_line = clock() + SECONDS_BETWEEN_LINES

    def say(self, message: str) -> None:
        """Print a line at once."""
        print(message, file=self._stream, flush=True)

    def show(self, state: ProgressState) -> None:
        """Print a line where one is due. Rates are those of the present task."""
        now = self._clock()
        first = self._first
        if first is None or state.task != first.task or state.done < first.done:
            self._first = first = state
            self._task_started = now
        if now < self._next_line:
            return
        self._next_line = now + SECONDS_BETWEEN_LINES
        rate = (state.done - first.done) / max(now - self._task_started, 1e-9)
        print(progress_line(state, rate), file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is open."""


class ProgressDisplay:
    """A listener of any progress that shows it; a context manager.

    quiet: show nothing. stream: stderr by default. May be called from several threads.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._lock = threading.Lock()
        self._view: ProgressBar | ProgressLines | None = None
        if not quiet:
            self._view = ProgressBar(stream) if stream.isatty() else ProgressLines(stream, clock)

    def __call__(self, progress: HasState) -> None:
        if self._view is not None:
            state = progress.state
            with self._lock:
                if state.message is not None:
                    self._view.say(state.message)
                else:
                    self._view.show(state)

    def say(self, message: str) -> None:
        """Print a line beside the progress; nothing where it is quiet."""
        if self._view is not None:
            with self._lock:
                self._view.say(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._view is not None:
            self._view.close()


def progress_line(state: ProgressState, units_per_second: float) -> str:
    """What is done of how much, the rate, the time left and the detail, on one line."""
    done, total = state.done, state.total
    if total:
        share = 100 * done // total
        so_far = format_size(done) if state.unit == "B" else f"{done:,}"
        parts = [f"{so_far} of {_amount(total, state.unit)} ({share} %)"]
    else:
        parts = [_amount(done, state.unit)]
    if units_per_second > 0:
        parts.append(f"{_amount(units_per_second, state.unit)}/s")
        if total > done:
            parts.append(f"{format_duration((total - done) / units_per_second)} left")
    if state.detail:
        parts.append(state.detail)
    return f"{state.task}: " + ", ".join(parts)


def _amount(amount: float, unit: str) -> str:
    return format_size(amount) if unit == "B" else f"{amount:,.0f} {unit}"
