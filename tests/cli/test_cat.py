"""`bigdata cat` and `bigdata head`."""

from __future__ import annotations

import pyarrow as pa
from click.testing import CliRunner

from bigdata_cli.cli import main
from tests.datasets import write_dataset


def run(*arguments: object):
    """The result of a command line: exit_code, stdout, stderr."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def dataset(tmp_path):
    rows = {"id": [1, 2, 3], "x": [0.5, float("nan"), None], "name": ["ä", None, "x" * 60]}
    return write_dataset(tmp_path / "d", pa.table(rows), n_shards=2)


def test_cat_writes_csv_and_says_what_it_does_not_carry(tmp_path):
    result = run("cat", dataset(tmp_path), "--columns", "x,id")
    assert result.exit_code == 0
    assert result.stdout == "x,id\n0.5,1\nNaN,2\n,3\n"
    assert result.stderr == "Note: 1 values are NaN, which readers take for null\n"


def test_cat_writes_json_lines_to_a_file(tmp_path):
    file = tmp_path / "a.jsonl"
    result = run("cat", dataset(tmp_path), "--format", "jsonl", "-n", 2, "-o", file)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "Note: 1 values are NaN or infinite, and null in JSON\n"
    lines = ['{"id":1,"x":0.5,"name":"ä"}', '{"id":2,"x":null,"name":null}']
    assert file.read_text(encoding="utf-8").splitlines() == lines


def test_cat_into_a_folder_that_is_not_there(tmp_path):
    result = run("cat", dataset(tmp_path), "-o", tmp_path / "no" / "a.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"Error: {tmp_path / 'no' / 'a.csv'} cannot be written: No such"
    )


def test_cat_says_how_many_records_it_left_out(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n3\n4,5\n")
    result = run("cat", file, "--on-bad-row", "skip")
    assert result.stdout == "a,b\n1,2\n4,5\n"
    assert result.stderr == "Note: 1 records cannot be kept, and were left out\n"


def test_head_shows_names_types_and_nulls(tmp_path):
    result = run("head", dataset(tmp_path))
    assert result.stdout.splitlines() == [
        "   id        x  name",
        "int64  float64  text",
        "-----  -------  ----------------------------------------",
        "    1      0.5  ä",
        "    2      NaN  null",
        "    3     null  " + "x" * 39 + "…",
    ]


def test_head_of_a_file_has_the_types_of_a_conversion(tmp_path):
    file = tmp_path / "a.csv"
    rows = ["2024-02-29,01234,7,a", "2024-03-01,02345,8,b", *4 * ["2024-03-02,02345,9,a"]]
    file.write_text("\n".join(["when,zip,n,k", *rows]) + "\n")
    result = run("head", file, "-n", 1, "--columns", "n,when,zip,k")
    assert result.stdout.splitlines() == [
        "   n  when        zip       k",
        "int8  date        category  category",
        "----  ----------  --------  --------",
        "   7  2024-02-29  01234     a",
    ]


def test_head_of_no_rows(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b\n")
    result = run("head", file, "--header")
    assert result.stdout.splitlines() == ["a     b", "null  null", "----  ----"]


def test_head_of_another_dialect(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("1;2,5\n3;4\n")
    flags = ["--no-header", "--names", "p,q", "--delimiter", ";", "--decimal", ",", "--no-text"]
    assert run("head", file, *flags).stdout.splitlines()[-1].split() == ["3", "4.0"]


def test_rejected_records_are_shown_by_the_command_that_the_summary_names(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("a,b\n1,2\n3\n4,5\n")
    out = tmp_path / "my out"
    summary = run("convert", source, "--to", "parquet", "-o", out, "--on-bad-row", "skip").stdout
    [line] = [line for line in summary.splitlines() if line.startswith("rejected rows")]
    assert line.split(maxsplit=2)[2] == f"1 (bigdata cat '{out}' --rejected shows them)"
    assert "--rejected shows them" in run("inspect", out).stdout
    header, record = run("cat", out, "--rejected").stdout.splitlines()
    assert header == "source,line,byte,reason,raw"
    assert record.endswith(',3,8,"the record has 1 field, 2 were expected",3')
    refused = run("cat", out, "--rejected", "--format", "jsonl")
    assert refused.exit_code == 2
    assert "without --format" in refused.stderr
    assert "not the folder of a dataset" in run("cat", source, "--rejected").stderr
    (out / "_rejects.parquet").write_bytes(b"PAR1")
    damaged = run("cat", out, "--rejected")
    assert damaged.exit_code == 3
    assert "_rejects.parquet is damaged: it is not a complete Parquet file" in damaged.stderr


def test_without_rejected_records_there_is_a_header_alone(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("a,b\n1,2\n")
    run("convert", source, "--to", "npy", "-o", tmp_path / "out")
    assert run("cat", tmp_path / "out", "--rejected").stdout == "source,line,byte,reason,raw\n"
