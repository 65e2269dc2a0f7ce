"""The engine of a conversion, and what is checked of the work of other processes."""

from __future__ import annotations

import time

from bigdata_cli.conversion.partition import FileRanges
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.progress import Meter
from bigdata_cli.conversion.resume import files_of
from bigdata_cli.conversion.shard import convert_shard
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.engines.base import Engine
from bigdata_cli.engines.options import TaskNumber
from bigdata_cli.engines.registry import LOCAL, make_engine
from bigdata_cli.errors import EngineError
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.resources.heap import return_freed_memory, reuse_freed_memory
from bigdata_cli.sources.bad_values import RecordError

_SECONDS_TO_APPEAR, _SECONDS_BETWEEN = 10.0, 0.1
"""A network file system may show what another machine wrote a little later."""


def engine_for(plan: Plan, meter: Meter) -> Engine:
    """A new engine for the shards of a plan; a context manager.

    A stream is read by this process: `meter` says so where others were asked for.
    """
    options, memory = plan.options, plan.memory
    workers = options.workers
    if workers.is_local:
        return make_engine(LOCAL, memory.jobs)
    if not isinstance(plan.shards.partition, FileRanges):
        meter.say(
            f"{plan.source.stem} can only be read from its start, as one stream: this process "
            "reads it, and the workers of --engine have nothing to do"
        )
        return make_engine(LOCAL, memory.jobs)
    return make_engine(
        workers.engine,
        memory.jobs,
        scheduler=workers.address,
        n_workers=options.jobs,
        set_up=return_freed_memory if memory.returns_memory else reuse_freed_memory,
        modules=(convert_shard.__module__, type(plan.form).__module__),
    )


def check_here(store: Store, result: ShardResult) -> None:
    """Raise EngineError where a file that a worker has written is not to be seen here."""
    deadline = time.monotonic() + _SECONDS_TO_APPEAR
    for file in files_of(result):
        name = partial_name(file.name)
        while not has_size(store, name, file.bytes):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"a worker has written {name}, and {store} does not have it here",
                    hint="-o FOLDER on a file system that all machines share, under one name",
                )
            time.sleep(_SECONDS_BETWEEN)


def has_size(store: Store, name: str, n_bytes: int) -> bool:
    """Whether a file is there, with so many bytes."""
    try:
        return store.stat(name).bytes == n_bytes
    except OSError:
        return False


def start_is_guessed(plan: Plan, file: int, error: RecordError) -> EngineError:
    """The error for a record that is wrong only if a task began at the right one."""
    task = plan.options.workers.task
    assert task is not None
    before = TaskNumber(task.number - 1, task.n_tasks)
    return EngineError(
        f"where the first record of task {task} starts is a guess until task {before} is done, and "
        f"may be wrong: {plan.source.located(file, error).message}",
        hint=f"--task {task} again when task {before} is done",
    )
