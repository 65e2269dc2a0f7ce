"""`cat`: what it writes is read by other libraries as the rows of the dataset, from any format."""

from __future__ import annotations

import datetime
import io
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import DataError, UsageError, cat, convert, head, open_dataset
from bigdata_cli.export.cat import run
from bigdata_cli.export.options import ROW_FORMATS, CatOptions
from bigdata_cli.options import request_of
from tests.datasets import LAYOUTS, write_dataset
from tests.examples import examples

CATEGORY = pa.dictionary(pa.int32(), pa.string())
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 15, 500_000)


def table() -> pa.Table:
    """Every dtype, with nulls."""
    return pa.table({
        "flag": pa.array([True, None, False, True, None]),
        "small": pa.array([1, None, -3, 4, 5], pa.int8()),
        "large": pa.array([2**63 - 1, -(2**63), None, 0, 7], pa.int64()),
        "half": pa.array([0.1, None, 1e-7, 3.4028235e38, 1.0], pa.float32()),
        "whole": pa.array([0.1, 1.0, None, 1e300, 123456789.125]),
        "day": pa.array([datetime.date(2024, 2, 29), None, *[datetime.date(1, 1, 1)] * 3]),
        "time": pa.array([MOMENT, None, MOMENT, MOMENT, MOMENT], pa.timestamp("us")),
        "nanos": pa.array([1, None, 10**18, 0, -1]).cast(pa.timestamp("ns", tz="UTC")),
        "kind": pa.array(["a", "b", None, "a", "NA"]).cast(CATEGORY),
        "text": pa.array(["", None, "NA", 'a "b",\n c', " ü "]),
    })  # fmt: skip


def numbers() -> pa.Table:
    """What each layout holds exactly."""
    rng = np.random.default_rng(3)
    return pa.table({
        "a": pa.array(rng.integers(0, 100, 1000), pa.int8()),
        "b": pa.array(rng.random(1000), pa.float32()),
        "label": pa.array(rng.integers(0, 3, 1000), pa.int8()),
    })  # fmt: skip


def written(folder, **options) -> bytes:
    sink = io.BytesIO()
    run(folder, request_of(CatOptions, options), sink)
    return sink.getvalue()


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_every_format_and_layout_gives_the_same_csv(tmp_path, format_name, layout):
    folder = write_dataset(
        tmp_path / "d", numbers(), format_name, layout, n_shards=3, label="label"
    )
    frame = pl.read_csv(io.BytesIO(written(folder)))
    assert frame.to_dict(as_series=False) == {
        "a": numbers()["a"].to_pylist(),
        "b": [float(str(value)) for value in numbers()["b"].to_numpy()],
        "label": numbers()["label"].to_pylist(),
    }


def test_csv_is_converted_to_the_same_dataset(tmp_path):
    folder = write_dataset(tmp_path / "d", table(), n_shards=2)
    file = tmp_path / "again.csv"
    cat(folder, output=file)
    report = convert(file, to="parquet", output=tmp_path / "again")
    types = {column.name: column.dtype for column in report.manifest.schema}
    assert types["nanos"] == "timestamp[ns, UTC]"
    assert types["half"] == "float32"
    assert types["whole"] == "float64"
    dtypes = {column.name: column.dtype for column in open_dataset(folder).schema}
    convert(file, to="parquet", output=tmp_path / "typed", types=dtypes, trim=False)
    assert decoded(pq.read_table(tmp_path / "typed")) == decoded(table())


def decoded(rows: pa.Table) -> dict[str, list]:
    return {
        name: (
            column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        ).to_pylist()
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    }


CELLS = st.fixed_dictionaries({
    "i": st.none() | st.integers(-(2**63), 2**63 - 1),
    "f": st.none() | st.floats(allow_nan=False),
    "b": st.none() | st.booleans(),
    "d": st.none() | st.dates(),
    "t": st.none() | st.datetimes(),
    "s": st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
})  # fmt: skip
ROWS = pa.schema([
    ("i", pa.int64()), ("f", pa.float64()), ("b", pa.bool_()), ("d", pa.date32()),
    ("t", pa.timestamp("us")), ("s", pa.string()),
])  # fmt: skip
TYPES = {
    "i": "int64", "f": "float64", "b": "bool", "d": "date", "t": "timestamp[us]", "s": "text",
}  # fmt: skip


