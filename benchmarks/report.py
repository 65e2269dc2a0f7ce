"""`results.json` as a page with charts: every figure in it is one that `speed.py` has measured.

`python -m benchmarks.report [--results FILE] [--page FILE]` writes the page anew and prints what
was asked and measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.figures import (
    OTHER_FILES,
    Figure,
    Json,
    figures,
    geometric_mean,
    parquet_means,
    seconds,
    shown,
)
from benchmarks.shapes import SHAPES
from benchmarks.suites import INSTALL_BYTES
from bigdata_cli.resources.sizes import format_size


def _spread(figure: Figure) -> str:
    text = shown(figure.measure, figure.value)
    if figure.low is None or figure.high is None or figure.low == figure.high:
        return text
    low, high = (shown(figure.measure, value).split(" ")[0] for value in (figure.low, figure.high))
    return f"{text} ({low}–{high})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _amount(size: int | str) -> str:
    return size.replace("rows", " rows") if isinstance(size, str) else format_size(size)


HEADERS = {
    "CPU": "as fast, CPU", "wall": "as fast, wall", "bytes": "bytes written",
    "peak": "peak memory", "peak bytes": "peak memory", "GB/s": "GB/s", "seconds": "time",
}  # fmt: skip


def _comparisons(found: Sequence[Figure]) -> str:
    """A row for each comparison, a column for each measure."""
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for figure in found:
        key = (figure.work, f"{figure.file}, {_amount(figure.size)}", figure.against)
        rows.setdefault(key, {})[figure.measure] = _spread(figure)
    measures = list(dict.fromkeys(figure.measure for figure in found))
    has_peers = any(key[2] for key in rows)
    header = ["work", "file", *(["against"] if has_peers else []), *(HEADERS[m] for m in measures)]
    return _table(
        header,
        [
            [*(key if has_peers else key[:2]), *(cells.get(measure, "–") for measure in measures)]
            for key, cells in rows.items()
        ],
    )


def _parquet(found: Sequence[Figure]) -> str:
    """For each size and peer a row for each shape, and their geometric mean; where ours is behind.

    The ratios that are asked for are of these.
    """
    parts = []
    for size in dict.fromkeys(figure.size for figure in found):
        for against in dict.fromkeys(figure.against for figure in found):
            mine = [f for f in found if (f.size, f.against) == (size, against)]
            by_file: dict[str, dict[str, Figure]] = {}
            for figure in mine:
                by_file.setdefault(figure.file, {})[figure.measure] = figure
            rows = [
                [file, _about(file), *(_spread(cells[measure]) for measure in cells)]
                for file, cells in by_file.items()
            ]
            measures = list(dict.fromkeys(figure.measure for figure in mine))
            means = [
                geometric_mean(values) if values else None
                for values in (
                    [f.value for f in mine if f.measure == measure and f.value is not None]
                    for measure in measures
                )
            ]
            rows.append([
                "*geometric mean*", "", *(shown(m, v) for m, v in zip(measures, means, strict=True))
            ])  # fmt: skip
            header = ["file", "", *(HEADERS[measure] for measure in measures)]
            parts.append(f"**{_amount(size)}, against {against}**\n\n{_table(header, rows)}")
            parts.append(_behind(mine, against))
    return "\n".join(parts)


def _behind(found: Sequence[Figure], against: str) -> str:
    """Where ours is behind, in words."""
    said = []
    for measure, words in (("CPU", "less processor time"), ("wall", "less time")):
        files = [
            figure.file
            for figure in found
            if figure.measure == measure and figure.value is not None and figure.value < 1
        ]
        if files:
            said.append(f"{against} takes {words} on {', '.join(files)}.")
    files = [f.file for f in found if f.measure == "bytes" and f.value is not None and f.value > 1]
    if files:
        said.append(f"{against} writes fewer bytes of {', '.join(files)}.")
    return " ".join(said) + "\n" if said else ""


def _about(file: str) -> str:
    return SHAPES[file].about if file in SHAPES else ""


def _formats(groups: Sequence[Json]) -> str:
    """CPU seconds and peak memory of every shape and format."""
    labels = list(dict.fromkeys(c["label"] for group in groups for c in group["commands"]))
    parts = []
    for title, cell in (
        ("CPU seconds", lambda command: f"{median(command['cpu_seconds']):.1f}"),
        ("Peak memory in MB", lambda command: f"{median(command['peak_rss_bytes']) / 1e6:.0f}"),
        ("Bytes written", lambda command: format_size(command["output_bytes"])),
    ):
        rows = []
        for group in groups:
            cells = {command["label"]: cell(command) for command in group["commands"]}
            name = f"{group['kind']}, {_amount(group['size'])}"
            rows.append([name, *(cells.get(label, "–") for label in labels)])
        parts.append(f"**{title}**\n\n{_table(['file', *labels], rows)}")
    return "\n".join(parts)


def _runs(group: Json) -> str:
    rows = []
    for command in group["commands"]:
        note = ""
        if command["is_partial"]:
            note = f" (on {format_size(command['source_bytes'])})"
        if command["redone_shards"]:
            note += f" ({command['redone_shards']} shards done again)"
        rows.append((
            command["label"] + note,
            _range(command["cpu_seconds"], "{:.2f}"),
            _range(command["seconds"], "{:.2f}"),
            f"{command['source_bytes'] / seconds(command, 'wall') / 1e6:.0f}",
            _range([n / 1e6 for n in command["peak_rss_bytes"]], "{:.0f}"),
            format_size(command["output_bytes"]) if command["output_bytes"] else "–",
        ))  # fmt: skip
    table = _table(("", "CPU s", "seconds", "MB/s", "peak MB", "bytes written"), rows)
    lines = "\n".join(command["command"] for command in group["commands"])
    title = f"{OTHER_FILES.get(group['kind'], group['kind'])}, {_amount(group['size'])}"
    return f"**{title}**\n\n{table}\n```text\n{lines}\n```\n"


def _range(values: Sequence[float], form: str) -> str:
    text = form.format(median(values))
    low, high = form.format(min(values)), form.format(max(values))
    return text if low == high else f"{text} ({low}–{high})"


INTRODUCTION = """\
# Benchmarks

