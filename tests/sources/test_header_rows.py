"""Headers of several rows: found, told, in doubt, and the names that they make."""

from __future__ import annotations

import csv

import pytest

from bigdata_cli import convert, inspect, open_dataset, verify
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.header_rows import find_header_rows, join_names
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import open_source

BODY = ["2024-05-01,3.5,7,Bonn", "2024-05-02,4.25,8,Ulm", "2024-05-03,5,9,Kiel"]


@pytest.mark.parametrize(
    ("lines", "n", "may_be"),
    [
        (["day,speed,n,town", "UTC,m/s,,", *BODY], 2, 2),
        (["day,speed,n,town", "UTC,m/s,pieces,name", *BODY], 2, 2),
        (["day,speed,n,town", "day,speed,n,town", *BODY], 2, 2),
        (["when,how much,,where", "day,speed,n,town", "UTC,m/s,pieces,", *BODY], 3, 3),
        (["day,speed,n,town", *BODY], 1, 1),
        # Names that lack in one row are in the other.
        (["day,cost,,,town", ",train,taxi,inn,", "3/5,$4,$5,$9,Bonn", "4/5,$6,$7,$8,Ulm"], 2, 2),
        (["who,cost,,,town", ",train,taxi,inn,", "a,b,c,d,e", "f,g,h,i,j", "k,l,m,n,o"], 2, 2),
        (["day,cost,,,town", ",train,taxi,,", "3/5,$4,$5,$9,Bonn", "4/5,$6,$7,$8,Ulm"], 1, 1),
        (["day,cost,,town", ",train,taxi,", "3/5,$4,$5,Bonn", "4/5,$6,$7,Ulm"], 1, 1),
        (["a,b,,,c", "x,train,taxi,inn,", "3,$4,$5,$9,Bonn", "4,$6,$7,$8,Ulm"], 1, 2),
        # One word alone, or the same one everywhere, may stand for a value that is not there.
        (["day,speed,n,town", ",m/s,,", *BODY], 1, 2),
        (["day,speed,n,town", "secret,secret,secret,Aachen", *BODY], 1, 2),
        # A place that comes again is a value, and a sentence is a remark.
        (["day,speed,n,town", "secret,withheld,,Ulm", *BODY], 1, 2),
        (["day,speed,n,town", "UTC,Of the wind.,pieces,", *BODY], 1, 2),
        # What stands for no value is no name.
        (["day,speed,n,town", "NA,NA,NA,NA", *BODY], 1, 1),
        (["day,speed,n,town", "-,*,**,", *BODY], 1, 1),
        (["day,speed,n,town", "UTC,m/s,1,", *BODY], 1, 1),
        # Too few rows below, no numbers below, a header that comes again anywhere.
        (["day,speed,n,town", "UTC,m/s,,", BODY[0]], 1, 2),
        (["name,town", "first,of birth", "ann,rome", "bob,oslo", "cy,ulm"], 1, 1),
        (["a,b,c", "a,b,c", *["1,2,3"] * 20, "a,b,c", *["1,2,3"] * 20], 1, 1),
        (["1,2,3,4", "UTC,m/s,pieces,town", *BODY], 1, 1),
        (["a,b"], 1, 1),
        ([], 1, 1),
    ],
)
def test_rows_of_names_are_told_from_values(lines, n, may_be):
    found = find_header_rows(list(csv.reader(lines)))
    assert (found.n, found.may_be) == (n, may_be)


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (["a,b", "x,y"], ["a x", "b y"]),
        (["a,b", "a,"], ["a a", "b"]),
        (["a,,b,", "x,y,x,y"], ["a x", "a y", "b x", "b y"]),
        (["id,,a,", ",name,x,y"], ["id", "name", "a x", "a y"]),
        (["year,,", "men,,women", "n,share,n"], ["year men n", "year men share", "year women n"]),
        (["a,b,,", "x,y"], ["a x", "b y"]),
    ],
)
def test_names_are_joined_from_above(rows, names):
    records = list(csv.reader(rows))
    assert join_names(records, Dialect(delimiter=","), len(names), where="x") == names


