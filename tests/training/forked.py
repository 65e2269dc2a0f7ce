"""A process that imports a backend once, and forks a child for each of several trainings.

To import Keras and a backend takes longer than these trainings. Each child is a process of its
own, which has initialised nothing; its streams are files in a folder.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ended:
    """A process of a training: its exit status, and what it printed.

    interrupted_seconds: how long it went on after the signal that ended it.
    """

    status: int
    out: str
    errors: str
    interrupted_seconds: float = 0.0

    @property
    def report(self) -> dict[str, Any]:
        assert self.status == 0, self.errors
        return json.loads(self.out[self.out.index("{") :])


@dataclass(frozen=True)
class Command:
    """A command of `bigdata`: its arguments, and what it has in its environment beside ours.

    interrupt_at: a file; when it is there, the process gets an interrupt.
    """

    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    interrupt_at: str | None = None


def run_forked(
    backend: str, commands: Sequence[Command], folder: Path, *, max_seconds: float
) -> list[Ended]:
    """Run commands at a time, each in a process that begins with the backend imported."""
    for place in range(len(commands)):
        (folder / f"child-{place}").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.forked", backend, str(folder),
         json.dumps([asdict(command) for command in commands])],
        cwd=ROOT, env={**os.environ, "KERAS_BACKEND": backend}, stdout=subprocess.PIPE, text=True,
        timeout=max_seconds, check=True,
    )  # fmt: skip
    return [
        Ended(status, *streams_of(folder / f"child-{place}"), seconds)
        for place, (status, seconds) in enumerate(json.loads(done.stdout))
    ]


def streams_of(folder: Path) -> tuple[str, str]:
    """What a child wrote to its standard output and error."""
    return (folder / "out").read_text(), (folder / "errors").read_text()


def main(backend: str, folder: Path, commands: list[Command]) -> None:
    """Import, fork, wait, and print how each child ended."""
    for name in (backend, "keras", "bigdata_cli.cli", "bigdata_cli.training.training"):
        importlib.import_module(name)
    children = []
    for place, command in enumerate(commands):
        child = os.fork()
        if not child:
            _become(command, folder / f"child-{place}")
        children.append(child)
    ended = []
    for child, command in zip(children, commands, strict=True):
        began = time.monotonic()
        if command.interrupt_at is not None:
            while not Path(command.interrupt_at).exists() and not is_over(child):
                time.sleep(0.02)
            os.kill(child, signal.SIGINT)
            began = time.monotonic()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ended.append((status, time.monotonic() - began))
    print(json.dumps(ended))


def is_over(child: int) -> bool:
    """Whether a child has ended; it is still to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _become(command: Command, folder: Path) -> NoReturn:
    from bigdata_cli import cli

    for number, name in ((1, "out"), (2, "errors")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), number)
    if sys.platform == "linux":  # it ends with this process, which a test may have given up on
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(command.environment)
    sys.argv = ["bigdata", *command.arguments]
    status: object = 0
    try:
        cli.main()
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Command(**one) for one in json.loads(sys.argv[3])])
