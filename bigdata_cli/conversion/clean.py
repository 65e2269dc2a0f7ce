"""`clean`: what conversions that do not go on have left beside a dataset, or in place of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigdata_cli.conversion.commit import INNER_NAME, OutputFolder
from bigdata_cli.conversion.journal import JOURNAL_NAME, read_marks
from bigdata_cli.conversion.task_files import (
    all_tasks,
    discard_tasks,
    folder_name,
    lock_tasks,
    task_store,
)
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.manifest_names import MANIFEST_NAMES
from bigdata_cli.io.store import PARTIAL_SUFFIX, Store
from bigdata_cli.io.stores import open_store
from bigdata_cli.url import Place, as_place


@dataclass(frozen=True, kw_only=True)
class CleanReport:
    """What was removed.

    Attributes:
        path: The place that was cleaned.
        files: The names of files that no dataset has: partial ones, and the journal.
        bytes: Of these files.
        uploads: Uploads that were begun there, and that nobody finished.
        finished: Whether a commit that was interrupted has been finished: a dataset is there now.
        is_dry_run: Whether nothing was removed.
    """

    path: Place
    files: tuple[str, ...]
    bytes: int
    uploads: int
    finished: bool
    is_dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**vars(self), "path": str(self.path), "files": list(self.files)}


def run(path: str | Path, *, dry_run: bool = False) -> CleanReport:
    """Remove what abandoned conversions left; nothing that a dataset has, or that is not ours.

    dry_run: nothing is removed.

    Raises UsageError where there is nothing of ours, or where a conversion is at work there, and
    DataError where the disk fails.
    """
    place = as_place(path)
    store = open_store(place)
    try:
        names = store.names()
    except NotADirectoryError as error:
        raise UsageError(f"{store} is a file", hint="bigdata clean names a folder") from error
    except OSError as error:
        raise UsageError(f"{store} cannot be read: {error.strerror}") from error
    _check_ours(store, names)
    if dry_run:
        files = _left(store)
        return _report(place, store, files, n_bytes=_bytes_of(store, files), is_dry_run=True)
    try:
        return _cleaned(place, store)
    except OSError as error:
        raise DataError(
            f"{store}: not all could be removed: {error}", hint="the same command goes on"
        ) from error


def _cleaned(place: Place, store: Store) -> CleanReport:
    folder = OutputFolder(store)
    folder.open()  # which finishes a commit that was interrupted
    try:
        with lock_tasks(store):
            pass  # none of them is running
        files = _left(store)
        n_bytes = _bytes_of(store, files)
        n_uploads = store.n_unfinished()
        folder.journal.remove()
        discard_tasks(store)
        folder.discard_partial()
        folder.discard_inner()
    finally:
        folder.close()
    finished = folder.finished is not None
    return _report(place, store, files, n_bytes=n_bytes, n_uploads=n_uploads, finished=finished)


def _check_ours(store: Store, names: list[str]) -> None:
    """Raise UsageError where nothing says that the place is one of ours."""
    ours = (*MANIFEST_NAMES, JOURNAL_NAME, INNER_NAME)
    is_ours = any(name in ours or name.endswith(PARTIAL_SUFFIX) for name in names)
    if not is_ours and not store.n_unfinished():
        raise UsageError(
            f"{store} holds nothing that a conversion wrote",
            hint="name what a conversion wrote into",
        )


def _left(store: Store) -> tuple[str, ...]:
    """What is there of conversions that have not ended."""
    names = [name for name in store.names() if name.endswith(PARTIAL_SUFFIX)]
    if read_marks(store) is not None or JOURNAL_NAME in store.names():
        names.append(JOURNAL_NAME)
    inner = store.inside(INNER_NAME)
    own = [name for name in inner.names() if name == JOURNAL_NAME or name.endswith(PARTIAL_SUFFIX)]
    of_tasks = [
        f"{folder_name(task)}/{JOURNAL_NAME}"
        for task in all_tasks(store)
        if JOURNAL_NAME in task_store(store, task).names()
    ]
    return (*sorted(names), *(f"{INNER_NAME}/{name}" for name in sorted(own)), *of_tasks)


def _bytes_of(store: Store, files: tuple[str, ...]) -> int:
    total = 0
    for file in files:
        folder, _, name = file.rpartition("/")
        total += (store.inside(folder) if folder else store).stat(name).bytes
    return total


def _report(
    place: Place,
    store: Store,
    files: tuple[str, ...],
    *,
    n_bytes: int,
    n_uploads: int | None = None,
    finished: bool = False,
    is_dry_run: bool = False,
) -> CleanReport:
    return CleanReport(
        path=place,
        files=files,
        bytes=n_bytes,
        uploads=store.n_unfinished() if n_uploads is None else n_uploads,
        finished=finished,
        is_dry_run=is_dry_run,
    )
