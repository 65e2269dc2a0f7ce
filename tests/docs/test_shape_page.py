"""The page on shaping is true: its blocks run, and its list of functions is the registry's."""

from __future__ import annotations

import re

from bigdata_cli.transforms.expressions.functions import GROUPS
from tests.docs.blocks import ROOT, run_blocks

PAGE = ROOT / "docs" / "shape.md"


def test_every_block_of_the_page_runs(tmp_path) -> None:
    assert run_blocks(PAGE, tmp_path) == {"sh", "python"}


def test_the_page_lists_all_functions() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for group, functions in GROUPS.items():
        listed = re.search(rf"^- {group}: ((?:`\w+`\s*)+)", text, re.M)
        assert listed is not None
        assert re.findall(r"`(\w+)`", listed[1]) == list(functions)
