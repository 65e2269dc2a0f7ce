"""Selections of rows: exact numbers, uniform, the same whatever the cut of the work."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.options import request_of
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.transforms.first_pass import FirstPass
from bigdata_cli.transforms.options import ShapeOptions
from bigdata_cli.transforms.selections.keys import ClassKeys, apportioned
from bigdata_cli.transforms.shape import shaped
from bigdata_cli.types.lattice import TypeOptions
from tests.examples import examples

N = 6_000
SOURCES = ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.parquet"]


def frame() -> pl.DataFrame:
    numbers = range(N)
    return pl.DataFrame(
        {
            "i": list(numbers),
            "city": [("Rome", "Oslo", "Paris", None)[min(i * i % 23 // 6, 3)] for i in numbers],
            "odd": [i % 7 == 0 for i in numbers],
            "x": [i * 37 % 1000 + 0.1 for i in numbers],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("selections")
    rows = frame()
    rows.write_csv(folder / "rows.csv")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    rows.write_ndjson(folder / "rows.jsonl")
    pq.write_table(rows.to_arrow(), folder / "rows.parquet", row_group_size=700)
    return folder


def kept(path: Path) -> list[int]:
    return [row["i"] for batch in open_dataset(path).read(["i"]) for row in batch.to_pylist()]


def counts(indices: list[int], column: str) -> dict[Any, int]:
    found = frame()[indices][column].value_counts()
    return dict(found.iter_rows())


SELECTIONS: dict[str, dict[str, Any]] = {
    "limit": {"limit": 1234},
    "where and limit": {"where": "odd", "limit": 100},
    "sample": {"sample": "500rows", "seed": 3},
    "stratify": {"sample": "500rows", "stratify": "city"},
    "stratified share": {"sample": 0.1, "stratify": "odd"},
    "balance": {"balance": "city"},
    "all": {"where": "x > 200", "balance": "odd", "sample": 0.5, "limit": 300},
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_the_same_rows_whatever_the_jobs_shards_and_units(folder, tmp_path, name) -> None:
    found = []
    for jobs, shards, unit_bytes in ((1, 1, 1 << 20), (2, 3, 997)):
        options = ConvertOptions(
            to="arrow",
            output=tmp_path / str(jobs),
            shards=shards,
            jobs=jobs,
            shape=request_of(ShapeOptions, SELECTIONS[name]),
        )
        report = run([folder / "rows.csv"], options, unit_bytes=unit_bytes)
        found.append((kept(tmp_path / str(jobs)), report.filtered_rows))
    assert found[0] == found[1]
    assert 0 < len(found[0][0]) < N


@pytest.mark.parametrize("source", SOURCES)
def test_the_first_rows_that_are_left_are_those_of_polars(folder, tmp_path, source) -> None:
    report = convert(
        folder / source, to="parquet", output=tmp_path / "o", where="odd", limit=150, shards=2
    )
    wanted = frame().filter(pl.col("odd"))[:150]["i"].to_list()
    assert kept(tmp_path / "o") == wanted
    # Nothing after the last one is read.
    assert report.rows + report.filtered_rows == wanted[-1] + 1
    assert all(shard.rows > 0 for shard in report.manifest.shards)
    assert verify(tmp_path / "o", source=folder / source).findings == ()


@pytest.mark.parametrize("source", SOURCES)
def test_exactly_so_many_rows_are_sampled(folder, tmp_path, source) -> None:
    report = convert(folder / source, to="npy", output=tmp_path / "o", sample="1_000rows",
                     columns=["i", "x"])  # fmt: skip
    assert report.rows == 1_000
    assert report.filtered_rows == N - 1_000
    found = kept(tmp_path / "o")
    assert len(set(found)) == 1_000
    assert verify(tmp_path / "o", source=folder / source).findings == ()


def test_what_stands_after_the_limit_does_no_harm(tmp_path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("n,m\n" + "1,2\n\n" * 500 + 'abc,"\n' + "1,2,3\n" * 10)
    report = convert(source, to="arrow", output=tmp_path / "o", limit=500)
    assert (report.rows, report.filtered_rows) == (500, 0)
    assert [one.dtype for one in open_dataset(tmp_path / "o").schema] == ["int8", "int8"]


def test_a_limit_over_several_files(folder, tmp_path) -> None:
    for name, rows in (("a", 10), ("b", 20), ("c", 30)):
        (tmp_path / f"{name}.csv").write_text("i\n" + "".join(f"{i}\n" for i in range(rows)))
    files = [tmp_path / f"{name}.csv" for name in "abc"]
    report = convert(files, to="parquet", output=tmp_path / "o", limit=25, shards=2)
    assert kept(tmp_path / "o") == [*range(10), *range(15)]
    assert len(report.manifest.sources) == 3
    assert verify(tmp_path / "o", source=files).findings == ()


@pytest.mark.parametrize("option", [{"limit": 10**6}, {"sample": "1Mrows"}])
def test_fewer_rows_than_asked_for_are_all_of_them(folder, tmp_path, option) -> None:
    report = convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", **option)
    assert (report.rows, report.filtered_rows) == (N, 0)
    assert verify(tmp_path / "o", source=folder / "rows.csv").findings == ()


@pytest.mark.parametrize("source", SOURCES)
def test_a_stratified_sample_has_the_shares_of_the_classes(folder, tmp_path, source) -> None:
    convert(folder / source, to="parquet", output=tmp_path / "o", sample="777rows", stratify="city")
    found = kept(tmp_path / "o")
    assert len(found) == 777
    whole = counts(list(range(N)), "city")
    got = counts(found, "city")
    assert all(abs(got[value] - 777 * n / N) < 1 for value, n in whole.items())
    assert verify(tmp_path / "o", source=folder / source).findings == ()


def test_classes_are_balanced_by_the_smallest(folder, tmp_path) -> None:
    convert(folder / "rows.csv", to="parquet", output=tmp_path / "o", balance="city")
    smallest = min(counts(list(range(N)), "city").values())
    assert set(counts(kept(tmp_path / "o"), "city").values()) == {smallest}
    assert verify(tmp_path / "o", source=folder / "rows.csv").findings == ()


def test_a_balance_is_of_the_rows_that_are_left_and_of_new_columns(folder, tmp_path) -> None:
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "o", balance="third",
        derive={"third": "i % 3 = 0"}, where="i >= 3000", columns=["i"],
    )  # fmt: skip
    found = kept(tmp_path / "o")
    assert len(found) == 2_000
    assert min(found) >= 3000
    assert sum(i % 3 == 0 for i in found) == 1_000


@pytest.mark.parametrize("option", [{"sample": "50rows"}, {"balance": "c"}])
def test_each_row_is_as_likely_as_any_other(tmp_path, option) -> None:
    """Chi-square of how often each of 100 rows is drawn, with 100 seeds."""
    source = tmp_path / "a.csv"
    source.write_text("i,c\n" + "".join(f"{i},{'ab'[i >= 25]}\n" for i in range(100)))
    rows = open_rows([source])
    drawn = np.zeros(100)
    for seed in range(100):
        selected = shaped(rows, ShapeOptions(seed=seed, **option))
        read = FirstPass.of(selected, TypeOptions(), ["i"], why="", hint="")
        for _, chunk in read.chunks():
            drawn[chunk.batch.column(0).to_pylist()] += 1
    chosen = drawn if "sample" in option else drawn[25:]
    share = chosen.mean() / 100
    # The variance of a draw without replacement; the sum of squares is about chi-square.
    score = ((chosen - chosen.mean()) ** 2).sum() / (100 * share * (1 - share))
    assert score < 150


def test_two_draws_do_not_follow_from_each_other(folder, tmp_path) -> None:
    convert(folder / "rows.csv", to="npy", output=tmp_path / "o", balance="odd", sample=0.5,
            columns=["i"])  # fmt: skip
    balanced = 2 * min(counts(list(range(N)), "odd").values())
    assert abs(len(kept(tmp_path / "o")) - balanced / 2) < 5 * (balanced / 4) ** 0.5


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"sample": "0rows"}, UsageError, '"0rows" is not a number of rows'),
        ({"sample": "1__0rows"}, UsageError, "is not a number of rows"),
        ({"sample": 1000}, UsageError, "is not a share of the rows"),
        ({"sample": True}, UsageError, "sample is True"),
        ({"stratify": "city"}, UsageError, "stratify goes with sample"),
        ({"balance": "town"}, UsageError, 'there is no column "town"'),
        ({"balance": "i"}, DataError, "has more than 1,000 values"),
        ({"sample": 0.5, "stratify": "i"}, DataError, "has more than 1,000 values"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    folder, tmp_path, options, error, words
) -> None:
    with pytest.raises(error, match=words):
        convert(folder / "rows.csv", to="parquet", output=tmp_path / "o", **options)
    assert not (tmp_path / "o").exists()


class Stopped(Exception):
    """In place of a kill."""


@pytest.mark.parametrize("name", ["limit", "all"])
def test_a_run_that_ended_goes_on(folder, tmp_path, name) -> None:
    options = ConvertOptions(
        to="arrow",
        output=tmp_path / "o",
        shards=8,
        jobs=1,
        shape=request_of(ShapeOptions, SELECTIONS[name]),
    )

    def stop(progress: Any) -> None:
        if progress.rows > 200:
            raise Stopped

    with pytest.raises(Stopped):
        run([folder / "rows.csv"], options, progress=stop, unit_bytes=2_000)
    report = run([folder / "rows.csv"], options, unit_bytes=2_000)
    whole = run([folder / "rows.csv"], dataclasses.replace(options, output=tmp_path / "whole"))
    assert report.resumed_shards > 0
    assert kept(tmp_path / "o") == kept(tmp_path / "whole")
    assert report.filtered_rows == whole.filtered_rows


def test_bad_rows_do_not_count(tmp_path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("i,n\n" + "".join(f"{i},{'x' if i % 4 == 0 else i}\n" for i in range(400)))
    how: dict[str, Any] = {"on_bad_row": "skip", "types": {"n": "int64"}, "to": "arrow"}
    report = convert(source, output=tmp_path / "s", sample="200rows", **how)
    assert report.rows == 200
    report = convert(source, output=tmp_path / "l", limit=200, **how)
    assert report.rows == 200
    assert kept(tmp_path / "l")[-1] == [i for i in range(400) if i % 4][199]


@examples(30)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1)), unique_by=lambda r: r[1],
                  max_size=80),
    share=st.floats(0, 1),
    max_kept=st.sampled_from([0, 5, 1000]),
)  # fmt: skip
def test_the_last_keys_are_those_of_a_sort(rows, share, max_kept) -> None:
    codes = np.array([code for code, _ in rows], np.int64)
    keys = np.array([key for _, key in rows], np.uint64)
    found = ClassKeys(max_kept=max_kept)
    for start in range(0, len(rows), 7):
        piece = slice(start, start + 7)
        found.add(4, (codes[piece], keys[piece]))
    wanted = [int(n * share) for n in found.counts]
    last = found.last_keys(wanted, [(codes, keys)])
    for code, n in enumerate(wanted):
        ordered = sorted(key for one, key in rows if one == code)
        assert last[code] == (ordered[n - 1] if n else None)


@examples(30)
@given(
    keys=st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=1, max_size=200),
    n=st.integers(1, 20),
)
def test_keys_that_cannot_be_wanted_are_let_go(keys, n) -> None:
    found = ClassKeys(max_rows=n, max_kept=50)
    rows = np.zeros(len(keys), np.int64), np.array(keys, np.uint64)
    for start in range(0, len(keys), 10):
        piece = slice(start, start + 10)
        found.add(1, (rows[0][piece], rows[1][piece]))
    wanted = min(n, len(keys))
    assert found.last_keys([wanted], [rows]) == [sorted(keys)[wanted - 1]]


@examples(50)
@given(counts=st.lists(st.integers(0, 10**6), min_size=1, max_size=20), share=st.floats(0, 1))
def test_shares_add_up_and_are_exact_within_one_row(counts, share) -> None:
    n_rows = int(sum(counts) * share)
    shares = apportioned(n_rows, counts)
    assert sum(shares) == n_rows
    for mine, count in zip(shares, counts, strict=True):
        assert mine <= count
        assert abs(mine - n_rows * count / max(sum(counts), 1)) < 1
