"""What a conversion is asked, what it says on the way, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.formats.registry import FORMATS, all_traits
from bigdata_cli.option_kinds import (
    ALL_NAMES,
    COUNT,
    NATURAL,
    Kind,
    choice,
    parse_pair,
    unique_pairs,
)
from bigdata_cli.options import option
from bigdata_cli.resources.recorder import RecordFiles
from bigdata_cli.resources.sizes import SIZE
from bigdata_cli.sources.csv.options import MAX_RECORD_BYTES, SourceOptions

if TYPE_CHECKING:
    from bigdata_cli.dataset.manifest import Manifest
    from bigdata_cli.resources.budget import MemoryBudget
    from bigdata_cli.resources.recorder import MemoryRecord
    from bigdata_cli.types.dtype import Schema

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
    dict,
    collect=unique_pairs,
    note=", such as zip=text; repeatable",
)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How to convert. None leaves the choice to the format or the data."""

    to: str = option("Format of the dataset.", choice(FORMATS), group="Output")
    output: Path | None = option(
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
    force: bool = option("Replace a dataset that is there already.", no_trace=True, default=False)
    repair: bool = option(
        "Write only those shards of the dataset again that are damaged or missing.",
        no_trace=True,
        default=False,
    )
    disk_limit_bytes: int | None = option(
        "What may lie on the disk at once, such as 20GB.",
        SIZE,
        argument="disk_limit",
        default_text="what is free, less 5 %",
        no_trace=True,
        default=None,
    )
    float_mode: str = option(
        "auto: float32 where no value changes, else float64.",
        choice(("auto", "32", "64")),
        flag="--float",
        manifest="float",
        group="Columns",
        default="auto",
    )
    types: Mapping[str, str] = option(
        "Dtype of a column.", COLUMN_DTYPES, flag="--type", manifest="types", default={}
    )
    schema_file: Path | None = option(
        "JSON with the columns, as `bigdata convert --dry-run --json` prints them.",
        argument="schema",
        no_trace=True,
        default=None,
    )
    drop: tuple[str, ...] = option("Columns to leave out.", ALL_NAMES, manifest="drop", default=())
    columns: tuple[str, ...] | None = option(
        "The only columns to keep.", ALL_NAMES, manifest="columns", default=None
    )
    source: SourceOptions = field(default_factory=SourceOptions)
    on_bad_row: str = option(
        "A record that cannot be kept stops the run, or is set aside in rejects.csv.",
        choice(("error", "skip")),
        manifest="on_bad_row",
        group="Bad rows",
        default="error",
    )
    max_bad_rows: int | None = option(
        "With --on-bad-row skip: stop where there are more.", NATURAL, default=None
    )
    max_line_bytes: int = option(
        "A record that is longer is an error: a quote that is never closed.",
        SIZE,
        argument="max_line_size",
        manifest="max_line_bytes",
        default_text="16MB, less where --memory-limit has no room for that",
        default=MAX_RECORD_BYTES,
    )
    jobs: int | None = option(
        "Threads.",
        COUNT,
        short="-j",
        group="Resources",
        default_text="all processors",
        no_trace=True,
        default=None,
    )
    spool: bool = option(
        "Keep the text of a pipe on the disk meanwhile; without it, a column whose type changes "
        "late may be an error.",
        no_trace=True,
        default=True,
    )
    memory_limit: int | None = option(
        "What the process and its children stay below, such as 512MB.",
        SIZE,
        default_text="a quarter of what is available, at most 2GB",
        no_trace=True,
        default=None,
    )
    record: RecordFiles = field(default_factory=RecordFiles)
    profile: bool = option(
        "Show which stages the processor time has gone into.", no_trace=True, default=False
    )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a conversion stands: bytes of source done of all, rows so far, the phase.

    bytes_total: 0 where it is not known. note: what the user should read now.
    """

    phase: str
    bytes_done: int
    bytes_total: int
    rows: int
    note: str | None = None


ProgressListener = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a conversion would do (`--dry-run`).

    n_shards: shards to be written; estimated_rows: from the sample; schema: the guess.
    shards_known: n_shards is not an estimate. size_known: rows and shards are not only those of the
    beginning of a pipe.
    confidence, reasons: of what was detected of the dialect, as `Source` has them. memory: how the
    work is cut so that it stays below its limit.
    """

    sources: tuple[str, ...]
    source_bytes: int
    output: Path
    format: str
    layout: str
    label: str | None
    n_shards: int
    estimated_rows: int
    dialect: Mapping[str, Any]
    schema: Schema
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    shards_known: bool = True
    size_known: bool = True
    memory: MemoryBudget | None = None

    def to_json(self) -> dict[str, Any]:
        from bigdata_cli.types.column_entry import schema_to_json

        return {
            "sources": list(self.sources),
            "source_bytes": self.source_bytes,
            "output": str(self.output),
            "format": self.format,
            "layout": self.layout,
            "label": self.label,
            "shards": self.n_shards,
            "shards_known": self.shards_known,
            "estimated_rows": self.estimated_rows,
            "size_known": self.size_known,
            "dialect": dict(self.dialect),
            "confidence": self.confidence,
            "reasons": list(self.reasons),
            "columns": schema_to_json(self.schema),
            "memory": None if self.memory is None else self.memory.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class ColumnReport:
    """What became of a column: its dtype, and its bytes in pandas and now, for all rows."""

    name: str
    dtype: str
    nulls: int
    pandas_bytes: int
    bytes: int
    float32_error: float
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertReport:
    """What a conversion did.

    redone_shards: written twice, as a value asked for a wider type (of a repair: written again);
    resumed_shards: taken over from a run that was interrupted. confidence, reasons: of what was
    detected of the dialect, as `Source` has them. stages: the processor seconds of each, where they
    were measured. memory: over time, with its phases and its limit; budget: how the work was cut
    for that.
    """

    output: Path
    format: str
    layout: str
    rows: int
    rejected_rows: int
    n_shards: int
    n_files: int
    bytes_in: int
    bytes_out: int
    seconds: float
    peak_memory_bytes: int
    redone_shards: int
    resumed_shards: int
    columns: tuple[ColumnReport, ...]
    notes: tuple[str, ...]
    manifest: Manifest
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    stages: Mapping[str, float] | None = None
    memory: MemoryRecord | None = None
    budget: MemoryBudget | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, without the manifest."""
        return {
            "output": str(self.output),
            "format": self.format,
            "layout": self.layout,
            "rows": self.rows,
            "rejected_rows": self.rejected_rows,
            "shards": self.n_shards,
            "files": self.n_files,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "seconds": self.seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "redone_shards": self.redone_shards,
            "resumed_shards": self.resumed_shards,
            "dialect": dict(self.manifest.dialect),
            "confidence": self.confidence,
            "reasons": list(self.reasons),
            "columns": [vars(column) for column in self.columns],
            "notes": list(self.notes),
            "stages": None if self.stages is None else dict(self.stages),
            "phases": None if self.memory is None else self.memory.phase_seconds(),
            "memory": None if self.budget is None else self.budget.to_json(),
        }
