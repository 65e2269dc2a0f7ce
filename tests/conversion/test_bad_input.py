"""What bad input gets: one message with where, what, why and a fix, and nothing left behind."""

from __future__ import annotations

import re

import pytest

from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import BigdataError, DataError, UsageError

GOOD = b"a,b,c\n1,2,x\n3,4,y\n"


def attempt(tmp_path, data: bytes = GOOD, **options) -> BigdataError:
    """The error of converting these bytes; checks that no output is left behind."""
    source = tmp_path / "data.csv"
    source.write_bytes(data)
    out = tmp_path / "deep" / "out"
    with pytest.raises(BigdataError) as caught:
        convert(source, **{"to": "parquet", "output": out, **options})
    assert not out.parent.exists()
    assert caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("data", "line", "byte", "what"),
    [
        (b"a,b\n1,2\n3\n4,5\n", 3, 8, "has 1 field, 2 were expected"),
        (b"a,b\n1,2\n3,4,5\n", 3, 8, "more than the 2 fields"),
        (b'a,b\n1,"x\ny"\n\n3\n', 5, 13, "has 1 field"),
        (b'a,b\r\n1,"x\r\ny"\r\n3\r\n', 4, 15, "has 1 field"),
        (b"a,b\r1,2\r3\r", 3, 8, "has 1 field"),
        (b'a,b\n1,"x"y\n', 2, 4, "after its closing quote"),
        (b'a,b\n1,2\n3,"x\n4,5\n', 3, 8, "no closing one"),
        (b"a,b\n1,2\n3,\xff\n", 3, 8, "0xff is not UTF-8"),
    ],
)
def test_a_record_that_cannot_be_kept_is_located(tmp_path, data, line, byte, what):
    error = attempt(tmp_path, data)
    assert isinstance(error, DataError)
    assert f"data.csv line {line:,} (byte {byte})" in error.message
    assert what in error.message
    assert error.hint


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("shards", [1, 5])
def test_the_first_bad_record_is_reported_wherever_it_stands(tmp_path, jobs, shards):
    rows = [b"%d,x,%d\n" % (i, i) for i in range(400_000)]
    rows[300_000] = b'7,"multi\nline"\n'
    rows[350_000] = b"7\n"
    error = attempt(tmp_path, b"a,b,c\n" + b"".join(rows), jobs=jobs, shards=shards)
    assert "line 300,002" in error.message
    assert "has 2 fields, 3 were expected" in error.message


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int8", "200"), ("int64", "x"), ("int64", "1.5"), ("uint8", "-1"),
     ("float64", "12.5.0"), ("float64", "1e400"),
     ("bool", "maybe"), ("date", "01/02/03"), ("timestamp", "yesterday"),
     ("timestamp", "2020-01-01T00:00:00+02:00"), ("uint64", "18446744073709551616")],
)  # fmt: skip
def test_a_value_that_contradicts_its_type_is_located(tmp_path, dtype, value):
    data = b"a,b\n" + b"1,\n" * 1000 + f"1,{value}\n".encode() + b"1,\n" * 1000
    error = attempt(tmp_path, data, types={"b": dtype})
    assert isinstance(error, DataError)
    assert "data.csv line 1,002" in error.message
    assert 'column "b"' in error.message
    assert repr(value) in error.message or value in error.message
    assert error.hint == 'type={"b": "text"} keeps it as it is'


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [("int64", "+7", 7), ("int64", "007", 7), ("int32", "12.0", 12), ("float64", "1E4", 1e4),
     ("float32", "00.5", 0.5), ("bool", "yes", True), ("bool", "0", False),
     ("text", "5", "5"), ("category", "5", "5")],
)  # fmt: skip
def test_a_fixed_type_reads_what_would_else_be_text(tmp_path, dtype, text, value):
    source = tmp_path / "data.csv"
    source.write_text(f"a,b\n1,{text}\n2,\n")
    convert(source, to="parquet", output=tmp_path / "out", types={"b": dtype})
    (batch,) = open_dataset(tmp_path / "out").read()
    assert batch.column("b").to_pylist() == [value, None]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"to": "parket"}, "parquet"),
        ({"label": "B"}, '"b"'),
        ({"drop": ("d",)}, "It has: a, b, c"),
        ({"columns": ("a", "zz")}, "It has: a, b, c"),
        ({"columns": ("a", "a")}, "twice"),
        ({"drop": ("a", "b", "c")}, "no column is left"),
        ({"types": {"zz": "int8"}}, "It has: a, b, c"),
        ({"types": {"a": "int9"}}, "int8"),
        ({"shards": 0}, "between 1"),
        ({"shards": 2, "shard_size": "1MB"}, "exclude each other"),
        ({"shard_size": "much"}, "not a size"),
        ({"jobs": 0}, "not positive"),
        ({"float_mode": "16"}, 'which is none of "auto", "32", "64"'),
        ({"layout": "matrix"}, "rows"),
        ({"compression": "zip"}, "zstd"),
        ({"delimiter": "é"}, "ASCII characters"),
        ({"schema": "nowhere.json"}, "does not exist"),
        ({"to": "npy", "layout": "matrix", "types": {"c": "text"}}, 'drop=["c"]'),
    ],
)
def test_wrong_options(tmp_path, options, what):
    error = attempt(tmp_path, **options)
    assert isinstance(error, UsageError)
    assert what in str(error)


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"", "is empty"), (b"\n\n", "is empty"), (b"\xef\xbb\xbf", "is empty"),
     (b"\x1f\x8b\x08", "gzip data end"), (b"PK\x03\x04", "zip archive is damaged"),
     (b"\xff\xfe", "is empty"),
     (b"PAR1....", "is damaged, or of a kind"), (b"\xff,b\n1,2\n", "header is not UTF-8")],
)  # fmt: skip
def test_files_that_are_no_csv(tmp_path, data, what):
    error = attempt(tmp_path, data)
    assert isinstance(error, DataError)
    assert what in error.message


