"""How fast, how big and how much memory: ours and what others would use instead, in turn.

`python -m benchmarks.speed [--sizes 300MB,2GB] [--repeats 3] [--only parquet,text --update]`: the
commands of each group (`suites.py`) run as processes of their own, A B C, A B C, with the input in
the page cache and memory that is free for certain (`ready_memory`). Before that each runs once on a
small input, which loads the libraries from the disk and shows that all have read the same rows.
Writes `results.json`, and from it `docs/benchmarks.md` with its charts (`report.py`).

`python -m benchmarks.speed --quick --shapes clicks,pixels` is for a look while developing: Parquet
and the parser, 50 MB, one run of each, printed and not kept.
"""

from __future__ import annotations

import argparse
import compileall
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from benchmarks import install
from benchmarks.commands import Command, Group
from benchmarks.environment import NoEnvironmentError, tfxbsl_python, tfxbsl_versions
from benchmarks.inputs import BENCH_FOLDER, input_path
from benchmarks.process import CommandError, Measured, ready_memory, run_measured
from benchmarks.shapes import SHAPES
from benchmarks.suites import groups

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
SIZES = (300_000_000, 2_000_000_000)
WARM_BYTES, WARM_ROWS = 2_000_000, 20
PEERS = ("polars", "duckdb", "pandas", "pyarrow", "h5py", "tensorflow", "isal", "numpy")
QUICK_BYTES = 50_000_000
QUICK_GROUPS = ("parquet", "parse")
_KEPT_BYTES = 1_000_000_000
"""Inputs from here on are removed after their group: they are made in seconds."""
_READ_BYTES = 1 << 24
_WORKING_BYTES = 1 << 30
_MIN_READY_BYTES = 100_000_000
"""Of an input, from which on it matters where the memory comes from."""


