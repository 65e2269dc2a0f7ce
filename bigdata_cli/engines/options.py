"""Where work on shards is done."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from bigdata_cli.engines.registry import ENGINES, LOCAL
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.option_kinds import Kind, accept_text
from bigdata_cli.options import option

_ADDRESSES = {"dask": "DASK_SCHEDULER_ADDRESS", "ray": "RAY_ADDRESS"}
"""The engines that a cluster has, and the variable with its address."""


def _parse_engine(name: str) -> str:
    if name not in ENGINES:
        raise UsageError(f'"{name}" is not one of them. {did_you_mean(name, ENGINES)}')
    return name


def _accept_engine(engine: Any) -> str | Executor:
    return engine if isinstance(engine, Executor) else accept_text(engine)


_NAMES = ", ".join(f'"{name}"' for name in ENGINES)
ENGINE = Kind(
    "|".join(ENGINES),
    f"Literal[{_NAMES}] | Executor",
    _parse_engine,
    _accept_engine,
    choices=tuple(ENGINES),
)


@dataclass(frozen=True)
class TaskNumber:
    """One of the tasks of a job array, counted from 1."""

    number: int
    n_tasks: int

    def __str__(self) -> str:
        return f"{self.number}/{self.n_tasks}"


MAX_TASKS = 99_999


def _parse_task(text: str) -> TaskNumber:
    number, slash, count = text.partition("/")
    if not slash or not (
        number.isascii() and number.isdigit() and count.isascii() and count.isdigit()
    ):
        raise UsageError(f'"{text}" is not K/N, such as 3/16')
    task = TaskNumber(int(number), int(count))
    if not 1 <= task.number <= task.n_tasks <= MAX_TASKS:
        raise UsageError(f'"{text}" is not a task: K is from 1 to N, and N at most {MAX_TASKS:,}')
    return task


def _accept_task(task: Any) -> TaskNumber:
    return _parse_task(str(task) if isinstance(task, TaskNumber) else accept_text(task))


TASK = Kind("K/N", "str", _parse_task, _accept_task)


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Who does the work; threads of this process by default."""

    engine: str | Executor = option(
        "Who does the work: threads of this process, processes, or the workers of a cluster. The "
        "dataset is the same.",
        ENGINE,
        no_trace=True,
        default=LOCAL,
    )
    scheduler: str | None = option(
        "Address of a Dask scheduler, such as tcp://host:8786, or of a Ray cluster.",
        metavar="ADDRESS",
        default_text="DASK_SCHEDULER_ADDRESS or RAY_ADDRESS, or else processes of this machine, as "
        "many as --jobs",
        no_trace=True,
        default=None,
    )

    @property
    def is_local(self) -> bool:
        """Whether the threads of this process do the work."""
        return self.engine == LOCAL

    @property
    def address(self) -> str | None:
        """Of the cluster, as it was given or is in the environment; None for own processes."""
        variable = _ADDRESSES.get(self.engine) if isinstance(self.engine, str) else None
        return self.scheduler or (None if variable is None else os.environ.get(variable))

    @property
    def starts_processes(self) -> bool:
        """Whether the workers are started for it, and end with it."""
        return not self.is_local and isinstance(self.engine, str) and self.address is None

    def check(self) -> None:
        """Raise UsageError where the options do not go together."""
        if self.scheduler is not None and self.engine not in _ADDRESSES:
            raise UsageError("--scheduler goes with --engine dask or --engine ray")


@dataclass(frozen=True, kw_only=True)
class EngineOptions(WorkerOptions):
    """The workers of a conversion, or the part of it that a task of a job array does."""

    task: TaskNumber | None = option(
        "Make only the shards of one of N tasks, such as 3/16 of a job array; `bigdata commit` "
        "makes the dataset of all of them.",
        TASK,
        no_trace=True,
        default=None,
    )

    @property
    def is_task(self) -> bool:
        """Whether only a part of a dataset is made."""
        return self.task is not None
