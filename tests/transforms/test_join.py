"""Small tables that are joined to the rows of a source: as Polars joins them, value by value."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from bigdata_cli import convert, inspect, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BudgetError, DataError, UsageError
from bigdata_cli.transforms import join_table
from bigdata_cli.transforms.join_table import JoinTable
from bigdata_cli.transforms.options import ShapeOptions
from tests.examples import examples
from tests.manifest_files import read_document

N = 2_000


def rows() -> pl.DataFrame:
    numbers = range(N)
    return pl.DataFrame(
        {
            "row": list(numbers),
            "zip": [None if i % 17 == 0 else f"{i * 7 % 50:05d}" for i in numbers],
            "store": [i * 13 % 23 for i in numbers],
            "day": [date(2024, 1, 1) + timedelta(i % 40) for i in numbers],
            "amount": [i * 37 % 1000 + 0.25 for i in numbers],
        }
    )


def zips() -> pl.DataFrame:
    """Not all of the keys, and some that no row has."""
    return pl.DataFrame(
        {
            "zip": [f"{i:05d}" for i in range(5, 70)],
            "city": [None if i == 9 else f"city {i % 6}" for i in range(5, 70)],
            "area": [f"{i:03d}" for i in range(5, 70)],
            "rate": [i / 8 for i in range(5, 70)],
            "people": [i * 1000 for i in range(5, 70)],
            "since": [date(1990, 1, 1) + timedelta(i) for i in range(5, 70)],
        }
    )


def visits() -> pl.DataFrame:
    keys = [(store, day) for store in range(20) for day in range(0, 40, 3)]
    return pl.DataFrame(
        {
            "store": [store for store, _ in keys],
            "day": [date(2024, 1, 1) + timedelta(day) for _, day in keys],
            "visits": [store * day for store, day in keys],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("join")
    rows().write_csv(folder / "rows.csv")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    rows().write_parquet(folder / "rows.parquet")
    zips().write_csv(folder / "zips.csv")
    zips().write_parquet(folder / "zips.parquet")
    zips().write_ndjson(folder / "zips.jsonl")
    convert(folder / "zips.csv", to="npy", output=folder / "zips")
    visits().write_csv(folder / "visits.csv")
    return folder


def values(dataset: Path) -> pl.DataFrame:
    """The rows of a dataset, in types that compare."""
    frame = pl.read_parquet(dataset / "*.parquet")
    return plain(frame)


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    wide = {pl.Categorical: pl.String, pl.Float32: pl.Float64}
    return frame.with_columns(
        pl.col(name).cast(pl.Int64 if dtype.is_integer() else wide.get(dtype.base_type(), dtype))
        for name, dtype in frame.schema.items()
    )


def same(dataset: Path, expected: pl.DataFrame) -> None:
    assert_frame_equal(values(dataset), plain(expected), check_exact=True)


@pytest.mark.parametrize("table", ["zips.csv", "zips.parquet", "zips.jsonl", "zips"])
@pytest.mark.parametrize("how", ["left", "inner"])
def test_tables_of_all_kinds(table, how, folder, tmp_path):
    report = convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "out", join=folder / table, on="zip",
        how=how, shards=2,
    )  # fmt: skip
    expected = rows().join(zips(), on="zip", how=how, maintain_order="left")
    same(tmp_path / "out", expected)
    missing = len(rows().join(zips(), on="zip", how="anti"))
    manifest = open_dataset(tmp_path / "out").manifest
    assert manifest.unmatched_rows == {str(folder / table): missing}
    assert report.filtered_rows == (missing if how == "inner" else 0)
    assert any(f"{missing:,} rows with a key" in note for note in report.notes)
    assert manifest.schema["area"].dtype in ("text", "category")
    assert verify(tmp_path / "out", source=folder / "rows.csv").passed


@pytest.mark.parametrize("source", ["rows.csv", "rows.csv.gz", "rows.parquet"])
def test_several_tables_and_keys_of_several_columns(source, folder, tmp_path):
    convert(
        folder / source, to="parquet", output=tmp_path / "out",
        join=[folder / "visits.csv", folder / "zips.csv"], on=[["store", "day"], ["zip"]],
        how=["inner", "left"], rename={"amount": "money"}, derive={"due": "money * rate + visits"},
        where="city is not null or visits > 100", drop=["people"],
    )  # fmt: skip
    expected = (
        rows()
        .rename({"amount": "money"})
        .join(visits(), on=["store", "day"], how="inner", maintain_order="left")
        .join(zips(), on="zip", how="left", maintain_order="left")
        .with_columns(due=pl.col("money") * pl.col("rate") + pl.col("visits"))
        .filter(pl.col("city").is_not_null() | (pl.col("visits") > 100))
        .drop("people")
    )
    same(tmp_path / "out", expected)
    assert verify(tmp_path / "out", source=folder / source).passed


def test_the_same_whatever_the_cut_of_the_work(folder, tmp_path):
    found = []
    for name, jobs, unit_bytes in (("a", 2, None), ("b", 1, 2_000)):
        shape = ShapeOptions(join=(str(folder / "zips.csv"),), on=(("zip",),), how=("inner",))
        options = ConvertOptions(to="arrow", output=tmp_path / name, jobs=jobs, shape=shape)
        run([folder / "rows.csv"], options, unit_bytes=unit_bytes)
        manifest = read_document(tmp_path / name)
        found.append((manifest["columns"], manifest["shards"], manifest["unmatched_rows"]))
    assert found[0] == found[1]


def test_a_name_that_is_there_already(folder, tmp_path):
    (tmp_path / "table.csv").write_text("store,amount,row\n1,x,y\n")
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "out", join=tmp_path / "table.csv",
        on="store",
    )  # fmt: skip
    table = pl.read_csv(tmp_path / "table.csv")
    same(tmp_path / "out", rows().join(table, on="store", how="left", maintain_order="left"))


def test_only_the_filter_of_a_table(folder, tmp_path):
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "out", join=folder / "zips.csv",
        on="zip", how="inner", columns=["row"],
    )  # fmt: skip
    same(tmp_path / "out", rows().join(zips(), on="zip", how="semi").select("row"))


def test_an_empty_table(folder, tmp_path):
    (tmp_path / "schema.csv").write_text("zip,city\nx,1\n")
    convert(tmp_path / "schema.csv", to="parquet", output=tmp_path / "none", where="zip = 'y'")
    for how in ("left", "inner"):
        convert(
            folder / "rows.csv", to="parquet", output=tmp_path / how, join=tmp_path / "none",
            on="zip", how=how,
        )  # fmt: skip
    assert values(tmp_path / "left")["city"].null_count() == N
    assert len(values(tmp_path / "inner")) == 0


def refused(folder: Path, tmp_path: Path, **options: Any) -> str:
    """The words with which a conversion is refused; nothing is left of it."""
    with pytest.raises((UsageError, DataError, BudgetError)) as raised:
        convert(folder / "rows.csv", to="parquet", output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    return str(raised.value)


def test_what_is_refused(folder, tmp_path):
    zips = folder / "zips.csv"
    (tmp_path / "twice.csv").write_text("zip,a\n00001,1\n00002,2\n00001,3\n")
    (tmp_path / "integers.csv").write_text("zip,a\n1,1\n2,2\n")
    for options, words in (
        ({"join": zips}, "needs the columns of its keys"),
        ({"on": "zip"}, "on goes with join"),
        ({"how": "inner"}, "how goes with join"),
        ({"join": zips, "on": "zpi"}, 'there is no column "zpi" of on'),
        ({"join": zips, "on": "store"}, 'it has no column "store" of on'),
        ({"join": tmp_path / "no.csv", "on": "zip"}, "no.csv"),
        ({"join": [zips, zips, zips], "on": [["zip"], ["zip"]]}, "one for all, or one for each"),
        ({"join": zips, "on": "zip", "how": "outer"}, "how is 'outer'; its type is"),
        ({"join": tmp_path / "twice.csv", "on": "zip"}, "not unique: zip=00001 in several rows"),
        ({"join": tmp_path / "integers.csv", "on": "zip"}, "they never match"),
    ):
        assert words in refused(folder, tmp_path, **options)


def test_inspect_plans_with_it(folder):
    table = str(folder / "visits.csv")
    report = inspect(folder / "rows.csv", join=table, on=["store", "day"], how="inner")
    assert "visits" in [column.name for column in report.columns]
    words = f"--join {table} --on store,day --how inner"
    assert all(words in cost.command for cost in report.costs)


def test_rows_are_split_by_what_is_joined(folder, tmp_path):
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "out", join=folder / "zips.csv",
        on="zip", split={"train": 0.5, "test": 0.5}, split_by=["city"], standardize=["rate"],
    )  # fmt: skip
    dataset = open_dataset(tmp_path / "out")
    cities = [
        {city for batch in dataset[name].read(columns=["city"]) for city in batch[0].to_pylist()}
        for name in ("train", "test")
    ]
    assert not cities[0] & cities[1]
    assert verify(tmp_path / "out", source=folder / "rows.csv").passed


def test_another_dataset_like_it(folder, tmp_path):
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "a", join=folder / "zips.csv",
        on="zip", how="inner",
    )  # fmt: skip
    convert(folder / "rows.parquet", to="parquet", output=tmp_path / "b", like=tmp_path / "a")
    assert_frame_equal(values(tmp_path / "a"), values(tmp_path / "b"))


def test_a_table_that_is_too_large(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("bigdata_cli.transforms.limits.default_limit", lambda _: 4_000)
    words = refused(folder, tmp_path, join=folder / "zips.csv", on="zip")
    assert "takes more than 2.00 kB in memory" in words
    assert "memory_limit that is larger" in words


def test_a_table_that_has_changed(folder, tmp_path, monkeypatch):
    table = tmp_path / "zips.csv"
    table.write_bytes((folder / "zips.csv").read_bytes())
    options: dict[str, Any] = {"to": "parquet", "join": table, "on": "zip", "shuffle": True}
    with monkeypatch.context() as patch:
        patch.setattr(
            "bigdata_cli.conversion.reorder.Scatter.plan",
            property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt)),
        )
        with pytest.raises(KeyboardInterrupt):
            convert(folder / "rows.csv", output=tmp_path / "out", **options)
    table.write_text(table.read_text().replace("city 3", "city 7"))
    with pytest.raises(UsageError, match=r"zips\.csv of join has another content"):
        convert(folder / "rows.csv", output=tmp_path / "out", **options)
    table.write_bytes((folder / "zips.csv").read_bytes())
    convert(folder / "rows.csv", output=tmp_path / "out", **options)
    assert verify(tmp_path / "out", source=folder / "rows.csv").passed
    table.write_text(table.read_text().replace("city 3", "city 7"))
    with pytest.raises(DataError, match="has changed since it was joined"):
        verify(tmp_path / "out", source=folder / "rows.csv")
    table.unlink()
    with pytest.raises(UsageError, match=r"zips\.csv"):
        verify(tmp_path / "out", source=folder / "rows.csv")


def table_of(keys: list[Any], kind: pa.DataType) -> JoinTable:
    columns = {"k": pa.array(keys, kind), "n": pa.array(range(len(keys)), pa.int64())}
    return JoinTable("t", ("k",), {"k": "text", "n": "int64"}, columns, len(keys))


KEYS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
}


@examples(50)
@given(st.data())
def test_rows_are_found_by_their_keys(data):
    kind = data.draw(st.sampled_from(list(KEYS)))
    known = data.draw(st.lists(st.one_of(st.none(), KEYS[kind]), max_size=8))
    keys = [*dict.fromkeys(one for one in known if one is not None), None, None]
    asked = [*data.draw(st.lists(st.sampled_from([*known, None]))), data.draw(KEYS[kind])]
    found = table_of(keys, kind).find([pa.array(asked, kind)], len(asked))
    places = {key: row for row, key in enumerate(keys) if key is not None}
    assert found.tolist() == [places.get(one, -1) for one in asked]


def test_hashes_that_collide_are_told_apart(monkeypatch):
    hashes = join_table._hashes

    def alike(keys: Any, n_rows: int, salt: int) -> np.ndarray:
        return hashes(keys, n_rows, salt) & np.uint64(255 if salt else 3)

    monkeypatch.setattr(join_table, "_hashes", alike)
    keys = ["a", "b", "c", "d", "e"]
    found = table_of(keys, pa.string()).find([pa.array(["e", "x", None, "a"] * 20)], 80)
    assert found.tolist() == [4, -1, -1, 0] * 20


def test_the_digest_is_that_of_the_content():
    one = table_of([1, 0, None], pa.int64())
    assert one.digest == table_of([1, 0, None], pa.int64()).digest
    others = [table_of([1, None, 0], pa.int64()), table_of([0, 1, None], pa.int64())]
    assert one.digest not in {other.digest for other in others}
