"""Lint of the C library, with what there is of clang-format, gcc, clang and zig.

    .venv/bin/python .ci/lint_c.py

It asks for the format of .clang-format; for no warning of gcc and its static analysis; and for
none of clang and zig (which is clang), for all processor families and systems.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bigdata_cli.native.compile import (
    FLAGS,
    LEVEL_FLAGS,
    SOURCES,
    TARGETS,
    WARNINGS,
    Compiler,
    CompilerError,
    zig,
)
from bigdata_cli.native.levels import LEVELS, family


def check_format() -> None:
    """Compare the sources with what clang-format makes of them."""
    files = [str(path) for path in sorted(SOURCES.glob("*.[ch]"))]
    program = Path(sysconfig.get_path("scripts"), "clang-format")
    command = [str(program), "--dry-run", "-Werror", *files]
    done = subprocess.run(  # noqa: S603 - a fixed command
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        found = [name for name in files if f"{name}:" in done.stderr]
        raise CompilerError("\n".join([*found, "make format puts them right"]))


def check_sources(compiler: Compiler, flags: list[str]) -> None:
    """Compile all sources with warnings as errors."""
    with tempfile.TemporaryDirectory() as folder:
        output = ["-shared", "-o", f"{folder}/library", *SOURCES.glob("*.c"), "-lm"]
        compiler.run(*FLAGS, *WARNINGS, *flags, "-DBD_SOURCES=0u", *output)


def checks() -> Iterator[tuple[str, Callable[[], None]]]:
    """What can be checked here: a name, and what raises where it fails."""
    if find_spec("clang_format"):
        yield "clang-format", check_format
    compilers: list[tuple[str, Compiler, str, list[str]]] = []
    if shutil.which("gcc"):
        compilers.append(("gcc", Compiler(("gcc",)), family(), ["-fanalyzer", "-O2"]))
    if shutil.which("clang"):
        compilers.append(("clang", Compiler(("clang",)), family(), ["-O1"]))
    if find_spec("ziglang"):
        for target in TARGETS.values():
            architecture = target.platform.partition("-")[2]
            compilers.append((target.zig, zig(target), architecture, ["-O1"]))
    for name, compiler, architecture, flags in compilers:
        for level in LEVELS[architecture]:
            check = partial(check_sources, compiler, [*LEVEL_FLAGS[level], *flags])
            yield f"{name} {level}", check


def main() -> int:
    """Run all checks; returns the exit status."""
    todo = list(checks())

    def failure(check: Callable[[], None]) -> str:
        try:
            check()
        except CompilerError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = list(pool.map(failure, [check for _, check in todo]))
    for (title, _), text in zip(todo, failures, strict=True):
        if text:
            print(f"{title}:\n{text}", file=sys.stderr)
    print(f"C: {', '.join(title for title, _ in todo)}: {sum(map(bool, failures))} failed")
    return int(any(failures))


if __name__ == "__main__":
    sys.exit(main())
