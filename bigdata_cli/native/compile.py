"""Compiles the C library: one shared file for each instruction set of the processor family.

`python -m bigdata_cli.native.compile` builds it in place, for a checkout, with warnings as errors;
what follows is added to the compiler's flags. The build hook (hatch_build.py) builds it for a
wheel. This package must import here without any dependency.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bigdata_cli import __version__
from bigdata_cli.native.levels import LEVELS, family, library_name, platform_name
from bigdata_cli.native.record import NAME, Record, checksum, sources_digest

FOLDER = Path(__file__).parent
SOURCES = FOLDER / "src"
OBJECTS = FOLDER.parent.parent / "build" / "native"

WARNINGS = ["-Wall", "-Wextra", "-Werror"]
FLAGS = ["-std=c11", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off"]

# Each flag by itself: `-march=x86-64-v3` is known to gcc from 11 on, and not to zig.
_SSE2: list[str] = []
_AVX2 = ["-mavx2", "-mbmi", "-mbmi2", "-mf16c", "-mfma", "-mlzcnt", "-mmovbe", "-mpclmul"]
_AVX2 += ["-mpopcnt", "-msse4.2"]
_AVX512 = [*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"]
LEVEL_FLAGS = {"sse2": _SSE2, "avx2": _AVX2, "avx512": _AVX512, "neon": []}

PROBE = """\
#include <stdint.h>
#include <string.h>
int64_t bd_probe(const char *text) { return (int64_t)strlen(text); }
"""

NO_COMPILER = 3
"""The exit status where no compiler is found."""

NO_COMPILER_TEXT = """\
bigdata needs a C compiler to be installed from its sources. Neither cc, gcc nor clang works here,
and $CC names none. Install one, and try again:
  Debian, Ubuntu  apt install gcc libc6-dev
  Fedora, RHEL    dnf install gcc
  Alpine          apk add build-base
  macOS           xcode-select --install
  elsewhere       pip install ziglang hatchling (a package with a compiler), then pip install
                  with --no-build-isolation