def test_missing_files_and_folders(tmp_path):
    (tmp_path / "trips.csv").write_bytes(GOOD)
    with pytest.raises(UsageError, match="does not exist") as caught:
        convert(tmp_path / "trip.csv", to="parquet")
    assert 'Did you mean "trips.csv"?' in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is a folder without CSV"):
        convert(tmp_path / "empty", to="parquet")
    with pytest.raises(UsageError, match="no source"):
        convert([], to="parquet")


@pytest.fixture
def unreadable(tmp_path):
    source = tmp_path / "data.csv"
    source.write_bytes(GOOD)
    source.chmod(0)
    return source


def test_files_without_permission(unreadable, tmp_path, no_privileges):
    with pytest.raises(UsageError, match="Permission denied"):
        convert(unreadable, to="parquet", output=tmp_path / "out")


def test_an_existing_output_is_refused_and_force_replaces_only_ours(tmp_path):
    source = tmp_path / "data.csv"
    source.write_bytes(GOOD)
    out = tmp_path / "out"
    convert(source, to="npy", output=out, shards=2)
    with pytest.raises(UsageError, match="already holds a dataset"):
        convert(source, to="parquet", output=out)
    (out / "notes.md").write_text("mine")
    convert(source, to="parquet", output=out, force=True)
    assert sorted(path.name for path in out.iterdir()) == [
        "_manifest.parquet", "data-00000-of-00001.parquet", "notes.md",
    ]  # fmt: skip
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match="not a dataset of ours"):
            convert(source, to="parquet", output=foreign, force=force)
    (foreign / "_manifest.json").write_text('{"other": "tool"}')
    with pytest.raises(UsageError, match="is not replaced"):
        convert(source, to="parquet", output=foreign, force=True)
    assert (foreign / "thesis.tex").read_text() == "mine"
    with pytest.raises(UsageError, match="is a file"):
        convert(source, to="parquet", output=source)


def test_a_failed_replacement_leaves_the_old_dataset(tmp_path):
    source = tmp_path / "data.csv"
    source.write_bytes(GOOD)
    out = tmp_path / "out"
    convert(source, to="parquet", output=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    source.write_bytes(GOOD + b"1\n")
    with pytest.raises(DataError):
        convert(source, to="parquet", output=out, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_partial_files_of_a_killed_run_are_cleared(tmp_path):
    source = tmp_path / "data.csv"
    source.write_bytes(GOOD)
    out = tmp_path / "out"
    out.mkdir()
    (out / "data-00000-of-00009.parquet.partial").write_bytes(b"half")
    convert(source, to="parquet", output=out)
    assert not [path for path in out.iterdir() if path.name.endswith(".partial")]


def test_files_with_other_columns_are_refused(tmp_path):
    for name, header in (("one.csv", "a,b"), ("two.csv", "b,a"), ("three.csv", "a,c")):
        (tmp_path / name).write_text(f"{header}\n1,2\n")
    report = convert([tmp_path / "one.csv", tmp_path / "two.csv"], to="parquet",
                     output=tmp_path / "out")  # fmt: skip
    assert report.rows == 2
    rows = [row for batch in open_dataset(tmp_path / "out").read() for row in batch.to_pylist()]
    assert rows == [{"a": 1, "b": 2}, {"a": 2, "b": 1}]  # matched by name
    with pytest.raises(DataError, match=re.escape("three.csv has other columns")):
        convert([tmp_path / "one.csv", tmp_path / "three.csv"], to="parquet",
                output=tmp_path / "out2")  # fmt: skip
