"""The folder of a conversion, and the one way a dataset becomes visible in it.

A commit is written into the journal before its first rename, so that any later run can finish it:
what it needs is on the disk by then, and every step of it may be done twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec.structs import replace

from bigdata_cli.checksum import is_stored_name
from bigdata_cli.conversion.journal import JOURNAL_NAME, Identity, Journal, Written, read_marks
from bigdata_cli.conversion.task_files import (
    discard_tasks,
    is_task_folder,
    lock_tasks,
    part_of,
    read_request,
)
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import encode_manifest, read_manifest
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.lock import LOCK_NAME
from bigdata_cli.io.manifest_names import (
    JSON_MANIFEST,
    find_manifest,
    is_manifest_name,
    manifest_among,
)
from bigdata_cli.io.store import PARTIAL_SUFFIX, Store, StoredFile, partial_name
from bigdata_cli.strict_json import convert

INNER_NAME = "_scattered"
"""The store, within that of the dataset, where rows are kept until they are in another order."""
_REPLACED_NAME = "_replaced.json"
"""What the manifest of a dataset is called while its files are removed."""


def check_output(store: Store, *, force: bool, repair: bool = False, is_task: bool = False) -> None:
    """Raise UsageError where writing into the store could harm what is there.

    A store that does not exist, is empty, or holds nothing but what a conversion left unfinished
    is free. One that bears a manifest is replaced with `force` and mended with `repair`; any other
    is never touched. is_task: what is there may be of other tasks of the same conversion.
    """
    try:
        names = store.names()
    except NotADirectoryError as error:
        raise UsageError(f"{store} is a file", hint="-o OTHER names another folder") from error
    written = read_marks(store)
    if written is not None and written.first("commit") is not None:
        return  # it is finished before anything else, and what it makes is looked at again
    if not is_task and not force and read_request(store) is not None:
        raise UsageError(
            f"{store} holds the tasks of a job array",
            hint=f"bigdata commit {store} makes the dataset of them; --force starts over",
        )
    if force and not is_task:
        with lock_tasks(store):
            pass  # none of them is running, which lose what they have
    if is_task and written is not None and read_request(store) is None:
        raise UsageError(
            f"{store} holds an unfinished conversion without tasks",
            hint="the same command without --task goes on with it; -o OTHER",
        )
    if manifest_among(names):
        _check_replaced(store, force=force, repair=repair)
        return
    if repair:
        raise UsageError(
            f"--repair: {store} holds no dataset", hint="leave out --repair to make one"
        )
    if written is None:
        left = (JOURNAL_NAME, LOCK_NAME, INNER_NAME)
        names = [name for name in names if not is_task_folder(name)]
        if any(name not in left and not name.endswith(PARTIAL_SUFFIX) for name in names):
            raise UsageError(
                f"{store} exists, is not empty, and is not a dataset of ours",
                hint="-o OTHER names another folder; --force replaces datasets only",
            )


def _check_replaced(store: Store, *, force: bool, repair: bool) -> None:
    """Raise UsageError where the dataset in a store is not to be written into."""
    if not force and not repair:
        raise UsageError(
            f"{store} already holds a dataset",
            hint="--force replaces it, --repair mends its damaged shards, or -o OTHER",
        )
    try:
        read_manifest(store)
    except DataError as error:
        raise UsageError(
            f"{store} is not {'mended' if repair else 'replaced'}: {error.message}",
            hint="remove it yourself, or -o OTHER",
        ) from error


class _CommitMark(msgspec.Struct, frozen=True, kw_only=True):
    """The line of a commit in the journal: the SHA-256 of its manifest, and its renames.

    manifest_name: what its file will be called; earlier versions did not write it. replaced: the
    SHA-256 of the manifest of the dataset that goes; "" where there is none, None where an earlier
    version did not write it.
    """

    manifest: str
    manifest_name: str = JSON_MANIFEST
    renames: tuple[tuple[str, str], ...]
    replaced: str | None = None

    def __post_init__(self) -> None:
        if not is_manifest_name(self.manifest_name):
            raise ValueError(f"{self.manifest_name!r} is not the name of a manifest")
        for name in (name for pair in self.renames for name in pair):
            if not is_stored_name(name) or is_manifest_name(name):
                raise ValueError(f"{name!r} is not the name of a file of a dataset")


class OutputFolder:
    """The store of a conversion: locked, with a journal; `close` ends it.

    parts: the parts of shards that it may remove; None for all files that are not visible yet.
    place: where journal and lock are, if not in the store itself.

    finished: the identity of a conversion whose commit was interrupted, and that `open` has
    finished.
    """

    def __init__(
        self, store: Store, *, place: Store | None = None, parts: range | None = None
    ) -> None:
        self.store = store
        self.place = place or store
        self.journal = Journal(self.place)
        self.finished: Identity | None = None
        self._parts = parts
        self._lock = self.place.lock()
        self._made = 0
        self._replaced = ""
        """The SHA-256 of the manifest that was there when the lock was taken."""
        self._is_committing = False

    def open(self) -> None:
        """Make the store where it is missing, lock it, and finish a commit that was interrupted.

        Raises UsageError where it cannot be written, or where another conversion is at it.
        """
        try:
            self._made = self.place.make()
            self._lock.acquire()
            written = read_marks(self.place)
            mark = None if written is None else written.first("commit")
            if written is not None and mark is not None:
                self._finish(convert(mark, _CommitMark))
                self.finished = written.identity()
            self._replaced = self._digest_there() or ""
        except OSError as error:
            self.close()
            raise UsageError(f"{self.store} cannot be written: {error.strerror}") from error
        except ValueError as error:
            self.close()
            raise UsageError(
                f"{self.store.where(JOURNAL_NAME)} is not what a conversion wrote: {error}",
                hint="remove the folder yourself, or -o OTHER",
            ) from error
        except BaseException:
            self.close()
            raise

    def begin(self, header: Identity) -> None:
        """Start from nothing: what an unfinished conversion left is removed."""
        before = read_marks(self.place)
        if before is not None:
            self._remember_made(before)
        self.journal.remove()
        if self._parts is None:
            discard_tasks(self.store)
        self.discard_partial(can_go_on=True)  # what was sent may be the same
        self.journal.start(replace(header, made=self._made))

    def go_on(self, written: Written, keep: Collection[str]) -> None:
        """Go on from what a journal holds; keep: the files of finished shards.

        What was sent of others is used.
        """
        self.discard_partial(set(map(partial_name, keep)), can_go_on=True)
        self._remember_made(written)
        self.journal.resume(written)

    def _remember_made(self, written: Written) -> None:
        """The folders that an interrupted run made are gone where this one leaves nothing."""
        before = written.identity()
        self._made = 0 if before is None else before.made

    def discard_partial(self, keep: Collection[str] = (), *, can_go_on: bool = False) -> None:
        """Remove all files that are not visible yet, but for those of these names.

        can_go_on: the same command goes on, and so uses what was sent of files that have no name.
        """
        partial = [name for name in self.store.names() if name.endswith(PARTIAL_SUFFIX)]
        if self._parts is not None:
            partial = [name for name in partial if part_of(name) in self._parts]
        self.store.remove(name for name in partial if name not in keep)
        if not can_go_on:
            self.store.discard_unfinished()

    def discard_inner(self) -> None:
        """Remove the inner store, where there is one."""
        inner = self.store.inside(INNER_NAME)
        names = inner.names()
        if names:
            own = (JOURNAL_NAME, LOCK_NAME)
            inner.remove(n for n in names if n in own or n.endswith(PARTIAL_SUFFIX))
        inner.unmake(1)

    def discard(self, names: Iterable[str]) -> None:
        """Remove files that are not visible yet, those that there are."""
        self.store.remove(map(partial_name, names))

    def abandon(self, *, keep: Collection[str]) -> bool:
        """End a conversion that failed; keep: the files of finished shards, and so the journal.

        Where there are none, nothing of it is left. Returns whether the same command can go on:
        always once the commit has begun.
        """
        if keep and not self._is_committing:  # first, as the journal may need the room
            self.discard_partial(set(map(partial_name, keep)), can_go_on=True)
        self.journal.close()
        if keep or self._is_committing:
            return True
        self.journal.remove()
        self.discard_partial()
        self.close()
        self.place.unmake(self._made)
        return False

    def close(self) -> None:
        """Give the store back; safe to call twice."""
        self.journal.close()
        self._lock.release()

    def commit(
        self, manifest: Manifest, sidecars: Mapping[str, str], renames: Mapping[str, str]
    ) -> None:
        """Make the dataset visible, in place of the one that was there.

        renames: per file, by what name it was written (under its partial name), and its own.
        """
        name, data = encode_manifest(manifest)
        self._write_partial({**_encoded(sidecars), name: data})
        extra = {file.name: file.name for file in manifest.sidecars}
        mark = _CommitMark(
            manifest=hashlib.sha256(data).hexdigest(),
            manifest_name=name,
            renames=tuple({**renames, **extra}.items()),
            replaced=self._replaced,
        )
        # From here on nothing is removed: the line may be on the disk although writing it failed.
        self._is_committing = True
        self.journal.append("commit", lambda: mark)
        self.journal.flush()
        self._finish(mark)
        self._is_committing = False

    def holds(self, name: str, text: str) -> bool:
        """Whether a file of the dataset has that content."""
        try:
            with self.store.open(name) as file:
                return file.read() == text.encode()
        except OSError:
            return False

    def replace_manifest(self, manifest: Manifest, sidecars: Mapping[str, str]) -> None:
        """Put another manifest in the place of the one that is there; its shards are in place."""
        name, data = encode_manifest(manifest, find_manifest(self.store))
        files = {**_encoded(sidecars), name: data}
        self._write_partial(files)
        self.store.rename({partial_name(name): name for name in files})

    def _write_partial(self, files: Mapping[str, bytes]) -> None:
        """Write files under their partial names; they are on the disk then."""
        names = {partial_name(name): data for name, data in files.items()}
        for name, data in names.items():
            self.store.put(name, data)
        self.store.sync(names)
        self.store.sync()

    def _finish(self, mark: _CommitMark) -> None:
        """All of a commit that follows its line in the journal."""
        partial = partial_name(mark.manifest_name)
        names = set(self.store.names())
        if partial in names or not self._has_digest(mark.manifest_name, mark.manifest):
            renames = {partial_name(old): new for old, new in mark.renames}
            missing = [new for old, new in renames.items() if not names & {old, new}]
            if not self._has_digest(partial, mark.manifest):
                missing.append(partial)
            if missing:
                raise UsageError(
                    f"{self.store} holds a dataset that was interrupted when it was nearly "
                    f"finished, and {missing[0]} is not there any more",
                    hint="remove the folder yourself, or -o OTHER",
                )
            self._check_alone(mark)
            self._remove_replaced()
            self.store.rename(renames)
            if not self.store.publish(partial, mark.manifest_name):
                raise self._other_writer()
        discard_tasks(self.store)
        self.discard_partial()
        self.discard_inner()
        self.journal.remove()

    def _check_alone(self, mark: _CommitMark) -> None:
        """Raise UsageError where another conversion is at it, or has made a dataset meanwhile."""
        self._lock.confirm()
        there = self._digest_there()
        if mark.replaced is not None and there not in (None, mark.replaced):
            raise self._other_writer()

    def _other_writer(self) -> UsageError:
        return UsageError(
            f"another conversion has made a dataset in {self.store} meanwhile",
            hint="-o OTHER, or --force to replace it",
        )

    def _has_digest(self, name: str, sha256: str) -> bool:
        return self._digest(name) == sha256

    def _digest_there(self) -> str | None:
        """The SHA-256 of the manifest that is there."""
        name = find_manifest(self.store)
        return None if name is None else self._digest(name)

    def _digest(self, name: str) -> str | None:
        try:
            with self.store.open(name) as file:
                return hashlib.sha256(file.read()).hexdigest()
        except FileNotFoundError:
            return None

    def _remove_replaced(self) -> None:
        """Remove the dataset that is replaced, all of it before the first file of the new one.

        Until its files are gone, its manifest tells which they are.
        """
        while True:
            if not StoredFile(self.store, _REPLACED_NAME).exists():
                name = find_manifest(self.store)
                if name is None:
                    return
                self.store.rename({name: _REPLACED_NAME})
            self._remove_files_of_replaced()

    def _remove_files_of_replaced(self) -> None:
        self.store.remove(file_names(read_manifest(self.store, _REPLACED_NAME)))
        self.store.sync()
        self.store.remove([_REPLACED_NAME])
        self.store.sync()


def _encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in texts.items()}


def file_names(manifest: Manifest) -> list[str]:
    """All files of a dataset but its manifest."""
    names = [name for shard in manifest.shards for name in shard.file_names]
    return [*names, *(file.name for file in manifest.sidecars)]
