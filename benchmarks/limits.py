"""Whether the memory limit holds: the peak of the process tree for each format, layout and limit.

`python -m benchmarks.limits [--size 2GB] [--limits 256MB,512MB,1GB,4GB]`: each conversion is a
process of its own, in a control group with the same limit where the system lets one be made
(`cgroup.py`), so that the kernel kills what takes more; and measured from outside (`process.py`):
the sum over the tree every 50 ms, and the kernel's own maximum. A file 20 times larger than the
lowest limit is converted under it, too. Writes `limits.json`, and from it the tables of
`docs/memory.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.cgroup import inside, memory_group
from benchmarks.commands import LAYOUTS, conversion
from benchmarks.inputs import BENCH_FOLDER, input_path
from benchmarks.process import CommandError, run_measured
from bigdata_cli.resources.sizes import format_size, parse_size

RESULTS = Path(__file__).parent / "limits.json"
PAGE = Path(__file__).parent.parent / "docs" / "memory.md"
BEGIN, END = "<!-- limits: written by benchmarks/limits.py -->", "<!-- end of limits -->"
LIMITS = ("256MB", "512MB", "1GB", "4GB")
LONG_RECORD_BYTES = 12_000_000
SPECIAL_BYTES = 200_000_000
TIMES_LARGER = 20
BASIC_LAYOUTS = (
    ("parquet", "rows"), ("hdf5", "columns"), ("npy", "columns"), ("tfrecord", "rows"),
    ("arrow", "rows"),
)  # fmt: skip
WIDE_LAYOUTS = (
    ("parquet", "rows"), ("hdf5", "matrix"), ("npy", "matrix"), ("tfrecord", "rows"),
    ("arrow", "rows"),
)  # fmt: skip

Json = dict[str, Any]


class Case(NamedTuple):
    """A kind of file, its bytes, and what it is converted to under which limits."""

    kind: str
    n_bytes: int
    layouts: Sequence[tuple[str, str]]
    limits: Sequence[int]


def cases(size: int, limits: Sequence[int]) -> Iterator[Case]:
    """All that is measured; `size` is that of the main file."""
    yield Case("transactions", size, LAYOUTS, limits)
    yield Case("sensors", size // 10, LAYOUTS, limits)
    yield Case("wide", min(size, SPECIAL_BYTES), WIDE_LAYOUTS, limits)
    yield Case("long", min(size, SPECIAL_BYTES), BASIC_LAYOUTS, limits)
    yield Case("transactions", TIMES_LARGER * min(limits), BASIC_LAYOUTS, [min(limits)])


def measure(size: int, limits: Sequence[int], *, folder: Path) -> Json:
    """Convert each file into each layout under each limit; returns `limits.json`."""
    results = []
    with memory_group(min(limits)) as group:
        by_kernel = group is not None
    for case in cases(size, limits):
        source = _source(case.kind, case.n_bytes, folder)
        rows = []
        for form, layout in case.layouts:
            arguments = _conversion(case.kind, form, layout)
            for limit in case.limits:
                row = {"format": form, "layout": layout, "limit_bytes": limit}
                rows.append(row | _run(source, arguments, folder, limit))
                print(_line(case.kind, rows[-1]), flush=True)
        results.append(
            {"kind": case.kind, "source_bytes": source.stat().st_size, "conversions": rows}
        )
    return {
        "machine": {"cores": os.cpu_count(), "memory_bytes": psutil.virtual_memory().total},
        "by_kernel": by_kernel,
        "cases": results,
    }


def _conversion(kind: str, form: str, layout: str) -> Sequence[str]:
    """The arguments; long records are no shape."""
    return ["--to", form] if kind == "long" else conversion(kind, form, layout)


def _source(kind: str, n_bytes: int, folder: Path) -> Path:
    """An input; it is made by another process, so that this one stays small."""
    path = input_path(kind, n_bytes, folder=folder)
    if kind == "long" and not path.exists():
        _long_records(path, n_bytes)
    if not path.exists():
        command = [sys.executable, "-m", "benchmarks.inputs", kind, str(n_bytes)]
        subprocess.run([*command, "--folder", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return path


def _long_records(path: Path, n_bytes: int) -> None:
    """Records of which one in a hundred has 12 MB."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="ascii") as file:
        file.write("id,text\n")
        row = 0
        while file.tell() < n_bytes:
            row += 1
            length = LONG_RECORD_BYTES if row % 100 == 0 else row * 7919 % 200
            file.write(f"{row},{'x' * length}\n")
    partial.rename(path)


