"""The progress of a conversion."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from bigdata_cli.resources.progress import ProgressState


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a conversion stands: bytes of source done of all, rows so far, the phase.

    bytes_total: 0 where it is not known. note: what the user should read now.
    """

    phase: str
    bytes_done: int
    bytes_total: int
    rows: int
    note: str | None = None

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        detail = f"{self.rows:,} rows"
        return ProgressState(
            self.phase, self.bytes_done, self.bytes_total, "B", detail, message=self.note
        )


ProgressListener = Callable[[Progress], None]


class Meter:
    """Adds up what the threads report, for one listener; total 0: not known."""

    def __init__(
        self, total: int, listener: ProgressListener | None, *, phase: str = "convert"
    ) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._phase = phase
        self._total = total
        self._done = 0
        self._rows = 0

    def begin(self, phase: str, total: int) -> None:
        self._phase, self._total, self._done, self._rows = phase, total, 0, 0
        self._tell()

    def advance(self, n_bytes: int, n_rows: int) -> None:
        with self._lock:
            self._done = min(self._total or sys.maxsize, self._done + n_bytes)
            self._rows += n_rows
            self._tell()

    @property
    def share(self) -> float | None:
        """Of the source that is done; None where that is not known."""
        return self._done / self._total if self._total else None

    def end(self) -> None:
        self._done = self._total or self._done
        self._tell()

    def say(self, note: str) -> None:
        """Have a note shown at once."""
        self._tell(note)

    def _tell(self, note: str | None = None) -> None:
        if self._listener is not None:
            self._listener(
                Progress(
                    note=note,
                    phase=self._phase,
                    bytes_done=self._done,
                    bytes_total=self._total,
                    rows=self._rows,
                )
            )
