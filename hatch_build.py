"""The build hook: compiles the C library into the wheel, or in place for an editable install.

The compiler is that of the machine ($CC, cc, gcc or clang); only where there is none is the
`ziglang` package asked for. BIGDATA_TARGET=linux-aarch64 (or another of `compile.TARGETS`)
compiles for that platform, with `ziglang`.
"""

from __future__ import annotations

import compileall
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
ZIGLANG = "ziglang>=0.13"

sys.path.insert(0, str(ROOT))

from bigdata_cli.native import compile as native  # noqa: E402
from bigdata_cli.native.levels import platform_name  # noqa: E402


class LibraryHook(BuildHookInterface):
    """Compiles the library and says for which platform the wheel is."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: a compiler, where the machine has none."""
        if os.environ.get("BIGDATA_TARGET"):
            return [ZIGLANG]
        try:
            needed = platform_name() in native.TARGETS and native.system_compiler() is None
        except native.CompilerError:
            return []  # said again, and read, when it is used
        return [ZIGLANG] if needed and not native.is_musl() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add the libraries to the wheel."""
        self._scratch = tempfile.TemporaryDirectory()
        scratch = Path(self._scratch.name)
        os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(scratch / "zig"))
        folder = native.FOLDER if version == "editable" else scratch
        try:
            compiler = self._compiler()
            self.app.display_info(f"Compiling the C library with {compiler.title}")
            files = native.compile_all(compiler, folder)
        except native.CompilerError as error:
            self.app.abort(str(error))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_wheel_platform(compiler)}"
        for file in files:
            build_data["force_include"][str(file)] = f"bigdata_cli/native/{file.name}"
        if version == "editable":
            # pip does this for what it copies. Without it each command compiles 120 modules anew
            # (0.2 s) wherever PYTHONDONTWRITEBYTECODE is set, as it is in most containers.
            compileall.compile_dir(ROOT / "bigdata_cli", quiet=2)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for the wheel."""
        self._scratch.cleanup()

    def _compiler(self) -> native.Compiler:
        name = os.environ.get("BIGDATA_TARGET")
        if not name:
            return native.find_compiler()
        if name not in native.TARGETS:
            known = ", ".join(native.TARGETS)
            raise native.CompilerError(f'BIGDATA_TARGET: "{name}" is none of {known}')
        return native.zig(native.TARGETS[name])


def _wheel_platform(compiler: native.Compiler) -> str:
    """The platform tag of a wheel: that of the target, or of this machine and no other."""
    if compiler.target is not None:
        return compiler.target.tag
    if sys.platform == "darwin":
        return native.TARGETS[platform_name()].tag
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
