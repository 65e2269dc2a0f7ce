"""The tasks of a job array made one dataset: their results are joined, checked, and published.

What has to be done again, as types turned out otherwise or files are gone, is named by tasks: they
do it, and the next commit goes on. A commit reads no rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.commit_options import CommitOptions
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.disk_errors import disk_errors
from bigdata_cli.conversion.finish import publish
from bigdata_cli.conversion.identity import identity
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import Plan, make_plan, plan_as_begun
from bigdata_cli.conversion.progress import ProgressListener
from bigdata_cli.conversion.report import ConvertReport, build_report
from bigdata_cli.conversion.resume import ResumeState, files_of
from bigdata_cli.conversion.run import run
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.task import read_task, with_usual_tables
from bigdata_cli.conversion.task_files import (
    Request,
    all_tasks,
    lock_tasks,
    read_request,
    settle,
    shards_of,
    task_of,
)
from bigdata_cli.conversion.workers import has_size
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.engines.options import TaskNumber
from bigdata_cli.errors import EngineError, UsageError
from bigdata_cli.io.manifest_names import find_manifest
from bigdata_cli.io.store import partial_name
from bigdata_cli.io.stores import open_store
from bigdata_cli.options import request_of
from bigdata_cli.resources.stages import report_decision
from bigdata_cli.url import Place

_MAX_ROUNDS = 12
_SHOWN_TASKS = 20


def commit(
    output: Place, options: CommitOptions, *, progress: ProgressListener | None = None, **sizes: Any
) -> ConvertReport:
    """Make the dataset of all tasks visible.

    sizes: unit_bytes and sample_bytes, as `run` has them.

    Raises:
        UsageError: There are no tasks in the output, or one is still running.
        EngineError: Tasks are not done, or have to do shards again; its message names them.
    """
    started = time.monotonic()
    store = open_store(output)
    request = read_request(store)
    if request is None:
        is_there = find_manifest(store) is not None
        raise UsageError(
            f"{output} holds {'a dataset, and ' if is_there else ''}no tasks of a job array",
            hint="bigdata convert … -o FOLDER --task K/N makes them",
        )
    asked = _asked(request, output, options)
    for _ in range(_MAX_ROUNDS):
        with disk_errors(store):
            left = _Commit(request, asked, started, sizes).attempt()
        if isinstance(left, ConvertReport):
            return left
        if not options.here:
            raise left.error(output, request)
        for number in left.tasks:
            task = TaskNumber(number, request.n_tasks)
            workers = replace(asked.workers, task=task)
            run(request.sources, replace(asked, workers=workers), progress=progress, **sizes)
    raise AssertionError("tasks that were done again are not right")


def _asked(request: Request, output: Place, options: CommitOptions) -> ConvertOptions:
    """The options of the tasks, with what is of this process."""
    own = {"output": output, "jobs": options.jobs, "memory_limit": options.memory_limit}
    return request_of(ConvertOptions, {**request.options, **own})


@dataclass(frozen=True)
class _Left:
    """What keeps a dataset from being made: which tasks, and why."""

    tasks: Sequence[int]
    why: str

    def error(self, output: Place, request: Request) -> EngineError:
        shown = ", ".join(map(str, self.tasks[:_SHOWN_TASKS]))
        more = len(self.tasks) - _SHOWN_TASKS
        shown += f" and {more:,} more" if more > 0 else ""
        noun = "task" if len(self.tasks) == 1 else "tasks"
        return EngineError(
            f"{output}: {noun} {shown} of {request.n_tasks} {self.why}",
            hint=f"the same command with --task {self.tasks[0]}/{request.n_tasks}, then "
            f"bigdata commit {output}; bigdata commit {output} --here does all of it",
        )


class _Commit:
    """One look at all tasks, and the commit where nothing is left to do."""

    def __init__(
        self, request: Request, options: ConvertOptions, started: float, sizes: Mapping[str, Any]
    ) -> None:
        self._request = request
        self._started = started
        first = replace(options.workers, task=TaskNumber(1, request.n_tasks))
        plan = make_plan(request.sources, replace(options, workers=first), **sizes)
        self._plan = replace(with_usual_tables(plan), options=options)

    def attempt(self) -> ConvertReport | _Left:
        folder = OutputFolder(self._plan.store)
        with ExitStack() as locks:
            folder.open()
            locks.callback(folder.close)
            if folder.finished is not None:
                return self._report(folder)
            locks.enter_context(lock_tasks(self._plan.store))
            return self._joined(folder)

    def _joined(self, folder: OutputFolder) -> ConvertReport | _Left:
        """The results of all tasks in one ledger; what is wrong with them, or the commit."""
        plan = self._plan
        states = {task: read_task(plan, task) for task in all_tasks(plan.store)}
        report_decision(f"tasks: {len(states):,}, {plan.shards.count:,} shards")
        missing = [task.number for task, state in states.items() if not _is_done(plan, task, state)]
        if missing:
            return _Left(missing, "are not done" if len(missing) > 1 else "is not done")
        known = [state for state in states.values() if state is not None]
        sizes = {state.table_bytes for state in known}
        if len(sizes) > 1:
            raise UsageError(
                f"{plan.output}: tasks were run with different memory, and wrote other tables",
                hint="remove the folder, and give all tasks the same --memory-limit",
            )
        for size in sizes:
            plan = self._plan = plan_as_begun(plan, size)
        conversion = Coordinator(plan)
        for state in known:
            conversion.ledger.restore(state.results)
        left = self._left(conversion)
        if left is not None:
            return left
        conversion.check_rows()
        conversion.check_rejected()
        conversion.end()
        folder.journal.start(identity(plan))
        publish(conversion, folder, None)
        return self._report(folder, conversion)

    def _left(self, conversion: Coordinator) -> _Left | None:
        """What tasks have to do again."""
        plan, ledger = self._plan, conversion.ledger
        moved = [shard for shard in range(plan.shards.count) if not ledger.starts_right(shard)]
        if moved:
            return self._again(moved, "began at a wrong record")
        gone = [index for index, result in ledger.results.items() if not _is_there(plan, result)]
        for index in gone:
            result = ledger.results[index]
            ledger.results[index] = replace(
                result, unusable=True, files=(), rest=None, rejects=None
            )
        columns = ledger.final_columns()
        schema = conversion.specs.schema(columns)
        changes = ledger.changes(schema, plan.form, plan.storage)
        if not changes:
            plan.form.check(schema, plan.storage)
            return None
        settle(plan.store, columns)
        why = "lost files" if gone else "made shards with other types than all rows ask for"
        return self._again(map(plan.parts.shard, changes), why)

    def _again(self, shards: Iterable[int], why: str) -> _Left:
        count, n_tasks = self._plan.shards.count, self._request.n_tasks
        tasks = sorted({task_of(shard, count, n_tasks).number for shard in shards})
        return _Left(tasks, f"{why}, and must do them again")

    def _report(self, folder: OutputFolder, conversion: Coordinator | None = None) -> ConvertReport:
        return build_report(
            self._plan,
            read_manifest(folder.store),
            seconds=time.monotonic() - self._started,
            n_resumed=0,
            tally=None if conversion is None else conversion.ledger.tally,
        )


def _is_done(plan: Plan, task: TaskNumber, state: ResumeState | None) -> bool:
    own = shards_of(task, plan.shards.count)
    wanted = {part for shard in own for part in plan.parts.of_shard(shard)}
    return not wanted or (state is not None and wanted <= {one.index for one in state.results})


def _is_there(plan: Plan, result: ShardResult) -> bool:
    files = files_of(result)
    return all(has_size(plan.store, partial_name(file.name), file.bytes) for file in files)
