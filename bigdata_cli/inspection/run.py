"""`inspect`: what a CSV would become and cost, or what a dataset holds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.registry import all_traits
from bigdata_cli.inspection.facts import Room
from bigdata_cli.inspection.report import InspectReport
from bigdata_cli.manifest import MANIFEST_NAME
from bigdata_cli.resources.sizes import parse_size
from bigdata_cli.sources.csv.options import SourceOptions

if TYPE_CHECKING:
    from bigdata_cli.conversion.options import ProgressListener

FREE_SHARE = 0.95
"""Of what is free on a disk, what is planned with."""
LEAST_SAMPLE_BYTES = 4096


def inspect(
    path: str | Path,
    *,
    sample_size: str | int | None = None,
    full: bool = False,
    label: str | None = None,
    memory: str | int | None = None,
    disk: str | int | None = None,
    html: str | Path | None = None,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    encoding: str | None = None,
    progress: ProgressListener | None = None,
) -> InspectReport:
    """What is in a CSV, text or Parquet file, or in the folder of a dataset.

    path: the file, a pattern or folder of such, the folder of a dataset, or its `_manifest.json`.
    The options are those of `bigdata inspect`; None for what is found. Files are sampled:
    `sample_size` (8 MiB) spread over them; `full` reads all of them, in constant memory. Of a
    dataset only the manifest is read. memory, disk: bytes, or sizes such as "16GB", to plan with in
    place of what there is here. label: the column whose classes are counted, and that a model is
    to learn. html: a file that the report is written to as a page.
    Raises UsageError for a path that is not there or is neither, DataError for an empty file
    and for a damaged manifest.
    """
    options = InspectOptions(
        sample_bytes=_size(sample_size),
        full=full,
        label=label,
        memory_bytes=_size(memory),
        disk_bytes=_size(disk),
        html=None if html is None else Path(html),
        source=SourceOptions(
            delimiter=delimiter,
            quote=quote,
            escape=escape,
            header=header,
            names=None if names is None else tuple(names),
            skip_rows=skip_rows,
            comment=comment,
            trim=trim,
            decimal=decimal,
            thousands=thousands,
            null_tokens=None if null is None else tuple(null),
            text=text,
            keep_blank_lines=keep_blank_lines,
            encoding=encoding,
        ),
    )
    return inspect_path(path, options, progress=progress)


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """How to inspect. None leaves the choice to the tool, or is what there is.

    sample_bytes: of the source to read; full: read all of it. memory_bytes, disk_bytes: to plan
    with. html: a page to write.
    """

    sample_bytes: int | None = None
    full: bool = False
    label: str | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    html: Path | None = None
    source: SourceOptions = field(default_factory=SourceOptions)


def inspect_path(
    path: str | Path, options: InspectOptions, *, progress: ProgressListener | None = None
) -> InspectReport:
    """`inspect` with the options as one value. progress: told while all of a source is read."""
    _check(options)
    report = _report(path, options, progress)
    if options.html is not None:
        try:
            options.html.write_text(report.to_html(), encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"--html {options.html} cannot be written: {error.strerror}"
            ) from error
    return report


def _report(
    path: str | Path, options: InspectOptions, progress: ProgressListener | None
) -> InspectReport:
    place = Path(path)
    if place.name == MANIFEST_NAME or _is_dataset(place):
        from bigdata_cli.inspection.dataset import inspect_dataset

        _check_of_source(options, place)
        return inspect_dataset(place, _room(options))
    if place.is_file() and place.name.endswith(_shard_extensions()) and not _is_foreign(place):
        raise UsageError(
            f"{path} is a file of a dataset, not a CSV",
            hint=f"bigdata inspect {shlex.quote(str(place.parent))}",
        )
    from bigdata_cli.inspection.source import inspect_source

    return inspect_source(fspath(path), options, _room(options), progress)


def _check(options: InspectOptions) -> None:
    """Raise UsageError for what cannot be, before any work."""
    for name, n_bytes in (("--disk", options.disk_bytes), ("--memory", options.memory_bytes)):
        if n_bytes is not None and n_bytes < 1:
            raise UsageError(f"{name} {n_bytes} is not positive", hint=f"{name} 16GB")
    if options.full and options.sample_bytes is not None:
        raise UsageError("--full reads everything: it takes no --sample-size")
    if options.sample_bytes is not None and options.sample_bytes < LEAST_SAMPLE_BYTES:
        raise UsageError(
            f"--sample-size of {options.sample_bytes:,} bytes is less than {LEAST_SAMPLE_BYTES:,}",
            hint="--sample-size 8MB",
        )
    html = options.html
    if html is not None and html.is_dir():
        raise UsageError(f"--html {html} is a folder", hint=f"--html {html / 'report.html'}")
    if html is not None and not html.parent.is_dir():
        raise UsageError(f"--html {html}: there is no folder {html.parent}")


def _check_of_source(options: InspectOptions, path: Path) -> None:
    """Raise UsageError for options that a dataset has no use for: its manifest has it all."""
    given = {
        "--full": options.full,
        "--sample-size": options.sample_bytes,
        "--label": options.label,
    }
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} is for files: of the dataset {path} everything is known")


def _room(options: InspectOptions) -> Room:
    """What there is to plan with: what was told, or what this machine has free here."""
    import shutil

    from bigdata_cli.resources.memory import available_memory_bytes

    disk, memory = options.disk_bytes, options.memory_bytes
    return Room(
        disk_bytes=int(shutil.disk_usage(".").free * FREE_SHARE) if disk is None else disk,
        memory_bytes=available_memory_bytes() if memory is None else memory,
        disk_told=disk is not None,
        memory_told=memory is not None,
    )


def _size(size: str | int | None) -> int | None:
    return parse_size(size) if isinstance(size, str) else size


def _shard_extensions() -> tuple[str, ...]:
    return tuple(extension for traits in all_traits() for extension in traits.extensions)


def _is_foreign(place: Path) -> bool:
    """Whether it is a Parquet file, and none of a dataset of ours."""
    from bigdata_cli.io.paths import is_parquet_name

    return is_parquet_name(place.name) and not (place.parent / MANIFEST_NAME).exists()


def _is_dataset(place: Path) -> bool:
    """Whether it is a folder that has a manifest, or nothing that could be read as a source."""
    from bigdata_cli.io.paths import is_csv_name, is_parquet_name, is_text_name

    if not place.is_dir():
        return False
    names = [path.name for path in place.iterdir()]
    kinds = (is_csv_name, is_parquet_name, is_text_name)
    return MANIFEST_NAME in names or not any(is_one(n) for n in names for is_one in kinds)
