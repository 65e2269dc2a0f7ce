"""One task of a job array: its part of the plan, which is the same in each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.disk_errors import disk_errors
from bigdata_cli.conversion.estimate.disk import DiskWatch
from bigdata_cli.conversion.estimate.memory import budget_of
from bigdata_cli.conversion.finish import clean_up
from bigdata_cli.conversion.identity import identity
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.partition import FileRanges
from bigdata_cli.conversion.plan import Plan, plan_as_begun
from bigdata_cli.conversion.progress import ProgressListener
from bigdata_cli.conversion.reconcile import reconcile_part
from bigdata_cli.conversion.resume import ResumeState, find_resume_state
from bigdata_cli.conversion.task_files import (
    Request,
    check_same,
    declare,
    read_types,
    shards_of,
    task_store,
)
from bigdata_cli.engines.options import TaskNumber
from bigdata_cli.errors import UsageError
from bigdata_cli.options import given_options
from bigdata_cli.resources.budget import MemoryBudget

_NOT_OF_THE_REQUEST = frozenset(
    ("task", "jobs", "memory_limit", "disk_limit", "engine", "scheduler", "cache", "cache_size",
     "profile", "memory_plot", "memory_log", "output")
)  # fmt: skip
"""Options that may differ from task to task, as machines do."""


def run_task(
    paths: Sequence[str | Path],
    plan: Plan,
    *,
    progress: ProgressListener | None,
    watch: DiskWatch | None,
    keep_within: Callable[[MemoryBudget], None],
) -> Coordinator:
    """Make the shards of a task, or what is left to do of them; nothing becomes visible.

    Raises UsageError where the source is a stream, or another process is at this task.
    """
    task = plan.options.workers.task
    assert task is not None
    _check(plan)
    request = request_for(paths, plan.options, task.n_tasks)
    check_same(plan.store, request)
    folder = task_folder(plan, task)
    with disk_errors(plan.store):
        folder.open()
    try:
        with disk_errors(plan.store):
            declare(plan.store, request)
        current = identity(plan)
        start = start_after(plan, task)
        state = find_resume_state(folder.place, current, plan.keep, force=False)
        if state is not None:
            plan = plan_as_begun(plan, state.table_bytes)
            state = state if _begins_at(state, start) else None
        keep_within(plan.memory)
        own = shards_of(task, plan.shards.count)
        conversion = Coordinator(plan, progress, watch, shards=own, start=start)
        with clean_up(conversion, folder):
            if state is None:
                folder.begin(current)
            else:
                conversion.restore(folder, state)
            _make_shards(conversion, folder)
            folder.journal.flush()
    finally:
        folder.close()
    return conversion


def _make_shards(conversion: Coordinator, folder: OutputFolder) -> None:
    with conversion.engine() as engine, conversion.writing_into(folder):
        conversion.convert(engine)
        settled = read_types(folder.store)
        if settled is not None:
            conversion.ledger.settled = settled.columns
            reconcile_part(conversion, engine, folder)
    conversion.end()


def task_folder(plan: Plan, task: TaskNumber) -> OutputFolder:
    """The output, as a task may write into it."""
    own = shards_of(task, plan.shards.count)
    parts = range(own.start * plan.parts.per_shard, own.stop * plan.parts.per_shard)
    return OutputFolder(plan.store, place=task_store(plan.store, task), parts=parts)


def with_usual_tables(plan: Plan) -> Plan:
    """The plan with tables that do not depend on the memory of this machine.

    Those of a limit that was given follow from it alone. Raises BudgetError where there is too
    little memory for them.
    """
    options = plan.options
    if options.memory_limit is not None:
        return plan
    return replace(plan, memory=budget_of(plan, (None,)), table_bytes=None)


def start_after(plan: Plan, task: TaskNumber) -> int | None:
    """Where the first record of a task starts, which the task before knows if it is done."""
    own = shards_of(task, plan.shards.count)
    if task.number == 1 or not own:
        return None
    before = TaskNumber(task.number - 1, task.n_tasks)
    while before.number > 1 and not shards_of(before, plan.shards.count):
        before = TaskNumber(before.number - 1, before.n_tasks)
    state = read_task(plan, before)
    last = plan.parts.of_shard(own.start - 1)[0]
    found = [] if state is None else [one for one in state.results if one.index == last]
    return found[-1].stops[-1] if found and found[-1].stops else None


def read_task(plan: Plan, task: TaskNumber) -> ResumeState | None:
    """What a task of this conversion has done so far."""
    try:
        return find_resume_state(
            task_store(plan.store, task), identity(plan), plan.keep, force=False
        )
    except UsageError as error:
        raise UsageError(
            f"task {task} is of another conversion: {error.message}",
            hint=f"rm -r {task_store(plan.store, task)} makes the task begin anew",
        ) from error


def _begins_at(state: ResumeState, start: int | None) -> bool:
    """Whether what is done began where the first record really starts, as far as is known."""
    if start is None or not state.results or not state.results[0].starts:
        return True
    return state.results[0].starts[0] == start


def _check(plan: Plan) -> None:
    if not isinstance(plan.shards.partition, FileRanges):
        raise UsageError(
            f"--task: {plan.source.stem} can only be read from its start, as one stream, and is "
            "not divided among tasks",
            hint="one task for each file, with -o OTHER; or decompress it first",
        )


def request_for(paths: Sequence[str | Path], options: ConvertOptions, n_tasks: int) -> Request:
    given = {
        one.argument: _plain(value)
        for one, value in given_options(options)
        if one.argument not in _NOT_OF_THE_REQUEST
    }
    return Request(n_tasks=n_tasks, sources=tuple(map(str, paths)), options=given)


def _plain(value: Any) -> Any:
    """The value of an option as JSON; a path or URL is its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return str(value)
