"""`bigdata convert`: options, output, and what bad input gets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from bigdata_cli.cli import main
from tests.manifest_files import has_manifest

CSV = 'id,fare,city\n1,2.5,Oslo\n2,,"Ålesund, N"\n300,0.1,Oslo\n4,8,Oslo\n5,9,Oslo\n'


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with trips.csv in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trips.csv").write_text(CSV, encoding="utf-8")
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(main, ["convert", *arguments])


def failed(status: int, *arguments: str) -> str:
    """The stderr of a command line that must fail with one message and leave nothing behind."""
    before = sorted(Path.cwd().iterdir())
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert sorted(Path.cwd().iterdir()) == before
    return result.stderr


def test_the_output_folder_is_named_after_source_and_format(folder):
    result = run("trips.csv", "--to", "parquet")
    assert result.exit_code == 0, result.output
    assert has_manifest(folder / "trips-parquet")
    rows = duckdb.sql("select id, fare, city from 'trips-parquet/*.parquet' order by id").fetchall()
    assert [row[0] for row in rows] == [1, 2, 4, 5, 300]
    assert rows[1][1:] == (None, "Ålesund, N")


def test_the_summary_says_what_became_of_each_column(folder):
    out = run("trips.csv", "--to", "parquet", "--label", "fare").stdout
    words = [line.split() for line in out.splitlines()]
    assert ["rows", "5"] in words
    assert any(line[:3] == ["id", "int16", "40"] for line in words), out
    assert any(line[:3] == ["fare", "float32", "1"] for line in words), out
    assert "peak memory" in out
    assert "bigdata inspect trips-parquet" in out
    assert "bigdata train trips-parquet --label fare" in out


def test_json_is_the_only_thing_on_stdout(folder):
    result = run("trips.csv", "--to", "npy", "--shards", "2", "-o", "out", "--json")
    report = json.loads(result.stdout)
    assert report["rows"] == 5
    assert report["shards"] == 2
    assert report["output"] == "out"
    assert [column["name"] for column in report["columns"]] == ["id", "fare", "city"]


def test_profile_shows_what_the_time_went_into(folder):
    result = run("trips.csv", "--to", "parquet", "--profile")
    assert result.exit_code == 0, result.output
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["Processor", "time"] in words
    shown = {line[0] for line in words if "%" in line[:4]}
    assert {"sample", "read", "parse", "types", "encode", "write", "hash", "other"} <= shown
    assert "Processor time" not in run("trips.csv", "--to", "npy").stdout


def test_quiet_prints_nothing(folder):
    result = run("trips.csv", "--to", "hdf5", "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_progress_is_apart_from_the_result(folder):
    done = subprocess.run(
        [sys.executable, "-m", "bigdata_cli", "convert", "trips.csv", "--to", "parquet", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["rows"] == 5
    # Where the kernels are compiled first, even this may take long enough for a line.
    assert all(line.endswith(" rows") for line in done.stderr.splitlines())


@pytest.mark.parametrize("arguments", [[], ["--json"], ["-q"]])
def test_dry_run_writes_nothing(folder, arguments):
    result = run("trips.csv", "--to", "parquet", "--shards", "3", "-n", *arguments)
    assert result.exit_code == 0, result.output
    assert [path.name for path in folder.iterdir()] == ["trips.csv"]
    if arguments == ["--json"]:
        plan = json.loads(result.stdout)
        assert (plan["shards"], plan["format"], plan["layout"]) == (3, "parquet", "rows")
    elif not arguments:
        assert "Nothing is written" in result.stdout
        assert "int16" in result.stdout
    else:
        assert result.output == ""


def test_a_dry_run_can_be_edited_into_a_schema(folder):
    plan = json.loads(run("trips.csv", "--to", "parquet", "-n", "--json").stdout)
    for column in plan["columns"]:
        if column["name"] == "id":
            column.update(dtype="int64")
    for name, content in (("plan.json", plan), ("columns.json", plan["columns"])):
        Path(name).write_text(json.dumps(content))
        result = run("trips.csv", "--to", "parquet", "--schema", name, "--json", "--force")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["columns"][0]["dtype"] == "int64"


def test_options_reach_the_columns(folder):
    result = run(
        "trips.csv", "--to", "parquet", "--json", "--float", "64", "--type", "id=text",
        "--drop", "city", "--compression", "zstd:3",
    )  # fmt: skip
    columns = json.loads(result.stdout)["columns"]
    assert [(c["name"], c["dtype"]) for c in columns] == [("id", "text"), ("fare", "float64")]


def test_column_lists_are_read_as_csv(folder):
    Path("odd.csv").write_text('"a,b",c,d=e\n1,2,3\n')
    result = run(
        "odd.csv", "--to", "parquet", "--json", "--columns", '"a,b"', "--columns", "d=e",
        "--type", "d=e=int64",
    )  # fmt: skip
    columns = json.loads(result.stdout)["columns"]
    assert [(c["name"], c["dtype"]) for c in columns] == [("a,b", "int8"), ("d=e", "int64")]


def test_several_sources_are_one_dataset_in_the_order_given(folder):
    Path("more.csv").write_text("id,fare,city\n70000,1,Rome\n", encoding="utf-8")
    result = run("more.csv", "trips.csv", "--to", "parquet", "-o", "both", "--json")
    assert json.loads(result.stdout)["rows"] == 6
    ids = duckdb.sql("select id from 'both/*.parquet'").fetchall()
    assert [row[0] for row in ids] == [70000, 1, 2, 300, 4, 5]


@pytest.mark.parametrize(
    ("given", "content"),
    [
        (["--delimiter", "tab"], "a\tb\n1\t2\n"),
        (["--delimiter", "\\t"], "a\tb\n1\t2\n"),
        (["--delimiter", ";"], "a;b\n1;2\n"),
        (["--quote", "'"], "a,b\n'1',2\n"),
    ],
)
def test_dialect_options(folder, given, content):
    Path("dialect.csv").write_text(content)
    result = run("dialect.csv", "--to", "parquet", "--json", "--header", *given)
    assert result.exit_code == 0, result.output
    assert duckdb.sql("select a, b from 'dialect-parquet/*.parquet'").fetchall() == [(1, 2)]


def test_without_a_header_the_first_row_is_data(folder):
    result = run("trips.csv", "--to", "parquet", "--no-header", "--json")
    assert json.loads(result.stdout)["rows"] == 6


def test_lines_of_text(folder):
    Path("log.txt").write_text('one, "two\nthree\n')
    result = run("log.txt", "--to", "parquet", "--text", "--json")
    assert json.loads(result.stdout)["rows"] == 2
    rows = duckdb.sql("select text from 'log-parquet/*.parquet'").fetchall()
    assert rows == [('one, "two',), ("three",)]


def test_an_existing_output_needs_force(folder):
    assert run("trips.csv", "--to", "parquet").exit_code == 0
    assert "--force" in failed(2, "trips.csv", "--to", "parquet")
    assert run("trips.csv", "--to", "parquet", "--force").exit_code == 0


def test_force_does_not_replace_a_folder_that_is_not_a_dataset(folder):
    (folder / "photos").mkdir()
    (folder / "photos" / "cat.jpg").write_bytes(b"cat")
    failed(2, "trips.csv", "--to", "parquet", "-o", "photos", "--force")
    assert (folder / "photos" / "cat.jpg").read_bytes() == b"cat"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trips.csv", "--to", "prquet"], 'Did you mean "parquet"?'),
        (["trips.csv", "--to", "npy", "--shards", "0"], "--shards"),
        (
            ["trips.csv", "--to", "npy", "--shards", "2", "--shard-size", "5MB"],
            "exclude each other",
        ),
        (["trips.csv", "--to", "npy", "--shard-size", "big"], '"big" is not a size'),
        (["trips.csv", "--to", "npy", "--type", "id"], "COL=DTYPE"),
        (["trips.csv", "--to", "npy", "--type", "id=int9"], 'Did you mean "int'),
        (["trips.csv", "--to", "npy", "--type", "id=int8", "--type", "id=text"], "given twice"),
        (["trips.csv", "--to", "npy", "--type", "farre=int8"], 'Did you mean "fare"?'),
        (["trips.csv", "--to", "npy", "--label", "Fare"], 'Did you mean "fare"?'),
        (["trips.csv", "--to", "npy", "--drop", "citty"], 'Did you mean "city"?'),
        (["trips.csv", "--to", "npy", "--columns", "citty"], 'Did you mean "city"?'),
        (["trips.csv", "--to", "npy", "--drop", "id,,fare"], "empty name"),
        (["trips.csv", "--to", "npy", "--drop", "id,fare,city"], "column"),
        (["trips.csv", "--to", "npy", "--label", "fare", "--drop", "fare"], "fare"),
        (["trips.csv", "--to", "npy", "--layout", "matrx", "--label", "fare"], "matrix"),
        (["trips.csv", "--to", "parquet", "--compression", "zsdt"], "zstd"),
        (["trips.csv", "--to", "npy", "--delimiter", "ab"], "cannot begin with 'a'"),
        (["trips.csv", "--to", "npy", "--decimal", ","], "--delimiter and --decimal are both ','"),
        (["trips.csv", "--to", "npy", "--text", "--names", "a"], "no --names"),
        (["trips.csv", "--to", "npy", "--keep-blank-lines"], "--text"),
        (["trips.csv", "trips.csv", "--to", "npy"], "named twice"),
        (["*.tsv", "--to", "npy"], "matches no file"),
        (["trips.csv", "--to", "npy", "--text", "--delimiter", ","], "--text"),
        (["trips.csv", "--to", "npy", "--schema", "none.json"], "none.json"),
        (["trips.csv", "--to", "npy", "--schema", "trips.csv"], "trips.csv"),
        (["trips.csv", "--to", "npy", "--jobs", "0"], "--jobs"),
        (["missing.csv", "--to", "npy"], "missing.csv"),
        (["trips.cvs", "--to", "npy"], "trips.csv"),
        (["/dev", "--to", "npy"], "/dev"),
        (["trips.csv", "--to", "npy", "-o", "trips.csv"], "trips.csv"),
        (["--to", "npy"], "SOURCE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_options_are_usage_errors(folder, arguments, message):
    assert message in failed(2, *arguments)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_source_is_refused(folder, content):
    Path("empty.csv").write_bytes(content)
    assert "empty.csv" in failed(3, "empty.csv", "--to", "npy")
    assert not (folder / "empty-npy").exists()


def test_a_value_that_contradicts_its_type_says_where(folder):
    stderr = failed(3, "trips.csv", "--to", "npy", "--type", "id=int8")
    assert "300" in stderr
    assert '"id"' in stderr
    assert "trips.csv" in stderr
    assert "Hint: --type id=" in stderr


def test_wide_tables_show_the_first_columns(folder):
    names = [f"c{i}" for i in range(100)]
    Path("wide.csv").write_text(",".join(names) + "\n" + ",".join("1" * 100) + "\n")
    out = run("wide.csv", "--to", "parquet").stdout
    assert "c29" in out
    assert "c30" not in out
    assert "70 more columns" in out


def test_names_cannot_disturb_the_terminal(folder):
    Path("evil.csv").write_text("a\x1b[2J,b\n1,2\n")
    out = run("evil.csv", "--to", "parquet", "--header").stdout
    assert "\x1b" not in out
    assert "a\\x1b[2J" in out