Speed, size and memory compared with other tools. `python -m benchmarks.speed` (`make bench`)
measures and writes this page; no figure was typed.

The machine: {cores} cores, {memory} of memory. Files of {sizes}, made from a seed by
`benchmarks/shapes.py`. Versions: {versions}.

How it is measured:

- Each command is a process of its own, from its start to its exit. The time includes the start of
  Python, the imports and, for `bigdata`, the detection of types. Commands that are compared run in
  turn, A B C, A B C, {repeats} times at most; figures are medians, with the lowest and the highest
  of one turn in parentheses.
- "As fast, CPU" is how many times as much processor time the other tool takes for the same work,
  user and system, of all its threads and processes: at 2 × `bigdata` needs half of it. "As fast,
  wall" is the same by the clock. For bytes and memory, less than 1 × is less than the other tool.
- Inputs are in the page cache. Before each run another process touches as much memory as the run
  may take, since the host of a virtual machine takes free memory back and returns it slowly.
  Before the measured runs each command runs once on a small input, which loads its libraries from
  the disk.
- All commands that are compared must have read the same number of rows; otherwise the script stops.
- The other tools use {threads} threads. `bigdata` runs with its defaults.
- Memory is the peak of the resident memory of the process and its children, including mapped code
  and files.
- "Reading only" is Polars' streaming engine with the minimum and the maximum of each column, so
  that every value is parsed. If a layout holds no text (matrix, packed), the columns of text are
  left out for both.
- Writers of `tf.train.Example` are too slow for a whole file: they get a part of it, and only their
  work is measured, without their start and imports, in their favour.
