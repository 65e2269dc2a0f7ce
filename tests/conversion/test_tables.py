"""Parquet files and our own datasets as sources."""

from __future__ import annotations

import datetime
import decimal
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import convert, inspect, open_dataset
from bigdata_cli.cli import main
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from tests.datasets import LAYOUTS, edited_manifest, write_dataset
from tests.examples import examples
from tests.manifest_files import rejected_csv

UTC = datetime.UTC
DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12, 30)
CENT = decimal.Decimal("1.25")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, table: pa.Table | dict, **options) -> str:
    """A Parquet file of a few row groups."""
    table = pa.table(table) if isinstance(table, dict) else table
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, name, row_group_size=options.pop("row_group_size", 3), **options)
    return name


def converted(*sources: str, **options) -> tuple[dict[str, str], pa.Table]:
    """The dtypes of the dataset made of these sources, and its rows as pyarrow reads them."""
    convert(list(sources), to="parquet", output="out", force=True, **options)
    dataset = open_dataset("out")
    files = [Path("out") / name for shard in dataset.shards for name in shard.file_names]
    table = pa.concat_tables([pq.read_table(file) for file in files])
    return {column.name: column.dtype for column in dataset.schema}, table


def rows_of(folder: str) -> pa.Table:
    """The rows of a dataset, categories as text."""
    table = pa.Table.from_batches(open_dataset(folder).read())
    plain = [
        c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.itercolumns()
    ]
    return pa.table(plain, names=table.column_names).combine_chunks()


FOREIGN: dict[str, tuple[pa.Array, str, list]] = {
    # name: what is in the file, the dtype it gets, and its values
    "int64": (pa.array([1, None, -128]), "int8", [1, None, -128]),
    "wide": (pa.array([2**40, 0, None]), "int64", [2**40, 0, None]),
    "uint64": (pa.array([2**64 - 1, None, 0], pa.uint64()), "uint64", [2**64 - 1, None, 0]),
    "uint8": (pa.array([200, None, 0], pa.uint8()), "uint8", [200, None, 0]),
    "half": (pa.array(np.array([1.5, -2, 0], np.float16)), "float32", [1.5, -2.0, 0.0]),
    "float32": (pa.array([0.1, None, 1], pa.float32()), "float32", [np.float32(0.1), None, 1.0]),
    "short": (pa.array([0.1, 2.5, None]), "float32", [np.float32(0.1), 2.5, None]),
    "double": (pa.array([0.1 + 0.2, 2.5, None]), "float64", [0.1 + 0.2, 2.5, None]),
    "infinite": (pa.array([float("inf"), None, 1.5]), "float32", [float("inf"), None, 1.5]),
    "bool": (pa.array([True, None, False]), "bool", [True, None, False]),
    "digits": (pa.array(["007", "1", None]), "text", ["007", "1", None]),
    "empty": (pa.array(["", None, "NA"]), "text", ["", None, "NA"]),
    "large": (pa.array(["é", None, ""], pa.large_string()), "text", ["é", None, ""]),
    "view": (pa.array(["a" * 20, None, "b"], pa.string_view()), "text", ["a" * 20, None, "b"]),
    "coded": (pa.array(["x", None, "y"]).dictionary_encode(), "text", ["x", None, "y"]),
    "codes": (pa.array([5, None, 500]).dictionary_encode(), "int16", [5, None, 500]),
    "date32": (pa.array([DAY, None, DAY]), "date", [DAY, None, DAY]),
    "date64": (pa.array([DAY, None, DAY], pa.date64()), "date", [DAY, None, DAY]),
    "seconds": (pa.array([NOON, None, NOON], pa.timestamp("s")), "timestamp[us]",
                [NOON, None, NOON]),
    "millis": (pa.array([NOON, None, NOON], pa.timestamp("ms")), "timestamp[us]",
               [NOON, None, NOON]),
    "whole": (pa.array([NOON, None, NOON], pa.timestamp("ns")), "timestamp[us]",
              [NOON, None, NOON]),
    "nanos": (pa.array([1, None, 2**63 - 1], pa.timestamp("ns")), "timestamp[ns]", None),
    "utc": (pa.array([NOON, None, NOON], pa.timestamp("us", "UTC")), "timestamp[us, UTC]",
            [NOON.replace(tzinfo=UTC), None, NOON.replace(tzinfo=UTC)]),
    "zoned": (pa.array([NOON, None, NOON], pa.timestamp("ms", "Asia/Kolkata")),
              "timestamp[us, UTC]", [NOON.replace(tzinfo=UTC), None, NOON.replace(tzinfo=UTC)]),
    "decimal": (pa.array([CENT, None, -CENT]), "float32", [1.25, None, -1.25]),
    "whole_decimal": (pa.array([decimal.Decimal(5), None, decimal.Decimal(300)],
                               pa.decimal128(20, 0)), "int16", [5, None, 300]),
    "long_decimal": (pa.array([decimal.Decimal(10**30), None, decimal.Decimal(1)],
                              pa.decimal128(38, 0)), "text", ["1" + "0" * 30, None, "1"]),
    "nulls": (pa.nulls(3), "null", [None, None, None]),
    "null_text": (pa.nulls(3, pa.string()), "null", [None, None, None]),
}  # fmt: skip


