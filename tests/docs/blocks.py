"""The blocks of code in a page, and running them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_RUN = "<!-- not run by the tests -->"
BLOCK = re.compile(
    rf"^(?P<mark>{re.escape(NOT_RUN)}\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    line: int
    language: str
    code: str
    is_run: bool


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, match.start()) + 1,
            language=match["language"],
            code=match["code"],
            is_run=match["mark"] is None,
        )
        for match in BLOCK.finditer(text)
    ]


def run_block(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a user would, with the commands of this environment on the path."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    command = (
        ["bash", "-euo", "pipefail", "-c", block.code]
        if block.language == "sh"
        else [sys.executable, "-c", block.code]
    )
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def run_blocks(page: Path, folder: Path) -> set[str]:
    """Run the blocks of a page in a folder with the sample data; returns their languages."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    run = [block for block in blocks(page) if block.is_run and block.language in ("sh", "python")]
    for block in run:
        done = run_block(block, folder)
        assert done.returncode == 0, (
            f"{page.name} line {block.line}:\n{block.code}\n{done.stdout}\n{done.stderr}"
        )
    return {block.language for block in run}
