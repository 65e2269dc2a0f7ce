"""Runs tests with each instruction set that this processor has, but for the best.

    python -m tests.instruction_sets -q tests/native tests/golden

The best is what all other runs take.
"""

from __future__ import annotations

import os
import subprocess
import sys

from bigdata_cli.native.loading import usable_levels


def main(arguments: list[str]) -> int:
    """Call pytest for each; returns the first status that is not 0."""
    for level in usable_levels()[:-1]:
        print(f"BIGDATA_SIMD={level}", flush=True)
        command = [sys.executable, "-m", "pytest", *arguments]
        done = subprocess.run(command, env={**os.environ, "BIGDATA_SIMD": level}, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
