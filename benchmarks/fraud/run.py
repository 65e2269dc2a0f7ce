"""Fraud detection in less memory: each way to train and test, measured one after another.

`python -m benchmarks.fraud [--rows 6362620] [--csv PaySim.csv] [--only naive,bagged]`: makes the
transactions, or splits the user's. Each command runs on small files first, which compiles kernels
and tells what it imports, then on all. Writes `results.json`, and from it docs/fraud.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from benchmarks.fraud.measure import Stage, StageRun, run_stage, weigh_imports
from benchmarks.fraud.variants import VARIANTS, Variant, Workplace
from benchmarks.inputs import BENCH_FOLDER
from benchmarks.process import CommandError, ready_memory
from bigdata_cli.errors import BigdataError, MissingDependencyError, UsageError, did_you_mean

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent.parent / "docs" / "fraud.md"
PAYSIM_ROWS = 6_362_620
SMALL = ("--rows", "40000", "--fraud-share", "0.05")
"""Of the first runs: enough frauds in a sample of 5 %."""
MAX_SAMPLES = 300
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
VERSIONS = (
    *(
        "pandas",
        "dask",
        "scikit-learn",
        "keras",
        "tensorflow",
        "xgboost-cpu",
        "xgboost",
        "lightgbm",
    ),
    *("numpy", "pyarrow"),
)
_MIN_READY_BYTES, _WORKING_SHARE = 100_000_000, 6
"""Of the file to train on, from which on it matters where memory comes from, and how much."""

Json = dict[str, Any]


class PrepareError(BigdataError):
    """The files could not be made; the message is what the command said."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def measure(variants: Sequence[Variant], *, n_rows: int, csv: Path | None, folder: Path) -> Json:
    """Run the variants; returns what `results.json` holds.

    A variant that fails, or has not scored the rows that the others have, is named with its
    reason. Raises MissingDependencyError before anything is run, PrepareError for a CSV that is
    not PaySim's.
    """
    check_packages(variants)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if csv is None:
        source = f"{n_rows:,} generated rows"
        place = _workplace(folder, f"fraud-{n_rows}", ("--rows", str(n_rows)))
    else:
        source = csv.name
        place = _workplace(folder, f"fraud-{csv.stem}-{_size(csv)}", ("--csv", str(csv)))
    small = replace(_workplace(folder, "fraud-small", SMALL), memory_limit=())
    done: dict[Stage, StageRun] = {}
    measured: list[Json] = []
    failed: dict[str, str] = {}
    try:
        for variant in variants:
            try:
                _run(variant, small, place, done)
                figures = _figures(variant, place, done)
                _check_rows([*measured, figures])
            except CommandError as error:  # the others are still worth their while
                print(f"{variant.name}: {error}", file=sys.stderr)
                failed[variant.label] = str(error).strip().splitlines()[-1]
            else:
                measured.append(figures)
                print(line(figures), flush=True)
    finally:
        for finished in (small, place):
            shutil.rmtree(finished.folder, ignore_errors=True)
    return {
        "machine": {
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "load_before": load,
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "source": source,
        "variants": measured,
        "failed": failed,
    }


def _run(variant: Variant, small: Workplace, place: Workplace, done: dict[Stage, StageRun]) -> None:
    """Run the stages of a variant that are not done: what several begin with runs once."""
    for where in (small, place):
        where.scores(variant.name).mkdir(exist_ok=True)
    for light, stage in zip(variant.stages(small), variant.stages(place), strict=True):
        if stage not in done:
            imports = weigh_imports(light, environment=ENVIRONMENT)
            n_bytes = place.train_csv.stat().st_size
            if n_bytes >= _MIN_READY_BYTES:
                ready_memory(_WORKING_SHARE * n_bytes)
            done[stage] = run_stage(stage, imports_bytes=imports, environment=ENVIRONMENT)


def check_packages(variants: Sequence[Variant]) -> None:
    """Raise MissingDependencyError where a variant needs what is not installed."""
    for variant in variants:
        for package in variant.needs:
            if find_spec(package) is None:
                raise MissingDependencyError.for_extra(
                    package, "bench", purpose=f"the variant {variant.name}"
                )


def _workplace(folder: Path, name: str, made_of: Sequence[str]) -> Workplace:
    """An empty folder to work in, and the files; another process makes them: this stays small."""
    data = folder / name
    if not data.exists():
        command = [sys.executable, "-m", "benchmarks.fraud.data", str(data), *made_of]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            message = done.stderr.removeprefix("Error: ").strip()
            raise PrepareError(message, done.returncode)
    work = folder / f"{name}-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    return Workplace(train_csv=data / "train.csv", test_csv=data / "test.csv", folder=work)


def _size(csv: Path) -> int:
    return csv.stat().st_size if csv.is_file() else 0


def _figures(variant: Variant, place: Workplace, done: dict[Stage, StageRun]) -> Json:
    stages = variant.stages(place)
    runs = [done[stage] for stage in stages]
    judged = _judge(place.scores(variant.name))
    return {
        "name": variant.name,
        "label": variant.label,
        "is_ours": variant.is_ours,
        "seconds": round(sum(run.seconds for run in runs), 2),
        "cpu_seconds": round(sum(run.cpu_seconds for run in runs), 2),
        "peak_bytes": max(run.peak_bytes for run in runs),
        "peak_rss_bytes": max(run.peak_rss_bytes for run in runs),
        **judged,
        "stages": [
            {
                "name": stage.name,
                "command": _plain(stage.shown(), place),
                "seconds": round(run.seconds, 2),
                "peak_bytes": run.peak_bytes,
                "imports_bytes": list(run.imports_bytes),
            }
            for stage, run in zip(stages, runs, strict=True)
        ],
        "samples": thinned(_joined(runs), MAX_SAMPLES),
    }


def _judge(scores: Path) -> Json:
    command = [sys.executable, "-m", "benchmarks.fraud.scores", str(scores)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{scores.name} cannot be judged: {done.stderr[-2000:]}")
    judged: Json = json.loads(done.stdout)
    return judged


def _check_rows(measured: Sequence[Json]) -> None:
    """Raise CommandError where the last variant was tested with other rows than the first."""
    seen = {(figures["rows"], figures["frauds"]) for figures in measured}
    if len(seen) > 1:
        raise CommandError(f"{measured[-1]['name']} was tested with other rows: {sorted(seen)}")


def _joined(runs: Sequence[StageRun]) -> list[tuple[float, int]]:
    """The samples of stages one after another."""
    joined, start = [], 0.0
    for run in runs:
        joined += [(start + seconds, above) for seconds, above in run.samples]
        start += run.seconds
    return joined


def thinned(samples: Sequence[tuple[float, int]], most: int) -> list[tuple[float, int]]:
    """At most so many samples: of each stretch of time, the largest."""
    per_stretch = -(-len(samples) // most)
    stretches = (samples[at : at + per_stretch] for at in range(0, len(samples), per_stretch))
    largest = (max(stretch, key=lambda sample: sample[1]) for stretch in stretches)
    return [(round(seconds, 2), above) for seconds, above in largest]


def _plain(command: str, place: Workplace) -> str:
    """A command without the paths of this machine."""
    for path in (place.folder, place.train_csv.parent):
        command = command.replace(f"{path}{os.sep}", "")
    return command


def _versions() -> Json:
    found = {}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def line(figures: Json) -> str:
    """A variant's figures as a line of text."""
    return (
        f"{figures['name']:12} {figures['peak_bytes'] / 1e6:7.0f} MB above imports "
        f"{figures['seconds']:7.1f} s   AUC {figures['auc']:.4f}"
    )


def updated(known: Json, results: Json) -> Json:
    """Results with the variants of an earlier run, of the same rows, that are not among them."""
    if known["source"] != results["source"]:
        raise UsageError(
            f"the results are of {known['source']}, and not of {results['source']}",
            hint="--results and --page of another name, without --update",
        )
    variants = {variant["name"]: variant for variant in (*known["variants"], *results["variants"])}
    order = [variant.name for variant in VARIANTS if variant.name in variants]
    return {**results, "variants": [variants[name] for name in order]}


def _chosen(only: str) -> list[Variant]:
    names = list(filter(None, only.split(",")))
    known = {variant.name: variant for variant in VARIANTS}
    for name in names:
        if name not in known:
            raise UsageError(f'there is no variant "{name}"', hint=did_you_mean(name, known))
    return [variant for variant in VARIANTS if not names or variant.name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the page; returns the status of an error, 1 where a variant failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fraud", description=__doc__)
    parser.add_argument("--rows", type=int, default=PAYSIM_ROWS, help="to generate")
    parser.add_argument("--csv", type=Path, help="PaySim's transactions, instead of generated ones")
    parser.add_argument("--only", default="", help="names of variants, separated by commas")
    parser.add_argument("--folder", type=Path, default=BENCH_FOLDER)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    parser.add_argument("--update", action="store_true", help="keep the results of other variants")
    parser.add_argument("--write-only", action="store_true", help="the page, of results there are")
    given = parser.parse_args(arguments)
    try:
        if given.write_only:
            results = json.loads(given.results.read_text(encoding="utf-8"))
        else:
            results = measure(
                _chosen(given.only), n_rows=given.rows, csv=given.csv, folder=given.folder
            )
            if given.update:
                results = updated(json.loads(given.results.read_text(encoding="utf-8")), results)
            given.results.write_text(json.dumps(results, ensure_ascii=False) + "\n")
        from benchmarks.fraud.page import write_page

        if results["variants"]:
            write_page(results, given.page)
    except BigdataError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return int(bool(results["failed"]))


if __name__ == "__main__":
    sys.exit(main())
