"""The manifest of what a conversion has made, and the names of its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import structs

from bigdata_cli.conversion.ledger import Ledger
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.dataset.manifest import Manifest, ShardEntry, SourceEntry, make_manifest
from bigdata_cli.options import manifest_entry
from bigdata_cli.types.dtype import Kind, Schema, numpy_dtype
from bigdata_cli.types.statistics import ColumnStatistics


def final_names(plan: Plan, result: ShardResult, n_shards: int) -> dict[str, str]:
    """The files of a shard: under what name each was written, and the one it gets at the end."""
    written = result.name
    place = f"-{written.index:05d}-of-{written.count:05d}."
    final = f"-{result.index:05d}-of-{n_shards:05d}."
    names = {}
    for file in result.files:
        part, _, extension = file.name.removeprefix(written.stem).rpartition(place)
        names[file.name] = f"{plan.source.stem}{part}{final}{extension}"
    return names


def manifest_of(
    plan: Plan,
    ledger: Ledger,
    *,
    schema: Schema,
    entries: Sequence[SourceEntry],
    order: str,
) -> Manifest:
    """The manifest of a conversion whose shards are all done."""
    from bigdata_cli import __version__

    results = ledger.in_order
    return make_manifest(
        tool_version=__version__,
        name=plan.source.stem,
        format=plan.form.name,
        storage=plan.storage,
        sources=tuple(entries),
        dialect=plan.source.dialect.to_json(),
        transforms=plan.source.steps_entry(plan.sample.plan),
        options=options_entry(plan),
        schema=schema,
        statistics=settled_statistics(ledger.statistics(schema), schema),
        shards=tuple(_shard_entry(plan, result, len(results)) for result in results),
        order=order,
        **row_counts(ledger),
    )


def row_counts(ledger: Ledger) -> dict[str, Any]:
    """How many rows of the source are not as the others, by their names in the manifest."""
    tally = ledger.tally
    return {
        "rejected_rows": ledger.rejected,
        "filtered_rows": tally.filtered,
        "short_rows": tally.short_rows,
        "long_rows": tally.long_rows,
        "repeated_headers": tally.repeated_headers,
    }


def options_entry(plan: Plan) -> dict[str, Any]:
    """The options as the manifest has them."""
    columns = plan.sample.plan.columns
    return {
        **manifest_entry(plan.options),
        "types": {state.name: state.dtype for state in columns if state.fixed},
        "columns": list(plan.keep),
        "table_bytes": plan.table_bytes,
    }


def _shard_entry(plan: Plan, result: ShardResult, n_shards: int) -> ShardEntry:
    names = final_names(plan, result, n_shards)
    return ShardEntry(
        files=tuple(structs.replace(file, name=names[file.name]) for file in result.files),
        rows=result.rows,
        source_ranges=tuple((p.file, p.start, p.stop) for p in result.pieces),
    )


def settled_statistics(
    statistics: dict[str, ColumnStatistics], schema: Schema
) -> dict[str, ColumnStatistics]:
    """Minima and maxima as the final dtype holds them: integers of a float column are floats, and
    dates of timestamps have a time."""
    settled = dict(statistics)
    for column in schema:
        known = settled[column.name]
        if column.kind == "float" and known.minimum is not None:
            settled[column.name] = structs.replace(
                known, minimum=float(known.minimum), maximum=float(known.maximum)
            )
        if column.kind is Kind.TIMESTAMP and known.minimum is not None:
            unit = numpy_dtype(column.dtype)
            low, high = (
                str(np.datetime64(end).astype(unit)) for end in (known.minimum, known.maximum)
            )
            settled[column.name] = structs.replace(known, minimum=low, maximum=high)
    return settled
