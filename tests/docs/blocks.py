"""The blocks of code in a page, and running them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.docs.warm import clients

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_RUN = "<!-- not run by the tests -->"
SLOW = "<!-- run by the slow tests -->"
BLOCK = re.compile(
    r"^(?:(?P<mark><!-- .* -->)\n)?```(?P<language>\w+)\n(?P<code>(?:.*\n)*?)```$", re.M
)
NEEDS = re.compile(r"<!-- needs (\w+) -->")
"""Before a block for users of a library that the tests do not install."""


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    line: int
    language: str
    code: str
    is_run: bool
    is_slow: bool


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, match.start()) + 1,
            language=match["language"],
            code=match["code"],
            is_run=_is_run(match["mark"] or ""),
            is_slow=match["mark"] == SLOW,
        )
        for match in BLOCK.finditer(text)
    ]


def _is_run(mark: str) -> bool:
    needed = NEEDS.fullmatch(mark)
    return find_spec(needed[1]) is not None if needed else mark != NOT_RUN


def run_block(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a user would, with the commands of this environment on the path.

    `bigdata` and Python begin with their imports done (`tests/docs/warm.py`), which take most of
    the time of small data.
    """
    folders = [str(clients()), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {**os.environ, "PATH": os.pathsep.join(folders)}
    command = (
        ["bash", "-euo", "pipefail", "-c", block.code]
        if block.language == "sh"
        else [str(clients() / "python-block"), block.code]
    )
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def run_blocks(page: Path, folder: Path, *, with_slow: bool = False) -> set[str]:
    """Run the blocks of a page in a folder with the sample data; returns their languages."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    run = [
        block
        for block in blocks(page)
        if block.is_run and block.language in ("sh", "python") and (with_slow or not block.is_slow)
    ]
    for block in run:
        done = run_block(block, folder)
        assert done.returncode == 0, (
            f"{page.name} line {block.line}:\n{block.code}\n{done.stdout}\n{done.stderr}"
        )
    return {block.language for block in run}
