"""The folder of a conversion, and the one way a dataset becomes visible in it.

A commit is written into the journal before its first rename, so that any later run can finish it:
what it needs is on the disk by then, and every step of it may be done twice.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from bigdata_cli.checksum import is_file_name
from bigdata_cli.conversion.journal import JOURNAL_NAME, Identity, Journal, Written, read_journal
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import manifest_text, read_manifest
from bigdata_cli.errors import BudgetError, DataError, UsageError
from bigdata_cli.formats.base import PARTIAL_SUFFIX, partial_path
from bigdata_cli.io.lock import LOCK_NAME, FolderLock
from bigdata_cli.io.paths import MANIFEST_NAME
from bigdata_cli.io.whole_file import sync_path
from bigdata_cli.strict_json import convert

_REPLACED_NAME = "_replaced.json"
"""What the manifest of a dataset is called while its files are removed."""


def check_output(folder: Path, *, force: bool, repair: bool = False) -> None:
    """Raise UsageError where writing into the folder could harm what is there.

    A folder that does not exist, is empty, or holds nothing but what a conversion left unfinished
    is free. One that bears a manifest is replaced with `force` and mended with `repair`; any other
    is never touched.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="-o OTHER names another folder")
    written = read_journal(folder)
    if written is not None and written.first("commit") is not None:
        return  # it is finished before anything else, and what it makes is looked at again
    if (folder / MANIFEST_NAME).exists():
        _check_replaced(folder, force=force, repair=repair)
        return
    if repair:
        raise UsageError(
            f"--repair: {folder} holds no dataset", hint="leave out --repair to make one"
        )
    if written is None and folder.exists():
        left = (JOURNAL_NAME, LOCK_NAME)
        if any(p.name not in left and p.suffix != PARTIAL_SUFFIX for p in folder.iterdir()):
            raise UsageError(
                f"{folder} exists, is not empty, and is not a dataset of ours",
                hint="-o OTHER names another folder; --force replaces datasets only",
            )


def _check_replaced(folder: Path, *, force: bool, repair: bool) -> None:
    """Raise UsageError where the dataset in a folder is not to be written into."""
    if not force and not repair:
        raise UsageError(
            f"{folder} already holds a dataset",
            hint="--force replaces it, --repair mends its damaged shards, or -o OTHER",
        )
    try:
        read_manifest(folder)
    except DataError as error:
        raise UsageError(
            f"{folder} is not {'mended' if repair else 'replaced'}: {error.message}",
            hint="remove it yourself, or -o OTHER",
        ) from error


class _CommitMark(msgspec.Struct, frozen=True, kw_only=True):
    """The line of a commit in the journal: the SHA-256 of its manifest, and its renames."""

    manifest: str
    renames: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        for name in (name for pair in self.renames for name in pair):
            if not is_file_name(name) or name == MANIFEST_NAME:
                raise ValueError(f"{name!r} is not the name of a file of a dataset")


