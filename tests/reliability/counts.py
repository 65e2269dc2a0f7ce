"""The counts of long runs in docs/reliability.md, which the programs write with `--update`."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def write_counts(program: str, text: str, page: Path = PAGE) -> None:
    """Put Markdown between the marks of a program, in the place of that of its last run."""
    begin, end = f"<!-- counts: written by {program} -->", f"<!-- counts: end of {program} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, is_ended, after = rest.partition(end)
    if not found or not is_ended:
        raise ValueError(f"{page} has no marks of {program}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
