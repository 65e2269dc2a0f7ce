"""Commands as processes of their own: their time, and over time their memory above imports."""

from __future__ import annotations

import json
import os
import resource
import signal
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
    had above that at one moment; peak_rss_bytes: the most with the imports. samples: (seconds since
    the start, bytes above the imports).
    """

    seconds: float
    cpu_seconds: float
    imports_bytes: tuple[int, ...]
    peak_bytes: int
    peak_rss_bytes: int
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
    """Run a stage and sample its memory every 50 ms; raises CommandError where it fails."""
    with ExitStack() as stack:
        complaints = [stack.enter_context(tempfile.TemporaryFile()) for _ in stage.commands]
        watch = _Watch(imports_bytes)
        watch.start(stage, complaints, {**os.environ, **environment})
        try:
            while watch.running:
                watch.sample()
                time.sleep(SAMPLE_SECONDS)
                watch.reap()
        finally:
            for pid in watch.running:  # only where this process was interrupted
                os.kill(pid, signal.SIGKILL)
        if watch.has_failed:
            raise CommandError(f"{stage.shown()}\n" + "".join(map(_text, complaints)))
    return watch.run()


class _Watch:
    """The commands of a stage while they run, and what was seen of them."""

    def __init__(self, imports_bytes: Sequence[int]) -> None:
        self._imports_bytes = tuple(imports_bytes)
        self._started = time.monotonic()
        self._own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._samples: list[tuple[float, int]] = []
        self._peak = self._peak_rss = 0
        self._seconds = self._cpu_seconds = 0.0
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._imports: dict[int, int] = {}
        self.running: dict[int, psutil.Process] = {}
        self.has_failed = False

    def start(
        self, stage: Stage, complaints: Sequence[IO[bytes]], environment: Mapping[str, str]
    ) -> None:
        """Start all commands."""
        children = _start(stage, complaints, environment)
        for child, n_bytes in zip(children, self._imports_bytes, strict=True):
            self._children[child.pid] = child
            self._imports[child.pid] = n_bytes
            self.running[child.pid] = psutil.Process(child.pid)

    def sample(self) -> None:
        """Add up what they have now."""
        rss = {pid: tree_rss(process) for pid, process in self.running.items()}
        above = sum(max(0, n_bytes - self._imports[pid]) for pid, n_bytes in rss.items())
        self._samples.append((time.monotonic() - self._started, above))
        self._peak = max(self._peak, above)
        self._peak_rss = max(self._peak_rss, sum(rss.values()))

    def reap(self) -> None:
        """Take leave of those that have ended.

        What lies between two samples is not missed of a single process: the kernel keeps the
        maximum, which begins at what this process has, so that it tells nothing below that.
        """
        for pid in list(self.running):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if not ended:
                continue
            del self.running[pid]
            self._children[pid].returncode = os.waitstatus_to_exitcode(status)
            self.has_failed |= status != 0
            self._seconds = time.monotonic() - self._started
            self._cpu_seconds += usage.ru_utime + usage.ru_stime
            if usage.ru_maxrss > self._own:
                self._peak = max(self._peak, usage.ru_maxrss * _UNIT - self._imports[pid])
                self._peak_rss = max(self._peak_rss, usage.ru_maxrss * _UNIT)

    def run(self) -> StageRun:
        """All that was seen."""
        return StageRun(
            seconds=self._seconds,
            cpu_seconds=self._cpu_seconds,
            imports_bytes=self._imports_bytes,
            peak_bytes=self._peak,
            peak_rss_bytes=self._peak_rss,
            samples=tuple(self._samples),
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
