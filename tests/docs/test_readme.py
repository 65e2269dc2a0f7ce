"""The README is true: its blocks run."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT, blocks, run_blocks


def test_every_block_of_the_readme_runs(tmp_path):
    assert run_blocks(ROOT / "README.md", tmp_path) == {"sh", "python"}


def test_only_the_make_commands_are_not_run():
    skipped = [block for block in blocks(ROOT / "README.md") if not block.is_run]
    assert [re.findall(r"^(\w+ \w+)", block.code, re.M) for block in skipped] == [
        ["make demo", "make test"]
    ]


def test_the_make_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.M)
