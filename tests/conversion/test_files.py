"""Several files, patterns and folders as one source."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, inspect, open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.paths import expand_paths


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str = "a,b\n1,x\n") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def rows_of(*sources: str, **options) -> list[dict]:
    """The rows of the dataset made of these sources, as pyarrow reads them."""
    convert(list(sources), to="parquet", output="out", force=True, **options)
    return pq.read_table(sorted(Path("out").glob("[!_]*.parquet"))).to_pylist()


def test_files_in_the_order_given_and_patterns_by_name(folder):
    for name in ("b.csv", "a.csv", "c.csv", "deep/d.csv", "deep/er/e.csv", ".hidden.csv"):
        write(name)
    assert expand_paths(["c.csv", "b.csv"]) == ("c.csv", "b.csv")
    assert expand_paths(["*.csv"]) == ("a.csv", "b.csv", "c.csv")
    assert expand_paths(["[ac].csv", "b.csv"]) == ("a.csv", "c.csv", "b.csv")
    assert expand_paths(["?.csv"]) == ("a.csv", "b.csv", "c.csv")
    assert expand_paths(["**/*.csv"]) == (
        "a.csv", "b.csv", "c.csv", "deep/d.csv", "deep/er/e.csv",
    )  # fmt: skip
    assert expand_paths(["deep/**"]) == ("deep/d.csv", "deep/er/e.csv")
    assert expand_paths([Path("deep")]) == ("deep/d.csv",)


def test_a_folder_is_its_csv_files_or_else_its_text(folder):
    for name in (
        "2.csv",
        "10.csv",
        "1.TSV",
        "3.csv.gz",
        "notes.txt",
        "x.json",
        "_tmp.csv",
        ".y.csv",
    ):
        write(f"data/{name}")
    assert expand_paths(["data"]) == ("data/1.TSV", "data/10.csv", "data/2.csv", "data/3.csv.gz")
    write("texts/b.txt")
    write("texts/a.txt.zst")
    assert expand_paths(["texts/"]) == ("texts/a.txt.zst", "texts/b.txt")
    write("other/x.json")
    with pytest.raises(
        UsageError, match=r"folder without CSV, JSON lines, Parquet or text files.*x\.json"
    ):
        expand_paths(["other"])


@pytest.mark.parametrize(
    "name",
    [
        "two words.csv",
        "[x].csv",
        "a*b.csv",
        "größe 日本.csv",
        "why?.csv",
        "a[1].csv",
        "-.csv",
        "{a}.csv",
    ],
)
def test_a_name_that_is_there_is_no_pattern(folder, name):
    write(name, "a,b\n7,y\n")
    write("a1.csv")
    assert rows_of(name) == [{"a": 7, "b": "y"}]


def test_what_matches_nothing_is_told_with_what_is_there(folder):
    write("data/trips.csv")
    with pytest.raises(UsageError, match=r"data/\*\.tsv matches no file") as caught:
        convert("data/*.tsv", to="parquet")
    assert "trips.csv" in str(caught.value)
    with pytest.raises(UsageError, match="matches no file") as caught:
        convert("nowhere/*/x*.csv", to="parquet")
    assert "no folder nowhere" in str(caught.value)
    with pytest.raises(UsageError, match="matches folders only"):
        convert("dat*", to="parquet")
    with pytest.raises(UsageError, match="does not exist"):
        convert("data/trps.csv", to="parquet")


def test_members_of_archives_are_no_patterns(folder):
    write("a.zip", "PK")
    for name in ("-", "a.zip::x[1].csv"):
        assert expand_paths([name]) == (name,)


def test_files_of_our_own_datasets_are_no_sources(folder):
    write("in/a.csv")
    convert("in", to="parquet", output="in/made")
    write("in/made/rejects.csv", "x\n1\n")
    assert expand_paths(["in/**/*.csv"]) == ("in/a.csv",)
    with pytest.raises(UsageError, match="files of a dataset only"):
        expand_paths(["in/made/*.csv"])


def test_a_file_named_twice_is_refused(folder):
    write("a.csv")
    for paths in (["a.csv", "a.csv"], ["a.csv", "*.csv"], ["./a.csv", "a.csv"], [".", "a.csv"]):
        with pytest.raises(UsageError, match="named twice"):
            convert(paths, to="parquet")


def test_columns_are_matched_by_name_and_headers_are_no_rows(folder):
    write("1.csv", "a,b,c\n1,x,0.5\n")
    write("2.csv", "c,a,b\n1.5,2,y\n2.5,300,z\n")
    write("3.csv", "\ufeffb,c,a\nw,,-4\n")
    write("4.csv", "a,b,c\n")
    assert rows_of("*.csv") == [
        {"a": 1, "b": "x", "c": 0.5},
        {"a": 2, "b": "y", "c": 1.5},
        {"a": 300, "b": "z", "c": 2.5},
        {"a": -4, "b": "w", "c": None},
    ]
    assert open_dataset("out").schema["a"].dtype == "int16"
    assert rows_of("*.csv", shards=3) == rows_of("*.csv")


def test_other_columns_are_named(folder):
    write("1.csv", "a,b,c\n1,2,3\n")
    write("2.csv", "a,d,c,e\n1,2,3,4\n")
    with pytest.raises(DataError) as caught:
        rows_of("1.csv", "2.csv")
    assert caught.value.message == ("2.csv has other columns than 1.csv (missing: b; extra: d, e)")
    assert rows_of("1.csv", names=["x", "y", "z"]) == [{"x": 1, "y": 2, "z": 3}]


def test_files_without_header_are_matched_by_position(folder):
    write("1.csv", "1,x\n2,y\n")
    write("2.csv", "3,z\n")
    write("3.csv", "4,w,5\n")
    assert rows_of("1.csv", "2.csv") == [
        {"column0": 1, "column1": "x"},
        {"column0": 2, "column1": "y"},
        {"column0": 3, "column1": "z"},
    ]
    assert rows_of("2.csv", "1.csv", header=False, names=["n", "w"])[0] == {"n": 3, "w": "z"}
    with pytest.raises(DataError, match=r"records of 3 fields, those of .*1\.csv have 2"):
        rows_of("1.csv", "3.csv")
    with pytest.raises(DataError, match=r"3\.csv: names gives 2 names"):
        rows_of("1.csv", "3.csv", names=["n", "w"])


def test_lines_are_skipped_in_each_file(folder):
    for i in range(3):
        write(f"{i}.csv", f"Report {i}\n# c\na,b\n{i},x\n")
    assert [row["a"] for row in rows_of("*.csv", skip_rows=1, comment="#")] == [0, 1, 2]


def test_ends_of_lines_and_of_files_differ(folder):
    Path("1.csv").write_bytes(b"a,b\r\n1,x")
    Path("2.csv").write_bytes(b"a,b\r2,y\r")
    Path("3.csv").write_bytes(b"a,b\n3,z\n\n")
    assert rows_of("*.csv") == [{"a": i, "b": c} for i, c in ((1, "x"), (2, "y"), (3, "z"))]


def test_a_bad_record_of_the_second_file_is_located(folder):
    write("1.csv", "a,b\n1,x\n")
    write("2.csv", 'a,b\n2,"y\nz"\n3\n')
    with pytest.raises(DataError, match=r"2\.csv line 4 \(byte 12\)"):
        rows_of("1.csv", "2.csv")


def test_more_files_than_may_be_open(folder):
    n_files = 300
    for i in range(n_files):
        write(f"many/{i:04}.csv", f"a,b\n{i},x\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(in_use + 100, hard), hard))
    try:
        rows = rows_of("many", shards=2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [row["a"] for row in rows] == list(range(n_files))


def test_inspect_takes_patterns_and_folders(folder):
    write("data/1.csv", "a;b\n1;x\n2;y\n")
    write("data/2.csv", "b;a\nz;3\n")
    for path in ("data", "data/*.csv"):
        report = inspect(path)
        assert (report.rows, [column.name for column in report.columns]) == (3, ["a", "b"])