def test_every_type_of_a_foreign_parquet_file(folder):
    table = pa.table({name: values for name, (values, _, _) in FOREIGN.items()})
    write("data.parquet", table, row_group_size=2)
    dtypes, rows = converted("data.parquet")
    assert dtypes == {name: dtype for name, (_, dtype, _) in FOREIGN.items()}
    for name, (_, _, values) in FOREIGN.items():
        if values is not None:
            assert rows.column(name).to_pylist() == values, name
    assert rows.column("nanos").cast(pa.int64()).to_pylist() == [1, None, 2**63 - 1]
    assert rows.column("zoned").type == pa.timestamp("us", "UTC")


def test_nan_is_a_value_and_null_is_none(folder):
    write("data.parquet", {"x": pa.array([float("nan"), None, 1.5, float("-inf")])})
    dtypes, rows = converted("data.parquet")
    assert dtypes == {"x": "float32"}
    assert str(rows.column("x").to_pylist()) == "[nan, None, 1.5, -inf]"
    convert("data.parquet", to="npy", output="npy")
    values = np.load("npy/data.x-00000-of-00001.npy")
    valid = np.load("npy/data.x.valid-00000-of-00001.npy")
    assert valid.tolist() == [True, False, True, True]
    assert np.isnan(values[0])
    assert values[2:].tolist() == [1.5, float("-inf")]
    assert open_dataset("out").statistics("x").nulls == 1


def test_a_parquet_file_gives_what_its_csv_gives(folder, sample_data):
    frame = pa.csv.read_csv(sample_data / "transactions.csv")
    write("transactions.parquet", frame, row_group_size=300)
    convert("transactions.parquet", to="npy", output="of-parquet", shards=1)
    convert(sample_data / "transactions.csv", to="npy", output="of-csv", shards=1)
    ours, theirs = open_dataset("of-parquet"), open_dataset("of-csv")
    assert ours.schema == theirs.schema
    for name in ours.schema.names:
        known, expected = ours.statistics(name), theirs.statistics(name)
        assert (known.count, known.nulls, known.minimum, known.maximum) == (
            expected.count, expected.nulls, expected.minimum, expected.maximum,
        )  # fmt: skip
    for file in sorted(Path("of-csv").glob("*.npy")):
        assert (Path("of-parquet") / file.name).read_bytes() == file.read_bytes()