@dataclass(frozen=True, kw_only=True)
class SpeedOptions:
    """sizes: bytes of the files, the first one for most groups. repeats: cycles of a group.

    only: names of groups, or how they begin, or all; shapes: only groups of these. folder: for
    inputs and outputs. warm_bytes: size of the inputs of the first, unmeasured runs.
    """

    sizes: tuple[int, ...] = SIZES
    repeats: int = 3
    only: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    folder: Path = BENCH_FOLDER
    warm_bytes: int = WARM_BYTES
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)

    def groups(self) -> list[Group]:
        """The groups that are asked for."""
        return [
            group
            for group in groups(sizes=self.sizes, shapes=self.shapes)
            if not self.only or any(group.name.startswith(name) for name in self.only)
        ]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: its command line, what was measured, and the bytes of the files it wrote."""

    line: tuple[str, ...]
    source_bytes: int
    measured: Measured
    output_bytes: int


class Harness:
    """Runs groups of commands; keeps nothing but inputs in its folder."""

    def __init__(self, options: SpeedOptions) -> None:
        self.options = options
        self._pythons: dict[str | None, str] = {None: sys.executable}
        self._unavailable: dict[str, str] = {}
        self.versions = {name: importlib.metadata.version(name) for name in PEERS}

    def run_group(self, group: Group) -> dict[str, Any]:
        """All runs of a group, and the reasons why commands of it could not be run."""
        missing: dict[str, str] = {}
        runs: dict[Command, list[Run]] = {command: [] for command in group.commands}
        try:
            self._cycle(group, runs, missing, warm=True)
            for _ in range(min(self.options.repeats, group.cycles or self.options.repeats)):
                self._cycle(group, runs, missing)
        finally:
            self._tidy()
        return {
            "section": group.section,
            "name": group.name,
            "kind": group.kind,
            "size": group.size,
            "missing": missing,
            "commands": [
                self._figures(command, done)
                for command, done in runs.items()
                if command.label not in missing
            ],
            "comparisons": [asdict(comparison) for comparison in group.comparisons],
        }

    def _cycle(
        self,
        group: Group,
        runs: Mapping[Command, list[Run]],
        missing: dict[str, str],
        *,
        warm: bool = False,
    ) -> None:
        """Run each command once; those that cannot be run go to `missing`.

        warm: on a small input, and without keeping what was measured.
        """
        rows: dict[str, int] = {}
        for command in group.commands:
            if command.label in missing:
                continue
            try:
                source = self._source(group, command, warm=warm)
                run = self._run(command, source)
            except (CommandError, NoEnvironmentError) as error:
                print(f"{group.name}, {command.label}: {error}", file=sys.stderr)
                missing[command.label] = _reason(error)
                continue
            if not warm:
                runs[command].append(run)
            read = run.measured.answer.get("rows")
            if read is not None and command.size is None and (warm or command.share == 1):
                rows[command.label] = read
        if len(set(rows.values())) > 1:
            raise CommandError(f"{group.name}: different rows were read: {rows}")

    def _source(self, group: Group, command: Command, *, warm: bool) -> Path:
        """The input of a command, which is made where it is not there."""
        if command.source_of is not None:
            return self._kept(command.source_of)
        kind, size = command.kind or group.kind, command.size or group.size
        if isinstance(size, str):
            n_rows = int(size.removesuffix("rows"))
            size = (
                f"{min(n_rows, WARM_ROWS) if warm else max(1, round(n_rows * command.share))}rows"
            )
        else:
            size = min(size, self.options.warm_bytes) if warm else round(size * command.share)
        path = input_path(kind, size, folder=self.options.folder)
        if not path.exists():
            # By another process, so that this one stays small.
            line = [sys.executable, "-m", "benchmarks.inputs", kind, str(size)]
            line += ["--folder", str(self.options.folder)]
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        return path

    def _tidy(self) -> None:
        for path in self.options.folder.glob("out*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.options.folder.glob("*-*.*"):
            if path.is_file() and path.stat().st_size >= _KEPT_BYTES:
                path.unlink()

    def _python(self, name: str | None) -> str:
        if name in self._pythons:
            return self._pythons[name]
        assert name == "tfxbsl"
        if name in self._unavailable:
            raise NoEnvironmentError(self._unavailable[name])
        try:
            python = tfxbsl_python(BENCH_FOLDER / name)
        except NoEnvironmentError as error:
            self._unavailable[name] = str(error)
            raise
        self._pythons[name] = str(python)
        for library, version in tfxbsl_versions(python).items():
            label = library if library == "tfx-bsl" else f"{library} beside tfx-bsl"
            self.versions[label] = version
        return self._pythons[name]

    def _kept(self, label: str) -> Path:
        return self.options.folder / f"out-{label.replace(' ', '-')}"

    def _run(self, command: Command, source: Path) -> Run:
        output = self.options.folder / "out"
        shutil.rmtree(output, ignore_errors=True)
        environment = {"POLARS_MAX_THREADS": str(self.options.threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
        if command.setup is not None:
            run_measured(self._line(command.setup, source, output), environment=environment)
        if command.is_first:
            environment |= self._empty_home()
        line = self._line(command, source, output)
        n_bytes = _bytes_of(source)
        if n_bytes >= _MIN_READY_BYTES:
            ready_memory(2 * n_bytes + _WORKING_BYTES)
        _read_into_page_cache(source)
        try:
            measured = run_measured(line, environment=environment)
        except CommandError as error:
            raise CommandError(f"{shlex.join(line)}: {error}") from None
        written = _bytes_of(output) if output.exists() else 0
        kept = self._kept(command.label)
        shutil.rmtree(kept, ignore_errors=True)
        if output.exists():
            if command.label == "bigdata":  # a later command of the group may copy it
                output.rename(kept)
            else:
                shutil.rmtree(output)
        return Run(line=tuple(line), source_bytes=n_bytes, measured=measured, output_bytes=written)

    def _empty_home(self) -> dict[str, str]:
        home = (self.options.folder / "out-home").absolute()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        return {"HOME": str(home), "XDG_CACHE_HOME": str(home), "BIGDATA_CACHE": str(home)}

    def _line(self, command: Command, source: Path, output: Path) -> list[str]:
        values = {"source": source, "output": output, "threads": self.options.threads}
        words = [
            str(values.get(word[1:-1], word)) if word[:1] == "{" else word
            for word in command.arguments
        ]
        return [self._python(command.environment), "-m", command.module, *words]

    def _figures(self, command: Command, runs: Sequence[Run]) -> dict[str, Any]:
        measured = [run.measured for run in runs]
        answer = measured[0].answer
        return {
            "label": command.label,
            "is_ours": command.is_ours,
            "is_partial": command.is_partial,
            "command": self._plain(runs[0].line),
            "source_bytes": runs[0].source_bytes,
            "rows": answer.get("rows"),
            "redone_shards": answer.get("redone_shards"),
            "seconds": [round(run.seconds, 3) for run in measured],
            "cpu_seconds": [round(run.cpu_seconds, 3) for run in measured],
            "work_seconds": [run.answer.get("work_seconds") for run in measured],
            "work_cpu_seconds": [run.answer.get("work_cpu_seconds") for run in measured],
            "peak_rss_bytes": [run.peak_rss_bytes for run in measured],
            "output_bytes": runs[-1].output_bytes,
        }

    def _plain(self, line: Sequence[str]) -> str:
        """A command line without the paths of this machine."""
        folder = str(self.options.folder)
        words = ["python" if word in self._pythons.values() else word for word in line]
        return shlex.join(word.replace(folder, BENCH_FOLDER.name) for word in words)


def _reason(error: Exception) -> str:
    """What a command said last, without hints and command lines."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Hint: ")]
    last = lines[-1] if lines else "failed"
    return last.partition("Error: ")[2] or last