"""


class CompilerError(Exception):
    """There is no compiler that works, or it refused the sources; the message says all."""


@dataclass(frozen=True)
class Target:
    """A platform that the library can be built for.

    Attributes:
        platform: As `levels.platform_name` has it.
        zig: What zig calls it, with the oldest system that the result runs on.
        tag: The platform of the wheel, for that system.
    """

    platform: str
    zig: str
    tag: str


_MANYLINUX = "manylinux_2_17_{0}.manylinux2014_{0}"
TARGETS = {
    target.platform: target
    for target in (
        Target("linux-x86_64", "x86_64-linux-gnu.2.17", _MANYLINUX.format("x86_64")),
        Target("linux-aarch64", "aarch64-linux-gnu.2.17", _MANYLINUX.format("aarch64")),
        Target("darwin-x86_64", "x86_64-macos.11.0", "macosx_11_0_x86_64"),
        Target("darwin-aarch64", "aarch64-macos.11.0", "macosx_11_0_arm64"),
    )
}


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C.

    Attributes:
        command: The command and what always follows it.
        target: The platform that it compiles for, where it is told (zig); None: for this one.
    """

    command: tuple[str, ...]
    target: Target | None = None

    def run(self, *arguments: str | Path) -> str:
        """Call the compiler.

        Raises:
            CompilerError: It cannot be started or fails; the message is what it printed.
        """
        command = [*self.command, *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        except OSError as error:
            raise CompilerError(f"{self.command[0]}: {error.strerror}") from None
        if done.returncode:
            raise CompilerError(f"{shlex.join(command)}\n{done.stderr.strip()}")
        return done.stdout

    @property
    def platform(self) -> str:
        """The platform that it compiles for, as `levels.platform_name` has it."""
        return self.target.platform if self.target else platform_name()

    @property
    def platform_flags(self) -> list[str]:
        """What makes the result run on the oldest system that the wheel is for."""
        is_apple = self.target is None and sys.platform == "darwin"
        return ["-mmacosx-version-min=11.0"] if is_apple else []

    def link_flags(self, name: str) -> list[str]:
        """What keeps the folders of the build, and zig's debug information, out of a library."""
        if self.platform.startswith("darwin"):
            return [f"-Wl,-install_name,@rpath/{name}", "-Wl,-S"]
        return ["-Wl,-s"] if self.target is not None else []

    @property
    def title(self) -> str:
        """What the compiler says of itself."""
        name = self.command[0] if self.target is None else f"zig cc -target {self.target.zig}"
        return f"{name}: {self.run('--version').partition(chr(10))[0]}"

    def probe(self, level: str) -> None:
        """Compile one line for an instruction set.

        Raises:
            CompilerError: It does not work: there is no linker, no libc, or it is too old.
        """
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(PROBE)
            self.run(*FLAGS, *LEVEL_FLAGS[level], "-shared", "-o", f"{folder}/probe", source)


def zig(target: Target) -> Compiler:
    """The compiler of the `ziglang` package, which must be installed, for a target."""
    return Compiler((sys.executable, "-m", "ziglang", "cc", "-target", target.zig), target)


def is_musl() -> bool:
    """Whether this Python runs on musl (Alpine): what zig links for glibc does not load there."""
    return "musl" in str(sysconfig.get_config_var("SOABI"))


def system_compiler() -> Compiler | None:
    """The compiler of this machine: $CC, else the first that works of cc, gcc and clang.

    Raises:
        CompilerError: $CC is set, and does not work.
    """
    highest = LEVELS[family()][-1]
    chosen = os.environ.get("CC")
    if chosen:
        compiler = Compiler(tuple(shlex.split(chosen)))
        try:
            compiler.probe(highest)
        except CompilerError as error:
            raise CompilerError(f"$CC does not compile: {error}") from None
        return compiler
    for name in ("cc", "gcc", "clang"):
        compiler = Compiler((name,))
        try:
            compiler.probe(highest)
        except CompilerError:
            continue
        return compiler
    return None


def find_compiler() -> Compiler:
    """The compiler of this machine, else that of the `ziglang` package.

    Raises:
        CompilerError: There is none, or none for this platform.
    """
    name = platform_name()
    if name not in TARGETS:
        raise CompilerError(
            f"bigdata has no machine code for {name}: it runs on {', '.join(TARGETS)}"
        )
    compiler = system_compiler()
    if compiler is not None:
        return compiler
    if find_spec("ziglang") is not None and not is_musl():
        return zig(TARGETS[name])
    raise CompilerError(NO_COMPILER_TEXT)


def _compiled(
    compiler: Compiler, source: Path, level: str, flags: Sequence[str], objects: Path, common: bytes
) -> Path:
    """The object file of a source, which is made where there is none of the same content yet."""
    content = source.read_bytes()
    arguments = [*FLAGS, *LEVEL_FLAGS[level], *compiler.platform_flags, *flags]
    if b"BD_SOURCES" in content:
        arguments.append(f"-DBD_SOURCES=0x{sources_digest(FOLDER)}u")
    key = checksum(b"\0".join([common, content, *(argument.encode() for argument in arguments)]))
    result = objects / f"{source.stem}-{level}-{key[:16]}.o"
    if not result.exists():
        with tempfile.TemporaryDirectory(dir=objects) as scratch:
            made = Path(scratch, result.name)
            compiler.run(*arguments, "-c", "-o", made, source)
            made.replace(result)
    return result


def compile_all(
    compiler: Compiler, folder: Path, *, flags: Sequence[str] = (), objects: Path | None = None
) -> list[Path]:
    """Compile the library for every instruction set of a processor family.

    Args:
        compiler: What compiles it.
        folder: The folder that gets the libraries and the record of them.
        flags: Further flags.
        objects: A folder where object files are kept, so that the next build compiles only what
            has changed.

    Returns:
        The files: the libraries and the record.

    Raises:
        CompilerError: The compiler refuses a source.
    """
    levels = LEVELS[compiler.platform.partition("-")[2]]
    sources = sorted(SOURCES.glob("*.c"))
    headers = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.h")))
    common = compiler.title.encode() + b"\0" + headers
    checksums = {}
    with (
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        place = objects or Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        futures = {
            level: [
                pool.submit(_compiled, compiler, source, level, flags, place, common)
                for source in sources
            ]
            for level in levels
        }
        try:
            made = {level: [f.result() for f in futures[level]] for level in levels}
        finally:
            pool.shutdown(cancel_futures=True)
        for level in levels:
            file = Path(scratch, library_name(level))
            linked = [*compiler.platform_flags, *flags, *compiler.link_flags(file.name)]
            compiler.run(*linked, "-shared", "-o", file, *made[level], "-lm")
            checksums[file.name] = checksum(file.read_bytes())
            # Renamed when it is whole: a process that has loaded the old library keeps it.
            file.replace(folder / file.name)
        kept = {path.name for paths in made.values() for path in paths}
        for old in place.glob("*.o"):
            if old.name not in kept:
                old.unlink(missing_ok=True)
    digest = sources_digest(FOLDER)
    Record(__version__, compiler.platform, digest, compiler.title, checksums).write(folder)
    return [folder / name for name in [*checksums, NAME]]


def main() -> int:
    """Build in place; returns the exit status."""
    try:
        compiler = find_compiler()
    except CompilerError as error:
        print(error, file=sys.stderr)
        return NO_COMPILER
    try:
        compile_all(compiler, FOLDER, flags=[*WARNINGS, *sys.argv[1:]], objects=OBJECTS)
    except CompilerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
