"""What a conversion is asked, what it says on the way, and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigdata_cli.manifest import Manifest, schema_to_json
from bigdata_cli.resources.budget import MemoryBudget
from bigdata_cli.resources.recorder import MemoryRecord
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.types.dtype import Schema

DEFAULT_SHARD_BYTES = 256_000_000


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """How to convert. None leaves the choice to the format or the data.

    shards: exactly so many shards; shard_bytes: the target size of one shard's files.
    float_mode: "auto" (float32 where no value changes), "32" or "64".
    types: dtype per column name; schema_file: a file with columns as the manifest has them.
    spool: keep text of a pipe beside the output, so that all shards can be written again.
    source: how the files are read. on_bad_row: "error", or "skip" to set records that cannot be
    kept aside in rejects.csv, max_bad_rows of them at the most. max_line_bytes: of one record.
    disk_limit_bytes: that may lie on the disk at once; None: what is free, less 5 %. memory_limit:
    bytes that the process and its children stay below; None: a quarter of what is available, at
    most 2 GB. memory_plot, memory_log: files for a picture of the memory over time, and for its
    samples. profile: measure what the processor time goes into. repair: write those shards again of
    the dataset that is there which are damaged.
    """

    to: str
    output: Path | None = None
    shards: int | None = None
    shard_bytes: int | None = None
    label: str | None = None
    layout: str | None = None
    float_mode: str = "auto"
    types: Mapping[str, str] = field(default_factory=dict)
    schema_file: Path | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    compression: str | None = None
    jobs: int | None = None
    force: bool = False
    repair: bool = False
    on_bad_row: str = "error"
    max_bad_rows: int | None = None
    max_line_bytes: int = MAX_RECORD_BYTES
    disk_limit_bytes: int | None = None
    spool: bool = True
    profile: bool = False
    memory_limit: int | None = None
    memory_plot: Path | None = None
    memory_log: Path | None = None
    source: SourceOptions = field(default_factory=SourceOptions)


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
