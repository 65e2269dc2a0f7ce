"""Types as people write them: told formats, tokens and marks, whatever the shards and jobs."""

from __future__ import annotations

import gzip

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bigdata_cli import convert, inspect, verify
from bigdata_cli.cli import main
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.options import request_of
from tests.manifest_files import rejected_csv

N = 6_000
TOLD = {
    "date_format": ["when=%d/%m/%Y", "at=%I:%M %p"],
    "true": ["Yes"],
    "false": ["No"],
    "strip": "$,%",
}


def text(n=N, last=""):
    rows = (
        f'{i},{i % 28 + 1:02d}/{i % 12 + 1:02d}/2024,"${i * 1000:,}",{("No", "Yes")[i % 2]},'
        f"{i % 12 + 1}:{i % 60:02d} {('AM', 'PM')[i % 2]}\n"
        for i in range(n)
    )
    return "id,when,price,ok,at\n" + "".join(rows) + last


def rows_of(folder):
    tables = [pq.read_table(path) for path in sorted(folder.glob("[!_]*.parquet"))]
    return [row for table in tables for row in table.to_pylist()]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "data.csv"
    path.write_text(text())
    return path


@pytest.mark.parametrize("shards", [1, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_values_and_types_do_not_depend_on_shards_jobs_and_units(tmp_path, source, shards, packed):
    path = source
    if packed:
        path = tmp_path / "data.csv.gz"
        path.write_bytes(gzip.compress(source.read_bytes()))
    for jobs, unit_bytes in ((1, 1 << 22), (3, 5_000)):
        output = tmp_path / f"{jobs}"
        options = {"to": "parquet", "output": output, "shards": shards, "jobs": jobs, **TOLD}
        report = run([str(path)], request_of(ConvertOptions, options), unit_bytes=unit_bytes)
        assert [(c.name, c.dtype) for c in report.columns] == [
            ("id", "int16"), ("when", "date"), ("price", "int32"), ("ok", "bool"),
            ("at", "timestamp[us]"),
        ]  # fmt: skip
        rows = rows_of(output)
        assert len(rows) == N
        assert [str(value) for value in rows[4567].values()] == [
            "4567", "2024-08-04", "4567000", "True", "1970-01-01 20:07:00"
        ]  # fmt: skip
        assert verify(output, source=path).passed


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("last", "column", "before"),
    [
        ('9,01/01/2024,"n/a!",No,1:00 AM\n', "price", "$4,567,000"),
        ("9,01/01/2024,$1,Maybe,1:00 AM\n", "ok", "Yes"),
    ],
)
def test_a_value_that_comes_late_leaves_all_texts_as_they_were(
    tmp_path, last, column, before, packed
):
    path = tmp_path / "data.csv"
    data = text(last=last).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    options = {"to": "parquet", "output": tmp_path / "out", "shards": 3, **TOLD}
    run([str(path)], request_of(ConvertOptions, options), sample_bytes=1 << 12, unit_bytes=20_000)
    assert rows_of(tmp_path / "out")[4567][column] == before


def test_a_date_that_comes_late_and_does_not_fit_is_located(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(text(last="9,2024-01-31,$1,No,1:00 AM\n"))
    with pytest.raises(
        DataError, match=rf'line {N + 2:,} .*"when": \'2024-01-31\' is no date'
    ) as e:
        convert(path, to="npy", output=tmp_path / "out", **TOLD)
    assert 'date_format=["when=%d/%m/%Y"]' in e.value.hint
    report = convert(path, to="npy", output=tmp_path / "out", on_bad_row="skip", **TOLD)
    assert (report.rows, report.rejected_rows) == (N, 1)
    rejected = rejected_csv(tmp_path / "out").decode()
    assert 'column ""when"" is not written %d/%m/%Y' in rejected


def test_what_auto_found_is_said_and_can_be_given_as_flags(tmp_path, source):
    report = convert(source, to="npy", output=tmp_path / "a", date_format=["auto"])
    assert report.notes[:2] == (
        'column "when" is read as %d/%m/%Y: all sampled values have it',
        'column "at" is read as %I:%M %p: all sampled values have it',
    )
    flags = inspect(source, date_format=["auto"], strip="$,", true=["Yes"], false=["No"]).flags
    words = ["convert", str(source), "--to", "parquet", "-o", str(tmp_path / "b"), *flags]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert rows_of(tmp_path / "b")[1]["at"].hour == 14


@pytest.mark.parametrize("call", [inspect, lambda path: convert(path, to="npy")])
def test_dates_that_stay_text_are_mentioned(tmp_path, monkeypatch, source, call):
    monkeypatch.chdir(tmp_path)
    notes = call(source).notes
    assert (
        "column \"when\" has dates that stay text: --date-format 'when=%d/%m/%Y'" in notes
        or 'column "when" has dates that stay text: date_format=["when=%d/%m/%Y"]' in notes
    )
    assert any(note.startswith('column "at" has times that stay text: ') for note in notes)


def test_both_orders_are_mentioned(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("id,d\n1,01/02/2024\n2,03/04/2024\n")
    hint = "--date-format 'd=%d/%m/%Y' or --date-format 'd=%m/%d/%Y'"
    assert f'column "d" has dates that stay text: {hint}' in inspect(path).notes
    notes = inspect(path, date_format=["d=auto"]).notes
    assert notes[0] == (
        f'column "d" stays text: %d/%m/%Y and %m/%d/%Y both read all sampled values, {hint} says '
        "which"
    )


def test_the_manifest_says_how_values_were_written(tmp_path, source):
    dialect = convert(source, to="npy", output=tmp_path / "out", **TOLD).manifest.dialect
    assert dialect["date_formats"] == {"when": "%d/%m/%Y", "at": "%I:%M %p"}
    assert (dialect["true_tokens"], dialect["false_tokens"]) == (["Yes"], ["No"])
    assert (dialect["strip"], dialect["thousands"]) == ("$%", ",")


def test_a_schema_from_python(tmp_path, source):
    report = convert(source, to="npy", output=tmp_path / "out", schema={"id": "text"})
    assert report.columns[0].dtype == "text"
    with pytest.raises(UsageError, match='there is no column "x"'):
        convert(source, to="npy", output=tmp_path / "other", schema={"x": "text"})
    with pytest.raises(UsageError, match=r"schema is \[1\]; its type is"):
        convert(source, to="npy", output=tmp_path / "other", schema=[1])


def test_a_date_that_contradicts_what_the_sample_allowed(tmp_path, monkeypatch):
    """auto settles on a sample: a later value of another form is an error with its line."""
    from bigdata_cli.sources.csv import dates

    monkeypatch.setattr(dates, "SAMPLE_BYTES", 1 << 12)
    lines = [f"{i},{i % 16 + 13:02d}/{i % 12 + 1:02d}/2024\n" for i in range(20_000)]
    lines[10_001] = "10001,01/13/2024\n"
    source = tmp_path / "dates.csv"
    source.write_text("id,when\n" + "".join(lines))
    options = {"to": "parquet", "output": tmp_path / "a", "date_format": ["auto"]}
    with pytest.raises(DataError) as caught:
        run([source], request_of(ConvertOptions, options))
    assert "line 10,003" in caught.value.message
    assert '"when"' in caught.value.message
    assert not (tmp_path / "a").exists()
    report = run([source], request_of(ConvertOptions, {**options, "on_bad_row": "skip"}))
    assert (report.rows, report.rejected_rows) == (19_999, 1)
    assert {c.name: c.dtype for c in report.columns}["when"] == "date"
    assert any("all sampled values have it" in note for note in report.notes)
