"""How fast, how big and how much memory: ours and what others would use instead, in turn.

`python -m benchmarks.speed [--size 1GB] [--repeats 3] [--only parquet,text --update] [--large]`:
the commands of each group (`suites.py`) run as processes of their own, A B C, A B C, with the
input in the page cache and memory that is free for certain (`ready_memory`). Before that each runs
once on a small input, which compiles our kernels, loads the libraries from the
disk, and shows that all have read the same rows.
Writes `results.json`, and from it `docs/benchmarks.md` with its charts (`report.py`).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from benchmarks.environment import NoEnvironmentError, tfxbsl_python, tfxbsl_versions
from benchmarks.inputs import BENCH_FOLDER, input_path
from benchmarks.process import CommandError, Measured, ready_memory, run_measured
from benchmarks.suites import LAYOUTS, Command, Group, groups

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
WARM_BYTES = 12_000_000
"""More than the sample that types are guessed from, so that the usual kernels are compiled."""
PEERS = ("polars", "duckdb", "pandas", "pyarrow", "h5py", "tensorflow", "isal", "numpy", "numba")
MEMORY_SIZES = (1_000_000_000, 2_000_000_000)
LARGE_SIZES = (*MEMORY_SIZES, 10_000_000_000)
QUICK_BYTES = 50_000_000
QUICK_LAYOUTS = (("parquet", "rows"), ("tfrecord", "rows"))
_READ_BYTES = 1 << 24
_WORKING_BYTES = 1 << 30
_LEAST_READY_BYTES = 100_000_000
"""Of an input, from which on it matters where the memory comes from."""


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """size: bytes of the main inputs. repeats: cycles of a group. only: names of groups, or all.

    memory_sizes: bytes of the inputs whose peaks are compared. layouts: those whose memory and
    scaling are measured. folder: for inputs and outputs. warm_bytes: size of the inputs of the
    first, unmeasured runs.
    """

    size: int
    repeats: int
    only: tuple[str, ...] = ()
    memory_sizes: tuple[int, ...] = MEMORY_SIZES
    layouts: tuple[tuple[str, str], ...] = LAYOUTS
    folder: Path = BENCH_FOLDER
    warm_bytes: int = WARM_BYTES
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: its command line, what was measured, and the bytes of the files it wrote."""

    line: tuple[str, ...]
    measured: Measured
    output_bytes: int


