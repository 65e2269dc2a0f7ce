"""Runs fuzz targets, each in a process of its own, and says how to repeat what fails.

    python -m tests.sanitized -m tests.fuzz --seconds 60
    python -m tests.sanitized -m tests.fuzz --seed 7 --first 1234 --inputs 1 numbers

The input of a number is a function of the seed, the target and the number.
"""

from __future__ import annotations

import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.fuzz import TARGET_MODULES, TARGETS

PROGRESS = struct.Struct("<qq")
"""The number of the input at hand, and the cases of those before it."""


def arguments_of(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, help="for all targets together (default: 60)")
    parser.add_argument("--inputs", type=int, help="for each target, instead of seconds")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--progress", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    unknown = set(asked.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    return asked


def run_target(name: str, asked: argparse.Namespace) -> None:
    """Run one target in this process until time or inputs are used up."""
    end = None if asked.seconds is None else time.monotonic() + asked.seconds
    number, cases = asked.first, 0
    with asked.progress.open("wb", buffering=0) as file:
        while True:
            os.pwrite(file.fileno(), PROGRESS.pack(number, cases), 0)
            if asked.inputs is not None and number >= asked.first + asked.inputs:
                return
            if end is not None and time.monotonic() > end:
                return
            cases += TARGETS[name](random.Random(f"{asked.seed}/{name}/{number}"))
            number += 1


def run_in_process(name: str, asked: argparse.Namespace, seconds: float | None) -> bool:
    """Run one target in a process of its own and say how it went; returns whether all was well."""
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder, "progress")
        command = [sys.executable, "-m", "tests.fuzz", name, "--progress", str(progress)]
        command += ["--seed", str(asked.seed), "--first", str(asked.first)]
        command += ["--inputs", str(asked.inputs)] if seconds is None else []
        command += [] if seconds is None else ["--seconds", str(seconds)]
        status = subprocess.run(command, check=False).returncode
        content = progress.read_bytes() if progress.exists() else b""
    number, cases = PROGRESS.unpack(content) if content else (asked.first, 0)
    print(f"fuzz: {name}: {number - asked.first:,} inputs, {cases:,} cases", flush=True)
    if status:
        print(
            f"fuzz: {name}: input {number} failed (status {status}); to repeat it:\n"
            f"  python -m tests.sanitized -m tests.fuzz --seed {asked.seed} --first {number} "
            f"--inputs 1 {name}",
            flush=True,
        )
    return not status


def main(arguments: list[str]) -> int:
    """Run the targets; returns the exit status."""
    for module in TARGET_MODULES:
        import_module(f"tests.fuzz.{module}")
    asked = arguments_of(arguments)
    if asked.progress is not None:
        run_target(asked.targets[0], asked)
        return 0
    names = asked.targets or list(TARGETS)
    seconds = None if asked.inputs is not None else (asked.seconds or 60) / len(names)
    print(f"fuzz: seed {asked.seed}", flush=True)
    results = [run_in_process(name, asked, seconds) for name in names]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
