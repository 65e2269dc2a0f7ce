"""Writes docs/entry-points.md: `python -m docs.make_entry_points`.

What each function of the C library needs is the comment above it in `bigdata.h`; which modules call
it is read from the package; which tests call it is noted while the tests run that `make sanitize`
runs, and some others (a few minutes).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "entry-points.md"
HEADER = ROOT / "bigdata_cli/native/src/bigdata.h"
_TESTS = (
    "tests/native", "tests/golden", "tests/formats", "tests/transforms", "tests/splits",
    "tests/training/test_hashing.py", "tests/training/test_features.py", "tests/test_sample.py",
    "tests/io", "tests/conversion/test_bad_input.py", "tests/property/test_fuzz.py",
)  # fmt: skip
_DECLARATION = re.compile(r"^BD_API [\w *]*?\b(bd_\w+)\(", re.MULTILINE)
_INTRODUCTION = """# Functions of the C library

Written by `python -m docs.make_entry_points`: what each function needs that Python calls, as
`native/src/bigdata.h` says it; which modules call it; and which tests do. `make sanitize` runs
`tests/native` and `tests/golden` under the address and undefined-behaviour sanitizers.

For every function: pointers come with lengths; nothing is kept after the call unless it says so;
there is no global state; the caller owns all memory that it passes in, and keeps it alive.

"""


@dataclass(frozen=True)
class EntryPoint:
    """A function of the library.

    Attributes:
        needs: The comment above it in the header.
        callers: The modules of the package that call it.
    """

    name: str
    needs: str
    callers: tuple[str, ...]


def entry_points() -> list[EntryPoint]:
    """The functions in the order of the header."""
    text = HEADER.read_text()
    callers = _callers()
    found = []
    needs = ""
    for block in re.split(r"(?=^/\*|^BD_API )", text, flags=re.MULTILINE):
        if block.startswith("/*"):
            comment = block[2 : block.index("*/")]
            needs = " ".join(line.strip(" *") for line in comment.splitlines()).strip()
        names = _DECLARATION.findall(block)
        found.extend(EntryPoint(name, needs, callers.get(name, ())) for name in names)
    return found


def _callers() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    package = ROOT / "bigdata_cli"
    for path in sorted(package.rglob("*.py")):
        if path.name in ("library.py", "loading.py"):
            continue
        for name in sorted(set(re.findall(r"\blib(?:rary)?\.(bd_\w+)", path.read_text()))):
            found.setdefault(name, []).append(path.relative_to(package).as_posix())
    return {name: tuple(modules) for name, modules in found.items()}


def tests_of_entry_points() -> dict[str, list[str]]:
    """The tests that call each function: runs them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.native.entry_points"]
        variables = {**os.environ, "BIGDATA_ENTRY_POINTS": folder}
        subprocess.run([*command, *_TESTS], cwd=ROOT, env=variables, check=True)  # noqa: S603
        found: dict[str, set[str]] = {}
        for path in Path(folder).iterdir():
            for name, files in json.loads(path.read_text()).items():
                found.setdefault(name, set()).update(files)
    return {name: sorted(files) for name, files in found.items()}


def page(points: Sequence[EntryPoint], tests: Mapping[str, Sequence[str]]) -> str:
    """The page as Markdown."""
    lines = ["| function | needs | called by | tests |", "|---|---|---|---|"]
    for point in points:
        callers = "<br>".join(f"`{module}`" for module in point.callers)
        files = "<br>".join(f"`{file}`" for file in tests.get(point.name, ()))
        needs = point.needs.replace("|", "\\|")
        lines.append(f"| `{point.name}` | {needs} | {callers} | {files} |")
    return _INTRODUCTION + "\n".join(lines) + "\n"


def tests_on_page() -> dict[str, list[str]]:
    """The tests of each function that the page names."""
    rows = re.findall(r"^\| `(bd_\w+)` \|.*\| ([^|]*) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: re.findall(r"`([^`]+)`", cell) for name, cell in rows}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(entry_points(), tests_of_entry_points()))


if __name__ == "__main__":
    main()
