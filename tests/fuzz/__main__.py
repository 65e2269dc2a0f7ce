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
import sys
import time
import traceback
from importlib import import_module
from mmap import mmap

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
    asked = parser.parse_args(arguments)
    unknown = set(asked.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    return asked


def run_target(name: str, asked: argparse.Namespace, seconds: float | None, place: mmap) -> None:
    """Run one target until time or inputs are used up, and keep in a place how far it got."""
    end = None if seconds is None else time.monotonic() + seconds
    number, cases = asked.first, 0
    while True:
        PROGRESS.pack_into(place, 0, number, cases)
        if end is None and number >= asked.first + asked.inputs:
            return
        if end is not None and time.monotonic() > end:
            return
        cases += TARGETS[name](random.Random(f"{asked.seed}/{name}/{number}"))
        number += 1


def run_in_process(name: str, asked: argparse.Namespace, seconds: float | None) -> bool:
    """Run one target in a process of its own and say how it went; returns whether all was well.

    It is a fork, since a new Python takes seconds to start in the sanitizers' build.
    """
    with mmap(-1, PROGRESS.size) as place:
        child = os.fork()
        if not child:
            status = 1
            try:
                run_target(name, asked, seconds, place)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        number, cases = PROGRESS.unpack_from(place, 0)
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
    names = asked.targets or list(TARGETS)
    seconds = None if asked.inputs is not None else (asked.seconds or 60) / len(names)
    print(f"fuzz: seed {asked.seed}", flush=True)
    results = [run_in_process(name, asked, seconds) for name in names]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
