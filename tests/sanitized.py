"""Runs Python with the C library built under the address and undefined-behaviour sanitizers.

    python -m tests.sanitized -m pytest -q tests/native

The build is for the best instruction set and all others, in build/sanitized. The first fault ends
the process, with where it is. What Python itself does not free is no leak of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bigdata_cli.native.compile import CompilerError, compile_all, system_compiler

FOLDER = Path(__file__).resolve().parent.parent / "build" / "sanitized"
FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
FLAGS += ["-g", "-O1"]


def environment() -> dict[str, str]:
    """Build the library; returns what the process that loads it must have.

    Raises:
        CompilerError: No compiler here has the sanitizers.
    """
    compiler = system_compiler()
    if compiler is None:
        raise CompilerError("the sanitizers come with gcc or clang: install one")
    FOLDER.mkdir(parents=True, exist_ok=True)
    flags = list(FLAGS)
    runtimes = ["libasan.so", "libubsan.so"]
    if "clang" in compiler.title:
        flags.append("-shared-libsan")
        runtimes = [f"libclang_rt.asan-{os.uname().machine}.so"]
    compile_all(compiler, FOLDER, flags=flags)
    found = [compiler.run(f"-print-file-name={name}").strip() for name in runtimes]
    return {
        **os.environ,
        "BIGDATA_NATIVE": str(FOLDER),
        "LD_PRELOAD": " ".join(found),
        "PYTHONMALLOC": "malloc",  # each object a block of its own, with guards around it
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def main(arguments: list[str]) -> int:
    """Run Python with these arguments; returns its status."""
    try:
        variables = environment()
    except CompilerError as error:
        print(error, file=sys.stderr)
        return 1
    return subprocess.run([sys.executable, *arguments], env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
