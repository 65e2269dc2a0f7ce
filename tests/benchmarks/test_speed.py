"""The harness runs on a tiny file, and its page has a row for everything that is asked."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.report import figures, write_report
from benchmarks.speed import SpeedOptions, measure
from benchmarks.suites import LAYOUTS, Asked, Command, Group, groups

GROUPS = list(groups(memory_sizes=(1_000_000, 2_000_000)))
TINY = 200_000


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    options = SpeedOptions(
        size=TINY,
        repeats=2,
        only=("parquet-sensors", "memory-npy-matrix"),
        memory_sizes=(TINY, 2 * TINY),
        folder=tmp_path_factory.mktemp("bench"),
        warm_bytes=TINY // 2,
    )
    *_, results = measure(options)
    return results


def test_every_command_of_a_group_runs_in_each_cycle(results):
    names = [group["name"] for group in results["groups"]]
    assert names == ["parquet-sensors", "memory-npy-matrix"]
    for group in results["groups"]:
        assert not group["missing"]
        for command in group["commands"]:
            assert len(command["seconds"]) == 2
            assert min(command["cpu_seconds"]) > 0
            assert min(command["peak_rss_bytes"]) > 10_000_000


def test_ours_and_the_peers_have_read_the_same_rows(results):
    commands = results["groups"][0]["commands"]
    rows = {command["rows"] for command in commands}
    assert len(commands) == 3
    assert len(rows) == 1
    assert rows != {None}
    assert all(command["output_bytes"] > 0 for command in commands)


def test_command_lines_have_no_paths_of_the_machine(results, tmp_path_factory):
    text = json.dumps(results)
    assert str(tmp_path_factory.getbasetemp()) not in text
    for group in results["groups"]:
        for command in group["commands"]:
            assert re.match(
                r"python -m (bigdata_cli convert|benchmarks\.peers) ", command["command"]
            )
            assert not re.search(r"(^| )/", command["command"])


def test_the_page_has_a_row_for_everything_asked(results, tmp_path):
    page = tmp_path / "page.md"
    write_report(results, page)
    text = page.read_text(encoding="utf-8")
    found = figures(results)
    assert len(found) == sum(len(group["asked"]) for group in results["groups"])
    for figure in found:
        assert figure.value is not None
        assert figure.low <= figure.high
        assert f"| {figure.work} | {figure.file} | {figure.against} |" in text
    charts = re.findall(r"\]\((.+?\.svg)\)", text)
    assert len(charts) == 3
    for chart in charts:
        assert (tmp_path / chart).read_text(encoding="utf-8").startswith("<?xml")


def test_a_peer_that_cannot_be_had_is_a_row_with_its_reason(results, tmp_path):
    group = dict(results["groups"][0])
    group["commands"] = [c for c in group["commands"] if c["label"] != "DuckDB COPY"]
    group["missing"] = {"DuckDB COPY": "no wheel for this Python"}
    page = tmp_path / "page.md"
    write_report({**results, "groups": [group]}, page)
    text = page.read_text(encoding="utf-8")
    assert "| DuckDB COPY | rate | ≥ 1.6 × | not measured |" in text
    assert "Not measured: DuckDB COPY: no wheel for this Python" in text


def test_a_command_that_fails_does_not_lose_the_others(tmp_path, monkeypatch):
    broken = Group(
        section="CSV to Parquet",
        name="broken",
        kind="sensors",
        commands=(Command(label="bigdata", convert=("--to", "papyrus")),),
        asked=(Asked(work="CSV → papyrus", ours="bigdata", measure="peak bytes"),),
    )
    monkeypatch.setattr("benchmarks.speed.groups", lambda **_: iter((broken,)))
    *_, found = measure(SpeedOptions(size=TINY, repeats=1, folder=tmp_path))
    assert found["groups"][0]["failed"]
    (figure,) = figures(found)
    assert figure.value is None
    assert figure.reason.startswith("failed: ")


def test_labels_of_a_group_are_unique_and_known():
    for group in GROUPS:
        labels = [command.label for command in group.commands]
        assert len(set(labels)) == len(labels)
        for asked in group.asked:
            assert asked.ours in labels
            assert asked.theirs is None or asked.theirs in labels


def test_memory_and_scaling_are_measured_for_every_layout():
    names = {group.name for group in GROUPS}
    for form, layout in LAYOUTS:
        assert {f"memory-{form}-{layout}", f"scaling-{form}-{layout}"} <= names
