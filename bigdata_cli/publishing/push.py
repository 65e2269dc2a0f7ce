"""`push`: a dataset goes where others find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigdata_cli.conversion.commit import file_names
from bigdata_cli.dataset.folder import dataset_folder
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.dataset.manifest_file import manifest_file, read_manifest
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.io.store import Store
from bigdata_cli.io.stores import open_store
from bigdata_cli.publishing import hub, kaggle
from bigdata_cli.publishing.options import PushOptions
from bigdata_cli.resources.sizes import format_size
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.url import Place, Url

_LOADED_FORMATS = ("parquet",)
"""What `load_dataset` reads as it is."""


@dataclass(frozen=True, kw_only=True)
class PushReport:
    """What was published.

    Attributes:
        path: The dataset.
        target: Where it goes.
        files: Its files, and those that were made for it.
        bytes: Of its own files.
        url: Where it is to be seen; None before it is sent.
        command: What is left to do, as a command; None for nothing.
        is_dry_run: Whether nothing was done.
    """

    path: Place
    target: str
    files: tuple[str, ...]
    bytes: int
    url: str | None
    command: str | None
    is_dry_run: bool

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**vars(self), "path": str(self.path), "files": list(self.files)}


def run(path: str | Path, to: str, options: PushOptions, *, has_bars: bool = False) -> PushReport:
    """Publish a dataset. has_bars: how far it is, is shown on stderr.

    Raises UsageError where it cannot go there, VerificationError where a file is not there or has
    another size than the manifest says.
    """
    folder = dataset_folder(path)
    store = open_store(folder)
    manifest = read_manifest(store)
    scheme = to.partition("://")[0].lower()
    names = [*file_names(manifest), manifest_file(store).name]
    report_decision(f"dataset: {len(names):,} files, {format_size(manifest.bytes)} in shards")
    if scheme == "hf":
        url = None
        _check_for_hub(folder, manifest, Url(to))
        begin_phase("verifying")
        _check_sizes(store, manifest)
        if not options.dry_run:
            begin_phase("sending")
            url = hub.push(store, manifest, names, Url(to), options, has_bars=has_bars)
        return _report(folder, manifest, to, (*names, hub.CARD), options, url=url)
    if scheme == "kaggle":
        return _for_kaggle(folder, store, manifest, names, to, options)
    raise UsageError(
        f"{to} is no place to push to", hint="hf://datasets/USER/NAME or kaggle://USER/NAME"
    )


def _check_for_hub(folder: Place, manifest: Manifest, target: Url) -> None:
    """Raise UsageError where `load_dataset` would not read it from there."""
    hub.repository_of(target)
    if manifest.format in _LOADED_FORMATS and not manifest.partition_by:
        return
    why = f"files of {manifest.format}"
    if manifest.partition_by:
        why = "values that stand in the names of folders"
    raise UsageError(
        f"load_dataset does not read {why}",
        hint=f"bigdata convert {folder} --to parquet -o OTHER, and push that",
    )


def _for_kaggle(
    folder: Place,
    store: Store,
    manifest: Manifest,
    names: list[str],
    target: str,
    options: PushOptions,
) -> PushReport:
    if isinstance(folder, Url):
        raise UsageError(
            f"{folder}: Kaggle's program sends folders of this machine",
            hint=f"bigdata convert {folder} --to parquet -o FOLDER",
        )
    metadata = kaggle.metadata_of(manifest, target, options)
    _check_sizes(store, manifest)
    if not options.dry_run:
        kaggle.write_metadata(store, metadata)
    files = (*names, kaggle.METADATA_NAME)
    return _report(folder, manifest, target, files, options, command=kaggle.command(folder))


def _check_sizes(store: Store, manifest: Manifest) -> None:
    """Raise VerificationError where a file is missing or has another size."""
    files = [file for shard in manifest.shards for file in shard.files]
    for file in (*files, *manifest.sidecars):
        problem = store.problem(file.name)
        if problem is None and store.stat(file.name).bytes != file.bytes:
            problem = "the file has another size than the manifest says"
        if problem is not None:
            raise VerificationError(
                f"{store.where(file.name)}: {problem}", hint=f"bigdata verify {store}"
            )


def _report(
    folder: Place,
    manifest: Manifest,
    target: str,
    files: tuple[str, ...],
    options: PushOptions,
    *,
    url: str | None = None,
    command: str | None = None,
) -> PushReport:
    return PushReport(
        path=folder,
        target=target,
        files=files,
        bytes=manifest.bytes,
        url=url,
        command=command,
        is_dry_run=options.dry_run,
    )