@examples(40)
@given(st.lists(CELLS, min_size=1, max_size=20))
def test_any_rows_come_back_from_csv(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    expected = pa.Table.from_pylist(rows, ROWS)
    write_dataset(folder / "d", expected)
    cat(folder / "d", output=folder / "a.csv")
    again = convert(
        folder / "a.csv", to="arrow", output=folder / "again", types=TYPES, delimiter=",",
        quote='"', header=True, trim=False, skip_rows=0, skip_footer=0, encoding="utf-8",
    )  # fmt: skip
    batches = list(open_dataset(again.output).read())
    assert decoded(pa.Table.from_batches(batches)) == decoded(expected)


@examples(40)
@given(st.lists(CELLS, min_size=1, max_size=20))
def test_any_rows_come_back_from_json_lines(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    expected = pa.Table.from_pylist(rows, ROWS)
    write_dataset(folder / "d", expected)
    lines = written(folder / "d", format="jsonl").decode().split("\n")[:-1]
    read = [json.loads(line) for line in lines]
    infinite = [row["f"] is not None and abs(row["f"]) == float("inf") for row in rows]
    for row, again, is_infinite in zip(rows, read, infinite, strict=True):
        assert (again["i"], again["b"], again["s"]) == (row["i"], row["b"], row["s"])
        assert again["f"] == (None if is_infinite else row["f"])
        assert again["d"] == (None if row["d"] is None else row["d"].isoformat())
        assert again["t"] == (None if row["t"] is None else row["t"].isoformat())


def test_arrow_and_parquet_have_the_types_of_the_dataset(tmp_path):
    folder = write_dataset(tmp_path / "d", table(), n_shards=3)
    with pa.ipc.open_stream(written(folder, format="arrow")) as stream:
        read = stream.read_all()
    assert read.schema.equals(table().schema)
    assert read.to_pylist() == table().to_pylist()
    read = pq.read_table(io.BytesIO(written(folder, format="parquet")))
    assert read.schema.equals(table().schema)
    assert read.to_pylist() == table().to_pylist()
    frame = pl.read_ipc_stream(io.BytesIO(written(folder, format="arrow")))
    assert frame["text"].to_list() == table()["text"].to_pylist()


@pytest.mark.parametrize("format_name", ROW_FORMATS)
@pytest.mark.parametrize("n_rows", [0, 3, 1000, 5000])
def test_columns_in_another_order_and_the_first_rows(tmp_path, format_name, n_rows):
    folder = write_dataset(tmp_path / "d", numbers(), n_shards=3)
    data = io.BytesIO(written(folder, format=format_name, columns=("label", "a"), rows=n_rows))
    read = {
        "csv": pl.read_csv, "jsonl": pl.read_ndjson, "arrow": pl.read_ipc_stream,
        "parquet": pl.read_parquet,
    }[format_name]  # fmt: skip
    if format_name == "jsonl" and n_rows == 0:
        assert data.getvalue() == b""
        return
    frame = read(data)
    assert frame.columns == ["label", "a"]
    assert frame["a"].to_list() == numbers()["a"].to_pylist()[:n_rows]


def test_a_source_has_the_rows_that_a_conversion_would_have(tmp_path, sample_data):
    for name in ("messy.csv", "transactions.csv"):
        convert(sample_data / name, to="parquet", output=tmp_path / name)
        assert written(sample_data / name) == written(tmp_path / name)
    rows = head(sample_data / "transactions.csv", rows=4, columns=["isFraud", "amount"])
    assert rows.to_pylist() == pl.read_csv(
        sample_data / "transactions.csv", n_rows=4, columns=["amount", "isFraud"]
    ).select("isFraud", "amount").to_dicts()  # fmt: skip


def test_a_value_that_no_sample_showed_is_an_error_with_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr("bigdata_cli.sources.typed_rows.SAMPLE_BYTES", 10_000)
    file = tmp_path / "a.csv"
    rows = [f"{i},x" for i in range(50_000)]
    rows[4_001] = "late,x"
    file.write_text("\n".join(["n,s", *rows]) + "\n")
    with pytest.raises(DataError, match=r"a\.csv line 4,003") as caught:
        written(file)
    assert caught.value.hint is not None
    assert "convert" in caught.value.hint


def test_bad_records_are_left_out_and_counted(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n3\n4,5\n")
    with pytest.raises(DataError, match="line 3"):
        cat(file, output=tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()
    report = cat(file, output=tmp_path / "b.csv", on_bad_row="skip")
    assert (report.rows, report.rejected_rows) == (2, 1)
    assert (tmp_path / "b.csv").read_text() == "a,b\n1,2\n4,5\n"


def test_a_column_or_dataset_that_is_not_there(tmp_path):
    folder = write_dataset(tmp_path / "d", numbers())
    with pytest.raises(UsageError, match='has no column "lable"') as caught:
        cat(folder, columns=["lable"])
    assert caught.value.hint == 'Did you mean "label"?'
    with pytest.raises(UsageError, match="columns has a column twice"):
        head(folder, columns=["a", "a"])
    with pytest.raises(UsageError):
        cat(tmp_path / "nothing")


def test_a_damaged_shard_is_an_error(tmp_path):
    folder = write_dataset(tmp_path / "d", numbers(), n_shards=2)
    shard = sorted(folder.glob("[!_]*.parquet"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"):
        written(folder)


def test_where_keeps_the_rows_that_polars_keeps(tmp_path, sample_data):
    folder = tmp_path / "d"
    convert(sample_data / "transactions.csv", to="parquet", output=folder)
    frame = pl.read_csv(sample_data / "transactions.csv")
    kept = frame.filter((pl.col("type") == "TRANSFER") & (pl.col("amount") > 1e6))
    wanted = ["nameOrig", "amount"]
    where = ["type = 'TRANSFER'", "amount > 1000000"]
    for source in (folder, sample_data / "transactions.csv"):
        data = written(source, columns=wanted, where=where)
        assert pl.read_csv(io.BytesIO(data)).equals(kept.select(wanted))
    assert head(folder, rows=3, where=where).num_rows == 3
    assert head(folder, filter="amount < 0").num_rows == 0


def test_where_of_nulls_and_a_column_that_is_not_there(tmp_path):
    folder = write_dataset(tmp_path / "d", table())
    assert head(folder, where="small > 0", columns=["small"])["small"].to_pylist() == [1, 4, 5]
    assert head(folder, where="small is null").num_rows == 1
    with pytest.raises(UsageError, match="smal"):
        head(folder, where="smal > 0")
    with pytest.raises(UsageError, match="true or false"):
        cat(folder, where="small + 1")
    with pytest.raises(DataError, match="row 1: --where has no value: overflow"):
        written(folder, where=["large + 1 > 0"])


@pytest.mark.parametrize("format_name", ["parquet", "tfrecord"])
def test_a_split(tmp_path, sample_data, format_name):
    folder = tmp_path / "d"
    convert(
        sample_data / "sensors.csv",
        to=format_name,
        output=folder,
        split={"train": 0.7, "test": 0.3},
    )
    parts = [written(folder, split=name).splitlines() for name in ("train", "test")]
    assert sorted(parts[0][1:] + parts[1][1:]) == sorted(written(folder).splitlines()[1:])
    assert len(parts[1]) - 1 == open_dataset(folder)["test"].rows
    with pytest.raises(UsageError, match='has no split "val"'):
        head(folder, split="val")
    with pytest.raises(UsageError, match="is no dataset"):
        head(sample_data / "sensors.csv", split="train")


def test_no_rows_are_a_header(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('a,"b ""c"""\n')
    convert(file, to="parquet", output=tmp_path / "d", header=True)
    assert written(tmp_path / "d") == b'a,"b ""c"""\n'


def test_a_closed_pipe_is_quiet(tmp_path, project_root):
    folder = write_dataset(tmp_path / "d", pa.table({"n": np.arange(2_000_000)}))
    for format_name in ROW_FORMATS:
        command = [sys.executable, "-m", "bigdata_cli", "cat", str(folder), "--format", format_name]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=project_root,
            env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141