- Parquet by Polars and DuckDB has float64 and int64; that of `bigdata` has the smallest types that
  hold all values. All compress with zstd.
"""


def write_report(results: Json, page: Path) -> None:
    """Write the page and its charts beside it."""
    from benchmarks.charts import write_charts

    found = figures(results)
    charts = write_charts(results, found, page)
    machine = results["machine"]
    names = [f"{name} {version}" for name, version in results["versions"].items()]
    parts = [
        INTRODUCTION.format(
            cores=machine["cores"],
            memory=format_size(machine["memory_bytes"]),
            sizes=" and ".join(format_size(size) for size in results["sizes"]),
            versions=", ".join(names),
            repeats=results["repeats"],
            threads=results["threads"],
        )
    ]
    parts += [f"![{title}]({path.name})\n" for title, path in charts]
    for section in dict.fromkeys(group["section"] for group in results["groups"]):
        parts.append(_section(section, results, found))
    parts.append(_installed(results))
    page.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _section(section: str, results: Json, found: Sequence[Figure]) -> str:
    mine = [figure for figure in found if figure.section == section]
    groups = [group for group in results["groups"] if group["section"] == section]
    parts = [f"## {section}\n"]
    if section == "CSV to Parquet":
        parts.append(_parquet(mine))
    elif section == "Every shape, every format":
        parts.append(_formats(groups))
    else:
        parts.append(_comparisons(mine))
    missing = dict.fromkeys((f.against or f.work, f.reason) for f in mine if f.value is None)
    parts += [f"Not measured: {name}: {reason}\n" for name, reason in missing]
    runs = "\n".join(_runs(group) for group in groups if group["commands"])
    parts.append(f"<details><summary>All runs</summary>\n\n{runs}\n</details>\n")
    return "\n".join(parts)


def _installed(results: Json) -> str:
    sizes: dict[str, int] = results["installed_bytes"]
    rows = [(name, format_size(size)) for name, size in list(sizes.items())[:8]]
    total = format_size(sum(sizes.values()))
    return (
        f"## Installation\n\n`pip install` without extras takes {total}, the largest of it:\n\n"
        + _table(("", "bytes"), rows)
    )


def summary(results: Json) -> str:
    """What was asked and measured, as text."""
    found = figures(results)
    lines = []
    for figure in found:
        asked = ""
        if figure.at_least is not None:
            asked = f"≥ {shown(figure.measure, figure.at_least)}"
        elif figure.at_most is not None:
            asked = f"≤ {shown(figure.measure, figure.at_most)}"
        words = (figure.work, figure.file, _amount(figure.size), figure.against, figure.measure)
        met = {True: "yes", False: "NO", None: ""}[figure.is_met]
        measured = _spread(figure) if figure.value is not None else figure.reason
        lines.append(f"{', '.join(filter(None, words)):<88} {asked:>12} {measured:<24} {met}")
    for against, size, value in parquet_means(found):
        name = f"CSV → Parquet, geometric mean, {_amount(size)}, {against}, CPU"
        asked, met = "", ""
        if against.startswith("Polars"):
            asked, met = "≥ 2.00 ×", "yes" if value >= 2 else "NO"
        lines.append(f"{name:<88} {asked:>12} {shown('CPU', value):<24} {met}")
    total = sum(results["installed_bytes"].values())
    lines.append(
        f"{'installed without extras':<88} {'≤ ' + format_size(INSTALL_BYTES):>12} "
        f"{format_size(total):<24} {'yes' if total <= INSTALL_BYTES else 'NO'}"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page of results that are there."""
    from benchmarks.speed import PAGE, RESULTS

    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    options = parser.parse_args(arguments)
    results = json.loads(options.results.read_text(encoding="utf-8"))
    write_report(results, options.page)
    print(summary(results))


if __name__ == "__main__":
    main()
