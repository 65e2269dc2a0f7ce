"""The simulation of very many shards, and the page that it writes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scale import BEGIN, END, simulate, write_page

N_SHARDS = 300


def test_a_plan_without_data_is_journaled_and_read_back(tmp_path: Path) -> None:
    steps = simulate(tmp_path, N_SHARDS, resumes=False)
    assert [one["step"] for one in steps] == [
        "plan",
        "accept all shards, and journal them",
        "reconcile",
        "manifest",
        "names of all files",
    ]
    journal = (tmp_path / "out" / "_journal.jsonl").read_bytes()
    assert journal.count(b"\n") == N_SHARDS + 1
    again = simulate(tmp_path, N_SHARDS, resumes=True)
    assert [one["step"] for one in again] == ["plan", "read the journal", "join what it says"]


def test_the_page_has_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    step = {"step": "plan", "cpu_seconds": 1.0, "seconds": 2.0, "peak_bytes": 3_000_000}
    engines = [
        {"engine": name, "workers": 1, "cpu_seconds": cpu, "seconds": 9.0, "source_bytes": 10**8}
        for name, cpu in (("local", 2.0), ("processes", 2.5))
    ]
    results = {
        "shards": 7,
        "conversion": [step],
        "resume": [step],
        "repeats": 3,
        "engines": engines,
    }
    write_page(results, page)
    text = page.read_text(encoding="utf-8")
    assert "old" not in text
    assert "| processes | 1 | 2.50 | 9.00 | +25% |" in text
    assert "5,556 core hours" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
