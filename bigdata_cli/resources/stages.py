"""The processor time of each stage of a conversion, and its current phase."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

STAGES = {
    "sample": "dialect, types and sizes, looked at beforehand",
    "read": "bytes of the source, decompressed and decoded",
    "split": "records found in a stream",
    "parse": "fields into typed cells",
    "types": "what the values show, columns, statistics",
    "reorder": "rows of a bucket, put into their order",
    "encode": "row groups, chunks and records, compressed",
    "write": "into the files",
    "hash": "checksums of the files, flushed to the disk",
    "other": "the start of the program, and what keeps order",
}
"""Every stage, and what is in it."""


class StageTimes:
    """Processor seconds per stage, of all threads; a stage within another counts for itself."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._within = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What this thread does meanwhile belongs to the stage."""
        outer = getattr(self._within, "seconds", 0.0)
        self._within.seconds = 0.0
        started = time.thread_time()
        try:
            yield
        finally:
            spent = time.thread_time() - started
            with self._lock:
                self._seconds[name] += spent - self._within.seconds
            self._within.seconds = outer + spent

    def shares(self) -> dict[str, float]:
        """Seconds per stage, in the order of `STAGES`; other: what else the process has used."""
        with self._lock:
            seconds = dict(self._seconds)
        seconds["other"] = max(0.0, time.process_time() - sum(seconds.values()))
        return {name: seconds[name] for name in STAGES if name in seconds}


PHASES = {
    "sampling": "a sample of the source, its dialect and types",
    "scattering": "for another order of the rows: all of them, to buckets",
    "converting": "every shard, once",
    "reconciling": "shards again that a wrong guess touched",
    "committing": "files get their names",
    "reading": "the whole source",
    "encoding": "rows of the sample in every format, for their sizes",
    "counting": "the classes of the label",
    "verifying": "size, checksum, columns and rows of every shard",
    "comparing": "every value",
    "writing": "all rows",
    "loading": "the libraries, the columns, the model",
    "training": "epoch after epoch, or tree after tree",
    "evaluating": "on rows that were not trained on",
    "importance": "the metric again, with each column shuffled",
    "predicting": "all rows, block after block",
    "sending": "the files, then the commit",
}
"""What a command does, one phase after the other, and what is done in each."""

_Listener = Callable[[str], None]
_listeners: ContextVar[tuple[_Listener, ...]] = ContextVar("phase_listeners", default=())
_decision_listeners: ContextVar[tuple[_Listener, ...]] = ContextVar(
    "decision_listeners", default=()
)


def begin_phase(name: str) -> None:
    """What follows, in all threads, is this phase: one of `PHASES`.

    Is called in the thread of the conversion or training: others in the process do not hear of it.
    """
    for listener in _listeners.get():
        listener(name)


def report_decision(text: str) -> None:
    """Say what was decided, and why, to those who listen; heard as `begin_phase` is."""
    for listener in _decision_listeners.get():
        listener(text)


@contextmanager
def listen_to_phases(listener: _Listener) -> Iterator[None]:
    """Call the listener with each phase that begins, while the context lasts."""
    before = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(before)


@contextmanager
def listen_to_decisions(listener: _Listener) -> Iterator[None]:
    """Call the listener with each decision, while the context lasts."""
    before = _decision_listeners.set((*_decision_listeners.get(), listener))
    try:
        yield
    finally:
        _decision_listeners.reset(before)


_measured: list[StageTimes] = []
"""The last one is added to."""


@contextmanager
def measure_stages(times: StageTimes | None) -> Iterator[None]:
    """Meanwhile stages of all threads add to `times`; None: nothing is measured."""
    if times is None:
        yield
        return
    _measured.append(times)
    try:
        yield
    finally:
        _measured.remove(times)


def stage(name: str) -> AbstractContextManager[None]:
    """One of `STAGES`, where they are measured."""
    return _measured[-1].stage(name) if _measured else nullcontext()
