"""What a conversion will do, and what it did, put into figures."""

from __future__ import annotations

from bigdata_cli.conversion.partition import BySize
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.results import ColumnReport, ConvertReport, PlanSummary
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.resources.memory import peak_memory_bytes
from bigdata_cli.types.dtype import Column, Kind, item_bytes
from bigdata_cli.types.footprint import pandas_bytes
from bigdata_cli.types.statistics import ColumnStatistics


def build_summary(plan: Plan) -> PlanSummary:
    """The plan as it is shown."""
    source, sample = plan.source, plan.sample
    return PlanSummary(
        sources=tuple(file.name for file in source.files),
        source_bytes=source.bytes,
        output=plan.output,
        format=plan.form.name,
        layout=plan.storage.layout,
        label=plan.storage.label,
        n_shards=plan.shards.count,
        estimated_rows=sample.estimated_rows,
        dialect=source.dialect.to_json(),
        schema=sample.schema,
        confidence=source.confidence,
        reasons=source.reasons,
        shards_known=not isinstance(plan.shards.partition, BySize),
        size_known=sample.size_known,
        memory=plan.memory,
    )


def build_report(
    plan: Plan,
    manifest: Manifest,
    *,
    seconds: float,
    n_redone: int = 0,
    n_resumed: int | None = None,
    blank_lines: int = 0,
) -> ConvertReport:
    """The report of a conversion that has been committed; n_resumed: None for all its shards."""
    notes = []
    if blank_lines:
        notes.append(f"{blank_lines:,} blank lines are not rows and were left out")
    columns = tuple(
        _column_report(column, manifest.statistics[column.name], plan) for column in manifest.schema
    )
    return ConvertReport(
        output=plan.output,
        format=manifest.format,
        layout=manifest.storage.layout,
        rows=manifest.rows,
        rejected_rows=manifest.rejected_rows,
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


def _column_report(column: Column, known: ColumnStatistics, plan: Plan) -> ColumnReport:
    item = item_bytes(column.dtype, n_values=column.n_values, mean_text_bytes=known.mean_text_bytes)
    return ColumnReport(
        name=column.name,
        dtype=column.dtype,
        nulls=known.nulls,
        pandas_bytes=pandas_bytes(column, known),
        bytes=round(item * known.count) + (known.count if known.nulls else 0),
        float32_error=known.float32_error,
        note=_note(column, known, plan),
    )


def _note(column: Column, known: ColumnStatistics, plan: Plan) -> str | None:
    """What the user should know of a column: the loss in float32, or what it would save."""
    if column.kind not in (Kind.INT, Kind.FLOAT) or not known.float32_error:
        return None
    if plan.form.kept_dtype(column, plan.storage) == "float32":
        # Below half a unit in the last place the decimals are those that were read.
        if column.dtype == "float32" and plan.options.float_mode == "auto":
            return None
        return f"stored as float32: relative error up to {known.float32_error:.1e}"
    if column.kind is Kind.FLOAT:
        saved = known.count * 4
        return (
            f"--float 32 would save {saved:,} bytes, relative error up to {known.float32_error:.1e}"
        )
    return None
