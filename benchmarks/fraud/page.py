"""The measured part of docs/fraud.md: tables between two marks, and the pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bigdata_cli.resources.sizes import format_size

BEGIN, END = "<!-- measured: written by python -m benchmarks.fraud -->", "<!-- end of measured -->"
Json = dict[str, Any]


def write_page(results: Json, page: Path) -> None:
    """Put tables and pictures between the marks, and write the pictures."""
    from benchmarks.fraud.charts import write_charts

    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    pictures = [f"![{title}]({path.name})" for title, path in write_charts(results, page)]
    parts = (
        _conditions(results), _table(results["variants"]), *pictures,
        _failures(results["failed"]), asked(results["variants"]), _stages(results["variants"]),
    )  # fmt: skip
    measured = "\n\n".join(part for part in parts if part)
    page.write_text(f"{before}{BEGIN}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


def _conditions(results: Json) -> str:
    machine, first = results["machine"], results["variants"][0]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    load = machine["load_before"]
    memory = format_size(machine["memory_bytes"])
    before = "" if load is None else f"; its load before the first run was {load:.1f}"
    return (
        f"- Transactions: {results['source']}; tested with {first['rows']:,} of them, "
        f"{first['frauds']:,} of which are frauds.\n"
        f"- The machine: {machine['cores']} cores, {memory} of memory{before}.\n"
        f"- Versions: {versions}."
    )


def _table(variants: Sequence[Json]) -> str:
    rows = [
        "| | peak MB above imports | with imports | seconds | CPU seconds | AUC |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in variants:
        label = f"**{one['label']}**" if one["is_ours"] else one["label"]
        rows.append(
            f"| {label} | {one['peak_bytes'] / 1e6:,.0f} | {one['peak_rss_bytes'] / 1e6:,.0f} "
            f"| {one['seconds']:.1f} | {one['cpu_seconds']:.1f} | {one['auc']:.4f} |"
        )
    return "\n".join(rows)


def _failures(failed: Mapping[str, str]) -> str:
    return "\n\n".join(f"Not measured: {label}: {reason}" for label, reason in failed.items())


def asked(variants: Sequence[Json]) -> str:
    """The targets of our variants, and whether each reaches them; empty without variants.

    Less memory than any other, an AUC not below the best of the others, less time than pandas.
    """
    ours = [one for one in variants if one["is_ours"]]
    others = [one for one in variants if not one["is_ours"]]
    naive = next((one for one in others if one["name"] == "naive"), None)
    if not ours or naive is None:
        return ""
    least = min(others, key=lambda one: one["peak_bytes"])
    best = max(others, key=lambda one: one["auc"])
    head = (
        f"| | memory below {least['peak_bytes'] / 1e6:,.0f} MB ({least['label']}) "
        f"| AUC from {best['auc']:.4f} ({best['label']}) "
        f"| less than {naive['seconds']:.1f} s ({naive['label']}) |"
    )
    rows = [head, "|---|---|---|---|"]
    for one in ours:
        reached = (
            (one["peak_bytes"] < least["peak_bytes"], f"{one['peak_bytes'] / 1e6:,.0f} MB"),
            (one["auc"] >= best["auc"], f"{one['auc']:.4f}"),
            (one["seconds"] < naive["seconds"], f"{one['seconds']:.1f} s"),
        )
        cells = [f"{'yes' if is_met else '**no**'}, {figure}" for is_met, figure in reached]
        rows.append(f"| {one['label']} | " + " | ".join(cells) + " |")
    return "**Targets**\n\n" + "\n".join(rows)


def _stages(variants: Sequence[Json]) -> str:
    head = "| | step | seconds | peak MB above imports | MB of imports |"
    rows = [head, "|---|---|---:|---:|---:|"]
    commands = []
    seen = set()
    for one in variants:
        for stage in one["stages"]:
            imports = " + ".join(f"{n_bytes / 1e6:,.0f}" for n_bytes in stage["imports_bytes"])
            rows.append(
                f"| {one['label']} | {stage['name']} | {stage['seconds']:.1f} "
                f"| {stage['peak_bytes'] / 1e6:,.0f} | {imports} |"
            )
            if stage["command"] not in seen:
                seen.add(stage["command"])
                commands.append(stage["command"])
    listed = "```text\n" + "\n".join(commands) + "\n```"
    return (
        "**Step by step**\n\n" + "\n".join(rows) + "\n\n<details><summary>Commands</summary>\n\n"
        f"{listed}\n\n</details>"
    )