def test_several_files_by_name_in_any_order_of_columns(folder):
    write("in/1.parquet", {"a": [1, 2], "b": ["x", "y"]})
    write("in/2.parquet", {"b": ["z"], "a": [70_000]})
    write("in/3.pq", {"a": pa.nulls(1, pa.null()), "b": pa.array(["z"], pa.large_string())})
    write("in/_metadata.parquet", {"other": [1]})
    expected = [
        {"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 70_000, "b": "z"}, {"a": None, "b": "z"},
    ]  # fmt: skip
    for sources in (["in"], ["in/[12].parquet", "in/3.pq"]):
        dtypes, rows = converted(*sources)
        assert dtypes == {"a": "int32", "b": "text"}
        assert rows.to_pylist() == expected
    manifest = open_dataset("out").manifest
    assert manifest.dialect == {"table": "parquet"}
    assert [source.name for source in manifest.sources] == [
        "in/1.parquet", "in/2.parquet", "in/3.pq",
    ]  # fmt: skip
    assert manifest.sources[0].bytes == Path("in/1.parquet").stat().st_size
    assert manifest.shards[0].source_ranges == ((0, 0, 2), (1, 0, 1), (2, 0, 1))


def test_ints_and_floats_of_several_files_are_one_column(folder):
    write("1.parquet", {"a": [1, 2]})
    write("2.parquet", {"a": [0.5]})
    assert converted("1.parquet", "2.parquet")[0] == {"a": "float32"}
    write("3.parquet", {"a": [2**60]})
    dtypes, rows = converted("3.parquet", "2.parquet")
    assert dtypes == {"a": "text"}
    assert rows.column("a").to_pylist() == [str(2**60), "0.5"]


def test_columns_that_differ_are_told(folder):
    write("1.parquet", {"a": [1], "b": [1]})
    write("2.parquet", {"a": [1], "c": [1]})
    with pytest.raises(DataError, match=r"2\.parquet has other columns .*missing: b; extra: c"):
        convert(["1.parquet", "2.parquet"], to="npy", output="out")
    write("3.parquet", {"a": ["x"], "b": [2]})
    with pytest.raises(DataError, match=r'"a" is int64 in 1\.parquet and string in 3') as caught:
        convert(["1.parquet", "3.parquet"], to="npy", output="out")
    assert 'type={"a": "text"} keeps' in str(caught.value)
    assert not Path("out").exists()
    dtypes, rows = converted("1.parquet", "3.parquet", types={"a": "text"})
    assert dtypes == {"a": "text", "b": "int8"}
    assert rows.column("a").to_pylist() == ["1", "x"]


UNSUPPORTED = {
    "list": pa.array([[1], None]),
    "struct": pa.array([{"x": 1}, None]),
    "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
    "binary": pa.array([b"x", None]),
    "fixed": pa.array([b"xy", None], pa.binary(2)),
    "time": pa.array([1, None], pa.time64("us")),
    "duration": pa.array([1, None], pa.duration("us")),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_types_that_a_dataset_does_not_hold(folder, name):
    write("data.parquet", {name: UNSUPPORTED[name], "kept": [1, 2]})
    with pytest.raises(DataError, match=f'data.parquet, column "{name}": .* not hold') as caught:
        convert("data.parquet", to="npy", output="out")
    assert f'drop=["{name}"]' in str(caught.value)
    assert not Path("out").exists()
    assert converted("data.parquet", drop=[name])[1].to_pylist() == [{"kept": 1}, {"kept": 2}]


def test_times_beyond_their_dtype_are_errors(folder):
    write("data.parquet", {"t": pa.array([0, 1, 2, 2**62], pa.timestamp("ms"))})
    with pytest.raises(DataError, match=r'data\.parquet row 4: column "t": .*lies beyond'):
        convert("data.parquet", to="npy", output="out")
    assert not Path("out").exists()


def test_timestamps_of_the_deprecated_int96(folder):
    fine = pa.array([0, 1_709_164_800_123_456_789, None], pa.timestamp("ns"))
    write("fine.parquet", {"t": fine}, use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile("fine.parquet").metadata.schema.column(0).physical_type == "INT96"
    dtypes, rows = converted("fine.parquet")
    assert dtypes == {"t": "timestamp[ns]"}
    assert rows.column("t").cast(pa.int64()).to_pylist() == [0, 1_709_164_800_123_456_789, None]
    far = pa.array([datetime.datetime(9999, 12, 31), NOON, None], pa.timestamp("us"))
    write("far.parquet", {"t": far}, use_deprecated_int96_timestamps=True)
    dtypes, rows = converted("far.parquet")
    assert dtypes == {"t": "timestamp[us]"}
    assert rows.column("t").to_pylist() == far.to_pylist()


def test_a_late_surprise_does_the_shards_again(folder):
    n = 20_000
    values = {
        "i": [1] * (n - 1) + [2**40],
        "f": [0.5] * (n - 1) + [0.1 + 0.2],
        "c": ["a", "b"] * (n // 2 - 1) + ["a", "zz"],
        "t": [None] * (n - 1) + [NOON],
    }
    # Without statistics, and with a surprise that no sample sees.
    write("late.parquet", values, row_group_size=n // 5, write_statistics=False)
    report = run(
        ["late.parquet"],
        ConvertOptions(to="npy", output=Path("out"), shards=4),
        unit_bytes=20_000,
        sample_bytes=4000,
    )
    assert report.redone_shards == 4
    dtypes = {column.name: column.dtype for column in open_dataset("out").schema}
    assert dtypes == {"i": "int64", "f": "float64", "c": "category", "t": "timestamp[us]"}
    assert rows_of("out").to_pydict() == values


def test_statistics_of_the_file_spare_a_second_pass(folder):
    write("ids.parquet", {"id": range(20_000)}, row_group_size=10_000)
    report = run(
        ["ids.parquet"],
        ConvertOptions(to="npy", output=Path("out")),
        unit_bytes=20_000,
        sample_bytes=4000,
    )
    assert report.redone_shards == 0
    assert open_dataset("out").schema["id"].dtype == "int16"


OWN = pa.table(
    {
        "flag": pa.array([True, False, None, True, False, True]),
        "small": pa.array([1, -5, None, 7, 0, 1], pa.int16()),
        "big": pa.array([1, 2**40, 3, 4, 5, 6], pa.int64()),
        "ratio": pa.array([0.5, None, 1.5, 2.5, -1.0, 0.0], pa.float64()),
        "day": pa.array([DAY, None, DAY, DAY, DAY, DAY]),
        "at": pa.array([0, None, 10**6, 2 * 10**6, 3, 4], pa.timestamp("us", "UTC")),
        "kind": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None, 0, 1, 0], pa.int32()), pa.array(["a", "b"])
        ),
        "y": pa.array([1, 0, 1, 0, 1, 0], pa.int8()),
    }
)


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_every_layout_of_ours_into_every_format(folder, format_name, layout):
    label = "y" if layout in ("matrix", "packed") else None
    write_dataset(Path("own"), OWN, format_name, layout, n_shards=2, label=label)
    original = open_dataset("own")
    expected = rows_of("own")
    for to, into in LAYOUTS:
        as_label = "y" if into in ("matrix", "packed") else None
        convert("own", to=to, layout=into, label=as_label, output="out", force=True, shards=3)
        made = open_dataset("out")
        assert made.rows == 6
        assert made.manifest.dialect == {"table": "dataset"}
        if layout != "matrix":
            assert made.schema == original.schema
        if into == "matrix" or layout == "matrix":
            continue
        assert rows_of("out").equals(expected), (to, into)


def test_a_matrix_gives_back_what_is_exact(folder):
    write_dataset(Path("own"), OWN, "npy", "matrix", label="y")
    dtypes, rows = converted("own")
    assert dtypes == {
        "flag": "bool", "small": "int16", "big": "float32", "ratio": "float32", "day": "date",
        "at": "float32", "kind": "category", "y": "int8",
    }  # fmt: skip
    for name in ("flag", "small", "ratio", "day", "kind", "y"):
        assert rows.column(name).to_pylist() == OWN.column(name).to_pylist(), name
    assert rows.column("at").to_pylist() == pytest.approx([0, None, 1, 2, 3e-6, 4e-6])


def test_dtypes_of_ours_are_kept_unless_told_otherwise(folder):
    write_dataset(Path("own"), OWN, "parquet", n_shards=2)
    assert open_dataset("own").schema["small"].dtype == "int16"  # int8 would do
    assert converted("own")[0]["small"] == "int16"
    assert converted("own")[0]["ratio"] == "float64"
    assert converted("own", float_mode="32")[0]["ratio"] == "float32"
    dtypes, rows = converted(
        "own", types={"small": "float64", "kind": "text", "big": "text"}, drop=["at", "y"]
    )
    assert (dtypes["small"], dtypes["kind"], dtypes["big"]) == ("float64", "text", "text")
    assert rows.column("big").to_pylist()[:2] == ["1", str(2**40)]
    assert list(dtypes) == ["flag", "small", "big", "ratio", "day", "kind"]
    assert list(converted("own", columns=["y", "flag"])[0]) == ["y", "flag"]


def test_categories_of_ours_keep_their_whole_vocabulary(folder):
    write_dataset(Path("own"), OWN, "npy", n_shards=1)
    with edited_manifest(Path("own")) as manifest:
        column = next(c for c in manifest["columns"] if c["name"] == "kind")
        column["vocabulary"] = ["a", "b", "c"]
    convert("own", to="npy", output="out", shards=3)
    assert open_dataset("out").schema["kind"].vocabulary == ("a", "b", "c")


def test_several_datasets_and_parquet_files_are_one_source(folder):
    Path("1.csv").write_text("a,c\n1,x\n2,x\n3,x\n")
    Path("2.csv").write_text("c,a\ny,4\ny,5\ny,6\n")
    convert("1.csv", to="tfrecord", output="one")
    convert("2.csv", to="npy", output="two")
    dtypes, rows = converted("one", "two")
    assert dtypes == {"a": "int8", "c": "category"}
    assert open_dataset("out").schema["c"].vocabulary == ("x", "y")
    assert rows.column("c").to_pylist() == list("xxxyyy")
    write("3.parquet", {"a": [300], "c": ["z"]})
    dtypes, rows = converted("one", "3.parquet")
    assert dtypes == {"a": "int16", "c": "text"}
    assert rows.column("a").to_pylist() == [1, 2, 3, 300]


def test_the_manifest_tells_where_the_rows_came_from(folder):
    write_dataset(Path("own"), OWN, "hdf5", n_shards=2)
    report = convert("own", to="tfrecord", shards=4)
    assert report.output == Path("data-tfrecord")
    manifest = report.manifest
    [source] = manifest.sources
    assert source.name == "own"
    assert source.bytes == open_dataset("own").manifest.bytes
    assert [shard.source_ranges for shard in manifest.shards] == [
        ((0, 0, 1),), ((0, 1, 3),), ((0, 3, 4),), ((0, 4, 6),),
    ]  # fmt: skip
    assert manifest.order == "source"


def test_the_folder_of_the_source_is_not_written_into(folder):
    write_dataset(Path("data-parquet"), OWN, "parquet")
    before = sorted(Path("data-parquet").iterdir())
    for output in (None, "data-parquet", "data-parquet/../data-parquet"):
        with pytest.raises(UsageError, match="is read from it"):
            convert("data-parquet", to="parquet", output=output, force=True)
    [file] = Path("data-parquet").glob("[!_]*.parquet")
    with pytest.raises(UsageError, match="is read from it"):
        convert(file, to="parquet", output="data-parquet", force=True)
    assert sorted(Path("data-parquet").iterdir()) == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"delimiter": ";"}, "delimiter: "), ({"quote": "none"}, "quote: "),
        ({"header": False}, "header=False: "), ({"header": True}, "header=True: "),
        ({"null": ["x"]}, "null: "), ({"encoding": "cp1252"}, "encoding: "),
        ({"text": True}, "text=True: "), ({"names": ["q"]}, "names: "),
        ({"trim": True}, "trim=True: "), ({"skip_rows": 1}, "skip_rows: "),
        ({"decimal": ","}, "decimal: "), ({"max_line_size": "1MB"}, "max_line_size: "),
    ],
)  # fmt: skip
def test_options_of_text_are_refused(folder, options, named):
    write("data.parquet", {"a": [1]})
    with pytest.raises(UsageError, match=named):
        convert("data.parquet", to="npy", **options)