def test_rows_of_another_length_are_an_error_or_made_up():
    rows = [["a", "b"], ["x"]]
    with pytest.raises(DataError, match="row 1 of the header has 2 names, the rows below have 3"):
        join_names(rows, Dialect(delimiter=","), 3, where="x")
    made_up = Dialect(delimiter=",", names=("auto",))
    assert join_names(rows, made_up, 3, where="x") == ["a x", "b", ""]


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_it_is_said_with_the_flag(tmp_path):
    lines = ["day,speed,n,town", "UTC,m/s,,", *BODY]
    report = inspect(write(tmp_path / "units.csv", lines))
    assert "--header-rows 2" in " ".join(report.flags)
    assert any("2 rows name the columns (--header-rows 2)" in note for note in report.notes)
    again = open_source([tmp_path / "units.csv"], SourceOptions(header_rows=2))
    assert again.names == ("day UTC", "speed m/s", "n", "town")
    assert not again.notes

    lines[1] = "secret,secret,secret,Aachen"
    report = inspect(write(tmp_path / "doubt.csv", lines))
    assert "--header-rows" not in report.flags
    assert any("row 2 names the columns, too?" in note for note in report.notes)
    told = convert(tmp_path / "doubt.csv", to="npy", output=tmp_path / "out")
    assert any("row 2 names the columns, too?" in note for note in told.notes)


def test_the_dataset_is_verified_against_its_source(tmp_path):
    source = write(tmp_path / "x.csv", ["day,speed,n,town", "UTC,m/s,,", *BODY])
    report = convert(source, to="parquet", output=tmp_path / "out")
    assert report.rows == 3
    assert open_dataset(tmp_path / "out").manifest.dialect["header_rows"] == 2
    assert verify(tmp_path / "out", source=[source]).passed


def test_files_of_one_source_have_the_same_rows(tmp_path):
    first = write(tmp_path / "1.csv", ["day,speed,n", "UTC,m/s,kg", *(b[:-5] for b in BODY[:1])])
    second = write(tmp_path / "2.csv", ["speed,day,n", "m/s,UTC,kg", "1,2024-05-04,5"])
    source = open_source([first, second], SourceOptions(header_rows=2))
    assert source.names == ("day UTC", "speed m/s", "n kg")
    assert source.files[1].fields == (1, 0, 2)
    third = write(tmp_path / "3.csv", ["day,speed,n", "2024-05-04,5,6"])
    with pytest.raises(DataError, match="other columns"):
        open_source([first, third], SourceOptions(header_rows=2))


def test_rows_that_are_longer_than_what_is_looked_at(tmp_path):
    names = [f"a_rather_long_name_of_a_column_{i}" for i in range(6_000)]
    units = [f"a_rather_long_name_of_a_unit_{i}" for i in range(6_000)]
    lines = [",".join(names), ",".join(units), ",".join(["1"] * 6_000)]
    source = open_source([write(tmp_path / "x.csv", lines)], SourceOptions(header_rows=2))
    assert source.names[-1] == f"{names[-1]} {units[-1]}"


def test_what_does_not_go_together(tmp_path):
    source = write(tmp_path / "x.csv", ["a,b", "c,d", "1,2"])
    with pytest.raises(UsageError, match="--header-rows and --no-header"):
        open_source([source], SourceOptions(header_rows=2, header=False))
    with pytest.raises(UsageError, match="--row-names is for a header of one row"):
        open_source([source], SourceOptions(header_rows=2, row_names=True))
    with pytest.raises(UsageError, match="header_rows=0 is not positive"):
        convert(source, to="npy", output=tmp_path / "out", header_rows=0)


def test_a_wide_table_is_looked_at_in_no_time(tmp_path):
    import time

    n = 20_000
    records = [[f"name{i}" for i in range(n)], *[[f"word{i}" for i in range(n)]] * 200]
    started = time.process_time()
    assert find_header_rows(records).n == 1
    assert time.process_time() - started < 10
