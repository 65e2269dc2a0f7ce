"""The counts of long runs come into the page between their marks, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.counts import PAGE, write_counts


def test_counts_replace_those_of_the_last_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_bytes(PAGE.read_bytes())
    for text in ("| a |\n|---|\n| 1 |", "| b |"):
        write_counts("tests.reliability.faults", text, page)
    before, _, rest = page.read_text().partition("tests.reliability.faults -->\n\n| b |\n\n<!--")
    assert rest
    assert "| a |" not in before + rest
    assert PAGE.read_text().startswith(before)
    with pytest.raises(ValueError, match=r"no marks of tests\.unknown"):
        write_counts("tests.unknown", "", page)
