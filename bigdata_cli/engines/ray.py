"""Work on the workers of a Ray cluster, or on processes of this machine that Ray starts.

Ray itself runs the task of a worker that died again.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Self

from bigdata_cli.engines.executor import MAX_ATTEMPTS, ExecutorEngine
from bigdata_cli.engines.remote import Envelope, Outcome, run
from bigdata_cli.errors import EngineError, MissingDependencyError


class RayEngine(ExecutorEngine):
    """Runs work on a cluster, by its address; a context manager."""

    name = "ray"

    def __init__(self, *, jobs: int, scheduler: str | None = None) -> None:
        """scheduler: None for `jobs` processes of its own."""
        super().__init__(None, jobs=jobs, n_workers=jobs)
        self._address = scheduler
        self._ray: Any = None
        self._submit: Any = None
        self._has_begun = False
        self._tasks: dict[Future[Outcome], Any] = {}

    def __enter__(self) -> Self:
        try:
            import ray
        except ImportError as error:
            raise MissingDependencyError.for_extra("ray", "ray", purpose="--engine ray") from error
        self._ray = ray
        if not ray.is_initialized():
            self._begin()
        self.n_workers = max(1, int(ray.cluster_resources().get("CPU", self.n_workers)))
        self._submit = ray.remote(max_retries=MAX_ATTEMPTS - 1, num_cpus=1)(run).remote
        return super().__enter__()

    def _begin(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address is None:
            options |= {"num_cpus": self.n_workers, "include_dashboard": False}
        try:
            self._ray.init(address=self._address, **options)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EngineError(
                f"no Ray cluster answers at {self._address}: {reason}",
                hint="ray start --head starts one; --engine ray without --scheduler starts "
                "workers on this machine",
            ) from error
        self._has_begun = True

    def __exit__(self, *error: object) -> None:
        if self._has_begun:
            self._ray.shutdown()
        super().__exit__(*error)

    def submit(self, envelope: Envelope) -> Future[Outcome]:
        reference = self._submit(envelope)
        future: Future[Outcome] = reference.future()
        self._tasks[future] = reference
        future.add_done_callback(lambda ended: self._tasks.pop(ended, None))
        return future

    def stop(self) -> None:
        for reference in list(self._tasks.values()):
            self._ray.cancel(reference, force=False)

    def refused(self, error: Exception) -> EngineError:
        if type(error).__name__ in ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError"):
            return self.killed(MAX_ATTEMPTS)
        return super().refused(error)
