"""One conversion as people have it, with all that may go wrong on the way; 46 GB by default.

    python -m benchmarks.soak46 --size 46GB --kills 4 --memory 2GB --folder DIR --update

It makes the source, converts it to Parquet in a control group that the kernel bounds, kills it with
SIGKILL at moments drawn from a seed and goes on with the same command, compares every row with what
DuckDB reads from the source, and trains on a sample. `--update` writes what it found into
docs/reliability.md. A source of the right size that is there already is taken.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil

from benchmarks.cgroup import inside, memory_group
from benchmarks.process import SAMPLE_SECONDS, tree_rss
from bigdata_cli.resources.sizes import parse_size

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- soak46: written by benchmarks/soak46.py -->", "<!-- soak46: end -->"
_SHARDS = 46
_SAMPLE_ROWS = 2_000_000
_BIGDATA = [sys.executable, "-m", "bigdata_cli"]


class SoakError(Exception):
    """A step failed, or the dataset is not the source."""


@dataclass(frozen=True)
class Attempt:
    """One run of the conversion.

    Attributes:
        seconds: From its start to its end.
        peak_bytes: Resident memory of all its processes, at its peak.
        resumed_shards: Those that earlier runs had finished; None for a run that was killed.
    """

    seconds: float
    peak_bytes: int
    was_killed: bool
    resumed_shards: int | None = None


def make_source(path: Path, size: str) -> None:
    """Make the source, if there is none of about that size."""
    if path.exists() and abs(path.stat().st_size / parse_size(size) - 1) < 0.01:
        return
    print(f"making {size} of transactions", flush=True)
    _run("sample", "transactions", "--size", size, "--seed", "46", "--output", str(path))


def convert(source: Path, output: Path, *, kills: Sequence[float], memory: int) -> list[Attempt]:
    """Convert, and kill the conversion after so many seconds of each run; then let it end."""
    attempts = []
    for seconds in [*kills, None]:
        attempt = _attempt(source, output, seconds, memory)
        attempts.append(attempt)
        how = "killed" if attempt.was_killed else f"done, {attempt.resumed_shards} shards resumed"
        print(f"{attempt.seconds:.0f} s: {how}, {attempt.peak_bytes / 1e6:.0f} MB", flush=True)
        if not attempt.was_killed:
            break
    return attempts


def _attempt(source: Path, output: Path, kill_after: float | None, memory: int) -> Attempt:
    command = [*_BIGDATA, "convert", str(source), "--to", "parquet", "--shards", str(_SHARDS)]
    command += ["--output", str(output), "--json", "--quiet"]
    begun = time.monotonic()
    with memory_group(memory) as group:
        process = subprocess.Popen([*inside(group), *command], stdout=subprocess.PIPE, text=True)
        watched = psutil.Process(process.pid)
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_rss(watched))
            if kill_after is not None and time.monotonic() - begun > kill_after:
                process.kill()
            time.sleep(SAMPLE_SECONDS)
        answer = process.stdout.read() if process.stdout else ""
    seconds = time.monotonic() - begun
    if process.returncode == -9 and kill_after is not None:
        return Attempt(seconds, peak, was_killed=True)
    if process.returncode:
        raise SoakError(f"the conversion ended with status {process.returncode}")
    return Attempt(seconds, peak, False, json.loads(answer)["resumed_shards"])


def compare(source: Path, output: Path, memory: int) -> int:
    """Compare every row and its place with what DuckDB reads; returns the number of rows.

    A row is hashed with its number, all values as DuckDB reads them, in the types of the shards.
    """
    connection = duckdb.connect(config={"memory_limit": f"{memory // 1_000_000}MB"})
    shards = f"read_parquet('{output}/*-of-*.parquet')"
    types = connection.execute(f"DESCRIBE SELECT * FROM {shards}").fetchall()
    csv = f"read_csv('{source}', header = true)"
    found = []
    for table in (shards, csv):
        values = ", ".join(f'CAST("{name}" AS {kind})' for name, kind, *_ in types)
        rows = f"SELECT row_number() OVER () AS n, {values} FROM {table}"
        query = f"SELECT count(*), sum(hash(r)::HUGEINT) FROM ({rows}) AS r"
        found.append(connection.execute(query).fetchone())
    if found[0] != found[1]:
        raise SoakError(f"the dataset is not the source: {found}")
    return int(found[0][0])


def train(output: Path, rows: int) -> dict[str, Any]:
    """Train on a sample of the dataset; the report."""
    share = min(1.0, _SAMPLE_ROWS / rows)
    arguments = ("--label", "isFraud", "--sample", str(share), "--epochs", "1")
    answer = _run("train", str(output), *arguments, "--json", "--quiet")
    return dict(json.loads(answer))


def _run(*arguments: str) -> str:
    done = subprocess.run([*_BIGDATA, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SoakError(f"bigdata {arguments[0]} ended with status {done.returncode}")
    return done.stdout


def report(
    source: Path, memory: int, attempts: Sequence[Attempt], rows: int, trained: dict[str, Any]
) -> str:
    """What was found, as Markdown."""
    killed = [attempt for attempt in attempts if attempt.was_killed]
    last = attempts[-1]
    peak = max(attempt.peak_bytes for attempt in attempts)
    moments = ", ".join(f"{attempt.seconds:.0f} s" for attempt in killed)
    trained_on = f"{trained['trained_rows']:,} rows"
    metric = f"{trained['metric']} {trained['metric_value']:.4f}"
    table = {
        "runs that were killed": f"{len(killed)}, after {moments}",
        "the run that ended": f"{last.seconds:.0f} s, {last.resumed_shards} of {_SHARDS} shards "
        "were there",
        "memory at its peak": f"{peak / 1e6:.0f} MB",
        "compared with what DuckDB reads": f"{rows:,} rows, all equal, in their order",
        "trained on a sample": f"{trained_on}, {metric}",
    }
    size = f"{source.stat().st_size / 1e9:.1f} GB and {rows:,} rows"
    heading = (
        f"`python -m benchmarks.soak46` on {psutil.cpu_count()} cores: a CSV of {size}, to Parquet,"
        f" in a control group of {memory / 1e9:.1f} GB."
    )
    lines = [heading, "", "| | |", "|---|---|"]
    lines += [f"| {what} | {found} |" for what, found in table.items()]
    return "\n".join(lines)


def update(text: str) -> None:
    """Put the report into the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Do all of it; 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="46GB")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--seed", type=int, default=46)
    parser.add_argument("--rate", default="150MB", help="of the source a second, a guess")
    parser.add_argument("--folder", type=Path, default=ROOT / ".bench" / "soak46")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    source, output = options.folder / "transactions.csv", options.folder / "dataset"
    memory = parse_size(options.memory)
    numbers = random.Random(options.seed)
    whole = parse_size(options.size) / parse_size(options.rate)
    kills = [numbers.uniform(0, whole / 3) for _ in range(options.kills)]
    try:
        make_source(source, options.size)
        attempts = convert(source, output, kills=kills, memory=memory)
        rows = compare(source, output, 2 * memory)
        trained = train(output, rows)
    except SoakError as error:
        print(error, file=sys.stderr)
        return 1
    text = report(source, memory, attempts, rows, trained)
    print(text)
    print(json.dumps([asdict(attempt) for attempt in attempts]))
    if options.update:
        update(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
