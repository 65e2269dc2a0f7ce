"""What `inspect` predicts, beside what conversions really take; written into docs/predictions.md.

`python -m benchmarks.predictions` makes the inputs, predicts, converts each in all formats, layouts
and compressions, and writes the page. `--files` adds real files; `--size` sets the size of the
others.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.inputs import BENCH_FOLDER, sample_file

if TYPE_CHECKING:
    from bigdata_cli.conversion.estimate.costs import Cost

KINDS = ("transactions", "sensors", "messy", "log")
PAGE = Path("docs/predictions.md")
WANTED_PERCENT = 10.0
_INSPECT_FILES = 10
_LINKED_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A prediction and what came of it."""

    source: str
    name: str
    predicted_bytes: int
    real_bytes: int
    predicted_seconds: float
    real_seconds: float

    @property
    def error_percent(self) -> float:
        return 100 * (self.predicted_bytes / self.real_bytes - 1)


def compare(path: Path, folder: Path) -> Iterable[Compared]:
    """Each cost of a file against a conversion, a process of its own."""
    from bigdata_cli import inspect

    for cost in inspect(path).costs:
        output = folder / "dataset"
        seconds, n_bytes = _convert(path, cost, output)
        shutil.rmtree(output)
        yield Compared(
            source=path.name,
            name=f"{cost.format} {cost.layout} {cost.compression}",
            predicted_bytes=cost.bytes,
            real_bytes=n_bytes,
            predicted_seconds=cost.seconds,
            real_seconds=seconds,
        )


def _convert(path: Path, cost: Cost, output: Path) -> tuple[float, int]:
    from bigdata_cli import open_dataset
    from bigdata_cli.option_kinds import write_names

    command = [
        sys.executable, "-m", "bigdata_cli", "convert", str(path), "--to", cost.format,
        "--layout", cost.layout, "--compression", cost.compression, "-o", str(output), "--quiet",
    ]  # fmt: skip
    if cost.dropped:
        command += ["--drop", write_names(cost.dropped)]
    started = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - started, open_dataset(output).manifest.bytes


def inspect_seconds(path: Path, folder: Path) -> tuple[int, float]:
    """(bytes, seconds) of `bigdata inspect` on a file that is linked many times: a large source.

    The median of three, with the start of Python.
    """
    many = folder / "many"
    many.mkdir()
    for place in range(_INSPECT_FILES):
        try:
            os.link(path, many / f"part-{place:03d}.csv")
        except OSError:  # on another disk
            (many / f"part-{place:03d}.csv").symlink_to(path.resolve())
    command = [sys.executable, "-m", "bigdata_cli", "inspect", str(many), "--json"]
    taken = []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.monotonic() - started)
    return _INSPECT_FILES * path.stat().st_size, statistics.median(taken)


def page(compared: Sequence[Compared], inspected: tuple[int, float], n_processors: int) -> str:
    """The page with all tables."""
    from bigdata_cli.resources.sizes import format_size

    off = [abs(one.error_percent) for one in compared]
    within = sum(error <= WANTED_PERCENT for error in off)
    ratios = [one.real_seconds / one.predicted_seconds for one in compared]
    told_bytes = (
        f"{within} of {len(off)} predictions are within {WANTED_PERCENT:.0f} %; the median error "
        f"is {statistics.median(off):.2f} %, the largest {max(off):.1f} %."
    )
    told_time = (
        f"a conversion takes {min(ratios):.2f} to {max(ratios):.2f} times the predicted seconds; "
        f"the median is {statistics.median(ratios):.2f}."
    )
    told_inspect = (
        f"{format_size(inspected[0])} in {_INSPECT_FILES} files: {inspected[1]:.1f} s, including "
        "the start of Python."
    )
    lines = [
        "# Predictions",
        "",
        "What `bigdata inspect` predicts from 8 MiB of a file, and what a conversion really took.",
        "`python -m benchmarks.predictions` writes this page; no figure was typed.",
        f"The machine has {n_processors} processors. Seconds are those of one process from its",
        "start to its end, measured once, while other work ran on the machine.",
        "",
        f"- Bytes: {told_bytes}",
        f"- Time: {told_time}",
        f"- `bigdata inspect` on {told_inspect}",
    ]
    for source in dict.fromkeys(one.source for one in compared):
        lines += [
            "",
            f"## {source}",
            "",
            "| dataset | predicted bytes | real bytes | off by | predicted s | real s |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {one.name} | {one.predicted_bytes:,} | {one.real_bytes:,} "
            f"| {one.error_percent:+.2f} % | {one.predicted_seconds:.1f} | {one.real_seconds:.1f} |"
            for one in compared
            if one.source == source
        ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the page; the status is 1 where a prediction of bytes is too far off."""
    from bigdata_cli.resources.memory import available_cpus
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.predictions", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=200_000_000, help="such as 50MB")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="real files, too")
    parser.add_argument("--folder", type=Path, default=BENCH_FOLDER)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    made = [sample_file(kind, options.size, folder=options.folder) for kind in KINDS]
    compared = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for path in (*made, *options.files):
            for one in compare(path, Path(folder)):
                print(f"{one.source} {one.name}: {one.error_percent:+.2f} %", flush=True)
                compared.append(one)
        linked = sample_file("transactions", _LINKED_BYTES, folder=options.folder)
        inspected = inspect_seconds(linked, Path(folder))
    options.page.write_text(page(compared, inspected, available_cpus()), encoding="utf-8")
    return int(any(abs(one.error_percent) > WANTED_PERCENT for one in compared))


if __name__ == "__main__":
    sys.exit(main())
