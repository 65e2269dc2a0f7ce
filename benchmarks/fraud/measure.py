"""Commands as processes of their own: their time, and over time their memory above imports."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from benchmarks.process import SAMPLE_SECONDS, CommandError, tree_rss

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of what getrusage counts memory in."""
Arguments = tuple[str, ...]
"""Of `python -m`: a module and what follows it."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a variant: commands, each one's output the next one's input."""

    name: str
    commands: tuple[Arguments, ...]

    def shown(self) -> str:
        """As one would type it."""
        return " | ".join(" ".join(("python -m", *command)) for command in self.commands)


@dataclass(frozen=True, kw_only=True)
class StageRun:
    """What a stage took.

    imports_bytes: resident memory of each command's imports alone. peak_bytes: the most that all
    had above that at one moment. samples: (seconds since the start, bytes above the imports).
    """

    seconds: float
    cpu_seconds: float
    imports_bytes: tuple[int, ...]
    peak_bytes: int
    samples: tuple[tuple[float, int], ...]


def weigh_imports(stage: Stage, *, environment: Mapping[str, str]) -> tuple[int, ...]:
    """Run a stage, on small files, and weigh what each of its commands has imported at the end."""
    with tempfile.TemporaryDirectory() as folder:
        notes = [Path(folder, f"{place}.json") for place in range(len(stage.commands))]
        noting = tuple(
            ("benchmarks.fraud.imports", "note", str(path), *command)
            for path, command in zip(notes, stage.commands, strict=True)
        )
        run_stage(
            Stage(name=stage.name, commands=noting),
            imports_bytes=(0,) * len(noting),
            environment=environment,
        )
        return tuple(_weight(path, environment) for path in notes)


def _weight(note: Path, environment: Mapping[str, str]) -> int:
    done = subprocess.run(
        _line(("benchmarks.fraud.imports", "weigh", str(note))),
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CommandError(f"imports cannot be weighed: {done.stderr[-2000:]}")
    return int(json.loads(done.stdout.splitlines()[-1])["rss_bytes"])


def _line(arguments: Arguments) -> list[str]:
    return [sys.executable, "-m", *arguments]


def run_stage(
    stage: Stage, *, imports_bytes: Sequence[int], environment: Mapping[str, str]
) -> StageRun:
    """Run a stage and sample its memory every 50 ms; raises CommandError where it fails.

    What lies between two samples is not missed of a single process: the kernel keeps the maximum.
    (It begins at what the process has that starts the command, so that it says nothing below.)
    """
    with ExitStack() as stack:
        complaints = [stack.enter_context(tempfile.TemporaryFile()) for _ in stage.commands]
        started = time.monotonic()
        children = _start(stage, complaints, {**os.environ, **environment})
        running = {child.pid: psutil.Process(child.pid) for child in children}
        above_of = {child.pid: n for child, n in zip(children, imports_bytes, strict=True)}
        samples: list[tuple[float, int]] = []
        cpu_seconds, peak, failed = 0.0, 0, False
        own = resource.getrusage(resource.RUSAGE_SELF)
        try:
            while running:
                above = sum(max(0, tree_rss(p) - above_of[pid]) for pid, p in running.items())
                samples.append((time.monotonic() - started, above))
                time.sleep(SAMPLE_SECONDS)
                for child in [child for child in children if child.pid in running]:
                    pid, status, usage = os.wait4(child.pid, os.WNOHANG)
                    if pid:
                        del running[pid]
                        child.returncode = os.waitstatus_to_exitcode(status)
                        failed = failed or bool(child.returncode)
                        cpu_seconds += usage.ru_utime + usage.ru_stime
                        if usage.ru_maxrss > own.ru_maxrss:
                            peak = max(peak, usage.ru_maxrss * _UNIT - above_of[pid])
        finally:
            for pid in running:  # only where this process was interrupted
                os.kill(pid, 9)
        seconds = time.monotonic() - started
        if failed:
            raise CommandError(f"{stage.shown()}\n" + "".join(map(_text, complaints)))
    return StageRun(
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        imports_bytes=tuple(imports_bytes),
        peak_bytes=max(peak, *(above for _, above in samples)),
        samples=tuple(samples),
    )


def _start(
    stage: Stage, complaints: Sequence[IO[bytes]], environment: Mapping[str, str]
) -> list[subprocess.Popen[bytes]]:
    """Start all commands; what a pipe's end holds is closed here, so that it ends with them."""
    children: list[subprocess.Popen[bytes]] = []
    source = None
    for place, (command, complaint) in enumerate(zip(stage.commands, complaints, strict=True)):
        is_last = place == len(stage.commands) - 1
        child = subprocess.Popen(
            _line(command),
            stdin=subprocess.DEVNULL if source is None else source,
            stdout=subprocess.DEVNULL if is_last else subprocess.PIPE,
            stderr=complaint,
            env=environment,
        )
        if source is not None:
            source.close()
        source = child.stdout
        children.append(child)
    return children


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")[-2000:]