class OutputFolder:
    """The folder of a conversion: locked, with a journal; `close` ends it.

    finished: the identity of a conversion whose commit was interrupted, and that `open` has
    finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path)
        self.finished: Identity | None = None
        self._lock = FolderLock(path)
        self._created: list[Path] = []
        self._is_committing = False

    def open(self) -> None:
        """Make the folder where it is missing, lock it, and finish a commit that was interrupted.

        Raises UsageError where it cannot be written, or where another conversion is at it.
        """
        missing = self.path
        while not missing.exists():
            self._created.append(missing)
            missing = missing.parent
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            written = read_journal(self.path)
            mark = None if written is None else written.first("commit")
            if written is not None and mark is not None:
                self._finish(convert(mark, _CommitMark))
                self.finished = written.identity()
        except OSError as error:
            self.close()
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from error
        except ValueError as error:
            self.close()
            raise UsageError(
                f"{self.path / JOURNAL_NAME} is not what a conversion wrote: {error}",
                hint="remove the folder yourself, or -o OTHER",
            ) from error
        except BaseException:
            self.close()
            raise

    def begin(self, header: Identity) -> None:
        """Start from nothing: what an unfinished conversion left is removed."""
        before = read_journal(self.path)
        if before is not None:
            self._remember_made(before)
        self.journal.remove()
        self.discard_partial()
        self.journal.start(replace(header, made=len(self._created)))

    def go_on(self, written: Written, keep: Collection[str]) -> None:
        """Go on from what a journal holds; keep: the files of finished shards."""
        kept = {partial_path(self.path / name).name for name in keep}
        self.discard_partial(kept)
        self._remember_made(written)
        self.journal.resume(written)

    def _remember_made(self, written: Written) -> None:
        """The folders that an interrupted run made are gone where this one leaves nothing."""
        before = written.identity()
        made = 0 if before is None else before.made
        self._created = [self.path, *self.path.parents][:made]

    def discard_partial(self, keep: Collection[str] = ()) -> None:
        """Remove all files that are not visible yet, but for those of these names."""
        for path in self.path.glob(f"*{PARTIAL_SUFFIX}"):
            if path.name not in keep:
                path.unlink()

    def discard(self, names: Iterable[str]) -> None:
        """Remove files that are not visible yet, those that there are."""
        for name in names:
            partial_path(self.path / name).unlink(missing_ok=True)

    def abandon(self, *, keep: Collection[str]) -> bool:
        """End a conversion that failed; keep: the files of finished shards, and so the journal.

        Where there are none, nothing of it is left. Returns whether the same command can go on:
        always once the commit has begun.
        """
        if keep and not self._is_committing:  # first, as the journal may need the room
            self.discard_partial({partial_path(self.path / name).name for name in keep})
        self.journal.close()
        if keep or self._is_committing:
            return True
        self.journal.remove()
        self.discard_partial()
        self.close()
        for folder in self._created:
            with contextlib.suppress(OSError):  # of somebody else by now
                folder.rmdir()
        return False

    def close(self) -> None:
        """Give the folder back; safe to call twice."""
        self.journal.close()
        self._lock.release()

    def commit(
        self, manifest: Manifest, sidecars: Mapping[str, str], renames: Mapping[str, str]
    ) -> None:
        """Make the dataset visible, in place of the one that was there.

        renames: per file, by what name it was written (under its partial name), and its own.
        """
        text = manifest_text(manifest)
        for name, content in (*sidecars.items(), (MANIFEST_NAME, text)):
            _write_partial(self.path / name, content)
        sync_path(self.path)
        extra = {file.name: file.name for file in manifest.sidecars}
        mark = _CommitMark(
            manifest=hashlib.sha256(text.encode()).hexdigest(),
            renames=tuple({**renames, **extra}.items()),
        )
        self.journal.append("commit", lambda: mark)
        self.journal.flush()
        self._is_committing = True
        self._finish(mark)
        self._is_committing = False

    def holds(self, name: str, text: str) -> bool:
        """Whether a file of the dataset has that content."""
        try:
            return (self.path / name).read_bytes() == text.encode()
        except OSError:
            return False

    def replace_manifest(self, manifest: Manifest, sidecars: Mapping[str, str]) -> None:
        """Put another manifest in the place of the one that is there; its shards are in place."""
        texts = {**sidecars, MANIFEST_NAME: manifest_text(manifest)}
        for name, content in texts.items():
            _write_partial(self.path / name, content)
        sync_path(self.path)
        for name in texts:
            os.replace(partial_path(self.path / name), self.path / name)
        sync_path(self.path)

    def _finish(self, mark: _CommitMark) -> None:
        """All of a commit that follows its line in the journal."""
        manifest = self.path / MANIFEST_NAME
        if partial_path(manifest).exists() or not _has_digest(manifest, mark.manifest):
            renames = [
                (partial_path(self.path / old), self.path / new) for old, new in mark.renames
            ]
            self._check_whole(mark.manifest, renames)
            self._remove_replaced()
            for partial, final in renames:
                if partial.exists():
                    os.replace(partial, final)
            sync_path(self.path)
            os.replace(partial_path(manifest), manifest)
            sync_path(self.path)
        self.discard_partial()
        self.journal.remove()

    def _check_whole(self, digest: str, renames: Iterable[tuple[Path, Path]]) -> None:
        """Raise UsageError where somebody has taken away what a commit needs."""
        manifest = partial_path(self.path / MANIFEST_NAME)
        missing = [final.name for partial, final in renames if not _either(partial, final)]
        if not _has_digest(manifest, digest):
            missing.append(manifest.name)
        if missing:
            raise UsageError(
                f"{self.path} holds a dataset that was interrupted when it was nearly finished, "
                f"and {missing[0]} is not there any more",
                hint="remove the folder yourself, or -o OTHER",
            )

    def _remove_replaced(self) -> None:
        """Remove the dataset that is replaced, all of it before the first file of the new one.

        Until its files are gone, its manifest tells which they are.
        """
        replaced = self.path / _REPLACED_NAME
        if (self.path / MANIFEST_NAME).exists():
            os.replace(self.path / MANIFEST_NAME, replaced)
            sync_path(self.path)
        if not replaced.exists():
            return
        for name in file_names(read_manifest(self.path, _REPLACED_NAME)):
            (self.path / name).unlink(missing_ok=True)
        sync_path(self.path)
        replaced.unlink()
        sync_path(self.path)


def file_names(manifest: Manifest) -> list[str]:
    """All files of a dataset but its manifest."""
    names = [name for shard in manifest.shards for name in shard.file_names]
    return [*names, *(file.name for file in manifest.sidecars)]


def _either(partial: Path, final: Path) -> bool:
    return partial.exists() or final.exists()


def _has_digest(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False


def _write_partial(path: Path, text: str) -> None:
    with partial_path(path).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def disk_error(error: OSError, folder: Path) -> BudgetError | DataError:
    """What to say of an error of the file system while writing."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return BudgetError(
            f"{folder}: too many files are open at once",
            hint="--shard-size in place of --shards writes one shard after the other; ulimit -n",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BudgetError(
            f"{folder}: the disk is full ({error.strerror})",
            hint="--float 32, --compression or --drop make the dataset smaller; -o on another disk",
        )
    return DataError(f"{folder}: writing failed: {error}")
