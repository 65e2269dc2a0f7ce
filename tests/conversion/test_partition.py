"""Datasets with a folder for each value, as Hive has them: others read them, and so do we."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.checksum import is_stored_name
from bigdata_cli.errors import BigdataError, DataError, UsageError, VerificationError
from bigdata_cli.formats import hive
from bigdata_cli.formats.buckets import write

N = 1_200
TEXTS = ["DE", "a/b", "a=b", "50 %", "Ä ö", "..", "x" * 80, "", None, "null", "%2F", "007"]


def frame() -> pl.DataFrame:
    numbers = range(N)
    return pl.DataFrame(
        {
            "row": list(numbers),
            "text": [TEXTS[i * 7 % 12] for i in numbers],
            "int": [None if i % 5 == 4 else i % 5 - 2 for i in numbers],
            "date": [date(2023, 12, 30) + timedelta(i % 4) for i in numbers],
            "bool": [i % 3 == 0 for i in numbers],
            "value": [i * 37 % 1000 + 0.25 for i in numbers],
            "late": [str(i % 90) if i < 900 else f"x{i % 2}" for i in numbers],
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("partition") / "rows.parquet"
    pq.write_table(frame().to_arrow(), path, row_group_size=100)
    return path


def own(dataset: Path, **options: Any) -> pl.DataFrame:
    """The rows as our reader gives them."""
    batches = list(open_dataset(dataset).read(**options))
    found = pl.from_arrow(batches)
    assert isinstance(found, pl.DataFrame)
    return found.cast({pl.Categorical: pl.String, pl.Float32: pl.Float64})


@pytest.mark.parametrize("by", [["text"], ["int"], ["date"], ["bool"], ["date", "text"]])
def test_the_rows_of_each_value_are_in_its_folder(by, source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by=by)
    expected = frame().sort(by, nulls_last=True, maintain_order=True)
    found = own(output)
    assert found.columns == expected.columns
    for name in expected.columns:
        assert found[name].to_list() == expected[name].to_list(), name
    manifest = open_dataset(output).manifest
    assert manifest.partition_by == tuple(by)
    assert len(manifest.shards) == expected.select(by).n_unique()
    for shard in manifest.shards:
        (name,) = shard.file_names
        assert pq.read_schema(output / name).names == [c for c in frame().columns if c not in by]
    assert verify(output, source=source).passed


def test_other_libraries_read_them(source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by=["int", "text"])
    expected = frame().sort("row")
    places = {
        "pyarrow": pl.from_arrow(ds.dataset(output, partitioning="hive").to_table()),
        "polars": pl.read_parquet(output / "**/*.parquet", hive_partitioning=True),
        "duckdb": duckdb.sql(
            f"select * from read_parquet('{output}/**/*.parquet', hive_partitioning=true)"
        ).pl(),
    }
    for library, found in places.items():
        assert isinstance(found, pl.DataFrame)
        found = found.sort("row")
        assert found["row"].to_list() == expected["row"].to_list()
        assert found["value"].cast(pl.Float64).to_list() == expected["value"].to_list()
        # DuckDB takes them for texts, where one of the texts is no number.
        integers = found["int"].cast(pl.Int64)
        assert integers.to_list() == expected["int"].to_list(), library
        # What Hive has for an empty text is up to each of them.
        texts = [one or "" for one in expected["text"].to_list()]
        assert [one or "" for one in found["text"].cast(pl.String).to_list()] == texts, library


def test_columns_and_rows_are_read_alone(source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by="text", sort_by="value:desc")
    expected = frame().sort(
        ["text", "value"], descending=[False, True], nulls_last=True, maintain_order=True
    )
    assert own(output)["row"].to_list() == expected["row"].to_list()
    assert own(output, columns=["text"])["text"].to_list() == expected["text"].to_list()
    dataset = open_dataset(output)
    rows = list(dataset.read_shard(4, ["int", "text"], rows=range(20, 70), max_rows=7))
    part = expected.filter(pl.col("text") == "50 %")[20:70]
    assert [x for b in rows for x in b.column(0).to_pylist()] == part["int"].to_list()
    assert {x for b in rows for x in b.column(1).to_pylist()} == {"50 %"}
    batches = list(
        dataset.to_numpy_batches(100, columns=["row", "bool"], label="int", shuffle=True)
    )
    assert sorted(int(x) for X, _ in batches for x in X[:, 0]) == list(range(N))
    convert(output, to="npy", output=tmp_path / "again")
    assert own(tmp_path / "again")["text"].to_list() == expected["text"].to_list()
    assert dataset.manifest.order == "sorted"
    assert verify(output, source=source).passed


def test_large_values_have_several_files(source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by="bool", shard_size=1_000)
    names = [name for shard in open_dataset(output).shards for name in shard.file_names]
    counts = [sum(name.startswith(f"bool={one}/") for name in names) for one in ("false", "true")]
    assert counts[0] > counts[1] >= 2
    assert len({name.rpartition("/")[2] for name in names}) == len(names)
    expected = frame().sort("bool", maintain_order=True)
    assert own(output)["row"].to_list() == expected["row"].to_list()


def test_a_type_that_changes_late(tmp_path):
    path = tmp_path / "rows.csv"
    frame().select("row", "late").write_csv(path)
    convert(path, to="parquet", output=tmp_path / "out", partition_by="late")
    expected = frame().select("row", "late").sort("late", maintain_order=True)
    assert own(tmp_path / "out").rows() == expected.rows()


def test_no_rows(tmp_path):
    (tmp_path / "none.csv").write_text("a,b\n")
    options = {"types": {"a": "text", "b": "int8"}, "partition_by": ["a"]}
    convert(tmp_path / "none.csv", to="parquet", output=tmp_path / "out", **options)
    assert open_dataset(tmp_path / "out").rows == 0
    assert list(open_dataset(tmp_path / "out").read()) == []


def test_a_dataset_is_replaced_with_its_folders(source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by=["date", "int"])
    (output / "date=2023-12-30/int=0/mine.txt").write_text("kept")
    convert(source, to="parquet", output=output, partition_by="bool", force=True)
    assert sorted(p.name for p in output.iterdir()) == [
        "_manifest", "bool=false", "bool=true", "date=2023-12-30",
    ]  # fmt: skip
    assert (output / "date=2023-12-30/int=0/mine.txt").exists()
    report = verify(output)
    assert report.passed
    assert report.other_files == ("date=2023-12-30/int=0/mine.txt",)


def test_verify_finds_what_is_wrong_with_files_in_folders(source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by="int")
    names = [shard.file_names[0] for shard in open_dataset(output).shards]
    assert verify(output).passed
    (output / "int=9").mkdir()
    (output / names[0]).rename(output / "int=9" / names[0].rpartition("/")[2])
    whats = [(finding.file, finding.what) for finding in verify(output).findings]
    assert (names[0], "the file is missing") in whats
    assert any(what == "is not in the manifest" for _, what in whats)
    (output / "int=9" / names[0].rpartition("/")[2]).rename(output / names[0])
    folder, elsewhere = output / "int=1", tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert any("leads out of" in finding.what for finding in verify(output).findings)


def test_a_manifest_that_lies(source, tmp_path):
    output = tmp_path / "out"
    convert(source, to="parquet", output=output, partition_by="int")
    path = output / "_manifest"
    plain = json.loads(path.read_text())
    for partition_by in (["date"], ["nothing"], []):
        path.write_text(json.dumps({**plain, "partition_by": partition_by}))
        with pytest.raises(BigdataError):
            list(open_dataset(output).read())
    file = "r-00000-of-00001.parquet"
    for name in (f"../x=1/{file}", f"x=1/../{file}", f"/x=1/{file}", f"x/{file}", "x=1/"):
        assert not is_stored_name(name)
        plain["shards"][0]["files"][0]["name"] = name
        path.write_text(json.dumps(plain))
        with pytest.raises(DataError):
            open_dataset(output)


def test_values_that_are_none_of_the_column():
    from bigdata_cli.types.dtype import Column

    for dtype, name in (
        ("int8", "a=1000/f"), ("int8", "a=x/f"), ("bool", "a=1/f"), ("date", "a=2024/f"),
        ("int8", "b=1/f"), ("int8", "f"),
    ):  # fmt: skip
        with pytest.raises(VerificationError, match="no value of column"):
            hive.constant(Column(name="a", dtype=dtype), name, 1)


def test_what_is_refused(source, tmp_path, monkeypatch):
    output = tmp_path / "out"
    for options, message in (
        ({"partition_by": "value"}, 'column "value" is float32, whose values are no names'),
        ({"partition_by": "nothing"}, 'there is no column "nothing"'),
        ({"partition_by": "int", "to": "npy"}, "npy has no folders for values"),
        ({"partition_by": "int", "shards": 3}, "exclude each other"),
        ({"partition_by": "int", "shuffle": True}, "exclude each other"),
        ({"partition_by": "int", "sort_by": "int:desc"}, "are sorted already"),
        ({"partition_by": "int", "columns": ["int"]}, "no column is left for the files"),
    ):
        with pytest.raises(UsageError, match=message):
            convert(source, **{"to": "parquet", "output": output, **options})
    monkeypatch.setattr(write, "MAX_PARTITIONS", 50)
    with pytest.raises(DataError, match="more than 50 different values"):
        convert(source, to="parquet", output=output, partition_by="row")
    for text, message in ((hive.NO_VALUE, "a null"), ("y" * 300, "too long for the name")):
        (tmp_path / "t.csv").write_text(f"a,b\n{text},1\n")
        with pytest.raises(DataError, match=message):
            convert(tmp_path / "t.csv", to="parquet", output=output, partition_by="a")
    assert not output.exists()
