"""Work on the workers of a Dask cluster, or on processes of this machine that Dask starts.

Dask itself runs the task of a worker that died on another one. The scheduler holds a task, some
hundred bytes, until its result is here.
"""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from concurrent.futures import CancelledError, Future
from typing import Any, Self

from bigdata_cli.engines.executor import MAX_ATTEMPTS, ExecutorEngine
from bigdata_cli.engines.remote import Envelope, Outcome, run
from bigdata_cli.errors import EngineError, MissingDependencyError

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.2
_SECONDS_TO_END = 10.0


class DaskEngine(ExecutorEngine):
    """Runs work on a cluster, by the address of its scheduler; a context manager."""

    name = "dask"

    def __init__(self, *, jobs: int, scheduler: str | None = None) -> None:
        """scheduler: None for `jobs` processes of its own."""
        super().__init__(None, jobs=jobs, n_workers=jobs)
        self._address = scheduler
        self._prefix = f"bigdata-{uuid.uuid4().hex}-"
        self._numbers = itertools.count()
        self._cluster: Any = None
        self._client: Any = None

    def __enter__(self) -> Self:
        distributed = _import_distributed()
        if self._address is None:
            self._cluster = distributed.LocalCluster(
                n_workers=self.n_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        try:
            self._client = distributed.Client(
                self._address or self._cluster,
                timeout=_CONNECT_SECONDS,
                set_as_default=False,
            )
            self._check_workers()
        except (OSError, TimeoutError, ValueError) as error:
            self._close()
            raise EngineError(
                f"no Dask scheduler answers at {self._address}: {_reason(error)}",
                hint="dask scheduler starts one; --engine dask without --scheduler starts workers "
                "on this machine",
            ) from error
        except BaseException:
            self._close()
            raise
        self._executor = self._client.get_executor(pure=False)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        self._close()
        super().__exit__(*error)

    def _check_workers(self) -> None:
        """Count the threads of the workers; raises EngineError where there is none."""
        if self._cluster is not None:
            self._client.wait_for_workers(self.n_workers, timeout=6 * _CONNECT_SECONDS)
        n_threads = sum(self._client.nthreads().values())
        if not n_threads:
            raise EngineError(
                f"the Dask scheduler at {self._address} has no workers",
                hint=f"dask worker {self._address} starts one",
            )
        self.n_workers = n_threads

    def submit(self, envelope: Envelope) -> Future[Outcome]:
        executor: Any = self._executor
        key = f"{self._prefix}{next(self._numbers)}"
        return executor.submit(_run, envelope, key=key)

    def refused(self, error: Exception) -> EngineError:
        if type(error).__name__ == "KilledWorker":
            return self.killed(MAX_ATTEMPTS)
        return super().refused(error)

    def cancel(self, future: Future[Outcome]) -> None:
        """A task that runs learns of it, and is waited for."""
        future.cancel()

    def wait(self) -> None:
        end = time.monotonic() + _SECONDS_TO_END
        while self._client.status == "running" and time.monotonic() < end:
            try:
                if not any(self._client.run(_count_tasks, self._prefix).values()):
                    return
            except (OSError, TimeoutError, CancelledError):
                return
            time.sleep(_LOOK_SECONDS / 4)

    def _close(self) -> None:
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, None
        for one in (client, cluster):
            if one is not None:
                one.close(timeout=_SECONDS_TO_END)


class _Cancelled:
    """Whether the task of a Dask worker was cancelled."""

    def __init__(self, worker: Any, key: Any) -> None:
        self._worker = worker
        self._key = key
        self._next_look = 0.0
        self._is_set = False

    def is_set(self) -> bool:
        now = time.monotonic()
        if not self._is_set and now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            state = self._worker.state.tasks.get(self._key)
            self._is_set = state is None or state.state == "cancelled"
        return self._is_set

    def set(self) -> None:
        self._is_set = True


def _run(envelope: Envelope) -> Outcome:
    from distributed import get_worker

    worker = get_worker()
    return run(envelope, _Cancelled(worker, worker.get_current_task()))


def _count_tasks(prefix: str, dask_worker: Any) -> int:
    """How many tasks of that name a worker still runs, cancelled ones too."""
    return sum(str(key).startswith(prefix) for key in list(dask_worker.state.tasks))


def _import_distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            "distributed", "dask", purpose="--engine dask"
        ) from error
    return distributed


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