def _bytes_of(path: Path) -> int:
    """Bytes of a file, or of the files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _read_into_page_cache(path: Path) -> None:
    for part in path.rglob("*") if path.is_dir() else (path,):
        with part.open("rb", buffering=0) as file:
            while file.read(_READ_BYTES):
                pass


def measure(
    options: SpeedOptions, known: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[dict[str, Any]]:
    """Run the groups; yields what `results.json` holds after each of them.

    known: the results of an earlier run, whose other groups are kept.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    harness = Harness(options)
    results = {group["name"]: group for group in known.get("groups", ())}
    order = [group.name for group in groups(sizes=options.sizes)]
    started = time.monotonic()
    for group in options.groups():
        results[group.name] = harness.run_group(group)
        minutes = (time.monotonic() - started) / 60
        print(f"{minutes:5.1f} min  {group.section}: {group.name}", file=sys.stderr, flush=True)
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
            "installed_bytes": install.sizes(),
            "sizes": list(options.sizes),
            "repeats": options.repeats,
            "threads": options.threads,
            "minutes": round(minutes, 1),
            "groups": [
                results[name] for name in dict.fromkeys((*order, *results)) if name in results
            ],
        }


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, SpeedOptions]:
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--sizes", help="of the files, by commas; default 300MB,2GB")
    parser.add_argument("--repeats", type=int, help="runs of each command; default 3")
    parser.add_argument("--only", default="", help="names of groups, or how they begin, by commas")
    parser.add_argument("--shapes", default="", help="only these shapes, by commas")
    parser.add_argument("--update", action="store_true", help="keep the results of other groups")
    parser.add_argument("--quick", action="store_true", help="50 MB, one run, nothing is kept")
    parser.add_argument("--results", type=Path, metavar="FILE", help=f"default {RESULTS.name}")
    parser.add_argument("--page", type=Path, metavar="FILE", help=f"default {PAGE.name}")
    given = parser.parse_args(arguments)
    shapes = tuple(filter(None, given.shapes.split(",")))
    if unknown := set(shapes) - set(SHAPES):
        parser.error(f"no shape {', '.join(unknown)}; there are {', '.join(SHAPES)}")
    only = tuple(filter(None, given.only.split(",")))
    sizes = tuple(parse_size(size) for size in given.sizes.split(",")) if given.sizes else None
    options = SpeedOptions(
        sizes=sizes or ((QUICK_BYTES,) if given.quick else SIZES),
        repeats=given.repeats or (1 if given.quick else 3),
        only=only or (QUICK_GROUPS if given.quick else ()),
        shapes=shapes,
    )
    if not options.groups():
        parser.error(f"there is no group {given.only or given.shapes}")
    return given, options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; returns 1 where a command failed, 0 where less was reached than asked."""
    from benchmarks.report import summary, write_report

    # As pip leaves an installed package: with its bytecode, whatever the environment says.
    compileall.compile_dir(Path(__file__).parent.parent / "bigdata_cli", quiet=2)
    given, options = _options(arguments)
    file = given.results or (None if given.quick else RESULTS)
    page = given.page or (None if given.quick else PAGE)
    known = json.loads(file.read_text()) if given.update and file else {}
    results: dict[str, Any] = {}
    for results in measure(options, known):
        if file is not None:
            # After each group, so that a run which is broken off was not for nothing.
            file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if page is not None:
        write_report(results, page)
    print(summary(results))
    return int(any(group["missing"] for group in results["groups"]))


if __name__ == "__main__":
    sys.exit(main())