def test_tables_and_text_do_not_mix(folder):
    write("in/data.parquet", {"a": [1]})
    Path("in/data.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match=r"in/data\.csv is text and in/data\.parquet is a table"):
        convert(["in/data.csv", "in/data.parquet"], to="npy")
    with pytest.raises(UsageError, match="has CSV files and Parquet files"):
        convert("in", to="npy")


def test_values_that_contradict_their_type(folder):
    write("data.parquet", {"a": ["1", "2", " 3 ", None, "x", "5", "y"], "b": range(7)})
    with pytest.raises(DataError, match=r"data\.parquet row 5: column \"a\": 'x' is not int16"):
        convert("data.parquet", to="npy", output="out", types={"a": "int16"})
    assert not Path("out").exists()
    dtypes, rows = converted("data.parquet", types={"a": "int16"}, on_bad_row="skip", shards=2)
    assert dtypes == {"a": "int16", "b": "int8"}
    assert rows.column("a").to_pylist() == [1, 2, 3, None, 5]
    assert rows.column("b").to_pylist() == [0, 1, 2, 3, 5]
    assert rejected_csv(Path("out")).decode().splitlines() == [
        "source,line,byte,reason,raw",
        'data.parquet,5,,"column ""a"" is not int16","{""a"": ""x"", ""b"": 4}"',
        'data.parquet,7,,"column ""a"" is not int16","{""a"": ""y"", ""b"": 6}"',
    ]
    assert open_dataset("out").manifest.rejected_rows == 2
    with pytest.raises(DataError, match="more than max_bad_rows=1"):
        convert("data.parquet", to="npy", types={"a": "int16"}, on_bad_row="skip", max_bad_rows=1)


TOLD = [
    ([1, 0, None], "bool", [True, False, None]),
    ([1, 300, None], "uint8", "300"),
    ([1, 2, None], "float64", [1.0, 2.0, None]),
    ([1, 2, None], "category", ["1", "2", None]),
    ([1.0, 2.0, None], "int8", [1, 2, None]),
    ([1.0, 2.5, None], "int8", "2.5"),
    ([True, None], "text", ["true", None]),
    ([True, None], "int8", "true"),
    ([DAY, None], "timestamp", [datetime.datetime(2024, 2, 29), None]),
    ([DAY, None], "timestamp[ns, UTC]", None),
    ([NOON, None], "text", ["2024-02-29 12:30:00.000000", None]),
    ([NOON, None], "timestamp[us, UTC]", [NOON.replace(tzinfo=UTC), None]),
    ([NOON.replace(tzinfo=UTC), None], "timestamp", "2024-02-29 12:30:00.000000Z"),
    (["2024-02-29", None], "date", [DAY, None]),
    (["yes", "0", None], "bool", [True, False, None]),
    (["1.5", "-inf", None], "float32", [1.5, float("-inf"), None]),
    (["", None], "int8", ""),
    ([CENT, None], "float64", [1.25, None]),
    ([CENT, None], "text", ["1.25", None]),
]


@pytest.mark.parametrize(("values", "dtype", "expected"), TOLD)
def test_the_type_that_is_told(folder, values, dtype, expected):
    write("data.parquet", {"a": values})
    if isinstance(expected, str):
        with pytest.raises(DataError, match=r"type=\{\"a\": ") as caught:
            convert("data.parquet", to="npy", types={"a": dtype})
        assert repr(expected) in str(caught.value)
        return
    dtypes, rows = converted("data.parquet", types={"a": dtype})
    assert dtypes["a"].startswith(dtype)
    if expected is not None:
        assert rows.column("a").to_pylist() == expected


def test_text_that_is_not_utf8(folder):
    raw = pa.array([b"fine", b"\xff\xfe", None], pa.binary())
    write("data.parquet", {"a": raw.view(pa.string()), "b": [1, 2, 3]})
    with pytest.raises(DataError, match=r'data\.parquet row 2: column "a": byte 0xff is not UTF-8'):
        convert("data.parquet", to="npy", output="out")
    _, rows = converted("data.parquet", on_bad_row="skip")
    assert rows.column("b").to_pylist() == [1, 3]


def test_damaged_files(folder):
    table = pa.table({"a": np.arange(50_000), "s": [str(i) for i in range(50_000)]})
    pq.write_table(table, "whole.parquet", row_group_size=10_000, write_page_checksum=True)
    content = bytearray(Path("whole.parquet").read_bytes())
    Path("cut.parquet").write_bytes(content[: len(content) // 2])
    content[len(content) // 2] ^= 0xFF
    Path("flipped.parquet").write_bytes(content)
    Path("empty.parquet").write_bytes(b"")
    Path("csv.parquet").write_text("a,b\n1,2\n")
    Path("locked.parquet").write_bytes(b"PARE" + bytes(100))
    told = {
        "cut": "is damaged", "flipped": r"is damaged.* row .* or later", "empty": "is empty",
        "csv": "no Parquet file: it begins with b'a,b", "locked": "encrypted",
    }  # fmt: skip
    for name, message in told.items():
        with pytest.raises(DataError, match=message):
            convert(f"{name}.parquet", to="npy", output="out")
        assert not Path("out").exists()
        result = CliRunner().invoke(main, ["convert", f"{name}.parquet", "--to", "npy"])
        assert result.exit_code == 3, result.output


def test_a_damaged_dataset(folder):
    write_dataset(Path("own"), OWN, "parquet", n_shards=2)
    [first, _] = sorted(Path("own").glob("[!_]*.parquet"))
    content = first.read_bytes()
    first.write_bytes(content[:100])
    with pytest.raises(DataError, match="is damaged"):
        convert("own", to="npy", output="out")
    first.unlink()
    with pytest.raises(DataError, match="is missing"):
        convert("own", to="npy", output="out")
    assert not Path("out").exists()


def test_columns_of_the_same_name(folder):
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(twice, "data.parquet")
    with pytest.raises(DataError, match='several columns that are called "a"'):
        convert("data.parquet", to="npy")


def test_tables_without_rows(folder):
    write("none.parquet", {"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})
    dtypes, rows = converted("none.parquet", shards=2)
    assert dtypes == {"a": "null", "b": "null"}
    assert rows.num_rows == 0
    write("some.parquet", {"a": [5], "b": ["x"]})
    assert converted("none.parquet", "some.parquet")[1].to_pylist() == [{"a": 5, "b": "x"}]
    write_dataset(Path("own"), OWN.slice(0, 0), "npy")
    assert converted("own")[0]["small"] == "int16"


def test_the_command_line(folder):
    write("data.parquet", {"a": range(10), "y": [0, 1] * 5})
    runner = CliRunner()
    planned = runner.invoke(main, ["convert", "data.parquet", "--to", "npy", "--dry-run"])
    assert planned.exit_code == 0
    assert "Parquet" in planned.output
    assert not Path("data-npy").exists()
    as_json = runner.invoke(
        main, ["convert", "data.parquet", "--to", "npy", "--dry-run", "--json", "--shards", "2"]
    )
    plan = json.loads(as_json.stdout)
    assert plan["dialect"] == {"table": "parquet"}
    assert (plan["shards"], plan["estimated_rows"]) == (2, 10)
    Path("plan.json").write_text(as_json.stdout)
    done = runner.invoke(
        main,
        ["convert", "data.parquet", "--to", "npy", "--layout", "matrix", "--label", "y",
         "--schema", "plan.json", "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["dialect"] == {"table": "parquet"}
    assert np.load("data-npy/data.X-00000-of-00001.npy").shape == (10, 1)
    again = runner.invoke(main, ["convert", "data-npy/_manifest", "--to", "hdf5"])
    assert again.exit_code == 0, again.output
    assert "a dataset" in again.output


KINDS = st.sampled_from(
    ["int64", "float64", "string", "bool", "date32", "timestamp_us", "timestamp_ns", "null"]
)
VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200),
    "float64": st.floats() | st.integers(-10_000, 10_000).map(lambda n: n / 100),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from("abc"),
    "bool": st.booleans(),
    "date32": st.integers(-100_000, 100_000),
    "timestamp_us": st.integers(-(2**60), 2**60),
    "timestamp_ns": st.integers(-(2**62), 2**62) | st.integers(-50, 50).map(lambda n: n * 1000),
    "null": st.none(),
}
ARROW = {
    "int64": pa.int64(), "float64": pa.float64(), "string": pa.string(), "bool": pa.bool_(),
    "date32": pa.date32(), "timestamp_us": pa.timestamp("us"),
    "timestamp_ns": pa.timestamp("ns", "UTC"), "null": pa.null(),
}  # fmt: skip


@examples(40)
@given(data=st.data(), kinds=st.lists(KINDS, min_size=1, max_size=4), n_rows=st.integers(0, 40))
def test_any_table_batches_shards_and_jobs_give_the_same_dataset(
    tmp_path_factory, data, kinds, n_rows
):
    columns = {
        f"{kind}{i}": pa.array(
            data.draw(st.lists(st.none() | VALUES[kind], min_size=n_rows, max_size=n_rows)),
            pa.int32() if kind == "date32" else pa.int64() if "stamp" in kind else ARROW[kind],
        ).cast(ARROW[kind])
        for i, kind in enumerate(kinds)
    }
    table = pa.table(columns)
    place = tmp_path_factory.mktemp("tables")
    pq.write_table(table, place / "data.parquet", row_group_size=data.draw(st.integers(1, 50)))
    reference = None
    for _ in range(2):
        options = ConvertOptions(
            to=data.draw(st.sampled_from(["parquet", "npy"])),
            output=place / "out",
            shards=data.draw(st.integers(1, 6)),
            jobs=data.draw(st.integers(1, 3)),
            force=True,
        )
        run(
            [place / "data.parquet"],
            options,
            unit_bytes=data.draw(st.sampled_from([1, 60, 1 << 22])),
            sample_bytes=data.draw(st.sampled_from([1, 100, 1 << 22])),
        )
        dataset = open_dataset(place / "out")
        rows = rows_of(str(place / "out")) if n_rows else None
        seen = (dataset.schema, dataset.rows, str(rows and rows.to_pydict()))
        reference = reference or seen
        assert seen == reference
    for name, values in columns.items():
        if values.null_count == n_rows:
            assert dataset.schema[name].dtype == "null"
        elif rows is not None and "float" not in name:
            assert rows.column(name).cast(values.type).to_pylist() == values.to_pylist(), name
        elif rows is not None:
            _check_floats(values, rows.column(name).combine_chunks())


def _check_floats(values: pa.Array, stored: pa.Array) -> None:
    """Each value is the same, or written shortest it reads the same."""
    for value, other in zip(values.to_pylist(), stored.to_pylist(), strict=True):
        if value is None or value != value:
            assert (other is None) == (value is None)
        elif pa.types.is_float32(stored.type) and value != other:
            assert float(str(np.float32(other))) == value
        elif not pa.types.is_null(stored.type) and not pa.types.is_boolean(stored.type):
            assert value == other


def test_inspect(folder):
    write_dataset(Path("own"), OWN, "parquet")
    assert inspect("own").to_json()["kind"] == "dataset"
    [shard] = Path("own").glob("[!_]*.parquet")
    with pytest.raises(UsageError, match="is a file of a dataset"):
        inspect(shard)
    write("in/data.parquet", {"a": [1, None, 300], "s": ["x", "", "y"]})
    for path in ("in/data.parquet", "in", "in/*.parquet"):
        report = inspect(path).to_json()
        assert (report["rows"], report["exact"]) == (3, True)
        assert report["dialect"] == {"table": "parquet"}
        assert [column["dtype"] for column in report["columns"]] == ["int16", "text"]
        assert report["columns"][0]["examples"] == ["1", "300"]
        assert report["next_command"].startswith("bigdata convert")
    with pytest.raises(UsageError, match=r"^delimiter: .* is a table"):
        inspect("in/data.parquet", delimiter=";")
    shown = CliRunner().invoke(main, ["inspect", "in"])
    assert shown.exit_code == 0
    assert "Parquet" in shown.output
