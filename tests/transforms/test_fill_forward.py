"""`--fill COL=ffill`: the values of Polars, the same whatever the cut, again for other rows."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BudgetError, DataError
from bigdata_cli.options import request_of
from bigdata_cli.transforms import last_values
from bigdata_cli.transforms.last_values import LastValuesWriter
from bigdata_cli.transforms.options import ShapeOptions
from tests.examples import examples

N = 4_000
SOURCES = ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.parquet"]
FILLED = ["count", "x", "city", "day", "at", "is_on"]
FFILL = dict.fromkeys(FILLED, "ffill")


def frame() -> pl.DataFrame:
    i = pl.int_range(N, eager=True)
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 12, 31), eager=True)
    values = pl.DataFrame(
        {
            "i": i,
            "count": i * 31 % 1009,
            "x": (i * 37 % 997).cast(pl.Float64) + 0.1,
            "city": pl.Series(["Rome", "Oslo", "Paris", "Łódź"])[(i * i % 23 % 4).to_list()],
            "day": days[(i % 366).to_list()],
            "at": pl.Series([1_600_000_000_000_000 + 1_234_567 * n for n in range(N)]).cast(
                pl.Datetime("us")
            ),
            "is_on": i % 3 == 0,
        }
    )
    # Runs of nulls of all lengths, one at the beginning, one of two thousand rows.
    return values.with_columns(
        pl.when((i * i % (k + 11) < k + 3) | (i < k) | ((i > 1500) & (i < 3500) & (k == 2)))
        .then(None)
        .otherwise(pl.col(name))
        .alias(name)
        for k, name in enumerate(FILLED)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forward")
    rows = frame()
    rows.write_csv(folder / "rows.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    rows.write_ndjson(folder / "rows.jsonl")
    pq.write_table(rows.to_arrow(), folder / "rows.parquet", row_group_size=700)
    return folder


def stored(path: Path, columns: list[str] = FILLED) -> list[dict[str, Any]]:
    return [row for batch in open_dataset(path).read(columns) for row in batch.to_pylist()]


def wanted(rows: pl.DataFrame, columns: list[str] = FILLED) -> list[dict[str, Any]]:
    return rows.select(pl.col(columns).forward_fill()).to_dicts()


@pytest.mark.parametrize("source", SOURCES)
def test_the_values_are_those_of_polars(folder, tmp_path, source) -> None:
    report = convert(
        folder / source, to="parquet", output=tmp_path / "o", fill=FFILL, float="64", shards=3
    )
    assert stored(tmp_path / "o") == wanted(frame())
    left = frame()["city"].forward_fill().null_count()
    n = frame()["city"].null_count() - left
    note = f"--fill city=ffill: {n:,} nulls filled; {left:,} nulls before the first value"
    assert note in report.notes
    assert verify(tmp_path / "o", source=folder / source).findings == ()


def test_values_come_from_the_rows_that_are_kept_after_new_columns(folder, tmp_path) -> None:
    convert(
        folder / "rows.csv", to="arrow", output=tmp_path / "o", float="64",
        derive={"twice": "2 * count"}, where="is_on or i % 5 = 0", dedup=["i"], flag_null=["x"],
        fill={"twice": "ffill", "x": "ffill", "count": "mean"}, limit=900,
    )  # fmt: skip
    rows = frame().filter(pl.col("is_on") | (pl.col("i") % 5 == 0))[:900]
    rows = rows.with_columns(twice=2 * pl.col("count"), x_is_null=pl.col("x").is_null())
    columns = ["twice", "x", "x_is_null"]
    assert stored(tmp_path / "o", columns) == wanted(rows, columns)
    assert verify(tmp_path / "o", source=folder / "rows.csv").findings == ()


@pytest.mark.parametrize(
    "more", [{"shuffle": True}, {"sort_by": ["x"]}, {"split": {"train": 0.7, "val": 0.3}}]
)
def test_values_follow_the_order_of_the_source(folder, tmp_path, more) -> None:
    convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", fill=FFILL, float="64", **more)
    columns = ["i", *FILLED]
    got = sorted(stored(tmp_path / "o", columns), key=lambda row: row["i"])
    assert got == wanted(frame(), columns)
    assert verify(tmp_path / "o", source=folder / "rows.csv").findings == ()


def digests(source: Path, output: Path, *, jobs: int, shards: int, unit_bytes: int) -> list[str]:
    options = ConvertOptions(
        to="arrow",
        output=output,
        shards=shards,
        jobs=jobs,
        shape=request_of(ShapeOptions, {"fill": {"a": "ffill", "b": "ffill"}}),
    )
    manifest = run([source], options, unit_bytes=unit_bytes).manifest
    return [file.checksum for shard in manifest.shards for file in shard.files]


_RUN = st.tuples(st.sampled_from([None, 1, 2, 70000]), st.integers(1, 40))


@examples(15)
@given(runs=st.lists(st.tuples(_RUN, _RUN), min_size=1, max_size=30), shards=st.integers(1, 4))
def test_the_same_whatever_the_jobs_shards_and_units(tmp_path_factory, runs, shards) -> None:
    a, b = (
        [value for (value, n) in runs_of for _ in range(n)] for runs_of in zip(*runs, strict=True)
    )
    n = max(len(a), len(b))
    rows = pl.DataFrame({"a": a + [None] * (n - len(a)), "b": b + [None] * (n - len(b))})
    rows = rows.cast(pl.Int64)
    folder = tmp_path_factory.mktemp("cut")
    rows.with_columns(i=pl.int_range(n)).write_csv(folder / "rows.csv")
    found = [
        digests(folder / "rows.csv", folder / str(jobs), jobs=jobs, shards=shards, unit_bytes=size)
        for jobs, size in ((1, 1 << 20), (2, 101))
    ]
    assert found[0] == found[1]
    assert stored(folder / "1", ["a", "b"]) == wanted(rows, ["a", "b"])


def test_as_many_values_as_fill_several_blocks(tmp_path, monkeypatch) -> None:
    """The notes of a pass, in any pieces, against pandas' rule, with lookups anywhere."""
    monkeypatch.setattr(last_values, "_BLOCK_ROWS", 64)
    rng = np.random.default_rng(7)
    values = rng.integers(0, 50, 5_000)
    valid = rng.random(5_000) < 0.5
    array = pa.array(values, pa.int32(), mask=~valid)
    places = np.cumsum(rng.integers(1, 90, 5_000))
    found, sizes = set(), []
    for n_rows in (1, 7, 5_000):
        writer = LastValuesWriter(tmp_path / str(n_rows), sizes.append)
        for start in range(0, 5_000, n_rows):
            writer.add(array[start : start + n_rows], places[start : start + n_rows])
        noted = writer.finish()
        found.add(noted.digest)
        filled = pl.Series(array).forward_fill().to_list()
        for start, stop in ((0, 5_000), (10, 11), (2_000, 2_400), (4_990, 5_000)):
            at = np.flatnonzero(~valid[start:stop]) + start
            got = noted.at(places[at], pa.int64()).to_pylist()
            assert got == [filled[one] for one in at]
    assert len(found) == 1
    assert noted.filled + noted.leading == np.count_nonzero(~valid)
    assert max(sizes) >= noted.count * 16 > 64 * 16 * 4


