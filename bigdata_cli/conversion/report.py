"""What a conversion did, put into figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bigdata_cli.conversion.plan import Plan
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.printable import ShortRepr
from bigdata_cli.resources.budget import MemoryBudget
from bigdata_cli.resources.memory import peak_memory_bytes
from bigdata_cli.resources.recorder import MemoryRecord
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.dtype import Column, Kind, item_bytes
from bigdata_cli.types.footprint import pandas_bytes
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.url import Place


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


@dataclass(frozen=True, kw_only=True, repr=False)
class ConvertReport(ShortRepr):
    """What a conversion did.

    redone_shards: written twice, as a value asked for a wider type (of a repair: written again);
    resumed_shards: taken over from a run that was interrupted. confidence, reasons: of what was
    detected of the dialect, as `Source` has them. stages: the processor seconds of each, where they
    were measured. memory: over time, with its phases and its limit; budget: how the work was cut
    for that. task: of which this is the part, K/N, where it is not a whole dataset.
    """

    shown = (
        "output",
        "format",
        "layout",
        "rows",
        "rejected_rows",
        "n_shards",
        "bytes_in",
        "bytes_out",
        "seconds",
        "columns",
        "notes",
    )

    output: Place
    format: str
    layout: str
    rows: int
    rejected_rows: int
    filtered_rows: int
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
    task: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, without the manifest."""
        return {
            "output": str(self.output),
            "task": self.task,
            "format": self.format,
            "layout": self.layout,
            "rows": self.rows,
            "rejected_rows": self.rejected_rows,
            "filtered_rows": self.filtered_rows,
            "unmatched_rows": dict(self.manifest.unmatched_rows),
            "unknown_values": dict(self.manifest.unknown_values),
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


def build_report(
    plan: Plan,
    manifest: Manifest,
    *,
    seconds: float,
    n_redone: int = 0,
    n_resumed: int | None = None,
    tally: Tally | None = None,
) -> ConvertReport:
    """The report of a conversion that has been committed; n_resumed: None for all its shards."""
    notes = [*plan.source.notes, *plan.notes, *_notes(tally or _tally_of(manifest), plan)]
    if manifest.transforms:
        from bigdata_cli.transforms.selections.notes import selection_notes

        notes += selection_notes(manifest.transforms, plan.options.shape)
    kept = {column.name for column in manifest.schema if column.kind in (Kind.TEXT, Kind.CATEGORY)}
    notes += [hint for name, hint in plan.hints.items() if name in kept]
    fixed = {state.name for state in plan.sample.plan.columns if state.fixed}
    columns = tuple(
        _column_report(
            column, manifest.statistics[column.name], plan, is_fixed=column.name in fixed
        )
        for column in manifest.schema
        if not plan.options.workers.is_task
    )
    return ConvertReport(
        output=plan.output,
        format=manifest.format,
        layout=manifest.storage.layout,
        rows=manifest.rows,
        rejected_rows=manifest.rejected_rows,
        filtered_rows=manifest.filtered_rows,
        n_shards=len(manifest.shards),
        n_files=sum(len(shard.files) for shard in manifest.shards),
        bytes_in=sum(source.bytes for source in manifest.sources),
        bytes_out=manifest.bytes,
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(),
        redone_shards=n_redone,
        resumed_shards=len(manifest.shards) if n_resumed is None else n_resumed,
        columns=columns,
        notes=tuple(notes),
        manifest=manifest,
        confidence=plan.source.confidence,
        reasons=plan.source.reasons,
        budget=plan.memory,
    )


def _tally_of(manifest: Manifest) -> Tally:
    """What the manifest has of it."""
    return Tally(
        short_rows=manifest.short_rows,
        long_rows=manifest.long_rows,
        repeated_headers=manifest.repeated_headers,
        unmatched=manifest.unmatched_rows,
        unknown=manifest.unknown_values,
    )


def _notes(tally: Tally, plan: Plan) -> Iterator[str]:
    """What was done with lines and records that are not as the others."""
    if tally.blank_lines:
        yield f"{tally.blank_lines:,} blank lines are not rows and were left out"
    if tally.short_rows:
        yield f"{tally.short_rows:,} rows had too few fields; the missing ones are null"
    if tally.long_rows:
        done = "cut" if plan.options.source.long_rows == "cut" else "joined to one column"
        yield f"{tally.long_rows:,} rows had too many fields, the surplus was {done}"
    if tally.repeated_headers:
        yield f"{tally.repeated_headers:,} rows were the header again and were left out"
    for path, n_rows in sorted(tally.unmatched.items()):
        yield f"--join {path}: {n_rows:,} row{'s' * (n_rows != 1)} with a key that it does not have"
    for name, n_values in sorted(tally.unknown.items()):
        plural = "values that are" if n_values > 1 else "value that is"
        yield f'column "{name}": {n_values:,} {plural} not in {plan.options.like}, and null now'


def _column_report(
    column: Column, known: ColumnStatistics, plan: Plan, *, is_fixed: bool
) -> ColumnReport:
    item = item_bytes(column.dtype, n_values=column.n_values, mean_text_bytes=known.mean_text_bytes)
    return ColumnReport(
        name=column.name,
        dtype=column.dtype,
        nulls=known.nulls,
        pandas_bytes=pandas_bytes(column, known),
        bytes=round(item * known.count) + (known.count if known.nulls else 0),
        float32_error=known.float32_error,
        note=_note(column, known, plan, is_fixed=is_fixed),
    )


def _note(column: Column, known: ColumnStatistics, plan: Plan, *, is_fixed: bool) -> str | None:
    """What the user should know of a column: the loss in float32, or what it would save."""
    if column.kind not in (Kind.INT, Kind.FLOAT) or not known.float32_error:
        return None
    if plan.form.kept_dtype(column, plan.storage) == "float32":
        # Below half a unit in the last place the decimals are those that were read.
        if column.dtype == "float32" and plan.options.float_mode == "auto" and not is_fixed:
            return None
        return f"stored as float32: relative error up to {known.float32_error:.1e}"
    if column.kind is Kind.FLOAT:
        saved = known.count * 4
        return (
            f"--float 32 would save {saved:,} bytes, relative error up to {known.float32_error:.1e}"
        )
    return None
