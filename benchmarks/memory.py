"""Peak memory of a conversion against the size of its input.

`python -m benchmarks.memory [--sizes 100MB,1GB] [--formats parquet,npy] [--kinds transactions]`:
each conversion runs as a process of its own, `python -m bigdata_cli convert`. The resident memory
of it and its children is sampled every 20 ms; what the kernel says of the process itself
(`ru_maxrss`) stands beside it. How threads meet changes a peak by some 10 %, so that each is the
median of several runs. Writes the figures to `benchmarks/memory.json` and ends with status 1 where
the peaks of two sizes differ by 20 % or more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.equality import LAYOUTS, NUMBERS_ONLY
from benchmarks.inputs import BENCH_FOLDER, sample_file

SAMPLE_SECONDS = 0.02
ALLOWED_RATIO = 1.2
LABELS = {"transactions": "isFraud", "sensors": "label"}
TEXT_COLUMNS = {"transactions": "nameOrig,nameDest", "sensors": ""}
FIGURES = Path(__file__).parent / "memory.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One conversion, or the median of several.

    peak_rss_bytes: of the process tree; max_rss_bytes: of the process. seconds: the fastest.
    """

    kind: str
    format: str
    layout: str
    source_bytes: int
    output_bytes: int
    seconds: float
    peak_rss_bytes: int
    max_rss_bytes: int


def tree_rss(process: psutil.Process) -> int:
    """Resident bytes of a process and its descendants, of those that still run."""
    total = 0
    try:
        for member in [process, *process.children(recursive=True)]:
            try:
                total += member.memory_info().rss
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total


def run_measured(command: Sequence[str]) -> tuple[float, int, int]:
    """Run a command: its seconds, the peak RSS of its tree, and its own maximum, in bytes.

    Raises subprocess.CalledProcessError where it fails.
    """
    started = time.monotonic()
    child = subprocess.Popen(command)
    process = psutil.Process(child.pid)
    peak = 0
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, tree_rss(process))
        time.sleep(SAMPLE_SECONDS)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024
    return time.monotonic() - started, peak, usage.ru_maxrss * unit


def convert_measured(kind: str, form: str, layout: str, source: Path, *, jobs: int | None) -> Run:
    """Convert a generated file in a process of its own, and remove the dataset again."""
    work = Path(tempfile.mkdtemp(dir=BENCH_FOLDER, prefix="memory-"))
    output = work / "dataset"
    command = [
        sys.executable, "-m", "bigdata_cli", "convert", str(source), "--to", form,
        "--layout", layout, "--output", str(output), "--quiet",
    ]  # fmt: skip
    if layout in NUMBERS_ONLY:
        command += ["--label", LABELS[kind]]
        if TEXT_COLUMNS[kind]:
            command += ["--drop", TEXT_COLUMNS[kind]]
    if jobs is not None:
        command += ["--jobs", str(jobs)]
    try:
        seconds, peak, maximum = run_measured(command)
        output_bytes = sum(path.stat().st_size for path in output.iterdir())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Run(
        kind=kind,
        format=form,
        layout=layout,
        source_bytes=source.stat().st_size,
        output_bytes=output_bytes,
        seconds=round(seconds, 2),
        peak_rss_bytes=peak,
        max_rss_bytes=maximum,
    )


def median_run(runs: Sequence[Run]) -> Run:
    """Runs of the same conversion as one: the medians of the peaks, the fewest seconds."""
    return replace(
        runs[0],
        seconds=min(run.seconds for run in runs),
        peak_rss_bytes=round(median(run.peak_rss_bytes for run in runs)),
        max_rss_bytes=round(median(run.max_rss_bytes for run in runs)),
    )


def ratio(runs: Sequence[Run]) -> float:
    """The largest peak of these runs against the smallest."""
    peaks = [run.peak_rss_bytes for run in runs]
    return max(peaks) / min(peaks)


def table(groups: Sequence[Sequence[Run]]) -> str:
    """The figures, a line for each kind of data, format and layout."""
    from bigdata_cli.resources.sizes import format_size

    lines = []
    for runs in groups:
        first = runs[0]
        figures = "  ".join(
            f"{format_size(run.source_bytes):>8}: {format_size(run.peak_rss_bytes):>8} "
            f"{run.source_bytes / run.seconds / 1e6:5.0f} MB/s"
            for run in runs
        )
        name = f"{first.kind} {first.format} {first.layout}"
        lines.append(f"{name:<32} {figures}  ratio {ratio(runs):.2f}")
    return "\n".join(lines)


def figures_json(groups: Sequence[Sequence[Run]], *, repeats: int) -> dict[str, Any]:
    """The figures as plain JSON values."""
    return {
        "machine": {
            "system": platform.system(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
        },
        "allowed_ratio": ALLOWED_RATIO,
        "repeats": repeats,
        "results": [
            {"ratio": round(ratio(runs), 3), "runs": [asdict(run) for run in runs]}
            for runs in groups
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; returns 1 where a ratio is not below the one allowed."""
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--sizes", default="100MB,1GB")
    parser.add_argument("--kinds", default="transactions,sensors")
    parser.add_argument("--formats", help="only these formats")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each conversion")
    parser.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE")
    options = parser.parse_args(arguments)
    sizes = sorted(map(parse_size, options.sizes.split(",")))
    formats = options.formats.split(",") if options.formats else None
    groups = []
    for kind in options.kinds.split(","):
        sources = [sample_file(kind, size) for size in sizes]
        for form, layout in LAYOUTS:
            if formats is not None and form not in formats:
                continue
            # The first conversion of a layout compiles the kernels that are not cached yet.
            convert_measured(kind, form, layout, sample_file(kind, 1_000_000), jobs=options.jobs)
            runs = [
                median_run(
                    [
                        convert_measured(kind, form, layout, source, jobs=options.jobs)
                        for _ in range(options.repeats)
                    ]
                )
                for source in sources
            ]
            groups.append(runs)
            print(table([runs]), flush=True)
    options.figures.write_text(
        json.dumps(figures_json(groups, repeats=options.repeats), indent=1) + "\n"
    )
    worst = max(map(ratio, groups), default=1.0)
    print(f"\nThe peaks of one conversion differ by a factor of {worst:.2f} at most.")
    return 0 if worst < ALLOWED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
