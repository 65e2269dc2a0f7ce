"""The memory of the process tree over time, with the phases of its work."""

from __future__ import annotations

import contextlib
import csv
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from bigdata_cli.errors import UsageError
from bigdata_cli.io.whole_file import write_whole_file
from bigdata_cli.resources.memory import peak_memory_bytes, tree_memory_bytes
from bigdata_cli.resources.record_files import RecordFiles
from bigdata_cli.resources.stages import listen_to_phases

INTERVAL_SECONDS = 0.05
LOG_COLUMNS = ("seconds", "rss_bytes", "phase")
_MAX_SAMPLES = 4096
"""Where there are more, every second one is dropped and the interval is doubled: a picture of an
hour needs no more of them than one of a minute."""
_RELIEF_SHARE = 0.6


class MemorySample(NamedTuple):
    """Resident bytes of the process tree, `seconds` after the recorder began, and the phase."""

    seconds: float
    rss_bytes: int
    phase: str


class Phase(NamedTuple):
    """A part of a run: its name, and when it began and ended, in seconds."""

    name: str
    start: float
    stop: float


@dataclass(frozen=True, kw_only=True)
class MemoryRecord:
    """The memory of a run over time.

    samples: in order; those of a long run are thinned, but for the largest. peak_bytes: the largest
    resident memory of the process tree, which may lie between two samples. limit_bytes: what it was
    to stay below, where there was a limit.
    """

    samples: tuple[MemorySample, ...]
    phases: tuple[Phase, ...]
    peak_bytes: int
    limit_bytes: int | None = None

    def phase_seconds(self) -> dict[str, float]:
        """How long each phase took."""
        seconds: dict[str, float] = {}
        for phase in self.phases:
            seconds[phase.name] = seconds.get(phase.name, 0.0) + phase.stop - phase.start
        return seconds

    def write_log(self, path: Path) -> None:
        """Write the samples as a CSV: seconds, rss_bytes, phase."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(LOG_COLUMNS)
        writer.writerows((f"{s.seconds:.3f}", s.rss_bytes, s.phase) for s in self.samples)
        write_whole_file(path, text.getvalue())


class MemoryRecorder:
    """Samples the resident memory of the process tree in a thread; a context manager.

    limit_bytes: what the memory is to stay below; where it comes near, `relieve` is called after
    each sample, in the recorder's thread. Phases are those that `begin_phase` announces.
    """

    def __init__(
        self,
        *,
        limit_bytes: int | None = None,
        relieve: Callable[[], None] | None = None,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self.limit_bytes = limit_bytes
        self._relieve = relieve
        self._interval = interval_seconds
        self._samples: list[MemorySample] = []
        self._largest = MemorySample(0.0, 0, "")
        self._begun: list[tuple[str, float]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._peak_before = peak_memory_bytes()
        self._started = time.monotonic()
        self._take()
        self._exits.enter_context(listen_to_phases(self._begin))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()
        self._stop.set()
        self._thread.join()
        self._take()

    def record(self) -> MemoryRecord:
        """What was recorded so far."""
        peak = peak_memory_bytes()
        with self._lock:
            samples, largest = list(self._samples), self._largest
            begun = list(self._begun)
        if largest not in samples:
            samples.append(largest)
            samples.sort()
        # What the process took before is no part of this.
        peak = max(peak if peak > self._peak_before else 0, largest.rss_bytes)
        stops = [start for _, start in begun[1:]] + [samples[-1].seconds]
        return MemoryRecord(
            samples=tuple(samples),
            phases=tuple(
                Phase(name, start, stop) for (name, start), stop in zip(begun, stops, strict=True)
            ),
            peak_bytes=peak,
            limit_bytes=self.limit_bytes,
        )

    def _begin(self, phase: str) -> None:
        with self._lock:
            self._begun.append((phase, time.monotonic() - self._started))
        self._take()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            rss_bytes = self._take()
            limit = self.limit_bytes
            if self._relieve is not None and limit and rss_bytes > _RELIEF_SHARE * limit:
                self._relieve()

    def _take(self) -> int:
        rss_bytes = tree_memory_bytes()
        with self._lock:
            phase = self._begun[-1][0] if self._begun else ""
            sample = MemorySample(time.monotonic() - self._started, rss_bytes, phase)
            self._samples.append(sample)
            if rss_bytes > self._largest.rss_bytes:
                self._largest = sample
            if len(self._samples) > _MAX_SAMPLES:
                del self._samples[1::2]
                self._interval *= 2
        return rss_bytes


@contextmanager
def record_memory(
    files: RecordFiles,
    *,
    title: str,
    limit_bytes: int | None = None,
    relieve: Callable[[], None] | None = None,
) -> Iterator[MemoryRecorder]:
    """A recorder whose record is written into files at the end, of work that fails too."""
    files.check()
    recorder = MemoryRecorder(limit_bytes=limit_bytes, relieve=relieve)
    try:
        with recorder:
            yield recorder
    except BaseException:
        with contextlib.suppress(Exception):  # the error of the work is what matters
            files.write(recorder.record(), title=title)
        raise
    try:
        files.write(recorder.record(), title=title)
    except OSError as error:
        raise UsageError(f"the memory record cannot be written: {error}") from error
