"""The one way a dataset becomes visible: rename what is whole, the manifest last."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from bigdata_cli.errors import BudgetError, DataError, UsageError
from bigdata_cli.formats.base import PARTIAL_SUFFIX, partial_path
from bigdata_cli.manifest import MANIFEST_NAME, Manifest, manifest_text, read_manifest


def check_output(folder: Path, *, force: bool) -> None:
    """Raise UsageError where writing into the folder could harm what is there.

    A folder that does not exist, is empty, or holds nothing but partial files is free. One that
    bears a manifest is replaced with `force`; any other is never touched.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="-o OTHER names another folder")
    if (folder / MANIFEST_NAME).exists():
        if not force:
            raise UsageError(
                f"{folder} already holds a dataset", hint="--force replaces it, or -o OTHER"
            )
        try:
            read_manifest(folder)
        except DataError as error:
            raise UsageError(
                f"{folder} is not replaced: {error.message}", hint="remove it yourself, or -o OTHER"
            ) from error
        return
    if any(not path.name.endswith(PARTIAL_SUFFIX) for path in folder.iterdir()):
        raise UsageError(
            f"{folder} exists, is not empty, and is not a dataset of ours",
            hint="-o OTHER names another folder; --force replaces datasets only",
        )


class OutputFolder:
    """The folder of a conversion: made at the start, cleared of partial files, gone on failure."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._created: list[Path] = []

    def open(self) -> None:
        """Make the folder where it is missing; remove partial files that a killed run left."""
        missing = self.path
        while not missing.exists():
            self._created.append(missing)
            missing = missing.parent
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.discard_partial()
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from error

    def discard_partial(self) -> None:
        for path in self.path.glob(f"*{PARTIAL_SUFFIX}"):
            path.unlink()

    def discard(self, names: Iterable[str]) -> None:
        """Remove files that are not visible yet, those that there are."""
        for name in names:
            partial_path(self.path / name).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Leave nothing of a conversion that failed."""
        self.discard_partial()
        for folder in self._created:
            folder.rmdir()

    def rename_partial(self, old: str, new: str) -> None:
        """Give a file, which is not visible yet, another name."""
        os.replace(partial_path(self.path / old), partial_path(self.path / new))

    def commit(self, manifest: Manifest, sidecars: dict[str, str]) -> None:
        """Make the dataset visible, in place of the one that was there."""
        for name, text in (*sidecars.items(), (MANIFEST_NAME, manifest_text(manifest))):
            _write_partial(self.path / name, text)
        _sync_folder(self.path)
        self._remove_old(keep=_file_names(manifest))
        for name in (*_file_names(manifest), MANIFEST_NAME):
            path = self.path / name
            if name == MANIFEST_NAME:
                _sync_folder(self.path)
            os.replace(partial_path(path), path)
        _sync_folder(self.path)

    def _remove_old(self, keep: Iterable[str]) -> None:
        if not (self.path / MANIFEST_NAME).exists():
            return
        old = read_manifest(self.path)
        (self.path / MANIFEST_NAME).unlink()
        for name in set(_file_names(old)) - set(keep):
            (self.path / name).unlink(missing_ok=True)


def _file_names(manifest: Manifest) -> list[str]:
    names = [name for shard in manifest.shards for name in shard.file_names]
    return [*names, *(file.name for file in manifest.sidecars)]


def _write_partial(path: Path, text: str) -> None:
    with partial_path(path).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