def _run(source: Path, arguments: Sequence[str], folder: Path, limit: int) -> Json:
    """One conversion: its peak, and what was expected; or the smallest limit, where refused."""
    output = folder / "limits-out"
    shutil.rmtree(output, ignore_errors=True)
    line = [sys.executable, "-m", "bigdata_cli", "convert", str(source), *arguments]
    line += ["--output", str(output), "--json", "--quiet", "--memory-limit", str(limit)]
    try:
        with memory_group(limit) as group:
            measured = run_measured([*inside(group), *line], environment={})
    except CommandError as error:
        if "status 4" in str(error):
            return {"refused": str(error).partition("Hint: ")[2].strip()}
        if "status -9" in str(error):
            return {"killed": True}
        raise
    finally:
        shutil.rmtree(output, ignore_errors=True)
    budget = measured.answer["memory"]
    return {
        "peak_rss_bytes": measured.peak_rss_bytes,
        "expected_bytes": budget["expected_bytes"],
        "jobs": budget["jobs"],
        "unit_bytes": budget["unit_bytes"],
        "batch_bytes": budget["batch_bytes"],
        "seconds": round(measured.seconds, 2),
    }


def holds(row: Json) -> bool:
    """Whether the peak was within the limit; a conversion that was refused took nothing."""
    if "killed" in row:
        return False
    return "refused" in row or row["peak_rss_bytes"] <= row["limit_bytes"]


def _line(kind: str, row: Json) -> str:
    name = f"{kind:13}{row['format']:9}{row['layout']:8}{format_size(row['limit_bytes']):>8}"
    if "refused" in row:
        return f"{name}  refused: {row['refused']}"
    if "killed" in row:
        return f"{name}  KILLED"
    verdict = "holds" if holds(row) else "OVER THE LIMIT"
    return (
        f"{name}  {format_size(row['peak_rss_bytes']):>8}"
        f"  ({format_size(row['expected_bytes'])} expected)  {row['seconds']:6.1f} s  {verdict}"
    )


def write_page(results: Json, page: Path) -> None:
    """Put the tables between their marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}", encoding="utf-8")


TITLES = {
    "transactions": "short texts and numbers",
    "sensors": "28 floats",
    "wide": "11,000 columns of one digit",
    "long": "one record in a hundred has 12 MB",
}


def tables(results: Json) -> str:
    """A table per file: a row per layout, a column per limit."""
    machine = results["machine"]
    witness = (
        "Each process was in a control group of that limit: the kernel would have killed it."
        if results["by_kernel"]
        else "No control group could be made; the peak is the kernel's own maximum."
    )
    introduction = (
        f"Measured on {machine['cores']} cores with {format_size(machine['memory_bytes'])} of "
        "memory. In each cell: the peak of the resident memory, and "
        f"the seconds that it took. {witness}\n"
    )
    parts = [introduction]
    for case in results["cases"]:
        rows = case["conversions"]
        limits = list(dict.fromkeys(row["limit_bytes"] for row in rows))
        times = case["source_bytes"] / min(limits)
        parts.append(
            f"**{format_size(case['source_bytes'])}, {TITLES[case['kind']]}**: up to "
            f"{times:.1f} times the limit\n"
        )
        parts.append("| layout | " + " | ".join(f"≤ {format_size(n)}" for n in limits) + " |")
        parts.append("|---|" + "---:|" * len(limits))
        for form, layout in dict.fromkeys((row["format"], row["layout"]) for row in rows):
            cells = [_cell(row) for row in rows if (row["format"], row["layout"]) == (form, layout)]
            parts.append(f"| {form} {layout} | " + " | ".join(cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _cell(row: Json) -> str:
    if "killed" in row:
        return "**killed**"
    if "refused" in row:
        return "refused: " + row["refused"].removeprefix("--memory-limit ").partition(" ")[0]
    shown = f"{row['peak_rss_bytes'] / 1e6:.0f} MB, {row['seconds']:.1f} s"
    return shown if holds(row) else f"**over: {shown}**"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the page; returns 1 where a limit did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=2_000_000_000, help="default 2GB")
    parser.add_argument("--limits", default=",".join(LIMITS), help="default " + ",".join(LIMITS))
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    parser.add_argument("--write-only", action="store_true", help="the page, of results there are")
    options = parser.parse_args(arguments)
    if options.write_only:
        results = json.loads(options.results.read_text(encoding="utf-8"))
    else:
        limits = [parse_size(text) for text in options.limits.split(",")]
        results = measure(options.size, limits, folder=BENCH_FOLDER)
        options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_page(results, options.page)
    rows = [row for case in results["cases"] for row in case["conversions"]]
    over = [row for row in rows if not holds(row)]
    print(f"{len(rows)} conversions, {len(over)} over their limit")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
