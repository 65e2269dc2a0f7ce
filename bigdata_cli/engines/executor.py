"""Work on any `concurrent.futures.Executor` whose workers are processes, here or elsewhere.

A task is a future, whose result has all its events. Where a worker dies, its task is sent again:
its files are written anew under the same partial names, and only the result that came counts.
"""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self

from bigdata_cli import DISTRIBUTION
from bigdata_cli.engines.base import Event, Stopped, Task, Work
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.engines.remote import Envelope, Outcome, digest_of, own_versions, run
from bigdata_cli.errors import EngineError

MAX_ATTEMPTS = 3
"""A task whose worker died so often is what kills them."""
_WAITING_SHARE = 2
"""Tasks that are sent for each that runs: a worker need not wait for the next one."""


class ExecutorEngine:
    """Runs work on the workers of an executor; a context manager.

    The executor is not shut down: it belongs to the caller. What it runs cannot be stopped, and is
    waited for where a conversion fails.
    """

    name = "executor"
    in_other_processes = True

    def __init__(self, executor: Executor | None, *, jobs: int, n_workers: int | None = None):
        """jobs: threads of this process. n_workers: tasks that run at a time; None: as many as the
        executor says that it has workers, else as many as there are jobs."""
        self._executor = executor
        self._here = LocalEngine(jobs)
        self.worker = self._here.worker
        self.n_workers = n_workers or _count_workers(executor) or jobs

    def __enter__(self) -> Self:
        self._here.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._here.__exit__(*error)

    def map(
        self,
        work: Work[Event],
        tasks: Iterable[Task],
        *,
        units_per_shard: int,
        one_at_a_time: bool = False,
    ) -> Generator[Event]:
        """See `Engine.map`; the events of a task come together, when it has ended."""
        sending = _Run(self, work, iter(tasks), is_alone=one_at_a_time)
        try:
            yield from sending.events()
        finally:
            sending.close()

    def submit(self, envelope: Envelope) -> Future[Outcome]:
        """Send a task."""
        assert self._executor is not None
        return self._executor.submit(run, envelope)

    def stop(self) -> None:
        """Have what is running end soon, where that can be said to it."""

    def cancel(self, future: Future[Outcome]) -> None:
        """Have a task not begin, where it has not.

        Dask's executor calls a task cancelled that runs on, and may write files: it is waited for.
        """
        if not type(self._executor).__module__.startswith("distributed."):
            future.cancel()

    def wait(self) -> None:
        """Return when what was cancelled has ended, so that it writes nothing any more."""

    def renew(self) -> bool:
        """Have other workers where all are gone; whether there are any."""
        return False

    def lost(self, error: BaseException) -> EngineError:
        """What to say where the workers are gone."""
        return EngineError(
            f"the workers of the engine {self.name} are gone: {_first_line(error)}",
            hint="start them again; the same command goes on with what is done",
        )

    def killed(self, n_attempts: int) -> EngineError:
        """What to say where a task has ended its workers so often."""
        return EngineError(
            f"workers died {n_attempts} times at the same shard: they were killed, or memory ran "
            "out",
            hint="--memory-limit or --jobs below what there is; the same command goes on from "
            "there",
        )

    def refused(self, error: Exception) -> EngineError:
        """What to say of a task that did not begin, or whose result did not come back."""
        versions = own_versions()
        return EngineError(
            f"a worker could not run a task: {type(error).__name__}: {_first_line(error)}",
            hint=f"pip install {DISTRIBUTION}=={versions.bigdata} "
            f"pyarrow=={versions.pyarrow} on the workers, where another version or none is there",
        )


@dataclass
class _Sent:
    """A task under way. needs_common: the worker said so; n_attempts: of which the worker died."""

    task: Task
    needs_common: bool = False
    n_attempts: int = 0


class _Common:
    """What tasks have in common, pickled: the last one."""

    def __init__(self) -> None:
        self._value: Any = self
        self.data = b""
        self.digest = ""
        self.n_sent = 0

    def take(self, value: Any) -> None:
        if value is not self._value:
            self._value = value
            self.data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            self.digest = digest_of(self.data)
            self.n_sent = 0


