"""What a worker in another process does: it runs one task, and gives its events as one value.

An `Envelope` is what is sent, an `Outcome` what comes back. What tasks have in common is large, so
an envelope only names it: a worker that does not have it says so, and is sent it with the task.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
import traceback
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from bigdata_cli import DISTRIBUTION, __version__
from bigdata_cli.engines.base import AllSubmitted, StopSignal, Worker
from bigdata_cli.errors import BigdataError, EngineError

_MAX_KEPT = 2
"""Of what tasks have in common, in a worker: the last, and the one before."""


class Versions(NamedTuple):
    """What must be the same in all processes of a conversion, as bytes follow from it."""

    bigdata: str
    pyarrow: str


def own_versions() -> Versions:
    """Those of this process; nothing is imported for it."""
    try:
        pyarrow = version("pyarrow")
    except PackageNotFoundError:
        pyarrow = "none"
    return Versions(__version__, pyarrow)


class Envelope(NamedTuple):
    """A task on its way to a worker.

    Attributes:
        versions: Of the sender; a worker with others refuses.
        task: The work and its specification, pickled.
        common: The digest of what the task has in common with others.
        common_bytes: That itself, pickled; None where the worker is expected to have it.
        n_threads: That parse and encode.
        is_alone: The worker does nothing else meanwhile.
    """

    versions: Versions
    task: bytes
    common: str
    common_bytes: bytes | None
    n_threads: int = 1
    is_alone: bool = False


class Outcome(NamedTuple):
    """What became of a task: its events; an error that ended it; whether it lacked the common."""

    events: tuple[Any, ...] = ()
    error: BaseException | None = None
    needs_common: bool = False


class _Kept:
    """What tasks have in common, by its digest: the last ones that this process was sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[str, Any] = OrderedDict()
        self.alone = threading.Lock()

    def find(self, digest: str, data: bytes | None) -> Any:
        """The value; raises KeyError where it was never sent."""
        with self._lock:
            if digest not in self._values:
                if data is None:
                    raise KeyError(digest)
                self._values[digest] = pickle.loads(data)  # noqa: S301, of the conversion itself
            self._values.move_to_end(digest)
            while len(self._values) > _MAX_KEPT:
                self._values.popitem(last=False)
            return self._values[digest]


_KEPT = _Kept()


def digest_of(data: bytes) -> str:
    """By what name a worker knows what it was sent."""
    return hashlib.sha256(data).hexdigest()[:32]


def run(envelope: Envelope, stop: StopSignal | None = None) -> Outcome:
    """Run a task in this process. stop: is set where the work is to end."""
    ours = own_versions()
    if envelope.versions != ours:
        return Outcome(error=_other_version(envelope.versions, ours))
    try:
        common = _KEPT.find(envelope.common, envelope.common_bytes)
    except KeyError:
        return Outcome(needs_common=True)
    work, spec = pickle.loads(envelope.task)  # noqa: S301, of the conversion itself
    events: list[Any] = []
    error: BaseException | None = None
    with (
        _KEPT.alone if envelope.is_alone else nullcontext(),
        ThreadPoolExecutor(envelope.n_threads, thread_name_prefix="unit") as pool,
    ):
        worker = Worker(pool=pool, max_in_flight=envelope.n_threads + 1)
        if stop is not None:
            worker = Worker(pool=pool, max_in_flight=envelope.n_threads + 1, stop=stop)
        try:
            for event in work(spec, common, worker):
                if not isinstance(event, AllSubmitted):
                    events.append(event)  # noqa: PERF401, those before an error count
        except Exception as raised:  # it is raised where the conversion is
            error = _sendable(raised)
    return Outcome(tuple(events), error)


def _other_version(theirs: Versions, ours: Versions) -> EngineError:
    names = [
        f"{name} {here}, and the conversion {there}"
        for name, there, here in zip(Versions._fields, theirs, ours, strict=True)
        if there != here
    ]
    return EngineError(
        f"a worker has another version: {'; '.join(names)}",
        hint=f"pip install {DISTRIBUTION}=={theirs.bigdata} pyarrow=={theirs.pyarrow} on the "
        "workers",
    )


def _sendable(error: Exception) -> Exception:
    """The error as it can be sent; that of a bug with its traceback, which would be lost."""
    if not isinstance(error, BigdataError):
        error.add_note("In a worker:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # whatever the class of an error raises where it is made again
        return RuntimeError(f"a worker failed: {error!r}")
    return error
