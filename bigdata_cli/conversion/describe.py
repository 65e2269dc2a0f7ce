"""The manifest of what a conversion has made, and the names of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import structs

from bigdata_cli.conversion.ledger import Ledger
from bigdata_cli.conversion.parts import Place
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.dataset.manifest import (
    Manifest,
    ShardEntry,
    SourceEntry,
    SplitEntry,
    make_manifest,
)
from bigdata_cli.options import manifest_entry
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.entry import cuts_entry
from bigdata_cli.types.column_entry import statistics_entries
from bigdata_cli.types.dtype import Kind, Schema, numpy_dtype
from bigdata_cli.types.statistics import ColumnStatistics


def final_names(plan: Plan, result: ShardResult, place: Place) -> dict[str, str]:
    """The files of a shard: under what name each was written, and the one it gets at the end."""
    written = result.name
    before = f"-{written.index:05d}-of-{written.count:05d}."
    stem, final = place.file_name(plan.source.stem)
    names = {}
    for file in result.files:
        part, _, extension = file.name.removeprefix(written.stem).rpartition(before)
        names[file.name] = f"{stem}{part}{final}{extension}"
    return names


def manifest_of(
    plan: Plan,
    ledger: Ledger,
    places: Mapping[int, Place],
    *,
    schema: Schema,
    entries: Sequence[SourceEntry],
    order: str,
    is_part: bool = False,
) -> Manifest:
    """The manifest of a conversion whose shards are all done.

    is_part: they are some of those of a dataset, so that nothing is known of its columns yet.
    """
    from bigdata_cli import __version__

    entries_by_part = {
        part: _shard_entry(plan, ledger.results[part], place) for part, place in places.items()
    }
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
        statistics=_no_statistics(schema)
        if is_part
        else settled_statistics(ledger.statistics(schema), schema),
        shards=tuple(entries_by_part.values()),
        splits=() if is_part else _splits(ledger, entries_by_part, schema),
        order=order,
        **row_counts(ledger),
    )


def _no_statistics(schema: Schema) -> dict[str, ColumnStatistics]:
    return {column.name: ColumnStatistics() for column in schema}


def row_counts(ledger: Ledger) -> dict[str, Any]:
    """How many rows of the source are not as the others, by their names in the manifest."""
    tally = ledger.tally
    return {
        "rejected_rows": ledger.rejected,
        "filtered_rows": tally.filtered,
        "short_rows": tally.short_rows,
        "long_rows": tally.long_rows,
        "repeated_headers": tally.repeated_headers,
        "unmatched_rows": dict(sorted(tally.unmatched.items())),
        "unknown_values": dict(sorted(tally.unknown.items())),
    }


def options_entry(plan: Plan) -> dict[str, Any]:
    """The options as the manifest has them."""
    columns = plan.sample.plan.columns
    return {
        **manifest_entry(plan.options),
        "types": {state.name: state.dtype for state in columns if state.fixed},
        "columns": list(plan.keep),
        "table_bytes": plan.table_bytes,
        **_split_options(plan),
    }


def _split_options(plan: Plan) -> dict[str, Any]:
    """Not in the manifests of datasets without splits, which so are as they were before."""
    options, rule = plan.options, plan.sample.plan.split
    if options.splits.split is None or rule is None:
        return {}
    values: dict[str, Any] = {
        "split": [[name, share] for name, share in options.splits.split.items()],
        "split_by": list(options.splits.split_by),
        "seed": options.shape.seed,
    }
    if isinstance(rule, CutSplit):
        values["split_cuts"] = cuts_entry(rule)
    elif rule.n_steps is not None:
        values |= {"split_columns": [name for name, _ in rule.keys], "split_steps": rule.n_steps}
    return values


def _splits(
    ledger: Ledger, entries: Mapping[int, ShardEntry], schema: Schema
) -> tuple[SplitEntry, ...]:
    """The splits, in order; entries: of the shards, by part."""
    splits = []
    for split, name in enumerate(ledger.parts.names):
        own = [entry for part, entry in entries.items() if ledger.parts.split(part) == split]
        splits.append(
            SplitEntry(
                name=name,
                rows=sum(entry.rows for entry in own),
                shards=len(own),
                statistics=statistics_entries(
                    settled_statistics(ledger.statistics(schema, split), schema)
                ),
            )
        )
    return tuple(splits)


def _shard_entry(plan: Plan, result: ShardResult, place: Place) -> ShardEntry:
    names = final_names(plan, result, place)
    return ShardEntry(
        files=tuple(structs.replace(file, name=names[file.name]) for file in result.files),
        rows=result.rows,
        source_ranges=tuple((p.file, p.start, p.stop) for p in result.pieces),
        source_shard=plan.parts.shard(result.index) if place.split else msgspec.UNSET,
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