class _Run:
    """The tasks under way, and their events."""

    def __init__(
        self, engine: ExecutorEngine, work: Work[Any], tasks: Iterator[Task], *, is_alone: bool
    ) -> None:
        self._engine = engine
        self._work = work
        self._tasks = tasks
        self._is_alone = is_alone
        self._common = _Common()
        self._versions = own_versions()
        self._running: dict[Future[Outcome], _Sent] = {}
        self._ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
        self._again: list[_Sent] = []
        self._error: BaseException | None = None

    def events(self) -> Iterator[Any]:
        while True:
            if self._error is None:
                self._fill()
            if not self._running:
                break
            future = self._ended.get()
            sent = self._running.pop(future, None)
            if sent is None:
                continue
            outcome = self._outcome(future, sent)
            if outcome is None:
                continue
            if outcome.needs_common:
                self._again.append(_Sent(sent.task, True, sent.n_attempts))
                continue
            yield from outcome.events  # what is complete counts, after a failure too
            if outcome.error is not None:
                self._fail(outcome.error)
        if self._error is not None:
            self._engine.wait()
            raise self._error

    def close(self) -> None:
        """Stop what is under way, and wait for it."""
        if not self._running:
            return
        self._engine.stop()
        for future in list(self._running):
            self._engine.cancel(future)
        while self._running:
            self._running.pop(self._ended.get(), None)
        self._engine.wait()

    def _fail(self, error: BaseException) -> None:
        if self._error is None or isinstance(self._error, Stopped):
            self._error = error
        self._again.clear()
        self._engine.stop()
        for future in list(self._running):
            self._engine.cancel(future)

    def _fill(self) -> None:
        """Send tasks until enough are under way."""
        enough = self._engine.n_workers * (1 if self._is_alone else _WAITING_SHARE)
        while self._error is None and len(self._running) < enough:
            if self._again:
                self._send(self._again.pop())
                continue
            task = next(self._tasks, None)
            if task is None:
                return
            self._send(_Sent(task))

    def _send(self, sent: _Sent) -> None:
        common = self._common
        common.take(sent.task.common)
        with_common = sent.needs_common or common.n_sent < self._engine.n_workers
        common.n_sent += with_common
        envelope = Envelope(
            versions=self._versions,
            task=pickle.dumps((self._work, sent.task.spec), pickle.HIGHEST_PROTOCOL),
            common=common.digest,
            common_bytes=common.data if with_common else None,
            is_alone=self._is_alone,
        )
        try:
            future = self._engine.submit(envelope)
        except (BrokenExecutor, RuntimeError, OSError) as error:
            self._on_broken(error, sent)
            return
        self._running[future] = sent
        future.add_done_callback(self._ended.put)

    def _outcome(self, future: Future[Outcome], sent: _Sent) -> Outcome | None:
        """What became of a task; None where it is sent again, or was stopped."""
        try:
            outcome = future.result()
        except BrokenExecutor as error:
            self._on_broken(error, sent)
            return None
        except (CancelledError, OSError) as error:
            if self._error is None:
                self._fail(self._engine.lost(error))
            return None
        except Exception as error:
            if self._error is None:
                self._fail(self._engine.refused(error))
            return None
        assert isinstance(outcome, Outcome)
        return outcome

    def _on_broken(self, error: BaseException, first: _Sent) -> None:
        """Send tasks again whose workers died: this one, and those that were under way too."""
        lost = [first]
        for future, sent in list(self._running.items()):
            if not future.done() or future.cancelled() or future.exception() is not None:
                del self._running[future]
                lost.append(sent)
        if self._error is not None:
            return
        if not isinstance(error, BrokenExecutor) or not self._engine.renew():
            self._fail(self._engine.lost(error))
            return
        for sent in lost:
            sent.n_attempts += 1
        if max(sent.n_attempts for sent in lost) >= MAX_ATTEMPTS:
            self._fail(self._engine.killed(MAX_ATTEMPTS))
        else:
            self._again += reversed(lost)


def _count_workers(executor: Executor | None) -> int | None:
    """How many tasks an executor runs at a time; None where it does not say.

    Each library has a word of its own for that: the standard library and loky, mpi4py, Dask.
    """
    for name in ("_max_workers", "num_workers"):
        number = getattr(executor, name, None)
        if isinstance(number, int):
            return number
    n_threads = getattr(getattr(executor, "_client", None), "nthreads", None)
    return None if n_threads is None else sum(n_threads().values())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
