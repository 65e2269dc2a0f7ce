"""What a conversion would do, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.resources.budget import MemoryBudget
from bigdata_cli.resources.recorder import MemoryRecord
from bigdata_cli.types.column_entry import schema_to_json
from bigdata_cli.types.dtype import Schema


@dataclass(frozen=True, kw_only=True)
class PlanSummary:
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
    confidence: float
    reasons: tuple[str, ...]
    shards_known: bool
    size_known: bool
    memory: MemoryBudget

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
            "memory": self.memory.to_json(),
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
