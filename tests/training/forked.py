"""A process that imports a backend once, and forks a child for each of several trainings.

    python -m tests.training.forked tensorflow '[{"arguments": […], "env": {}, "folder": "…"}]'

To import Keras and a backend takes longer than these trainings. Each child is a process of its
own, which has initialised nothing; its streams are files in its folder.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """A process of a training: its exit status, and what it printed."""

    status: int
    out: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        assert self.status == 0, self.errors
        return json.loads(self.out[self.out.index("{") :])


def run_forked(
    backend: str, commands: Sequence[tuple[list[str], dict[str, str]]], folder: Path,
    *, max_seconds: float,
) -> list[Ended]:  # fmt: skip
    """Run commands of `bigdata` at a time: the arguments and the environment of each."""
    requests = []
    for place, (arguments, environment) in enumerate(commands):
        child = folder / f"child-{place}"
        child.mkdir(parents=True)
        requests.append({"arguments": arguments, "env": environment, "folder": str(child)})
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.forked", backend, json.dumps(requests)],
        cwd=ROOT, env={**os.environ, "KERAS_BACKEND": backend}, stdout=subprocess.PIPE, text=True,
        timeout=max_seconds, check=True,
    )  # fmt: skip
    return [
        Ended(status, *(Path(one["folder"], name).read_text() for name in ("out", "errors")))
        for status, one in zip(json.loads(done.stdout), requests, strict=True)
    ]


def main(backend: str, requests: list[dict[str, Any]]) -> None:
    """Import, fork, wait, and print the statuses."""
    for name in (backend, "keras", "bigdata_cli.cli", "bigdata_cli.training.training"):
        importlib.import_module(name)
    children = []
    for request in requests:
        child = os.fork()
        if not child:
            _become(request)
        children.append(child)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in children]))


def _become(request: dict[str, Any]) -> NoReturn:
    from bigdata_cli import cli

    for number, name in ((1, "out"), (2, "errors")):
        file = os.open(Path(request["folder"], name), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    os.environ.update(request["env"])
    sys.argv = ["bigdata", *request["arguments"]]
    try:
        cli.main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
