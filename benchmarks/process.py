"""One command as a process of its own: its time, its processor time, its memory, its answer."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import psutil

SAMPLE_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36
"""Of Linux: whose parent has ended becomes a child of this process."""
_TOUCH = """
import mmap, sys
memory = mmap.mmap(-1, int(sys.argv[1]))
for start in range(0, len(memory), mmap.PAGESIZE):
    memory[start] = 1
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of a command.

    seconds: from start to exit. cpu_seconds: user and system, of it and all that it has started,
    on Linux those too that it did not wait for. peak_rss_bytes: of the process tree. answer: the
    JSON object that it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    answer: dict[str, Any]


class CommandError(Exception):
    """A measured command failed; the message is the end of what it said."""


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


def ready_memory(n_bytes: int) -> None:
    """Touch so much memory in a process of its own and let go of it, as far as there is room.

    A virtual machine's host takes back what lies free and gives it again at the first touch, which
    can take seconds per GB: more than what is measured, and for whoever writes most.
    """
    n_bytes = min(n_bytes, psutil.virtual_memory().available // 2)
    if n_bytes:
        subprocess.run([sys.executable, "-c", _TOUCH, str(n_bytes)], check=True)


def run_measured(command: Sequence[str], *, environment: Mapping[str, str]) -> Measured:
    """Run a command that prints one JSON object; raises CommandError where it fails.

    The tree is sampled every 50 ms. What lies between two samples is not missed where the command
    is one process: the kernel keeps the maximum of that (`ru_maxrss`, which begins at what the
    process had that started it, so that the caller should be small).
    """
    adopts = _adopt_orphans()
    own = {child.pid for child in psutil.Process().children()}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        started = time.monotonic()
        child = subprocess.Popen(
            command, stdout=output, stderr=complaints, env={**os.environ, **environment}
        )
        process = psutil.Process(child.pid)
        peak = 0
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, tree_rss(process))
            _wait(child.pid, SAMPLE_SECONDS)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        cpu_seconds = usage.ru_utime + usage.ru_stime
        if adopts:
            cpu_seconds += sum(_orphans_cpu_seconds(own))
        if child.returncode:
            raise CommandError(f"status {child.returncode}: {_text(complaints)[-2000:]}")
        unit = 1 if sys.platform == "darwin" else 1024
        return Measured(
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_rss_bytes=max(peak, usage.ru_maxrss * unit),
            answer=_answer(_text(output)),
        )


def _adopt_orphans() -> bool:
    """Become the parent of processes whose own has ended; whether the system does that."""
    if sys.platform != "linux":
        return False
    return ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def _orphans_cpu_seconds(own: set[int]) -> Iterator[float]:
    """What the processes took that a command has left, when they have ended; not our own."""
    for orphan in psutil.Process().children():
        if orphan.pid not in own:
            _, _, usage = os.wait4(orphan.pid, 0)
            yield usage.ru_utime + usage.ru_stime


def _wait(pid: int, seconds: float) -> None:
    """Wait until a child ends, at most so long; leaves it to be waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.005)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _answer(text: str) -> dict[str, Any]:
    """The JSON object in what a command printed; libraries print other lines before it."""
    start = text.find("{")
    try:
        answer = json.loads(text[start:])
    except ValueError:
        raise CommandError(f"no JSON in: {text[-2000:]!r}") from None
    if not isinstance(answer, dict):
        raise CommandError(f"no JSON object in: {text[-2000:]!r}")
    return answer
