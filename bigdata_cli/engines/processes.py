"""Work in processes of this machine, that are started for it and end with it.

They are forked from a process that has no threads and has imported what they need, as a fork of
this one may hang: so modules are imported once and not in each of them. Where the system has no
forks they are spawned. A process that dies takes the whole pool with it; then there is a new one,
and what was under way is sent again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import connection, get_all_start_methods, get_context, parent_process
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
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

    def __init__(
        self,
        *,
        jobs: int,
        set_up: Callable[[], None] | None = None,
        modules: Sequence[str] = (),
    ) -> None:
        """jobs: processes. set_up: is called in each of them first. modules: what they need."""
        super().__init__(None, jobs=jobs, n_workers=jobs)
        self._set_up = set_up
        self._started: list[BaseProcess] = []
        self._context = _context(modules, self._started)
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
                initargs=(self._flag, self._set_up, dict(os.environ)),
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
        for process in self._started:
            process.join(_SECONDS_TO_END)
            if process.is_alive():
                process.kill()
                process.join()
        self._started.clear()


def _context(modules: Sequence[str], started: list[BaseProcess]) -> BaseContext:
    """What makes processes, each of which is put into a list."""
    can_fork = "forkserver" in get_all_start_methods()
    context: Any = get_context("forkserver" if can_fork else "spawn")
    make = context.Process

    class Context(type(context)):  # type: ignore[misc]
        def Process(self, *args: Any, **options: Any) -> BaseProcess:  # noqa: N802
            process = make(*args, **options)
            started.append(process)
            return process

    own: BaseContext = Context()
    if can_fork:
        own.set_forkserver_preload(list(modules))
    return own


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


def _begin(flag: Any, set_up: Callable[[], None] | None, environment: dict[str, str]) -> None:
    """Make this process a worker. environment: that of the process that wants it."""
    global _stop  # noqa: PLW0603, an initializer has no other place
    os.environ.clear()
    os.environ.update(environment)
    _stop = _Flag(flag)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the one that started it
    if set_up is not None:
        set_up()  # before a thread takes memory
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    """End where the process that started this one was killed."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _run(envelope: Envelope) -> Outcome:
    return run(envelope, _stop)
