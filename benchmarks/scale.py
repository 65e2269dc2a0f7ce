"""How far the engines go: a plan of 99,999 shards without data, and engines beside threads.

`python -m benchmarks.scale [--shards 99999] [--rows 8000000] [--repeats 3]`. The plan is
simulated: one shard is really converted, and its result stands for all; ledger, journal and
manifest are those of a conversion. Engines convert the same file with one and two workers, each in
turn; where other programs share the machine, processor time is what counts. Writes `scale.json`,
and from it the tables of `docs/scale.md`.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.process import run_measured
from bigdata_cli.checksum import FileEntry
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.identity import identity
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.partition import MAX_SHARDS, FileRanges
from bigdata_cli.conversion.plan import Plan, Shards, make_plan
from bigdata_cli.conversion.reconcile import reconcile
from bigdata_cli.conversion.resume import find_resume_state
from bigdata_cli.conversion.shard_spec import ReadProgress, ShardResult
from bigdata_cli.dataset.manifest_file import encode_manifest
from bigdata_cli.engines.base import Task
from bigdata_cli.engines.local import LocalEngine
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample
from bigdata_cli.sources.csv.source import Source

RESULTS = Path(__file__).parent / "scale.json"
PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
BEGIN, END = "<!-- scale: written by benchmarks/scale.py -->", "<!-- end of scale -->"
PETABYTE = 10**15
SAMPLE_ROWS = 400_000
ENGINES = (("local", 1), ("processes", 1), ("local", 2), ("processes", 2), ("dask", 2))
N_SHARDS = 16
CORES = 1_000
Json = dict[str, Any]


class KeepingEngine(LocalEngine):
    """Keeps the results as they come, with their distinct texts."""

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs)
        self.results: list[ShardResult] = []

    def map(self, *work: Any, **options: Any) -> Generator[Any]:
        for event in super().map(*work, **options):
            if isinstance(event, ShardResult):
                self.results.append(event)
            yield event


class SimulatedEngine(LocalEngine):
    """Gives the result of one shard for every task, at once, as if it came from another process."""

    def __init__(self, real: ShardResult) -> None:
        super().__init__(1)
        self._real = real
        self._sent = pickle.dumps(real)

    def map(self, work: Any, tasks: Iterable[Task], **options: Any) -> Generator[Any]:
        for task in tasks:
            name, (piece,) = task.spec.names[0], task.spec.ranges
            files = tuple(
                FileEntry(name=name.file("parquet"), bytes=file.bytes, checksum=file.checksum)
                for file in self._real.files
            )
            yield ReadProgress(piece.stop - piece.start, self._real.rows)
            yield replace(
                pickle.loads(self._sent),
                index=name.index,
                name=name,
                files=files,
                starts=(piece.start,),
                stops=(piece.stop,),
                pieces=task.spec.ranges,
            )


class _Steps:
    """Processor and wall-clock seconds of steps, and the peak memory of the process after each."""

    def __init__(self) -> None:
        self.found: list[Json] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        wall, cpu = time.monotonic(), time.process_time()
        yield
        self.found.append(
            {
                "step": name,
                "cpu_seconds": time.process_time() - cpu,
                "seconds": time.monotonic() - wall,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )


def simulate(folder: Path, n_shards: int, *, resumes: bool) -> list[Json]:
    """The steps of a conversion of a petabyte, or of one that goes on after the last shard."""
    steps = _Steps()
    source = folder / "rows.csv"
    if not source.exists():
        _write_rows(source, SAMPLE_ROWS)
    options = ConvertOptions(to="parquet", output=folder / "out", shards=1)
    small = make_plan([source], options)
    real = _real_shard(small, folder) if not resumes else None
    with steps.step("plan"):
        plan = _enlarged(small, n_shards)
        who = identity(plan)
    output = OutputFolder(plan.store)
    output.open()
    try:
        if real is None:
            with steps.step("read the journal"):
                state = find_resume_state(plan.store, who, plan.keep, force=False)
            assert state is not None
            assert len(state.results) == n_shards
            with steps.step("join what it says"):
                Coordinator(plan).ledger.restore(state.results)
            return steps.found
        output.begin(who)
        conversion = Coordinator(plan)
        with SimulatedEngine(real) as engine, conversion.writing_into(output):
            with steps.step("accept all shards, and journal them"):
                conversion.convert(engine)
                output.journal.flush()
            with steps.step("reconcile"):
                reconcile(conversion, engine, output)
        with steps.step("manifest"):
            encode_manifest(conversion.manifest())
        with steps.step("names of all files"):
            assert len(conversion.renames()) == n_shards
        return steps.found
    finally:
        output.close()


def _write_rows(path: Path, n_rows: int) -> None:
    with path.open("wb") as stream:
        write_sample(SampleOptions(kind="transactions", n_rows=n_rows), stream)


def _real_shard(plan: Plan, folder: Path) -> ShardResult:
    conversion = Coordinator(replace(plan, output=folder / "one"))
    store = conversion.plan.store
    store.make()
    with KeepingEngine(2) as engine:
        conversion.convert(engine)
        return engine.results[0]


def _enlarged(plan: Plan, n_shards: int) -> Plan:
    """The plan of a file of a petabyte."""
    source = plan.source
    assert isinstance(source, Source)
    source = replace(source, files=(replace(source.files[0], size=PETABYTE),))
    shards = Shards(FileRanges(source.split(n_shards)), n_shards)
    return replace(
        plan, source=source, shards=shards, options=replace(plan.options, shards=n_shards)
    )


def compare(folder: Path, n_rows: int, repeats: int) -> list[Json]:
    """The least processor time of each engine, for the same file."""
    source = folder / "many.csv"
    _write_rows(source, n_rows)
    best: dict[tuple[str, int], Json] = {}
    for _ in range(repeats):
        for engine, jobs in ENGINES:
            output = folder / "converted"
            words = ["convert", str(source), "--to", "parquet", "-o", str(output), "--json", "-q"]
            words += ["--shards", str(N_SHARDS), "--engine", engine, "-j", str(jobs)]
            done = run_measured([sys.executable, "-m", "bigdata_cli", *words], environment={})
            shutil.rmtree(output)
            found = {
                "engine": engine,
                "workers": jobs,
                "seconds": done.seconds,
                "cpu_seconds": done.cpu_seconds,
                "peak_bytes": done.peak_rss_bytes,
                "source_bytes": source.stat().st_size,
            }
            before = best.get((engine, jobs))
            if before is None:
                best[engine, jobs] = found
                continue
            for key in ("seconds", "cpu_seconds"):
                before[key] = min(before[key], found[key])
    return list(best.values())


def tables(results: Json) -> str:
    """The results as the page shows them."""
    n_shards = results["shards"]
    lines = [
        f"{n_shards:,} shards of a file of a petabyte, simulated: only the journal is written.",
        "",
        "| step | processor seconds | seconds | peak memory so far |",
        "|---|---|---|---|",
    ]
    for name in ("conversion", "resume"):
        lines += [
            f"| {one['step']} | {one['cpu_seconds']:.1f} | {one['seconds']:.1f} | "
            f"{one['peak_bytes'] / 1e6:,.0f} MB |"
            for one in results[name]
        ]
        total = sum(one["cpu_seconds"] for one in results[name])
        lines.append(f"| **{name}** | **{total:.1f}** | | |")
    megabytes = results["engines"][0]["source_bytes"] / 1e6
    lines += [
        "",
        f"{megabytes:,.0f} MB of transactions to Parquet, least of {results['repeats']} runs:",
        "",
        "| engine | workers | processor seconds | seconds | compared with threads |",
        "|---|---|---|---|---|",
    ]
    threads = {one["workers"]: one for one in results["engines"] if one["engine"] == "local"}
    for one in results["engines"]:
        share = one["cpu_seconds"] / threads[one["workers"]]["cpu_seconds"] - 1
        lines.append(
            f"| {one['engine']} | {one['workers']} | {one['cpu_seconds']:.2f} | "
            f"{one['seconds']:.2f} | {share:+.0%} |"
        )
    return "\n".join([*lines, "", *_petabyte(results), ""])


def _petabyte(results: Json) -> list[str]:
    """What a petabyte would take, by the processor time of one process."""
    one = results["engines"][0]
    per_byte = one["cpu_seconds"] / one["source_bytes"]
    core_hours = per_byte * PETABYTE / 3600
    coordinator = sum(step["cpu_seconds"] for step in results["conversion"])
    days, rate = core_hours / 24 / CORES, CORES / per_byte / 1e9
    return [
        f"A petabyte of such rows is {core_hours:,.0f} core hours, or {days:,.1f} days of",
        f"{CORES:,} cores, if storage delivers it at {rate:,.0f} GB/s. The coordinating process is",
        f"busy for {coordinator:,.0f} seconds of that.",
    ]


def write_page(results: Json, page: Path) -> None:
    """Put the tables into the page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}", encoding="utf-8")


def _simulate_apart(folder: Path, n_shards: int, *, resumes: bool) -> list[Json]:
    """`simulate` in a process of its own, whose peak memory is of nothing else."""
    words = [sys.executable, "-m", "benchmarks.scale", "--simulate", str(folder)]
    words += ["--shards", str(n_shards), *(["--resume"] if resumes else [])]
    return run_measured(words, environment={}).answer["steps"]


def main() -> None:
    """Measure, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=MAX_SHARDS, metavar="N")
    parser.add_argument("--rows", type=int, default=8_000_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--simulate", type=Path, metavar="DIR", help="only the plan, in a folder")
    parser.add_argument("--resume", action="store_true", help="go on from the journal in it")
    given = parser.parse_args()
    if given.simulate is not None:
        steps = simulate(given.simulate, given.shards, resumes=given.resume)
        print(json.dumps({"steps": steps}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {
            "shards": given.shards,
            "conversion": _simulate_apart(folder, given.shards, resumes=False),
            "resume": _simulate_apart(folder, given.shards, resumes=True),
            "repeats": given.repeats,
            "engines": compare(folder, given.rows, given.repeats),
        }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    write_page(results, PAGE)
    print(tables(results))


if __name__ == "__main__":
    main()
