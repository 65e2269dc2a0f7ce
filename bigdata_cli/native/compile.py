"""Compiles the C library: one shared file for each instruction set of the processor family.

Used by the build hook, which loads this file by its path; so it imports nothing of the package.
`python -m bigdata_cli.native.compile` builds the library in place, for a checkout.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = FOLDER / "src"

LEVELS = {
    "x86_64": {
        "sse2": ["-march=x86-64"],
        "avx2": ["-march=x86-64-v3", "-mpclmul"],
        "avx512": ["-march=x86-64-v4", "-mpclmul"],
    },
    "aarch64": {"neon": []},
}
"""Per processor family the instruction sets, lowest first, and the compiler's flags for each."""

WARNINGS = ["-Wall", "-Wextra", "-Werror"]
FLAGS = ["-std=c11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"]


def family(machine: str | None = None) -> str:
    """The processor family, as `LEVELS` names it."""
    machine = (machine or platform.machine()).lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def library_name(level: str) -> str:
    """The file name of the library for an instruction set."""
    return f"libbigdata_{level}.so"


def default_compiler() -> list[str] | None:
    """The command of $CC, or of a `cc` on PATH; None where there is none."""
    chosen = os.environ.get("CC")
    if chosen:
        return shlex.split(chosen)
    return ["cc"] if shutil.which("cc") else None


def compile_library(
    compiler: Sequence[str], level: str, output: Path, *, flags: Sequence[str] = ()
) -> None:
    """Compile all sources into one shared library; raises CalledProcessError where that fails."""
    level_flags = next(levels[level] for levels in LEVELS.values() if level in levels)
    sources = sorted(map(str, SOURCES.glob("*.c")))
    command = [*compiler, *FLAGS, *WARNINGS, *level_flags, *flags, "-shared", "-o", str(output)]
    subprocess.run([*command, *sources, "-lm"], check=True, capture_output=True, text=True)


def compile_all(
    compiler: Sequence[str], folder: Path, *, machine: str | None = None, flags: Sequence[str] = ()
) -> list[Path]:
    """Compile the library for every instruction set of a processor family."""
    outputs = {level: folder / library_name(level) for level in LEVELS[family(machine)]}
    with ThreadPoolExecutor() as pool:
        list(
            pool.map(
                lambda item: compile_library(compiler, item[0], item[1], flags=flags),
                outputs.items(),
            )
        )
    return list(outputs.values())


def main() -> int:
    """Build in place, with what the command line adds to the flags."""
    compiler = default_compiler()
    if compiler is None:
        print("no C compiler: set CC, or install one", file=sys.stderr)
        return 1
    try:
        compile_all(compiler, FOLDER, flags=sys.argv[1:])
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
