"""The files of a job array: tasks write into one output, each with a journal and lock of its own.

OUT/_trips-00003-of-00064.parquet.partial   shards, under partial names, as any conversion's
OUT/_tasks.json.partial                     the request, the same from every task
OUT/_types.json.partial                     the types that all rows ask for; written by a commit
OUT/_task-00003-of-00016/                   the journal and the lock of a task
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from uuid import uuid4

import msgspec

from bigdata_cli.conversion.journal import JOURNAL_NAME
from bigdata_cli.engines.options import TaskNumber
from bigdata_cli.errors import UsageError
from bigdata_cli.io.lock import LOCK_NAME
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.strict_json import Count, JsonError, decode
from bigdata_cli.types.state import ColumnState

TASKS_NAME, TYPES_NAME = "_tasks.json", "_types.json"
_INDEX = re.compile(r"-(\d{5,})(?:-of-\d{5,})?(?:\.[a-z0-9]+)?\.partial$")
_FOLDER = re.compile(r"_task-\d{5}-of-\d{5}")
_MAX_BYTES = 1 << 30
_ATTEMPTS, _SECONDS_BETWEEN = 20, 0.05


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What all tasks were asked for, but for their numbers.

    n_tasks: how many there are. options: those that were given, by their names in Python.
    """

    n_tasks: Count
    sources: tuple[str, ...]
    options: dict[str, Any]


class SettledTypes(msgspec.Struct, frozen=True, kw_only=True):
    """The columns as all rows ask for them, which shards are written again for."""

    columns: tuple[ColumnState, ...]


def folder_name(task: TaskNumber) -> str:
    """Of the folder of a task, in the output."""
    return f"_task-{task.number:05d}-of-{task.n_tasks:05d}"


def task_store(store: Store, task: TaskNumber) -> Store:
    """Where the journal and the lock of a task are."""
    return store.inside(folder_name(task))


def is_task_folder(name: str) -> bool:
    """Whether a name in an output is that of a task's own folder.

    >>> is_task_folder("_task-00003-of-00016"), is_task_folder("_task")
    (True, False)
    """
    return _FOLDER.fullmatch(name) is not None


def shards_of(task: TaskNumber, n_shards: int) -> range:
    """The shards that a task makes: as many as any other, one after the other.

    >>> [shards_of(TaskNumber(number, 3), 8) for number in (1, 2, 3)]
    [range(0, 2), range(2, 5), range(5, 8)]
    """
    start, stop = ((task.number - back) * n_shards // task.n_tasks for back in (1, 0))
    return range(start, stop)


def task_of(shard: int, n_shards: int, n_tasks: int) -> TaskNumber:
    """The task that makes a shard.

    >>> [task_of(shard, 8, 3).number for shard in range(8)]
    [1, 1, 2, 2, 2, 3, 3, 3]
    """
    return TaskNumber(((shard + 1) * n_tasks - 1) // n_shards + 1, n_tasks)


def part_of(name: str) -> int | None:
    """The part of a shard that a file with a partial name is of; None for any other file.

    >>> part_of("_a.x-00003-of-00008.npy.partial"), part_of("_rejects-00012.csv.partial")
    (3, 12)
    """
    found = _INDEX.search(name)
    return None if found is None else int(found[1])


def read_request(store: Store) -> Request | None:
    """What the tasks in a store were asked for; None where there are none.

    Raises UsageError where that is damaged.
    """
    return _read(store, TASKS_NAME, Request)


def read_types(store: Store) -> SettledTypes | None:
    """What a commit has settled; None where no shard need be written again."""
    return _read(store, TYPES_NAME, SettledTypes)


def declare(store: Store, request: Request) -> None:
    """Have a store hold the tasks of a request."""
    if read_request(store) is None:
        _put(store, TASKS_NAME, request)


def check_same(store: Store, request: Request) -> None:
    """Raise UsageError where a store holds the tasks of another request."""
    before = read_request(store)
    if before is None or before == request:
        return
    changed = [
        f"{name.replace('_', ' ')} {_shown(old)}, and this has {_shown(new)}"
        for name, old, new in _differences(before, request)
    ]
    raise UsageError(
        f"{store} holds tasks of another request: {'; '.join(changed)}",
        hint="-o OTHER, or remove the folder where its tasks are not wanted",
    )


def settle(store: Store, columns: tuple[ColumnState, ...]) -> None:
    """Say which types all shards are to have."""
    _put(store, TYPES_NAME, SettledTypes(columns=columns))


def all_tasks(store: Store) -> list[TaskNumber]:
    """The tasks that a store is of; none where it is of no job array."""
    request = read_request(store)
    n_tasks = 0 if request is None else request.n_tasks
    return [TaskNumber(number, n_tasks) for number in range(1, n_tasks + 1)]


@contextmanager
def lock_tasks(store: Store) -> Iterator[None]:
    """Hold the locks of all tasks; raises UsageError where one of them is running."""
    with ExitStack() as locks:
        for task in all_tasks(store):
            inner = task_store(store, task)
            n_made = inner.make()
            lock = inner.lock()
            try:
                lock.acquire()
            except UsageError as error:
                raise UsageError(
                    f"task {task} is still running: {error.message}", hint="wait for it"
                ) from error
            locks.callback(inner.unmake, n_made)
            locks.callback(lock.release)
        yield


def discard_tasks(store: Store) -> None:
    """Remove the folders of all tasks; their shards have partial names."""
    for task in all_tasks(store):
        inner = task_store(store, task)
        inner.remove([JOURNAL_NAME, LOCK_NAME])
        inner.unmake(1)


def _differences(before: Request, now: Request) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = [
        ("tasks", before.n_tasks, now.n_tasks),
        ("sources", before.sources, now.sources),
    ]
    names = sorted({*before.options, *now.options})
    pairs += [(name, before.options.get(name), now.options.get(name)) for name in names]
    return [(name, old, new) for name, old, new in pairs if old != new]


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={one}" for key, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _put(store: Store, name: str, record: msgspec.Struct) -> None:
    """Write a record under a name of its own first: no one reads half of it."""
    own = partial_name(f"{name}.{uuid4().hex}")
    try:
        store.put(own, msgspec.json.encode(record))
        store.sync([own])
        store.rename({own: partial_name(name)})
    except OSError:
        with suppress(OSError):
            store.remove([own])
        raise


def _read(store: Store, name: str, record: type[Any]) -> Any:
    """A record; None where there is none. Another process may be writing it at this moment."""
    error: JsonError | None = None
    for _ in range(_ATTEMPTS):
        try:
            if store.stat(partial_name(name)).bytes <= _MAX_BYTES:
                with store.open(partial_name(name)) as file:
                    return decode(file.read(), record)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except JsonError as found:
            error = found
        time.sleep(_SECONDS_BETWEEN)
    raise UsageError(
        f"{store.where(partial_name(name))} is not what a task wrote: {error}",
        hint="remove the folder yourself, or -o OTHER",
    )
