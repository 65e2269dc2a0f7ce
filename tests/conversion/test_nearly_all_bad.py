"""Files of which most rows are rejected, and what the messages of ragged rows offer."""

from __future__ import annotations

import io
import json
import sys

import pytest

from bigdata_cli import convert, inspect
from bigdata_cli.errors import DataError
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import open_source


def attempt(tmp_path, text: str, **options) -> DataError:
    source = tmp_path / "x.csv"
    source.write_text(text)
    with pytest.raises(DataError) as caught:
        convert(source, to="parquet", output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    assert caught.value.exit_code == 3
    return caught.value


def test_all_rows_are_bad(tmp_path):
    text = "a,b,c\n" + "1;2;3\n" * 5
    options = {"delimiter": ",", "header": True, "names": ["a", "b", "c"]}
    error = attempt(tmp_path, text, on_bad_row="skip", **options)
    assert "gives 3 names, the records have 1 field" in error.message
    error = attempt(tmp_path, "1\n" * 5, on_bad_row="skip", types={"column0": "date"}, header=False)
    assert 'all 5 rows are bad: column "column0" is not date' in error.message
    assert "type" in error.hint


@pytest.mark.parametrize("n_bad", [500, 501])
def test_more_than_half_of_the_first_thousand_rows(tmp_path, n_bad):
    source = tmp_path / "x.csv"
    rows = ["1,2,3\n"] * 300 + ["1\n"] * n_bad + ["1,2,3\n"] * 9000
    source.write_text("a,b,c\n" + "".join(rows))
    options = {"to": "parquet", "on_bad_row": "skip", "output": tmp_path / "out"}
    if n_bad == 500:
        assert convert(source, **options).rejected_rows == 500
    else:
        with pytest.raises(DataError, match="501 of the first 1,000 rows are bad") as caught:
            convert(source, **options)
        assert "short_rows" in caught.value.hint


def test_a_number_of_bad_rows_that_is_accepted(tmp_path):
    source = tmp_path / "x.csv"
    source.write_text("a,b,c\n" + "1,2,3\n1\n1,2\n1,2,3,4\n" * 3)
    output = tmp_path / "out"
    options = {"to": "parquet", "on_bad_row": "skip", "output": output}
    with pytest.raises(DataError, match="9 of the first 12 rows are bad") as caught:
        convert(source, **options)
    assert "max_bad_rows=" in caught.value.hint
    report = convert(source, **options, max_bad_rows=9)
    assert (report.rows, report.rejected_rows) == (3, 9)
    with pytest.raises(DataError, match="9 records cannot be kept: more than max_bad_rows=8"):
        convert(source, **options, force=True, max_bad_rows=8)
    like = {"like": output, "on_bad_row": "skip", "output": tmp_path / "like"}
    with pytest.raises(DataError, match="9 of the first 12 rows are bad"):
        convert(source, **like)
    assert convert(source, **like, max_bad_rows=9).rows == 3


def test_no_row_is_kept_whatever_is_accepted(tmp_path):
    options = {"names": ["a", "b"], "delimiter": ",", "on_bad_row": "skip", "max_bad_rows": 9}
    error = attempt(tmp_path, "1\n1,2,3\n1,2,3,4\n", header=False, **options)
    assert "all 3 rows are bad" in error.message


def test_of_a_stream_too(tmp_path, monkeypatch):
    text = b"a,b,c\n" + b"1,2,3\n" * 250 + b"1\n" * 700 + b"1,2,3\n" * 900
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    with pytest.raises(DataError, match="700 of the first 1,000 rows are bad"):
        convert("-", to="parquet", output=tmp_path / "o", on_bad_row="skip")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a,b,c\n1,2,3\n# note\n4,5,6\n", "--comment '#'"),
        ("a,b,c\n1,2,3\n4;5;6\n7,8,9\n", "--delimiter ';'"),
        ("a,b,c\n1,2,3\nnote\n4,5,6\n", "--skip-rows N"),
        ("a,b,c\n" + "1,2,3\n" * 50 + "rest\n", "--skip-footer N"),
        ("a,b,c\n" + "1,2,3\n" * 50 + "1,2\n1,2,3\n", "--on-bad-row skip"),
    ],
)
def test_the_likeliest_help_comes_first(tmp_path, text, first):
    path = tmp_path / "x.csv"
    path.write_text(text)
    source = open_source([path], SourceOptions())
    from bigdata_cli.types.lattice import TypeOptions

    with pytest.raises(DataError) as caught:
        source.sample(
            TypeOptions(),
            keep=source.names,
            max_bytes=1 << 20,
            skip_bad_rows=False,
            max_record_bytes=1 << 20,
        )
    assert caught.value.hint.startswith(first)
    assert "--short-rows null" in caught.value.hint
    assert "--on-bad-row skip" in caught.value.hint


def test_inspect_counts_what_was_skipped(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * 50 + "1,2\n1,2,3\n")
    with pytest.raises(DataError, match="the record has 2 fields"):
        inspect(path)
    report = inspect(path, on_bad_row="skip")
    assert report.bad_rows == 1
    assert json.loads(json.dumps(report.to_json()))["bad_rows"] == 1


@pytest.mark.parametrize("text", ["", "\n", "id,name\n"])
def test_nothing_under_a_schema_is_a_dataset_of_no_rows(tmp_path, text):
    schema = tmp_path / "schema.json"
    columns = [{"name": "id", "dtype": "int32"}, {"name": "name", "dtype": "text"}]
    schema.write_text(json.dumps(columns))
    source = tmp_path / "x.csv"
    source.write_text(text)
    report = convert(source, to="parquet", output=tmp_path / "out", schema=schema)
    assert report.rows == 0
    assert [(c.name, c.dtype) for c in report.manifest.schema] == [
        ("id", "int32"),
        ("name", "text"),
    ]


def test_a_first_record_beyond_what_is_looked_at(tmp_path):
    source = tmp_path / "x.csv"
    names = [f"a_rather_long_name_of_a_column_{i}" for i in range(12_000)]
    source.write_text(",".join(names) + "\n" + ",".join(["1"] * 12_000) + "\n")
    opened = open_source([source], SourceOptions())
    assert opened.names == tuple(names)


def test_files_that_begin_in_other_ways_are_not_one_source(tmp_path):
    for name, before in (("1.csv", "Report\n\n"), ("2.csv", "")):
        (tmp_path / name).write_text(f"{before}id,name\n1,a\n2,b\n")
    with pytest.raises(DataError, match="0 lines before its table"):
        open_source([tmp_path / "1.csv", tmp_path / "2.csv"], SourceOptions())


def test_rows_of_nothing_at_the_end_of_one_of_several_files_are_rows(tmp_path):
    body = "id,name,n\n1,a,7\n2,b,8\n"
    for name, after in (("1.csv", ",,\n,,\n"), ("2.csv", "")):
        (tmp_path / name).write_text(body + after)
    paths = [tmp_path / "1.csv", tmp_path / "2.csv"]
    for order in (paths, paths[::-1]):
        source = open_source(order, SourceOptions())
        assert source.dialect.skip_footer == 0
        report = convert(order, to="npy", output=tmp_path / "out", force=True)
        assert report.rows == 6
    assert open_source(paths[:1], SourceOptions()).dialect.skip_footer == 2


def test_a_footer_of_a_stream(tmp_path):
    import gzip

    rows = b"id,name\n" + b"".join(b"%d,row\n" % i for i in range(200_000))
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(rows + b"\nSource: x\n"))
    report = convert(path, to="parquet", output=tmp_path / "out", skip_footer=2)
    assert report.rows == 200_000
