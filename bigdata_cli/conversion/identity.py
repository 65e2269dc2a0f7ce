"""What a conversion is of: all that its bytes follow from, so that only the same one goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from bigdata_cli import __version__
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import Prepared
from bigdata_cli.options import values_of


def identity(prepared: Prepared) -> dict[str, Any]:
    """Tool, sources, options and plan as plain JSON values.

    table_bytes: what goes on takes it over, whatever memory there is by then.
    """
    sample, source = prepared.sample, prepared.source
    identity = {
        "tool": {"bigdata": __version__, "pyarrow": pa.__version__},
        "sources": [vars(file.entry()) for file in source.files],
        "options": _options(prepared.options),
        "plan": {
            "columns": [
                [state.name, state.dtype, state.fixed, _size(state.distinct)]
                for state in sample.plan.columns
            ],
            "dialect": source.dialect.to_json(),
            "layout": repr(prepared.cuts),
            "shards": prepared.n_shards,
        },
        "table_bytes": prepared.table_bytes,
        "can_go_on": not source.comes_once,
    }
    return json.loads(json.dumps(identity))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of an identity changed, as a user reads it; empty where it is the same conversion."""
    if not before.get("can_go_on") or not now["can_go_on"]:
        return ["what comes from a pipe cannot be read again"]
    changed = [*_of_tool(before["tool"], now["tool"])]
    changed += source_differences(before["sources"], now["sources"])
    changed += _of_options(before["options"], now["options"])
    if not changed and before["plan"] != now["plan"]:
        parts = [name for name, value in now["plan"].items() if before["plan"].get(name) != value]
        changed.append(f"what the sample shows is different ({', '.join(parts)})")
    return changed


def _options(options: ConvertOptions) -> dict[str, Any]:
    """The options that the bytes follow from, by flag."""
    return {one.flag: value for one, value in values_of(options) if not one.no_trace}


def _size(texts: frozenset[str] | None) -> int | None:
    return None if texts is None else len(texts)


def _of_tool(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            yield f"it was begun with {name} {before.get(name)}, and this is {now.get(name)}"


def source_differences(
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What of the source files changed; both are entries of a manifest as JSON."""
    names = [[source["name"] for source in sources] for sources in (before, now)]
    if names[0] != names[1]:
        yield f"the sources are {', '.join(names[1])}, and were {', '.join(names[0])}"
        return
    for old, new in zip(before, now, strict=True):
        if old["bytes"] != new["bytes"]:
            yield f"{new['name']} has {new['bytes']:,} bytes, and had {old['bytes']:,}"
        elif old["digest"] != new["digest"]:
            yield f"{new['name']} has another content"
        elif old["mtime_ns"] != new["mtime_ns"]:
            yield f"{new['name']} was written to at {_time(new['mtime_ns'])}"


def _of_options(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for flag in {**before, **now}:
        if before.get(flag) != now.get(flag):
            yield f"{flag} is {_shown(now.get(flag))}, and was {_shown(before.get(flag))}"


def _shown(value: Any) -> str:
    if value is None or value is False or value in ([], {}):
        return "not given"
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(mtime_ns: int) -> str:
    moment = datetime.fromtimestamp(mtime_ns / 1e9, UTC)
    return moment.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00") + " UTC"
