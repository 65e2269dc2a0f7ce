"""The harness runs on tiny files, and its page shows everything that was compared."""

from __future__ import annotations

import json
import math
import re

import pytest
from click.testing import CliRunner

from benchmarks import install
from benchmarks.commands import LAYOUTS, Comparison, Group, Target, convert, peer
from benchmarks.figures import figures, geometric_mean, parquet_means
from benchmarks.report import summary, write_report
from benchmarks.shapes import make_shape
from benchmarks.speed import SpeedOptions, main, measure
from benchmarks.suites import CSV_SHAPES, DOMAIN_SHAPES, groups
from benchmarks.suites_shaping import shaping, splits
from bigdata_cli.cli import main as cli

TINY = 200_000
GROUPS = list(groups(sizes=(1_000_000, 2_000_000)))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two cycles of the shortest group, one of the others."""
    folder, groups = tmp_path_factory.mktemp("bench"), []
    for repeats, *only in (
        (2, "parse-clicks"),
        (1, "parquet-sensors", "memory-npy-matrix", "start"),
    ):
        options = SpeedOptions(
            sizes=(TINY,), repeats=repeats, only=tuple(only), folder=folder, warm_bytes=TINY // 2
        )
        *_, results = measure(options)
        groups += results["groups"]
    return {**results, "groups": groups}


def group_of(results, name):
    return next(group for group in results["groups"] if group["name"].startswith(name))


def test_every_command_of_a_group_runs_in_each_cycle(results):
    names = [group["name"] for group in results["groups"]]
    assert names == ["parse-clicks", f"parquet-sensors-{TINY}", "memory-npy-matrix", "start"]
    for group in results["groups"]:
        assert not group["missing"]
        cycles = 2 if group["name"].startswith("parse") else 1
        for command in group["commands"]:
            assert len(command["seconds"]) == cycles
            assert min(command["cpu_seconds"]) > 0
            assert min(command["peak_rss_bytes"]) > 10_000_000


def test_ours_and_the_peers_have_read_the_same_rows(results):
    commands = group_of(results, "parquet")["commands"]
    rows = {command["rows"] for command in commands}
    assert len(commands) == 3
    assert len(rows) == 1
    assert rows != {None}
    assert all(command["output_bytes"] > 0 for command in commands)


def test_the_parser_alone_takes_less_than_its_process(results):
    (command,) = group_of(results, "parse")["commands"]
    assert command["rows"] > 100
    for work, whole in zip(command["work_cpu_seconds"], command["cpu_seconds"], strict=True):
        assert 0 < work < whole


def test_command_lines_have_no_paths_of_the_machine(results, tmp_path_factory):
    text = json.dumps(results)
    assert str(tmp_path_factory.getbasetemp()) not in text
    for group in results["groups"]:
        for command in group["commands"]:
            assert re.match(r"python -m (bigdata_cli|benchmarks\.\w+) ", command["command"])
            assert not re.search(r"(^| )/", command["command"])


def test_the_page_shows_everything_that_was_compared(results, tmp_path):
    page = tmp_path / "page.md"
    write_report(results, page)
    text = page.read_text(encoding="utf-8")
    found = figures(results)
    assert len(found) == sum(
        len(comparison["measures"])
        for group in results["groups"]
        for comparison in group["comparisons"]
    )
    for figure in found:
        assert figure.value is not None
        assert figure.low <= figure.value <= figure.high or figure.measure != "seconds"
        assert f"## {figure.section}" in text
        assert figure.against in text
    for group in results["groups"]:
        for command in group["commands"]:
            assert command["command"] in text
    for chart in (charts := re.findall(r"\]\((.+?\.svg)\)", text)):
        assert (tmp_path / chart).read_text(encoding="utf-8").startswith("<?xml")
    assert len(charts) == 1
    assert "asked" not in text


def test_the_page_says_where_a_peer_is_better(results, tmp_path):
    group = json.loads(json.dumps(group_of(results, "parquet")))
    for command in group["commands"]:
        slow = command["label"] == "bigdata"
        command["cpu_seconds"] = [3.0] if slow else [1.5]
        command["seconds"] = [1.0]
        command["output_bytes"] = 100
    page = tmp_path / "page.md"
    write_report({**results, "groups": [group]}, page)
    text = page.read_text(encoding="utf-8")
    assert "Polars sink_parquet takes less processor time on sensors." in text
    assert "takes less time on" not in text
    assert "writes fewer bytes" not in text
    assert "| 0.50 × | 1.00 × | 1.00 × |" in text
    assert [value for _, _, value in parquet_means(figures({"groups": [group]}))] == [0.5, 0.5]


def test_the_summary_says_what_was_asked_and_whether_it_is_reached(results):
    lines = summary(results).splitlines()
    (line,) = [line for line in lines if "Polars sink_parquet, bytes" in line]
    assert re.search(r"≤ 1\.00 × +\d\.\d\d × +(yes|NO)", line)
    assert lines[-1].startswith("installed without extras")


def test_a_command_that_fails_is_a_row_with_its_reason(tmp_path, monkeypatch):
    broken = Group(
        section="Other",
        name="broken",
        kind="sensors",
        size=TINY,
        commands=(convert("bigdata", ("--to", "papyrus")), peer("Polars", "polars-parquet")),
        comparisons=(Comparison(work="CSV → papyrus", ours="bigdata", theirs="Polars"),),
    )
    monkeypatch.setattr("benchmarks.speed.groups", lambda **_: iter((broken,)))
    *_, found = measure(SpeedOptions(sizes=(TINY,), repeats=1, folder=tmp_path))
    assert [command["label"] for command in found["groups"][0]["commands"]] == ["Polars"]
    for figure in figures(found):
        assert figure.value is None
        assert "papyrus" in figure.reason
    page = tmp_path / "page.md"
    write_report(found, page)
    assert "Not measured: Polars: " in page.read_text(encoding="utf-8")


def test_a_part_of_a_file_counts_as_so_much_faster():
    run = {"cpu_seconds": [2.0], "work_cpu_seconds": [2.0], "seconds": [2.0], "work_seconds": [2.0]}
    ours = {**run, "label": "a", "source_bytes": 1000, "output_bytes": 50, "is_partial": False}
    theirs = {**run, "label": "b", "source_bytes": 10, "output_bytes": 1, "is_partial": True}
    comparison = {
        "work": "w", "ours": "a", "theirs": "b", "measures": ["CPU", "bytes"],
        "targets": [{"measure": "CPU", "at_least": 40, "at_most": None}],
    }  # fmt: skip
    group = {
        "section": "s", "name": "n", "kind": "sensors", "size": 1000, "missing": {},
        "commands": [ours, theirs], "comparisons": [comparison],
    }  # fmt: skip
    speed, size = figures({"groups": [group]})
    assert speed.value == 100
    assert speed.is_met
    assert size.value == 0.5


def test_a_geometric_mean_is_that_of_ratios():
    assert math.isclose(geometric_mean([0.5, 2.0]), 1.0)
    assert math.isclose(geometric_mean([4.0, 1.0]), 2.0)


def test_labels_of_a_group_are_unique_and_known():
    names = [group.name for group in GROUPS]
    assert len(set(names)) == len(names)
    for group in GROUPS:
        labels = [command.label for command in group.commands]
        assert len(set(labels)) == len(labels)
        for comparison in group.comparisons:
            assert comparison.ours in labels
            assert comparison.theirs is None or comparison.theirs in labels
            assert {target.measure for target in comparison.targets} <= set(comparison.measures)
        for command in group.commands:
            assert command.source_of is None or command.source_of == labels[0] == "bigdata"


def test_every_shape_and_format_is_measured():
    names = {group.name for group in GROUPS}
    for form, layout in LAYOUTS:
        assert {f"memory-{form}-{layout}", f"scaling-{form}-{layout}"} <= names
    for kind in CSV_SHAPES:
        expected = {f"parquet-{kind}-1000000", f"parquet-{kind}-2000000", f"parse-{kind}"}
        assert expected | {f"formats-{kind}"} <= names
    assert {f"parquet-{kind}-1000000" for kind in DOMAIN_SHAPES} <= names


def test_peers_are_told_of_other_delimiters_and_decimal_marks():
    found = {group.kind: group.commands for group in GROUPS if group.name.startswith("parquet-")}
    ours, *peers = found["european"]
    assert ours.arguments[4:6] == ("--decimal", ",")
    for command in peers:
        assert {"--delimiter", ";", "--decimal", ","} < set(command.arguments)
    assert all("--delimiter" not in command.arguments for command in found["quotes"])


def test_shapes_can_be_chosen(capsys):
    found = SpeedOptions(sizes=(TINY,), shapes=("clicks", "wide")).groups()
    assert {group.kind for group in found} == {"clicks", "wide"}
    with pytest.raises(SystemExit):
        main(["--shapes", "papyrus"])
    assert "there are floats, " in capsys.readouterr().err


def test_a_target_is_reached_from_above_or_below():
    assert Target("CPU", 1.5).at_most is None
    assert Target("bytes", at_most=1.0).at_least is None


def test_an_installation_is_the_package_and_what_it_requires():
    found = install.sizes()
    assert {"bigdata-shards", "pyarrow", "numpy", "h5py"} <= set(found)
    assert "tensorflow" not in found
    assert found["pyarrow"] > 50_000_000
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize("group", [shaping(TINY), splits("clicks", TINY)], ids=lambda one: one.name)
def test_commands_that_shape_rows_write_all_of_them(group, tmp_path):
    source = make_shape(group.kind, "20000rows", tmp_path / "rows.csv")
    for number, command in enumerate(group.commands):
        places = {"{source}": str(source), "{output}": str(tmp_path / f"out-{number}")}
        words = [places.get(word, word) for word in command.arguments]
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, f"{command.label}: {result.output}"
        assert json.loads(result.stdout)["rows"] == 20_000
