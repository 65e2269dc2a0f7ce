"""The engines by name; the module of one is imported when it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from importlib import import_module
from typing import Any

from bigdata_cli.engines.base import Engine

ENGINES = {
    "local": "LocalEngine",
    "processes": "ProcessesEngine",
    "dask": "DaskEngine",
    "ray": "RayEngine",
}
"""Each is a module beside this file, with a class that is made of the number of workers."""
LOCAL = "local"
_WITH_SCHEDULER = ("dask", "ray")


def make_engine(
    engine: str | Executor,
    jobs: int,
    *,
    scheduler: str | None = None,
    n_workers: int | None = None,
    set_up: Callable[[], None] | None = None,
    modules: Sequence[str] = (),
) -> Engine:
    """The engine of that name, or of an executor; a context manager.

    Args:
        engine: A name, or an executor that was handed over.
        jobs: Threads, or processes that it starts itself.
        scheduler: The address of a cluster.
        n_workers: Tasks at a time of an executor; None: as many as it has workers.
        set_up: Is called first in processes that it starts itself.
        modules: What these need, imported once for all of them.
    """
    if not isinstance(engine, str):
        from bigdata_cli.engines.executor import ExecutorEngine

        return ExecutorEngine(engine, jobs=jobs, n_workers=n_workers)
    options: dict[str, Any] = {}
    if engine in _WITH_SCHEDULER:
        options["scheduler"] = scheduler
    elif engine == "processes":
        options |= {"set_up": set_up, "modules": modules}
    made = getattr(import_module(f"bigdata_cli.engines.{engine}"), ENGINES[engine])
    return made(jobs=jobs, **options)
