"""Conversions with options drawn at random, for a time or a number of them.

    python -m tests.random_options --hours 1
    python -m tests.random_options --seed 7 --first 1234 --cases 1

The case of a number is a function of the seed and the number.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bigdata_cli.errors import BigdataError
from tests.random_options.case import Case
from tests.random_options.reference import DifferenceError


def main(arguments: Sequence[str]) -> int:
    """Run cases; the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.random_options", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args(arguments)
    end = time.monotonic() + asked.hours * 3600
    number, n_failed = asked.first, 0
    used: Counter[str] = Counter()
    while time.monotonic() < end and (asked.cases is None or number < asked.first + asked.cases):
        case = Case.drawn(random.Random(f"{asked.seed}/{number}"))
        with tempfile.TemporaryDirectory() as folder:
            try:
                case.check(Path(folder))
            except (BigdataError, DifferenceError, AssertionError) as error:
                n_failed += 1
                print(f"--seed {asked.seed} --first {number} --cases 1: {error}\n  {case.options}")
        used.update(case.options.keys())
        number += 1
    print(
        f"seed {asked.seed}: {number - asked.first:,} cases, {n_failed} failed; options: ", end=""
    )
    print(", ".join(f"{name} {n:,}" for name, n in sorted(used.items())))
    return n_failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