class Harness:
    """Runs groups of commands; keeps nothing but inputs in its folder."""

    def __init__(self, options: SpeedOptions) -> None:
        self.options = options
        self._pythons: dict[str | None, str] = {None: sys.executable}
        self.unavailable: dict[str, str] = {}
        self._warmed: set[tuple[object, ...]] = set()
        self.versions = {name: importlib.metadata.version(name) for name in PEERS}

    def source(self, kind: str, n_bytes: int) -> Path:
        """An input; it is made by another process, so that this one stays small."""
        path = input_path(kind, n_bytes, folder=self.options.folder)
        if not path.exists():
            command = [sys.executable, "-m", "benchmarks.inputs", kind, str(n_bytes)]
            subprocess.run(
                [*command, "--folder", str(self.options.folder)],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        return path

    def run_group(self, group: Group) -> dict[str, Any]:
        """All runs of a group, and the reasons why commands of it could not be run."""
        commands, missing = self._available(group)
        self._warm(group, commands)
        size = round(self.options.size * group.size_factor)
        sources = {
            command: self.source(
                command.kind or group.kind, command.n_bytes or round(size * command.share)
            )
            for command in commands
        }
        runs: dict[Command, list[Run]] = {command: [] for command in commands}
        for _ in range(min(self.options.repeats, group.cycles or self.options.repeats)):
            for command in commands:
                runs[command].append(self._run(command, sources[command]))
        whole = [c for c in commands if c.share == 1 and c.n_bytes is None]
        _check_rows(group, {command: runs[command][0] for command in whole})
        return {
            "section": group.section,
            "name": group.name,
            "kind": group.kind,
            "missing": missing,
            "commands": [
                self._figures(command, sources[command], done) for command, done in runs.items()
            ],
            "asked": [asdict(asked) for asked in group.asked],
        }

    def _available(self, group: Group) -> tuple[list[Command], dict[str, str]]:
        """The commands that can be run here, and why the others cannot, by label."""
        commands, missing = [], {}
        for command in group.commands:
            try:
                self._python(command)
            except NoEnvironmentError as error:
                missing[command.label] = str(error)
            else:
                commands.append(command)
        return commands, missing

    def _warm(self, group: Group, commands: Sequence[Command]) -> None:
        """Run each command on one small input, unless it was; all must have read the same rows."""
        size = min(self.options.warm_bytes, self.options.size)
        done = {}
        for command in commands:
            source = self.source(command.kind or group.kind, size)
            convert = command.convert
            if "--jobs" in convert:
                convert = convert[: convert.index("--jobs")]
            work = (convert or command.peer, command.peer_arguments, source)
            if work not in self._warmed:
                done[command] = self._run(command, source)
                self._warmed.add(work)
        _check_rows(group, done)

    def _python(self, command: Command) -> str:
        name = command.environment
        if name not in self._pythons:
            if name in self.unavailable:
                raise NoEnvironmentError(self.unavailable[name])
            assert name == "tfxbsl"
            try:
                python = tfxbsl_python(BENCH_FOLDER / name)
            except NoEnvironmentError as error:
                self.unavailable[name] = str(error)
                raise
            self._pythons[name] = str(python)
            for library, version in tfxbsl_versions(python).items():
                label = library if library == "tfx-bsl" else f"{library} beside tfx-bsl"
                self.versions[label] = version
        return self._pythons[name]

    def _run(self, command: Command, source: Path) -> Run:
        output = self.options.folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        line = self._line(command, source, output)
        environment = {"POLARS_MAX_THREADS": str(self.options.threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
        n_bytes = source.stat().st_size
        if n_bytes >= _LEAST_READY_BYTES:
            ready_memory(2 * n_bytes + _WORKING_BYTES)
        _read_into_page_cache(source)
        try:
            measured = run_measured(line, environment=environment)
            n_bytes = sum(p.stat().st_size for p in output.iterdir()) if output.exists() else 0
        except CommandError as error:
            raise CommandError(f"{shlex.join(line)}: {error}") from None
        finally:
            shutil.rmtree(output, ignore_errors=True)
        return Run(line=tuple(line), measured=measured, output_bytes=n_bytes)

    def _line(self, command: Command, source: Path, output: Path) -> list[str]:
        python = self._python(command)
        if command.peer is None:
            start = [python, "-m", "bigdata_cli", "convert", str(source), *command.convert]
            return [*start, "--output", str(output), "--json", "--quiet"]
        start = [python, "-m", "benchmarks.peers", command.peer, str(source), str(output)]
        return [*start, *command.peer_arguments, "--threads", str(self.options.threads)]

    def _figures(self, command: Command, source: Path, runs: Sequence[Run]) -> dict[str, Any]:
        answer = runs[0].measured.answer
        return {
            "label": command.label,
            "is_ours": command.peer is None,
            "is_partial": command.is_partial,
            "command": self._plain(runs[0].line),
            "source_bytes": source.stat().st_size,
            "rows": answer.get("rows"),
            "redone_shards": answer.get("redone_shards"),
            "seconds": [round(run.measured.seconds, 3) for run in runs],
            "work_seconds": [run.measured.answer.get("work_seconds") for run in runs],
            "cpu_seconds": [round(run.measured.cpu_seconds, 3) for run in runs],
            "peak_rss_bytes": [run.measured.peak_rss_bytes for run in runs],
            "output_bytes": runs[-1].output_bytes,
        }

    def _plain(self, line: Sequence[str]) -> str:
        """A command line without the paths of this machine."""
        folder = str(self.options.folder)
        words = ["python" if word == sys.executable else word for word in line]
        return shlex.join(word.replace(folder, BENCH_FOLDER.name) for word in words)


def _check_rows(group: Group, runs: dict[Command, Run]) -> None:
    """Raise CommandError where commands of a group have read different numbers of rows."""
    rows = {c.label: run.measured.answer.get("rows") for c, run in runs.items()}
    if len({n for n in rows.values() if n is not None}) > 1:
        raise CommandError(f"{group.name}: different rows were read: {rows}")


def _read_into_page_cache(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(_READ_BYTES):
            pass


def _failed(group: Group, reason: str) -> dict[str, Any]:
    return {
        "section": group.section,
        "name": group.name,
        "kind": group.kind,
        "failed": True,
        "missing": {command.label: f"failed: {reason}" for command in group.commands},
        "commands": [],
        "asked": [asdict(asked) for asked in group.asked],
    }


def measure(
    options: SpeedOptions, known: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[dict[str, Any]]:
    """Run the groups; yields what `results.json` holds after each of them.

    known: the results of an earlier run, whose other groups are kept.
    """
    harness = Harness(options)
    chosen = [
        group
        for group in groups(memory_sizes=options.memory_sizes, layouts=options.layouts)
        if not options.only or any(group.name.startswith(name) for name in options.only)
    ]
    order = [group.name for group in groups(memory_sizes=MEMORY_SIZES)]
    results = {group["name"]: group for group in known.get("groups", ())}
    started = time.monotonic()
    for group in chosen:
        try:
            results[group.name] = harness.run_group(group)
        except CommandError as error:
            # The others are still worth their while; the row says what happened.
            print(error, file=sys.stderr)
            results[group.name] = _failed(group, str(error).splitlines()[-1])
        minutes = (time.monotonic() - started) / 60
        print(f"{minutes:5.1f} min  {group.section}: {group.name}", flush=True)
        yield {
            "machine": {
                "cores": os.cpu_count(),
                "memory_bytes": psutil.virtual_memory().total,
                "system": platform.system(),
            },
            "versions": {
                **known.get("versions", {}),
                "python": platform.python_version(),
                **harness.versions,
            },
            "size": options.size,
            "repeats": options.repeats,
            "threads": options.threads,
            "minutes": round(minutes, 1),
            "groups": [results[name] for name in order if name in results],
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; returns 1 where a command failed, 0 where less was reached than asked."""
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--size", type=parse_size, help="of the main inputs; default 1GB")
    parser.add_argument("--repeats", type=int, help="runs of each command; default 3")
    parser.add_argument("--only", default="", help="names of groups, or how they begin, by commas")
    parser.add_argument("--memory-sizes", help="of the inputs for memory; default 1GB,2GB")
    parser.add_argument("--update", action="store_true", help="keep the results of other groups")
    parser.add_argument("--quick", action="store_true", help="50 MB, one run of each")
    parser.add_argument("--large", action="store_true", help="memory at 10 GB too")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    given = parser.parse_args(arguments)
    options = SpeedOptions(
        size=given.size or 1_000_000_000,
        repeats=given.repeats or 3,
        only=tuple(filter(None, given.only.split(","))),
        memory_sizes=LARGE_SIZES if given.large else MEMORY_SIZES,
    )
    if given.quick:
        options = replace(
            options,
            size=given.size or QUICK_BYTES,
            repeats=given.repeats or 1,
            memory_sizes=(QUICK_BYTES, 2 * QUICK_BYTES),
            layouts=QUICK_LAYOUTS,
            warm_bytes=1_000_000,
        )
    if given.memory_sizes:
        sizes = tuple(parse_size(size) for size in given.memory_sizes.split(","))
        options = replace(options, memory_sizes=sizes)
    known = json.loads(given.results.read_text()) if given.update else {}
    results: dict[str, Any] | None = None
    for results in measure(options, known):
        # After each group, so that a run which is broken off was not for nothing.
        given.results.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if results is None:
        parser.error(f"there is no group {given.only}")
    from benchmarks.report import summary, write_report

    write_report(results, given.page)
    print(summary(results))
    return int(any(group.get("failed") for group in results["groups"]))


if __name__ == "__main__":
    sys.exit(main())
