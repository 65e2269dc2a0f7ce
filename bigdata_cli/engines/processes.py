"""Work in processes of this machine, that are started for it and end with it.

They are spawned, as a fork of a process with threads may hang. A process that dies takes the whole
pool with it; then there is a new one, and what was under way is sent again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from bigdata_cli.engines.base import StopSignal
from bigdata_cli.engines.executor import ExecutorEngine
from bigdata_cli.engines.remote import Envelope, Outcome, run
from bigdata_cli.errors import EngineError

_SECONDS_TO_END = 1.0
_MAX_POOLS = 10
"""Where workers die again and again, each at another shard."""


class ProcessesEngine(ExecutorEngine):
    """Runs work on `n_workers` processes; a context manager."""

    name = "processes"

    def __init__(self, *, jobs: int, set_up: Callable[[], None] | None = None) -> None:
        """jobs: processes. set_up: is called in each of them first."""
        super().__init__(None, jobs=jobs, n_workers=jobs)
        self._set_up = set_up
        self._context = _Context()
        self._flag = self._context.RawValue(ctypes.c_bool, False)
        self._pool: ProcessPoolExecutor | None = None
        self._n_pools = 0

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self.stop()
        self._end()
        super().__exit__(*error)

    def submit(self, envelope: Envelope) -> Future[Outcome]:
        if self._pool is None:
            self._n_pools += 1
            self._pool = ProcessPoolExecutor(
                self.n_workers,
                mp_context=self._context,
                initializer=_begin,
                initargs=(self._flag, self._set_up),
            )
        return self._pool.submit(_run, envelope)

    def stop(self) -> None:
        self._flag.value = True

    def renew(self) -> bool:
        self._end()
        return self._n_pools < _MAX_POOLS

    def killed(self, n_attempts: int) -> EngineError:
        error = super().killed(n_attempts)
        return EngineError(
            error.message,
            hint=f"{error.hint}; a Python script calls convert below `if __name__ == "
            '"__main__":`, as each process reads it',
        )

    def _end(self) -> None:
        """End the processes; none is left when it returns."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        for process in self._context.started:
            process.join(_SECONDS_TO_END)
            if process.is_alive():
                process.kill()
                process.join()
        self._context.started.clear()


class _Context(SpawnContext):
    """Starts processes, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **options: Any) -> SpawnProcess:  # type: ignore[override] # noqa: N802
        process = get_context("spawn").Process(*args, **options)
        self.started.append(process)
        return process


class _Flag:
    """A signal to stop in memory that processes share. Without a lock: who dies holds none."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def is_set(self) -> bool:
        return bool(self._value.value)

    def set(self) -> None:
        self._value.value = True


_stop: StopSignal | None = None
"""Of this process, where it is a worker."""


def _begin(flag: Any, set_up: Callable[[], None] | None) -> None:
    """Make this process a worker."""
    global _stop  # noqa: PLW0603, an initializer has no other place
    _stop = _Flag(flag)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the one that started it
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    if set_up is not None:
        set_up()


def _end_with_parent() -> None:
    """End where the process that started this one was killed."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run(envelope: Envelope) -> Outcome:
    return run(envelope, _stop)
