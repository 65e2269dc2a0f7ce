"""Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TextIO

from bigdata_cli.resources.sizes import format_duration, format_size

if TYPE_CHECKING:
    from bigdata_cli.conversion.progress import Progress

SECONDS_BETWEEN_LINES = 5.0


class ProgressBar:
    """A bar by bytes with rate, time left and rows."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._phase = ""

    def say(self, note: str) -> None:
        """Print a line above the bar."""
        self.close()
        print(note, file=self._stream, flush=True)

    def show(self, progress: Progress) -> None:
        """Move the bar; a new phase, or one that starts again, gets a bar of its own."""
        if self._bar is not None and (
            progress.phase != self._phase or progress.bytes_done < self._bar.n
        ):
            self.close()
        if self._bar is None:
            self._bar = self._open(progress)
        self._bar.total = progress.bytes_total or None
        self._bar.set_postfix_str(f"{progress.rows:,} rows", refresh=False)
        self._bar.update(progress.bytes_done - self._bar.n)

    def _open(self, progress: Progress) -> Any:
        from tqdm import tqdm

        self._phase = progress.phase
        return tqdm(
            total=progress.bytes_total or None,
            desc=progress.phase,
            unit="B",
            unit_scale=True,
            file=self._stream,
            dynamic_ncols=True,
            mininterval=0.2,
        )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class ProgressLines:
    """A line every few seconds; nothing for a run that is over before the first is due."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._phase: str | None = None
        self._first: Progress | None = None
        self._phase_started = 0.0
        self._next_line = clock() + SECONDS_BETWEEN_LINES

    def say(self, note: str) -> None:
        """Print a line at once."""
        print(note, file=self._stream, flush=True)

    def show(self, progress: Progress) -> None:
        """Print a line where one is due. Rates are those of the present phase."""
        now = self._clock()
        if (
            self._first is None
            or progress.phase != self._first.phase
            or (progress.bytes_done < self._first.bytes_done)
        ):
            self._first, self._phase_started = progress, now
        if now < self._next_line:
            return
        self._next_line = now + SECONDS_BETWEEN_LINES
        rate = (progress.bytes_done - self._first.bytes_done) / max(now - self._phase_started, 1e-9)
        print(progress_line(progress, rate), file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is open."""


class ProgressDisplay:
    """A listener of a conversion's progress that shows it; a context manager.

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

    def __call__(self, progress: Progress) -> None:
        if self._view is not None:
            with self._lock:
                if progress.note is not None:
                    self._view.say(progress.note)
                else:
                    self._view.show(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._view is not None:
            self._view.close()


class StepDisplay:
    """Shows how many steps are done: a bar on a terminal, a line elsewhere; a context."""

    def __init__(self, stream: TextIO, *, quiet: bool, what: str, unit: str) -> None:
        self._stream = stream
        self._quiet = quiet
        self._what = what
        self._unit = unit
        self._bar: Any = None
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def show(self, n_done: int, n_steps: int | None, *, line: str, note: str = "") -> None:
        """Show where the work stands, where that is due; `note` stands after the bar."""
        if self._quiet:
            return
        if self._stream.isatty():
            self._move(n_done, n_steps, note)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            print(f"{self._what}: {line}", file=self._stream, flush=True)

    def _move(self, n_done: int, n_steps: int | None, note: str) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                desc=self._what,
                unit=self._unit,
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
            )
        self._bar.total = n_steps
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(n_done - self._bar.n)


def progress_line(progress: Progress, bytes_per_second: float) -> str:
    """What is done of how much, the rate, the time left and the rows, on one line."""
    done, total = progress.bytes_done, progress.bytes_total
    if total:
        parts = [f"{format_size(done)} of {format_size(total)} ({100 * done // total} %)"]
    else:
        parts = [format_size(done)]
    if bytes_per_second > 0:
        parts.append(f"{format_size(bytes_per_second)}/s")
        if total > done:
            parts.append(f"{format_duration((total - done) / bytes_per_second)} left")
    parts.append(f"{progress.rows:,} rows")
    return f"{progress.phase}: " + ", ".join(parts)
