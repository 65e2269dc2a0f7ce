"""`results.json` as a page with charts: every figure in it is one that `speed.py` has measured.

`python -m benchmarks.report [--results FILE] [--page FILE]` writes the page anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bigdata_cli.resources.sizes import format_size

FILES = {
    "transactions": "transactions",
    "sensors": "28 floats",
    "log": "lines of text",
    "gzip": "transactions, gzip",
}
CELLS = {
    "rate": "rate",
    "seconds": "time",
    "bytes out": "bytes out",
    "peak": "peak memory",
    "peak bytes": "peak memory",
    "bytes out of the source's": "bytes out",
}

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of what was asked: the ratio (bytes for "peak bytes"), its least and greatest.

    value is None where a command could not be run; reason says why.
    """

    section: str
    work: str
    file: str
    against: str
    measure: str
    at_least: float | None
    at_most: float | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether it is as was asked; None where nothing was, or nothing was measured."""
        if self.value is None or (self.at_least is None and self.at_most is None):
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def figures(results: Json) -> list[Figure]:
    """All rows of what was asked, with what was measured."""
    return [
        _figure(group, asked) for group in results["groups"] for asked in group["asked"]
    ]  # fmt: skip


def _figure(group: Json, asked: Json) -> Figure:
    commands = {command["label"]: command for command in group["commands"]}
    ours, theirs = commands.get(asked["ours"]), commands.get(asked["theirs"])
    missing = [name for name in (asked["ours"], asked["theirs"]) if name in group["missing"]]
    measure = asked["measure"]
    file = FILES[group["kind"]]
    if group["section"] == "Memory" and ours is not None:
        file += f", {format_size(ours['source_bytes'])}"
    against = asked["theirs"] or ("the source" if measure != "peak bytes" else "")
    if group["section"] == "Memory" and theirs is not None:
        against = format_size(theirs["source_bytes"])
    common = {
        "section": group["section"], "work": asked["work"], "file": file, "against": against,
        "measure": measure, "at_least": asked["at_least"], "at_most": asked["at_most"],
    }  # fmt: skip
    if missing or ours is None:
        reasons = dict.fromkeys(group["missing"][name] for name in missing)
        return Figure(**common, reason="; ".join(reasons))
    values = _values(measure, ours, theirs)
    pairs = [_values(measure, *pair)[0] for pair in _pairs(ours, theirs)]
    return Figure(**common, value=values[0], low=min(pairs), high=max(pairs))


def _pairs(ours: Json, theirs: Json | None) -> Iterator[tuple[Json, Json | None]]:
    """The two commands, cycle by cycle."""
    for index in range(len(ours["seconds"])):
        yield _cycle(ours, index), None if theirs is None else _cycle(theirs, index)


def _cycle(command: Json, index: int) -> Json:
    lists = ("seconds", "work_seconds", "cpu_seconds", "peak_rss_bytes")
    return {**command, **{name: [command[name][index]] for name in lists}}


def _values(measure: str, ours: Json, theirs: Json | None) -> tuple[float]:
    if measure == "peak bytes":
        return (median(ours["peak_rss_bytes"]),)
    if measure == "bytes out of the source's":
        return (ours["output_bytes"] / ours["source_bytes"],)
    assert theirs is not None
    amount: Callable[[Json], float] = {
        "rate": rate,
        "seconds": lambda command: median(command["seconds"]),
        "bytes out": lambda command: command["output_bytes"],
        "peak": lambda command: median(command["peak_rss_bytes"]),
    }[measure]
    return (amount(ours) / amount(theirs),)


def rate(command: Json) -> float:
    """Bytes of text per second; of gzip, of the text within, as far as ratios go."""
    seconds = command["work_seconds"] if command["is_partial"] else command["seconds"]
    return command["source_bytes"] / median(seconds)


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def _cell(figure: Figure) -> tuple[str, str, str]:
    """Asked, measured, and whether that is met."""
    show = format_size if figure.measure == "peak bytes" else _ratio
    unit = "" if figure.measure == "peak bytes" else " ×"
    asked = "–"
    if figure.at_least is not None:
        asked = f"≥ {_asked(figure.at_least)}{unit}"
    elif figure.at_most is not None:
        limit = figure.at_most
        asked = f"≤ {format_size(limit) if not unit else _asked(limit)}{unit}"
    if figure.value is None:
        return asked, "not measured", "–"
    measured = f"**{show(figure.value)}{unit}**"
    if figure.low is not None and figure.high is not None and figure.low != figure.high:
        measured += f" ({show(figure.low)}–{show(figure.high)})"
    return asked, measured, {True: "yes", False: "no", None: "–"}[figure.is_met]


def _asked(value: float) -> str:
    return f"{value:g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _asked_table(found: Sequence[Figure]) -> str:
    rows = []
    for figure in found:
        asked, measured, met = _cell(figure)
        cells = (figure.work, figure.file, figure.against, CELLS[figure.measure])
        rows.append((*cells, asked, measured, met))
    return _table(("work", "file", "against", "of", "asked", "measured", "reached"), rows)


def _spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    if len(values) == 1 or min(values) == max(values):
        return show(median(values))
    return f"{show(median(values))} ({show(min(values))}–{show(max(values))})"


def _runs_table(group: Json) -> str:
    rows = []
    is_memory = group["section"] == "Memory"
    for command in group["commands"]:
        note = ""
        seconds = command["work_seconds" if command["is_partial"] else "seconds"]
        if command["is_partial"]:
            note = f" (on {format_size(command['source_bytes'])}, its start left out)"
        if command["redone_shards"]:
            note += f" ({command['redone_shards']} shards done again)"
        rows.append((
            (format_size(command["source_bytes"]) if is_memory else command["label"]) + note,
            _spread(seconds, "{:.2f}".format),
            f"{rate(command) / 1e6:.0f}",
            _spread(command["cpu_seconds"], "{:.1f}".format),
            _spread(command["peak_rss_bytes"], lambda n: f"{n / 1e6:.0f}"),
            format_size(command["output_bytes"]) if command["output_bytes"] else "–",
        ))  # fmt: skip
    header = ("", "seconds", "MB/s of the file", "CPU seconds", "peak MB", "bytes out")
    return _table(header, rows)


def _commands(group: Json) -> str:
    lines = [f"{command['command']}" for command in group["commands"]]
    return (
        "<details><summary>Commands</summary>\n\n```text\n"
        + "\n".join(lines)
        + "\n```\n\n</details>"
    )


INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks.speed`; no figure on this page was typed. `make bench` measures
anew.

The machine: {cores} cores, {memory} of memory. Main inputs: {size}, made by `bigdata sample` from a
seed. Versions: {versions}.

How it is measured:

- Each command is a process of its own, and its time is that from start to exit: the start of
  Python, the imports and, for `bigdata`, the guess at types are in it. Commands that are compared
  run in turn, A B C, A B C, {repeats} times at most; figures are medians, with the least and the
  greatest in parentheses. Ratios are of the medians, and their least and greatest those within one
  turn.
- Inputs are in the page cache. Before each run as much memory as it may take is touched by another
  process, since the host of a virtual machine takes free memory back and gives it again slowly: by
  seconds per GB, which only those would pay who write. Before the measured runs each command runs
  once on a small input, which loads its libraries from the disk and compiles our kernels: they are
  kept, so that only the first conversion on a machine waits for them, by some
  seconds per format.
- All of the commands that are compared have read the same number of rows; else the script stops.
- Threads of the peers: {threads}. Ours has its defaults.
- Memory is the resident memory of the process and its children, at its peak; code and files that
  are mapped are in it.
- "Reading only" is Polars' streaming engine with the minimum and the maximum of each column, so
  that every value is parsed. Where a layout holds no text (matrix, packed) the columns of names are
  left out for both.
- Both writers of `tf.train.Example` read with pyarrow's CSV reader in blocks of 4 MB. They are too
  slow for all of the file, so that they get a part of it, and of them only the work is timed,
  without the start and imports, in their favour. tfx-bsl runs in an environment of its own.
- The loops over lines in Python do the work that ours does, without the check of UTF-8; those that
  say "reading only" count lines and do nothing with them.
- The HDF5 files of pandas + h5py have our dtypes, chunks of as many rows, shuffle and gzip, at
  h5py's level 4; ours are deflated by ISA-L at its level 1.
- Parquet by Polars and DuckDB has float64 and int64; ours the smallest types that hold all values.
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
            size=format_size(results["size"]),
            versions=", ".join(names),
            repeats=results["repeats"],
            threads=results["threads"],
        )
    ]
    parts += [f"![{title}]({path.name})\n" for title, path in charts]
    for section in dict.fromkeys(group["section"] for group in results["groups"]):
        parts.append(_section(section, results, found))
    page.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _section(section: str, results: Json, found: Sequence[Figure]) -> str:
    mine = [figure for figure in found if figure.section == section]
    parts = [f"## {section}\n", _asked_table(mine) + "\n"]
    parts += [f"Not measured: {f.against}: {f.reason}\n" for f in mine if f.value is None]
    for group in results["groups"]:
        if group["section"] == section and group["commands"]:
            title = FILES[group["kind"]]
            if section in ("Memory", "Scaling"):
                title = group["name"].partition("-")[2].replace("-", " ")
            parts.append(f"**{title[0].upper()}{title[1:]}**\n\n{_runs_table(group)}\n")
            parts.append(_commands(group) + "\n")
    return "\n".join(parts)


def summary(results: Json) -> str:
    """What was asked and measured, as text."""
    lines = []
    for figure in figures(results):
        asked, measured, met = _cell(figure)
        words = (figure.work, figure.file, figure.against, CELLS[figure.measure])
        name = ", ".join(filter(None, words))
        lines.append(f"{name:<100} {asked:>10} {measured.replace('*', ''):<24} {met}")
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
