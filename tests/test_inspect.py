"""`inspect` of files and datasets, from Python."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import bigdata_cli
from bigdata_cli import inspect
from bigdata_cli.cli import main
from bigdata_cli.errors import BigdataError
from bigdata_cli.inspection.report import CsvReport, DatasetReport
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample
from bigdata_cli.types.dtype import Column
from bigdata_cli.types.footprint import column_bytes
from bigdata_cli.types.statistics import ColumnStatistics
from tests.datasets import write_dataset
from tests.manifest_files import manifest_path

SAMPLE_DATA = Path(__file__).parent.parent / "sample_data"


@pytest.fixture
def dataset(tmp_path) -> Path:
    table = pa.table(
        {
            "id": pa.array([5, 7, 9], pa.int8()),
            "city": pa.array(["Oslo", None, "Oslo"]).dictionary_encode(),
            "fare": pa.array([1.0, 2.0, 6.0], pa.float32()),
        }
    )
    return write_dataset(tmp_path / "trips-parquet", table, n_shards=2, label="fare")


def test_a_file_that_the_sample_holds_whole_is_reported_exactly():
    path = SAMPLE_DATA / "transactions.csv"
    report = inspect(path)
    assert isinstance(report, CsvReport)
    assert (report.rows, report.exact, report.sample_rows) == (18_000, True, 18_000)
    assert report.source_bytes == path.stat().st_size
    dtypes = {column.name: column.dtype for column in report.columns}
    assert dtypes["step"] == "int16"
    assert dtypes["type"] == "category"
    assert dtypes["amount"] == "float64"
    assert dtypes["nameOrig"] == "text"
    assert dtypes["isFraud"] == "int8"


def test_pandas_bytes_are_what_pandas_says():
    path = SAMPLE_DATA / "transactions.csv"
    frame = pd.read_csv(path)
    usage = frame.memory_usage(deep=True, index=False)
    report = inspect(path)
    for column in report.columns:
        assert column.pandas_bytes == usage[column.name]
        assert column.pandas_dtype == str(frame[column.name].dtype)
    assert report.pandas_bytes == usage.sum()
    assert report.ratio == report.pandas_bytes / report.bytes


def test_our_bytes_are_those_of_the_dtypes():
    columns = {column.name: column for column in inspect(SAMPLE_DATA / "transactions.csv").columns}
    assert columns["step"].bytes == 2 * 18_000
    assert columns["amount"].bytes == 8 * 18_000
    names = ["CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER"]
    assert columns["type"].bytes == 18_000 + sum(8 + len(name) for name in names)
    assert columns["type"].n_categories == 5


def test_a_large_file_is_estimated_from_its_sample(tmp_path):
    path = tmp_path / "numbers.csv"
    rows = 1_500_000
    with path.open("w") as stream:
        stream.write("a,b\n")
        stream.writelines(f"{row % 100:02d}1,{row % 7}.25\n" for row in range(rows))
    report = inspect(path)
    assert isinstance(report, CsvReport)
    assert not report.exact
    assert 0 < report.sample_rows < rows
    assert abs(report.rows - rows) < rows / 100
    by_name = {column.name: column for column in report.columns}
    assert by_name["b"].bytes == 4 * report.rows
    assert abs(by_name["b"].pandas_bytes - 8 * report.rows) <= 8


def test_nulls_examples_and_masks(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text('n,s\n1,"a, b"\nNA,\n300,00501\n1,"a, b"\n')
    number, text = inspect(path).columns
    assert (number.dtype, number.nulls_share, number.bytes) == ("int16", 0.25, 4 * 2 + 4)
    assert number.examples == ("1", "300")
    assert text.examples == ("a, b", "00501")
    assert text.nulls_share == 0.25


def test_lines_of_text(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("one, two\nthree\n", encoding="utf-8")
    report = inspect(path)
    assert [column.dtype for column in report.columns] == ["text"]
    assert report.rows == 2
    assert report.columns[0].examples == ("one, two", "three")
    assert report.columns[0].pandas_bytes == pd.Series(["one, two", "three"]).memory_usage(
        deep=True, index=False
    )


def test_the_next_command_reads_the_file_in_the_same_way(tmp_path):
    path = tmp_path / "two words.csv"
    path.write_text("1\t2\n3\t4\n")
    report = inspect(path, delimiter="\t", header=False)
    words = shlex.split(report.next_command)
    assert words == [
        "bigdata", "convert", str(path), "--to", "parquet", "--delimiter", "tab", "--no-header",
    ]  # fmt: skip
    assert [column.name for column in report.columns] == ["column0", "column1"]


def test_records_that_pandas_cannot_read_are_no_obstacle(tmp_path):
    """Pieces of a file with quoted line ends are not always what pandas takes for one."""
    path = tmp_path / "messy.csv"
    with path.open("wb") as stream:
        write_sample(SampleOptions(kind="messy", n_rows=6_000), stream)
    report = inspect(path, sample_size=200_000)
    assert not report.exact
    whole = inspect(path, sample_size=10_000_000)
    assert [c.pandas_dtype for c in report.columns] == [c.pandas_dtype for c in whole.columns]
    assert [c.examples for c in report.columns[:3]] == [c.examples for c in whole.columns[:3]]


def test_quotes_are_characters_where_there_is_no_quoting(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text('"a;b\n"c;d\n')
    report = inspect(path, delimiter=";", quote="none", header=False)
    assert [column.examples for column in report.columns] == [('"a', '"c'), ("b", "d")]


@pytest.mark.parametrize("nulls", [False, True])
def test_dtypes_are_those_that_pandas_gives(tmp_path, nulls):
    path = tmp_path / "kinds.csv"
    rows = [
        f"{i},{i}.5,{'true' if i % 2 else 'false'},2024-01-02,{i:05d},x{i % 3},\n"
        for i in range(60)
    ]
    path.write_text("int,float,bool,date,zip,word,nothing\n" + "".join(rows) + ",,,,,,\n" * nulls)
    frame = pd.read_csv(path)
    usage = frame.memory_usage(deep=True, index=False)
    for column in inspect(path).columns:
        assert column.pandas_dtype == str(frame[column.name].dtype), column.name
        if column.pandas_dtype == "object":
            continue  # pandas counts True and False anew for each row
        assert abs(column.pandas_bytes - usage[column.name]) <= 0.02 * usage[column.name]


def test_text_needs_an_offset_and_its_bytes():
    statistics = ColumnStatistics(count=4, nulls=1, text_bytes=40)
    assert column_bytes(Column(name="s", dtype="text"), statistics, rows=400) == 400 * (8 + 10 + 1)


def test_a_dataset_is_reported_from_its_manifest(dataset):
    report = inspect(dataset)
    assert isinstance(report, DatasetReport)
    assert (report.format, report.layout, report.label) == ("parquet", "rows", "fare")
    assert report.rows == 3
    assert sum(shard.rows for shard in report.shards) == 3
    files = [file for shard in report.shards for file in shard.files]
    assert report.bytes == sum((dataset / file).stat().st_size for file in files)
    by_name = {column.name: column for column in report.columns}
    assert (by_name["id"].minimum, by_name["id"].maximum, by_name["id"].mean) == (5, 9, 7.0)
    assert by_name["city"].nulls == 1
    assert by_name["city"].n_categories == 1
    assert by_name["fare"].std == pytest.approx((14 / 3) ** 0.5)
    assert report.next_command == f"bigdata train {dataset} --label fare"
    assert inspect(manifest_path(dataset)) == report


def test_reports_are_plain_json(dataset):
    for report in (inspect(dataset), inspect(SAMPLE_DATA / "messy.csv")):
        plain = report.to_json()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_the_package_is_called_like_the_function(dataset):
    assert bigdata_cli.inspect(dataset) == inspect(dataset)


@pytest.mark.parametrize("name", ["empty.csv", "header.csv", "missing.csv", "folder", "a.parquet"])
def test_what_cannot_be_inspected_is_told(tmp_path, name):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BigdataError) as caught:
        inspect(tmp_path / name)
    assert name in caught.value.message


def test_every_documented_option_is_an_option_of_the_command():
    command = main.get_command(None, "inspect")
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--json", "--delimiter", "--header", "--text", "--quote"} <= flags
