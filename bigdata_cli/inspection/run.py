"""`inspect`: what a CSV would become and cost, or what a dataset holds."""

from __future__ import annotations

import shlex
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.conversion.estimate.costs import Room
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.registry import shard_extensions
from bigdata_cli.inspection.options import InspectOptions
from bigdata_cli.inspection.report import InspectReport
from bigdata_cli.io.manifest_names import has_manifest, is_manifest_name, manifest_among
from bigdata_cli.io.places import is_file, is_folder
from bigdata_cli.io.stores import open_store
from bigdata_cli.io.whole_file import write_whole_file
from bigdata_cli.options import given_options
from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.conversion.progress import ProgressListener

MIN_SAMPLE_BYTES = 4096


def run(
    path: str | Path, options: InspectOptions, *, progress: ProgressListener | None = None
) -> InspectReport:
    """What is in a source or a dataset; `progress` is called while all of a source is read."""
    _check(options)
    report = _report(options.cached.place(path), options, progress)
    if options.html is not None:
        try:
            write_whole_file(options.html, report.to_html())
        except OSError as error:
            raise UsageError(
                f"--html {options.html} cannot be written: {error.strerror}"
            ) from error
    return report


def _report(
    place: Place, options: InspectOptions, progress: ProgressListener | None
) -> InspectReport:
    if is_manifest_name(place.name) or _is_dataset(place):
        from bigdata_cli.inspection.dataset import inspect_dataset

        _check_of_source(options, place)
        label = options.label if options.shuffle_score else None
        return inspect_dataset(
            place, _room(options), label=label, with_shuffle_score=options.shuffle_score
        )
    if options.shuffle_score:
        raise UsageError(
            f"--shuffle-score is for datasets, and {place} is not one",
            hint=f"bigdata convert {shlex.quote(str(place))} --to parquet",
        )
    is_shard = place.name.endswith(shard_extensions()) and is_file(place)
    if is_shard and not _is_foreign(place):
        raise UsageError(
            f"{place} is a file of a dataset, not a CSV",
            hint=f"bigdata inspect {shlex.quote(str(place.parent))}",
        )
    from bigdata_cli.inspection.source import inspect_source

    return inspect_source(fspath(place), options, _room(options), progress)


def _check(options: InspectOptions) -> None:
    """Raise UsageError for what cannot be, before any work."""
    for name, n_bytes in (("--disk", options.disk_bytes), ("--memory", options.memory_bytes)):
        if n_bytes is not None and n_bytes < 1:
            raise UsageError(f"{name} {n_bytes} is not positive", hint=f"{name} 16GB")
    options.splits.check()
    if options.full and options.sample_bytes is not None:
        raise UsageError("--full reads everything: it takes no --sample-size")
    if options.sample_bytes is not None and options.sample_bytes < MIN_SAMPLE_BYTES:
        raise UsageError(
            f"--sample-size of {options.sample_bytes:,} bytes is less than {MIN_SAMPLE_BYTES:,}",
            hint="--sample-size 8MB",
        )
    html = options.html
    if html is not None and html.is_dir():
        raise UsageError(f"--html {html} is a folder", hint=f"--html {html / 'report.html'}")
    if html is not None and not html.parent.is_dir():
        raise UsageError(f"--html {html}: there is no folder {html.parent}")


def _check_of_source(options: InspectOptions, path: Place) -> None:
    """Raise UsageError for options that a dataset has no use for: its manifest has it all."""
    given: dict[str, Any] = {
        "--full": options.full,
        "--sample-size": options.sample_bytes,
        "--label": options.label if not options.shuffle_score else None,
    }
    for part in (options.shape, options.splits, options.order):
        given |= {one.flag: value for one, value in given_options(part)}
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} is for files: of the dataset {path} everything is known")


def _room(options: InspectOptions) -> Room:
    """Disk and memory to plan with: as the user gave them, or what is free on this machine."""
    from bigdata_cli.conversion.estimate.disk import usable_bytes
    from bigdata_cli.resources.memory import available_memory_bytes

    disk, memory = options.disk_bytes, options.memory_bytes
    return Room(
        disk_bytes=usable_bytes(open_store(Path())) if disk is None else disk,
        memory_bytes=available_memory_bytes() if memory is None else memory,
        has_disk_limit=disk is not None,
        has_memory_limit=memory is not None,
    )


def _is_foreign(place: Place) -> bool:
    """Whether it is a Parquet file, and none of a dataset of ours."""
    from bigdata_cli.io.paths import is_parquet_name

    return is_parquet_name(place.name) and not has_manifest(place.parent)


def _is_dataset(place: Place) -> bool:
    """Whether it is a folder that has a manifest, or nothing that could be read as a source."""
    from bigdata_cli.io.paths import expand_paths

    if not is_folder(place):
        return False
    names = open_store(place).names()
    if manifest_among(names):
        return True
    try:
        expand_paths([place])
    except UsageError:
        return not names
    return False
