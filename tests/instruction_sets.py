"""Runs tests of the C library with each instruction set that this processor has, but for the best.

    python -m tests.instruction_sets --jobs 2

The best is what all other runs take. Here run the tests of what has code of its own for some
instruction set (`simd.h`, `digits.h`, the guarded parts of other files), with a quarter of the
generated examples; `--examples 1` for all of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bigdata_cli.native.loading import usable_levels

TESTS = ("tests/native", "tests/golden")
SAME_CODE = (
    "test_arrays.py", "test_formatted_time.py", "test_library.py", "test_select_fields.py",
    "test_text_rows.py",
)  # fmt: skip
"""Of tests/native, what runs the same plain C with every instruction set, and what loads them."""


def run(level: str, examples: str) -> subprocess.CompletedProcess[str]:
    """Run the tests with one instruction set."""
    ignored = [f"--ignore=tests/native/{name}" for name in SAME_CODE]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *ignored, *TESTS],
        env={**os.environ, "BIGDATA_SIMD": level, "BIGDATA_EXAMPLES": examples},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def main() -> int:
    """Call pytest for each, several at a time; returns the first status that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--examples", default="0.25")
    given = parser.parse_args()
    levels = usable_levels()[:-1]
    status = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        done = pool.map(partial(run, examples=given.examples), levels)
        for level, result in zip(levels, done, strict=True):
            print(f"BIGDATA_SIMD={level}\n{result.stdout}", flush=True)
            status = status or result.returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
