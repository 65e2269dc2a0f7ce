"""The identity of a conversion: all that its bytes follow from. Only the same one resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from bigdata_cli import __version__
from bigdata_cli.conversion.journal import Identity
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.partition import FileRanges
from bigdata_cli.conversion.plan import Plan
from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.options import values_of
from bigdata_cli.strict_json import convert


def identity(plan: Plan) -> Identity:
    """The identity of a conversion, as it reads back from a journal."""
    sample, source, partition = plan.sample, plan.source, plan.shards.partition
    values = {
        "tool": {"bigdata": __version__, "pyarrow": pa.__version__},
        "sources": [msgspec.structs.asdict(file.entry()) for file in source.files],
        "options": _options(plan.options),
        "plan": {
            "columns": [
                [state.name, state.dtype, state.fixed, _size(state.distinct)]
                for state in sample.plan.columns
            ],
            "dialect": source.dialect.to_json(),
            "layout": None if isinstance(partition, FileRanges) else repr(partition),
            "shards": plan.shards.count,
            "transforms": source.steps_entry(sample.plan),
            "splits": list(plan.parts.names),
        },
        "table_bytes": plan.table_bytes,
        "can_resume": not source.comes_once,
        "force": plan.options.force,
    }
    return convert(json.loads(json.dumps(values)), Identity)


def differences(before: Identity, now: Identity) -> list[str]:
    """What changed, as a user reads it; empty where it is the same conversion."""
    if not before.can_resume or not now.can_resume:
        return ["what comes from a pipe cannot be read again"]
    changed = [
        f"it was begun with {name} {old}, and this is {new}"
        for name, old, new in _changed(before.tool, now.tool)
    ]
    changed += source_differences(before.sources, now.sources)
    changed += [
        f"{flag} is {_shown(new)}, and was {_shown(old)}"
        for flag, old, new in _changed(before.options, now.options)
    ]
    changed += _changed_tables(before.plan, now.plan)
    if not changed and before.plan != now.plan:
        parts = ", ".join(name for name, _, _ in _changed(before.plan, now.plan))
        changed.append(f"what the sample shows is different ({parts})")
    return changed


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The keys whose values differ, with both values; None where there is none."""
    for key in {**before, **now}:
        if before.get(key) != now.get(key):
            yield key, before.get(key), now.get(key)


def _changed_tables(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """The tables of joins that have another content."""
    digests = [
        {step["path"]: step["digest"] for step in plan.get("transforms", ()) if "path" in step}
        for plan in (before, now)
    ]
    for path in digests[0].keys() & digests[1].keys():
        if digests[0][path] != digests[1][path]:
            yield f"the table {path} of --join has another content"


def _options(options: ConvertOptions) -> dict[str, Any]:
    """The options that the bytes follow from, by flag."""
    return {one.flag: value for one, value in values_of(options) if not one.no_trace}


def _size(texts: frozenset[str] | None) -> int | None:
    return None if texts is None else len(texts)


def source_differences(before: Sequence[SourceEntry], now: Sequence[SourceEntry]) -> Iterator[str]:
    """What of the source files changed."""
    names = [[source.name for source in sources] for sources in (before, now)]
    if names[0] != names[1]:
        yield f"the sources are {', '.join(names[1])}, and were {', '.join(names[0])}"
        return
    for old, new in zip(before, now, strict=True):
        if old.bytes != new.bytes:
            yield f"{new.name} has {new.bytes:,} bytes, and had {old.bytes:,}"
        elif old.digest != new.digest:
            yield f"{new.name} has another content"
        elif old.mtime_ns != new.mtime_ns:
            yield f"{new.name} was written to at {_time(new.mtime_ns)}"


def _shown(value: Any) -> str:
    if value is None or value is False or value in ([], {}):
        return "not given"
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(mtime_ns: int) -> str:
    moment = datetime.fromtimestamp(mtime_ns / 1e9, UTC)
    return moment.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00") + " UTC"
