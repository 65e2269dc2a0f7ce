"""Lint of the C library, with what there is of clang-format, gcc, clang and zig.

    .venv/bin/python .ci/lint_c.py

It asks for the format of .clang-format; for no warning of gcc and its static analysis; and for
none of clang and zig (which is clang), for all processor families and systems. Nothing is linked
with the libraries of a system, which zig would have to make first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
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

# Clang's warnings do not depend on what it makes; gcc's analysis looks at optimised code, and at
# the same plain C for every instruction set.
WITHOUT_CODE = ["-O0", "-fno-sanitize=undefined"]
ANALYSIS = ["-fanalyzer", "-O2"]


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


def check_sources(compiler: Compiler, flags: list[str], sources: Sequence[Path]) -> None:
    """Compile sources with warnings as errors."""
    with tempfile.TemporaryDirectory() as folder:
        output = ["-r", "-o", f"{folder}/objects.o"]
        compiler.run(*FLAGS, *WARNINGS, *flags, "-DBD_SOURCES=0u", *output, *sources)


def checks() -> Iterator[tuple[str, Callable[[], None]]]:
    """What can be checked here: a name, and what raises where it fails."""
    sources = sorted(SOURCES.glob("*.c"))
    if shutil.which("gcc"):
        flags = [*LEVEL_FLAGS[LEVELS[family()][0]], *ANALYSIS]
        for source in sources:  # one by one, as its analysis takes longer than all else together
            check = partial(check_sources, Compiler(("gcc",)), flags, [source])
            yield "gcc", check
    compilers: list[tuple[str, Compiler, str]] = []
    if shutil.which("clang"):
        compilers.append(("clang", Compiler(("clang",)), family()))
    if find_spec("ziglang"):
        for name in ("linux-x86_64", "linux-aarch64", "darwin-aarch64"):
            target = TARGETS[name]
            compilers.append((target.zig, zig(target), name.partition("-")[2]))
    for title, compiler, architecture in compilers:
        for level in LEVELS[architecture]:
            flags = [*LEVEL_FLAGS[level], *WITHOUT_CODE]
            yield f"{title} {level}", partial(check_sources, compiler, flags, sources)
    if find_spec("clang_format"):
        yield "clang-format", check_format


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
    titles = ", ".join(dict.fromkeys(title for title, _ in todo))
    print(f"C: {titles}: {sum(map(bool, failures))} failed")
    return int(any(failures))


if __name__ == "__main__":
    sys.exit(main())
