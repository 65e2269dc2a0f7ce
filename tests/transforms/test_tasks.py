"""Whole tasks, several options at once: value by value what Polars makes of the same rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from bigdata_cli import convert, open_dataset

N = 4_000


def visits() -> pl.DataFrame:
    """Rows as people have them: nulls, spaces, times in order, a few users."""
    start = dt.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "user id": [i * i % 211 for i in range(N)],
            "at": [start + dt.timedelta(minutes=37 * i) for i in range(N)],
            "spent": [None if i % 13 == 0 else (i * 7919 % 1000) / 10 for i in range(N)],
            "page": [("home", " cart ", "pay", None)[i * 5 % 4] for i in range(N)],
            "city": [("Rome", "Oslo", "Wien", "Bonn", "Nice")[i * i % 5] for i in range(N)],
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tasks") / "visits.csv"
    visits().write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S")
    return path


def rows_of(path: Path, split: str | None = None) -> pl.DataFrame:
    dataset = open_dataset(path) if split is None else open_dataset(path)[split]
    frame = pl.from_arrow(pa.Table.from_batches(list(dataset.read())))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def check(found: pl.DataFrame, wanted: pl.DataFrame, *, rel_tol: float = 1e-6) -> None:
    assert found.columns == wanted.columns
    assert_frame_equal(found, wanted.cast(dict(found.schema)), rel_tol=rel_tol, abs_tol=1e-6)


def test_features_of_times_and_texts_split_by_time(source, tmp_path) -> None:
    convert(
        source, to="parquet", output=tmp_path / "o", shards=3,
        where="month(at) <= 2 or spent > 90",
        derive={
            "hour": "hour(at)",
            "month": "date_trunc('month', at)",
            "band": "case when spent is null then 'none' when spent < 10 then 'low' "
            "when spent between 10 and 50 then 'mid' else 'high' end",
            "page": "coalesce(trim(page), '?')",
            "age": "date_diff('day', at, timestamp '2025-01-01')",
        },
        split={"train": 0.8, "test": 0.2}, split_time="at",
    )  # fmt: skip
    spent, at = pl.col("spent"), pl.col("at")
    wanted = visits().filter((at.dt.month() <= 2) | (spent > 90))
    wanted = wanted.with_columns(
        pl.col("page").str.strip_chars().fill_null("?"),
        hour=at.dt.hour(),
        month=at.dt.truncate("1mo"),
        band=pl.when(spent.is_null()).then(pl.lit("none")).when(spent < 10).then(pl.lit("low"))
        .when(spent <= 50).then(pl.lit("mid")).otherwise(pl.lit("high")),
        age=(pl.lit(dt.date(2025, 1, 1)) - at.dt.date()).dt.total_days(),
    )  # fmt: skip
    check(rows_of(tmp_path / "o"), wanted)
    train, test = (rows_of(tmp_path / "o", split) for split in ("train", "test"))
    assert train["at"].max() < test["at"].min()
    assert len(train) == round(0.8 * len(wanted))


def test_users_in_one_split_and_statistics_of_that(source, tmp_path) -> None:
    convert(
        source, to="parquet", output=tmp_path / "o", rename={"user id": "user"},
        dedup=["user", "page", "city"], keep="last", fill={"spent": "mean"}, standardize=["spent"],
        one_hot=["city"], split={"train": 0.7, "val": 0.3}, split_by=["user"],
    )  # fmt: skip
    train, val = (rows_of(tmp_path / "o", split) for split in ("train", "val"))
    assert not set(train["user"]) & set(val["user"])
    wanted = visits().rename({"user id": "user"})
    wanted = wanted.unique(["user", "page", "city"], keep="last", maintain_order=True)
    learned = wanted.filter(pl.col("user").is_in(train["user"].unique().to_list()))["spent"]
    filled = learned.fill_null(learned.mean())
    wanted = wanted.with_columns(
        (pl.col("spent").fill_null(learned.mean()) - filled.mean()) / filled.std(ddof=0)
    )
    for city in ("Bonn", "Nice", "Oslo", "Rome", "Wien"):
        if city in wanted["city"]:
            wanted = wanted.with_columns((pl.col("city") == city).alias(f"city_{city}"))
    both = pl.concat([train, val]).sort("at")
    check(both, wanted.drop("city").select(both.columns), rel_tol=1e-5)


def test_a_joined_table_before_filters_and_an_order(source, tmp_path) -> None:
    cities = pl.DataFrame(
        {"city": ["Rome", "Oslo", "Wien"], "country": ["IT", "NO", "AT"], "rate": [1.0, 11.7, 1.0]}
    )
    cities.write_csv(tmp_path / "cities.csv")
    convert(
        source, to="arrow", output=tmp_path / "o", join=tmp_path / "cities.csv", on="city",
        how="inner", derive={"euros": "round(spent / rate, 2)"},
        where='euros is not null and "user id" % 2 = 0', sort_by=["country", "euros:desc"],
        drop=["page"],
    )  # fmt: skip
    wanted = (
        visits()
        .join(cities, on="city", how="inner", maintain_order="left")
        .with_columns(euros=(pl.col("spent") / pl.col("rate")).round(2))
        .filter(pl.col("euros").is_not_null() & (pl.col("user id") % 2 == 0))
        .sort("country", "euros", descending=[False, True], maintain_order=True)
        .drop("page")
    )
    check(rows_of(tmp_path / "o"), wanted)
