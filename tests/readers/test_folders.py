"""Other libraries read the folder of a dataset as it stands: all rows and columns, nothing else."""

from __future__ import annotations

import csv
import datetime
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import h5py
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from bigdata_cli import cat, convert, open_dataset
from tests.manifest_files import manifest_path, rejected_csv

N_ROWS = 600
N_REJECTED = 200
START = datetime.date(2024, 1, 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category, text, dates, times, floats, bools, and ints with and without nulls."""
    path = tmp_path_factory.mktemp("source") / "Trips.csv"
    numbers = random.Random(1)
    lines = ["id,kind,day,at,note,price,n,ok,fare/total"]
    for i in range(N_ROWS):
        day = START + datetime.timedelta(i % 40)
        lines.append(
            f"{i},{'abc'[i % 3]},{day},{day}T10:00:{i % 60:02d},note {numbers.random()},"
            f"{i / 8},{'' if i % 7 == 0 else i % 5},{str(i % 2 == 0).lower()},{i % 9}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The dataset of a format, converted once."""
    place = tmp_path_factory.mktemp("datasets")

    def made(to: str, shards: int = 3, **options: Any) -> Path:
        name = "-".join([to, str(shards), *options])
        if not (place / name).exists():
            convert(source, to=to, output=place / name, shards=shards, **options)
        return place / name

    return made


@pytest.fixture(scope="module")
def folder_with_rejects(
    source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The dataset of a format, of a source with bad records between the rows."""
    place = tmp_path_factory.mktemp("rejects")
    header, *lines = source.read_text().splitlines(keepends=True)
    for i in range(N_REJECTED):
        lines.insert(2 * i + 1, f"too,few,of {i}\n")
    (place / "bad.csv").write_text(header + "".join(lines))

    def made(to: str) -> Path:
        if not (place / to).exists():
            output = place / to
            report = convert(place / "bad.csv", to=to, output=output, shards=3, on_bad_row="skip")
            assert report.rejected_rows == N_REJECTED
        return place / to

    return made


def check(frame: pd.DataFrame) -> None:
    """All values of the source, whatever the dtypes of a library."""
    frame = frame.sort_values("id")
    assert frame["id"].tolist() == list(range(N_ROWS))
    assert frame["kind"].astype(str).tolist() == ["abc"[i % 3] for i in range(N_ROWS)]
    days = pd.to_datetime(frame["day"]).dt.date.tolist()
    assert days == [START + datetime.timedelta(i % 40) for i in range(N_ROWS)]
    assert frame["n"].isna().tolist() == [i % 7 == 0 for i in range(N_ROWS)]
    assert frame["n"].sum() == sum(i % 5 for i in range(N_ROWS) if i % 7)
    assert frame["ok"].astype(bool).tolist() == [i % 2 == 0 for i in range(N_ROWS)]
    assert frame["price"].astype(float).tolist() == [i / 8 for i in range(N_ROWS)]
    assert frame["fare/total"].tolist() == [i % 9 for i in range(N_ROWS)]


def dask_frame(folder: Path) -> pd.DataFrame:
    import dask.dataframe as dd

    return dd.read_parquet(folder).compute(scheduler="sync")


PARQUET: dict[str, Callable[[Path], pd.DataFrame]] = {
    "polars": lambda folder: pl.read_parquet(folder).to_pandas(),
    "polars, lazily": lambda folder: pl.scan_parquet(folder).collect().to_pandas(),
    "polars, a pattern": lambda folder: pl.read_parquet(folder / "*.parquet").to_pandas(),
    "duckdb": lambda folder: duckdb.sql(f"from '{folder}/*.parquet'").df(),
    "pandas": pd.read_parquet,
    "pandas, Arrow dtypes": lambda folder: pd.read_parquet(folder, dtype_backend="pyarrow"),
    "pyarrow": lambda folder: ds.dataset(folder).to_table().to_pandas(),
    "dask": dask_frame,
}


@pytest.mark.parametrize("library", PARQUET)
@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_of_parquet(library: str, shards: int, folder: Callable[..., Path]) -> None:
    check(PARQUET[library](folder("parquet", shards)))


@pytest.mark.parametrize("library", PARQUET)
def test_a_folder_of_parquet_with_rejected_records(
    library: str, folder_with_rejects: Callable[[str], Path]
) -> None:
    check(PARQUET[library](folder_with_rejects("parquet")))


def test_polars_and_duckdb_see_the_types_of_the_dataset(folder: Callable[..., Path]) -> None:
    found = pl.read_parquet(folder("parquet")).schema
    assert found["day"] == pl.Date
    assert (found["n"], found["id"], found["ok"]) == (pl.Int8, pl.Int16, pl.Boolean)
    rows = duckdb.sql(f"describe from '{folder('parquet')}/*.parquet'").fetchall()
    types = {row[0]: row[1] for row in rows}
    assert (types["day"], types["n"], types["at"]) == ("DATE", "TINYINT", "TIMESTAMP")


def test_pandas_has_nullable_ints_and_dates_where_it_is_asked_for(
    folder: Callable[..., Path],
) -> None:
    frame = pd.read_parquet(folder("parquet"), dtype_backend="numpy_nullable")
    assert str(frame["n"].dtype) == "Int8"
    arrow = pd.read_parquet(folder("parquet"), dtype_backend="pyarrow")
    assert str(arrow["day"].dtype) == "date32[day][pyarrow]"
    ours = open_dataset(folder("parquet")).to_pandas()
    assert list(ours["kind"].cat.categories) == ["a", "b", "c"]
    assert str(ours["n"].dtype) == "Int8"


def test_splits_are_read_together_or_by_name(source: Path, tmp_path: Path) -> None:
    convert(
        source, to="parquet", output=tmp_path / "d", split={"train": 0.8, "test": 0.2}, shards=2
    )
    check(pl.read_parquet(tmp_path / "d").to_pandas())
    parts = [
        len(pl.read_parquet(tmp_path / "d" / f"{name}-*.parquet")) for name in ("train", "test")
    ]
    assert sum(parts) == N_ROWS


def test_folders_of_values_keep_their_columns(source: Path, tmp_path: Path) -> None:
    """A file of the format beside the folders would be one without these columns."""
    convert(source, to="parquet", output=tmp_path / "d", partition_by="kind")
    assert manifest_path(tmp_path / "d").name == "_manifest"
    check(pd.read_parquet(tmp_path / "d"))
    check(pl.read_parquet(tmp_path / "d/**/*.parquet", hive_partitioning=True).to_pandas())
    pattern = f"{tmp_path}/d/**/*.parquet"
    check(duckdb.sql(f"from read_parquet('{pattern}', hive_partitioning=true)").df())


ARROW: dict[str, Callable[[Path], pd.DataFrame]] = {
    "polars": lambda folder: pl.scan_ipc(folder).collect().to_pandas(),
    "pyarrow": lambda folder: ds.dataset(folder, format="ipc").to_table().to_pandas(),
}


@pytest.mark.parametrize("library", ARROW)
@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_of_arrow(library: str, shards: int, folder: Callable[..., Path]) -> None:
    check(ARROW[library](folder("arrow", shards)))


@pytest.mark.parametrize("library", ARROW)
def test_a_folder_of_arrow_with_rejected_records(
    library: str, folder_with_rejects: Callable[[str], Path]
) -> None:
    check(ARROW[library](folder_with_rejects("arrow")))


@pytest.mark.parametrize("to", ["parquet", "arrow", "npy"])
def test_rejected_records_are_found_without_this_library(
    to: str, folder_with_rejects: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = folder_with_rejects(to)
    text = rejected_csv(folder)
    lines = [int(row["line"]) for row in csv.DictReader(io.StringIO(text.decode()))]
    assert lines == list(range(3, 3 + 2 * N_REJECTED, 2))
    report = cat(folder, rejected=True, output=tmp_path / "rejected.csv")
    assert report.rows == N_REJECTED
    assert (tmp_path / "rejected.csv").read_bytes() == text


def test_arrow_files_have_categories_in_pandas(folder: Callable[..., Path]) -> None:
    frame = ds.dataset(folder("arrow"), format="ipc").to_table().to_pandas()
    assert set(frame["kind"].cat.categories) == {"a", "b", "c"}


@pytest.mark.parametrize("to", ["parquet", "arrow"])
@pytest.mark.parametrize("shards", [1, 3])
def test_load_dataset(to: str, shards: int, folder: Callable[..., Path], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(folder(to, shards)), cache_dir=str(tmp_path))
    assert list(loaded) == ["train"]
    check(loaded["train"].to_pandas())


@pytest.mark.parametrize("to", ["parquet", "arrow"])
def test_load_dataset_with_rejected_records(
    to: str, folder_with_rejects: Callable[[str], Path], tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(folder_with_rejects(to)), cache_dir=str(tmp_path))
    check(loaded["train"].to_pandas())


@pytest.mark.parametrize("has_rejects", [False, True])
@pytest.mark.parametrize("to", ["npy", "tfrecord"])
def test_load_dataset_makes_nothing_of_other_formats(
    to: str, has_rejects: bool, tmp_path: Path
) -> None:
    """Manifest and rejected records are no rows, nor is what describes TFRecord for others."""
    datasets = pytest.importorskip("datasets")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n" + "5\n" * has_rejects)
    convert(tmp_path / "a.csv", to=to, output=tmp_path / "d", on_bad_row="skip")
    errors = (ValueError, FileNotFoundError, datasets.exceptions.DatasetGenerationError)
    with pytest.raises(errors):
        datasets.load_dataset(str(tmp_path / "d"), cache_dir=str(tmp_path / "cache"))


def test_load_dataset_reads_numbers_of_hdf5(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", minversion="4.1")
    (tmp_path / "a.csv").write_text("a,b\n1,2.5\n3,4.5\n5\n")
    convert(tmp_path / "a.csv", to="hdf5", output=tmp_path / "d", on_bad_row="skip")
    loaded = datasets.load_dataset(str(tmp_path / "d"), cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].to_dict() == {"a": [1, 3], "b": [2.5, 4.5]}


def test_spark(folder: Callable[..., Path], folder_with_rejects: Callable[[str], Path]) -> None:
    sql = pytest.importorskip("pyspark.sql")
    session = sql.SparkSession.builder.master("local[1]").getOrCreate()
    try:
        check(session.read.parquet(str(folder("parquet"))).toPandas())
        check(session.read.parquet(str(folder_with_rejects("parquet"))).toPandas())
    finally:
        session.stop()


def test_tfrecord_of_pypi(folder: Callable[..., Path]) -> None:
    """A null is a feature that is absent."""
    reader = pytest.importorskip("tfrecord.reader")
    rows = [
        row
        for path in sorted(folder("tfrecord").glob("*.tfrecord"))
        for row in reader.tfrecord_loader(str(path), None)
    ]
    assert [int(row["id"][0]) for row in rows] == list(range(N_ROWS))
    assert ["n" in row for row in rows] == [i % 7 != 0 for i in range(N_ROWS)]


def test_hdf5_tells_names_units_and_vocabularies(folder: Callable[..., Path]) -> None:
    for path in sorted(folder("hdf5").glob("*.h5")):
        with h5py.File(path) as file:
            assert file["day"].attrs["unit"] == "days since 1970-01-01"
            assert file["at"].attrs["unit"] == "us"
            assert list(file["kind"].attrs["vocabulary"]) == ["a", "b", "c"]
            assert file["fare%2Ftotal"].attrs["name"] == "fare/total"


@pytest.mark.parametrize("to", ["parquet", "arrow"])
def test_the_manifest_is_found_without_this_library(to: str, folder: Callable[..., Path]) -> None:
    path = manifest_path(folder(to))
    schema = ds.dataset(path, format="ipc" if to == "arrow" else to).schema
    shard = next(folder(to).glob("[!_]*"))
    assert (
        schema.remove_metadata() == ds.dataset(shard, format="ipc" if to == "arrow" else to).schema
    )
    assert pa.types.is_date32(schema.field("day").type)
    if to == "parquet":
        found = duckdb.sql(f"select value from parquet_kv_metadata('{path}')").fetchall()
        assert b'"manifest_version": 3' in found[0][0]
