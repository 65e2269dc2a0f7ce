"""What a conversion is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.engines.options import EngineOptions
from bigdata_cli.formats.registry import FORMATS, all_traits
from bigdata_cli.option_kinds import (
    ALL_NAMES,
    COUNT,
    NATURAL,
    Kind,
    accept_mapping,
    accept_path,
    accept_text,
    choice,
    parse_pair,
    unique_pairs,
)
from bigdata_cli.options import option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.resources.record_files import RecordFiles
from bigdata_cli.resources.sizes import SIZE
from bigdata_cli.sources.csv.options import MAX_RECORD_BYTES, SourceOptions
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.transforms.options import ShapeOptions
from bigdata_cli.url import Place

DEFAULT_SHARD_BYTES = 256_000_000


def _layouts() -> str:
    """The layouts of all formats, those of formats that have the same ones together."""
    formats: dict[str, list[str]] = {}
    for traits in all_traits():
        layouts = ", ".join(layout.name for layout in traits.layouts)
        formats.setdefault(layouts, []).append(traits.name)
    return "; ".join(f"{', '.join(names)}: {layouts}" for layouts, names in formats.items()) + "."


def _parse_dtype(text: str) -> tuple[str, str]:
    from bigdata_cli.types.dtype import parse_dtype

    column, dtype = parse_pair(text, "COL=DTYPE", "zip=text")
    return column, parse_dtype(dtype)


COLUMN_DTYPES = Kind(
    "COL=DTYPE",
    "Mapping[str, str]",
    _parse_dtype,
    accept_mapping(accept_text),
    collect=unique_pairs,
    note=", such as zip=text or '*_id=text'; repeatable",
)


def _accept_schema(schema: Any) -> Path | Mapping[str, Any]:
    if isinstance(schema, Mapping):
        return {accept_text(name): value for name, value in schema.items()}
    return Path(accept_path(schema))


SCHEMA = Kind("FILE", "str | Path | Mapping[str, Any]", Path, _accept_schema)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How to convert. None leaves the choice to the format or the data."""

    to: str | None = option(
        "Format of the dataset.",
        choice(FORMATS),
        group="Output",
        default_text="that of --like; required without it",
        default=None,
    )
    like: Place | None = option(
        "A dataset: the source becomes another one like it, with its columns, types, categories "
        "and steps.",
        metavar="DIR",
        no_trace=True,
        default=None,
    )
    output: Place | None = option(
        "Folder of the dataset.",
        short="-o",
        metavar="DIR",
        default_text="STEM-FORMAT",
        no_trace=True,
        default=None,
    )
    shards: int | None = option("Number of shards.", COUNT, manifest="shards", default=None)
    shard_bytes: int | None = option(
        "Size of one shard's files, such as 512MB or 1GiB.",
        SIZE,
        argument="shard_size",
        manifest="shard_bytes",
        default_text="256MB",
        default=None,
    )
    label: str | None = option("The column that a model learns.", metavar="COL", default=None)
    layout: str | None = option(_layouts(), metavar="NAME", default_text="the first", default=None)
    compression: str | None = option(
        "The format's compression, such as zstd:9, gzip or none.",
        metavar="NAME[:LEVEL]",
        default=None,
    )
    force: bool = option("Replace an existing dataset.", no_trace=True, default=False)
    repair: bool = option(
        "Write only those shards of the dataset again that are damaged or missing.",
        no_trace=True,
        default=False,
    )
    disk_limit_bytes: int | None = option(
        "Most bytes on the disk at any time, such as 20GB.",
        SIZE,
        argument="disk_limit",
        default_text="what is free, less 5 %",
        no_trace=True,
        default=None,
    )
    float_mode: str = option(
        "auto: float32 where no value changes, else float64.",
        choice(("auto", "32", "64")),
        argument="float",
        manifest="float",
        group="Columns",
        default="auto",
    )
    types: Mapping[str, str] = option(
        "Dtype of a column, or of those that match a pattern.",
        COLUMN_DTYPES,
        argument="type",
        manifest="types",
        default={},
    )
    all_text: bool = option(
        "Read all columns as text, except those of --type.", default=False, is_rare=True
    )
    schema: Path | Mapping[str, Any] | None = option(
        "JSON with the columns, as `bigdata convert --dry-run --json` prints them.",
        SCHEMA,
        no_trace=True,
        default=None,
    )
    drop: tuple[str, ...] = option("Columns to leave out.", ALL_NAMES, manifest="drop", default=())
    columns: tuple[str, ...] | None = option(
        "The only columns to keep.", ALL_NAMES, manifest="columns", default=None
    )
    splits: SplitOptions = field(default_factory=SplitOptions)
    shape: ShapeOptions = field(default_factory=ShapeOptions)
    source: SourceOptions = field(default_factory=SourceOptions)
    order: OrderOptions = field(default_factory=OrderOptions)
    on_bad_row: str = option(
        "A record that cannot be kept stops the run, or is set aside: `bigdata cat DATASET "
        "--rejected` shows these.",
        choice(("error", "skip")),
        manifest="on_bad_row",
        group="Bad rows",
        default="error",
    )
    max_bad_rows: int | None = option(
        "With --on-bad-row skip: stop where there are more. So many may be bad at the beginning.",
        NATURAL,
        default=None,
    )
    max_line_bytes: int = option(
        "A longer record is an error, such as a quote that is never closed.",
        SIZE,
        argument="max_line_size",
        manifest="max_line_bytes",
        default_text="16MB, less where --memory-limit has no room for that",
        default=MAX_RECORD_BYTES,
        is_rare=True,
    )
    jobs: int | None = option(
        "Threads, or processes where --engine starts them.",
        COUNT,
        short="-j",
        group="Resources",
        default_text="all processors",
        no_trace=True,
        default=None,
    )
    workers: EngineOptions = field(default_factory=EngineOptions)
    spool: bool = option(
        "Keep text of a pipe on the disk during the run; without it, a column whose type "
        "changes late may be an error, and steps that need all rows are refused.",
        no_trace=True,
        default=True,
        is_rare=True,
    )
    memory_limit: int | None = option(
        "Most memory of the process and its children, such as 512MB; also of each worker of a "
        "cluster.",
        SIZE,
        default_text="a quarter of what is available, at most 2GB",
        no_trace=True,
        default=None,
    )
    record: RecordFiles = field(default_factory=RecordFiles)
    cached: CacheOptions = field(default_factory=CacheOptions)
    profile: bool = option(
        "Show the processor time of each stage.",
        no_trace=True,
        default=False,
        is_rare=True,
    )
