"""46 GB of transactions in little memory: `python -m benchmarks.story` writes the README's figures.

The 46 GB are files that share their bytes on the disk (hard links), so that they need the room of
one. The dataset is a tenth of the rows, which fits anywhere; every row is read for it. Both
commands run in a control group of the memory limit, where the system has such.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cgroup import inside, memory_group
from benchmarks.process import Measured, run_measured
from bigdata_cli import sample
from bigdata_cli.resources.sizes import format_size, parse_size

PAGE = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- story: written by benchmarks/story.py -->", "<!-- end of story -->"
FILE_BYTES = 250_000_000
LIMIT_BYTES = 1_000_000_000


def make_source(folder: Path, size: int) -> int:
    """Files of transactions of about this size together; how many bytes they are."""
    folder.mkdir()
    first = folder / "part-0000.csv"
    sample("transactions", size=min(size, FILE_BYTES), output=first)
    n_files = max(1, round(size / first.stat().st_size))
    for number in range(1, n_files):
        os.link(first, folder / f"part-{number:04}.csv")
    return n_files * first.stat().st_size


def bigdata(*arguments: str, folder: Path) -> Measured:
    """Run a command in a group of the limit, from a folder."""
    command = [sys.executable, "-m", "bigdata_cli", *arguments]
    with memory_group(LIMIT_BYTES) as group:
        return run_measured([*inside(group), "env", "-C", str(folder), *command], environment={})


def story(size: int) -> str:
    """What the two commands took, as a paragraph."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        n_bytes = make_source(folder / "transactions", size)
        look = bigdata(
            "inspect", "transactions", "--label", "isFraud", "--disk", "20GB", "--memory", "16GB",
            "--json", folder=folder,
        )  # fmt: skip
        conversion = bigdata(
            "convert", "transactions", "--to", "parquet", "--label", "isFraud", "--sample", "0.1",
            "--derive", "gap = newbalanceOrig + amount - oldbalanceOrg", "--memory-limit",
            str(LIMIT_BYTES), "-o", "out", "--json", "--quiet", folder=folder,
        )  # fmt: skip
    return paragraph(n_bytes, look, conversion)


def paragraph(n_bytes: int, look: Measured, conversion: Measured) -> str:
    """The figures in sentences."""
    costs = look.answer["costs"]
    chosen: dict[str, Any] = next(cost for cost in costs if cost["is_recommended"])
    dataset = conversion.answer
    minutes = conversion.cpu_seconds / 60
    return (
        f"**{format_size(n_bytes)} of transactions** (made from one file of "
        f"{format_size(min(n_bytes, FILE_BYTES))}, again and again) have "
        f"{look.answer['rows'] / 1e6:,.0f} million rows, for which pandas would need "
        f"{format_size(look.answer['pandas_bytes'])} of memory.\n`bigdata inspect` takes "
        f"{look.cpu_seconds:.0f} seconds of processor time to say "
        f"that they fit in {format_size(chosen['bytes'])} of Parquet.\n`bigdata convert` with "
        f"`--derive` and `--sample 0.1` reads all of them in {minutes:.0f} minutes of processor "
        f"time, and\nwrites {format_size(dataset['bytes_out'])}; its memory never exceeds "
        f"{format_size(conversion.peak_rss_bytes)}.\n"
    )


def main() -> None:
    """Measure, and write the paragraph into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="46GB", help="of the source (default: 46GB)")
    options = parser.parse_args()
    text = story(parse_size(options.size))
    print(text)
    if parse_size(options.size) == parse_size("46GB"):
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