def test_bad_rows_give_no_value_and_the_cut_changes_nothing(tmp_path) -> None:
    source = tmp_path / "a.csv"
    values = ["" if i % 3 else str(i) for i in range(900)]
    rows = [f"{value},{i}" if i % 9 else f"{value},{i},extra" for i, value in enumerate(values)]
    source.write_text("v,i\n" + "\n".join(rows) + "\n")
    for shards in (1, 4):
        convert(
            source, to="arrow", output=tmp_path / str(shards), shards=shards, fill={"v": "ffill"},
            on_bad_row="skip",
        )  # fmt: skip
    kept = [i for i in range(900) if i % 9]
    filled = pl.Series([None if i % 3 else i for i in kept]).forward_fill().to_list()
    assert [row["v"] for row in stored(tmp_path / "1", ["v"])] == filled
    assert stored(tmp_path / "1", ["v"]) == stored(tmp_path / "4", ["v"])
    assert verify(tmp_path / "1", source=source).findings == ()


def test_other_rows_are_filled_from_their_own_values(folder, tmp_path) -> None:
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "june", float="64",
        fill={"city": "ffill", "count": "ffill"}, standardize=["count"],
    )  # fmt: skip
    other = frame()[2_000:]
    other.write_csv(tmp_path / "july.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6f")
    convert(tmp_path / "july.csv", like=tmp_path / "june", output=tmp_path / "july")
    got = [row["city"] for row in stored(tmp_path / "july", ["city"])]
    assert got == other["city"].forward_fill().to_list()
    (step,) = [
        one
        for one in open_dataset(tmp_path / "june").manifest.transforms
        if one["step"] == "standardize"
    ]
    counts = (other["count"].forward_fill() - step["mean"]) / step["std"]
    numbers = [row["count"] for row in stored(tmp_path / "july", ["count"])]
    assert np.allclose(
        np.array(numbers, float), np.array(counts.to_list(), float), rtol=1e-6, equal_nan=True
    )
    assert verify(tmp_path / "july", source=tmp_path / "july.csv").findings == ()


def test_verify_says_where_other_values_come_before(folder, tmp_path) -> None:
    convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", fill={"count": "ffill"})
    changed = tmp_path / "rows.csv"
    text = (folder / "rows.csv").read_text().splitlines(keepends=True)
    line = next(n for n, one in enumerate(text) if n > 9 and one.split(",")[1] == "7")
    cells = text[line].split(",")
    cells[1] = "8"
    text[line] = ",".join(cells)
    changed.write_text("".join(text))
    assert verify(tmp_path / "o", source=changed).findings


def test_a_value_of_another_kind_after_the_sample_is_located(tmp_path) -> None:
    source = tmp_path / "a.csv"
    values = [str(i % 50 or "") for i in range(900_000)]
    values[650_123] = "n/k"
    source.write_text("v,i\n" + "".join(f"{one},{i}\n" for i, one in enumerate(values)))
    with pytest.raises(DataError, match=r"650,125.*\"v\"") as error:
        convert(source, to="parquet", output=tmp_path / "o", fill={"v": "ffill"})
    assert 'type={"v": "text"}' in str(error.value.hint)


def test_the_values_count_against_the_limit_of_the_disk(tmp_path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("v,i\n" + "".join(f"{i if i % 2 else ''},{i}\n" for i in range(60_000)))
    with pytest.raises(BudgetError, match="fill: the values of ffill need at least"):
        convert(
            source, to="parquet", output=tmp_path / "o", fill={"v": "ffill"}, disk_limit=400_000
        )
    assert not (tmp_path / "o").exists()
