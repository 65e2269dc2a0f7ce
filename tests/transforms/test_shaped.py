"""Rows that go through steps: the same as Polars makes of them, whatever the cut of the work."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.transforms.options import ShapeOptions
from tests.manifest_files import read_document, rejected_csv

N = 3_000
KINDS = ("TRANSFER", "CASH_OUT", "PAYMENT", "DEBIT")


def frame() -> pl.DataFrame:
    numbers = range(N)
    return pl.DataFrame(
        {
            "step": list(numbers),
            "type": [KINDS[i * 7 % 4] for i in numbers],
            "amount": [None if i % 50 == 0 else i * 37 % 1000 + 0.1 for i in numbers],
            "old": [i * 13 % 97 + 0.25 for i in numbers],
            "new": [i % 11 - 5 for i in numbers],
            "zip": [f"{i % 90:05d}" for i in numbers],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shaped")
    rows = frame()
    rows.write_csv(folder / "rows.csv")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    rows.write_ndjson(folder / "rows.jsonl")
    pq.write_table(rows.to_arrow(), folder / "rows.parquet", row_group_size=500)
    return folder


def check(dataset: Path, source: Path) -> None:
    """Every value of a dataset is what its steps make of its source."""
    assert verify(dataset, source=source).findings == ()


WHERE = "amount > 300 and type in ('TRANSFER', 'CASH_OUT') and err > 0"
DERIVE = {"err": "new + amount - old", "twice": "2 * err", "kind": "lower(type)"}


def expected() -> pl.DataFrame:
    err = pl.col("new") + pl.col("amount") - pl.col("old")
    return (
        frame()
        .with_columns(err=err, twice=2 * err, kind=pl.col("type").str.to_lowercase())
        .filter(
            (pl.col("amount") > 300)
            & pl.col("type").is_in(["TRANSFER", "CASH_OUT"])
            & (pl.col("err") > 0)
        )
    )


def rows_of(path: Path, columns: list[str] | None = None) -> list[dict[str, Any]]:
    dataset = open_dataset(path)
    read = dataset.read() if columns is None else dataset.read(columns)
    return [row for batch in read for row in batch.to_pylist()]


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.parquet"])
def test_rows_are_those_of_polars_whatever_the_source(folder, tmp_path, name) -> None:
    source = folder / name
    report = convert(
        source, to="parquet", output=tmp_path / "out", where=WHERE, derive=DERIVE, shards=3
    )
    wanted = expected()
    assert report.rows == len(wanted)
    assert report.filtered_rows == N - len(wanted)
    assert open_dataset(tmp_path / "out").manifest.filtered_rows == N - len(wanted)
    got = rows_of(tmp_path / "out")
    for name in wanted.columns:
        values = [row[name] for row in got]
        if name in ("amount", "old"):
            assert values == pytest.approx(wanted[name].to_list(), rel=1e-7)
        else:
            assert values == wanted[name].to_list()
    check(tmp_path / "out", source)


@pytest.mark.parametrize("to", FORMATS)
def test_all_formats_hold_the_same_rows_and_verify_against_the_source(folder, tmp_path, to) -> None:
    source = folder / "rows.csv"
    layout = {"to": to, "output": tmp_path / "out", "shards": 2}
    convert(source, **layout, where=WHERE, derive={"err": DERIVE["err"]}, columns=["step", "err"])
    wanted = expected()
    got = rows_of(tmp_path / "out")
    assert [row["step"] for row in got] == wanted["step"].to_list()
    assert [row["err"] for row in got] == pytest.approx(wanted["err"].to_list(), rel=1e-6)
    check(tmp_path / "out", source)


def test_the_same_bytes_whatever_the_jobs_and_units(folder, tmp_path) -> None:
    digests = []
    for jobs, unit_bytes in ((1, 1 << 20), (3, 997), (2, 20_011)):
        options = ConvertOptions(
            to="parquet",
            output=tmp_path / f"out{unit_bytes}",
            shards=3,
            jobs=jobs,
            shape=ShapeOptions(where=(WHERE,), derive=DERIVE, sample=0.5, seed=3),
        )
        manifest = run([folder / "rows.csv"], options, unit_bytes=unit_bytes).manifest
        digests.append([file.checksum for shard in manifest.shards for file in shard.files])
        statistics = manifest.statistics["amount"]
        kept = rows_of(tmp_path / f"out{unit_bytes}")
        assert statistics.count == len(kept)
        assert statistics.minimum == min(r["amount"] for r in pl_rows(kept))
    assert digests[0] == digests[1] == digests[2]


def pl_rows(kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    steps = {row["step"] for row in kept}
    return [row for row in frame().to_dicts() if row["step"] in steps]


def test_the_same_rows_are_sampled_whatever_the_shards_and_the_share_is_kept(folder, tmp_path):
    kept = []
    for shards in (1, 4):
        convert(
            folder / "rows.csv", to="arrow", output=tmp_path / f"s{shards}", shards=shards,
            sample=0.25, seed=7,
        )  # fmt: skip
        kept.append([row["step"] for row in rows_of(tmp_path / f"s{shards}")])
    assert kept[0] == kept[1]
    assert abs(len(kept[0]) - N / 4) < 5 * (N * 0.25 * 0.75) ** 0.5
    convert(folder / "rows.csv", to="arrow", output=tmp_path / "other", sample=0.25, seed=8)
    assert [row["step"] for row in rows_of(tmp_path / "other")] != kept[0]


def test_a_column_may_be_renamed_and_replaced(folder, tmp_path) -> None:
    convert(
        folder / "rows.csv",
        to="parquet",
        output=tmp_path / "out",
        rename={"amount": "sum", "new": "n"},
        derive={"n": "n * 10"},
        where="sum is not null",
        types={"zip": "text"},
    )
    dataset = open_dataset(tmp_path / "out")
    assert dataset.schema.names == ("step", "type", "sum", "old", "n", "zip")
    wanted = frame().filter(pl.col("amount").is_not_null())
    assert [row["n"] for row in rows_of(tmp_path / "out")] == (wanted["new"] * 10).to_list()
    assert dataset.schema["zip"].dtype == "text"
    check(tmp_path / "out", folder / "rows.csv")


def test_a_column_that_is_only_read_needs_not_be_kept_and_may_have_a_type(folder, tmp_path) -> None:
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "out",
        where="zip = '00007'", types={"zip": "text"}, columns=["step"],
    )  # fmt: skip
    assert [row["step"] for row in rows_of(tmp_path / "out")] == list(range(7, N, 90))
    check(tmp_path / "out", folder / "rows.csv")


def test_the_steps_are_in_the_manifest_and_decide_whether_a_run_goes_on(folder, tmp_path) -> None:
    convert(folder / "rows.csv", to="parquet", output=tmp_path / "out", where="new > 0")
    steps = read_document(tmp_path / "out")["transforms"]
    assert steps == [
        {"step": "read", "columns": {"new": "int8"}, "fixed": []},
        {"step": "where", "expression": "new > 0"},
    ]


def test_no_row_is_left_and_all_rows_are(folder, tmp_path) -> None:
    report = convert(folder / "rows.csv", to="npy", output=tmp_path / "a", where="new > 100",
                     columns=["step", "new"])  # fmt: skip
    assert (report.rows, report.filtered_rows) == (0, N)
    report = convert(folder / "rows.csv", to="npy", output=tmp_path / "b", where="new < 100",
                     columns=["step", "new"])  # fmt: skip
    assert (report.rows, report.filtered_rows) == (N, 0)


def test_values_are_computed_before_they_are_narrowed(tmp_path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("x\n" + "0.1\n0.2\n0.3\n" * 50)
    convert(source, to="parquet", output=tmp_path / "out", derive={"y": "x * 3"})
    assert open_dataset(tmp_path / "out").schema["x"].dtype == "float32"
    assert [r["y"] for r in rows_of(tmp_path / "out")][:3] == [0.1 * 3, 0.2 * 3, 0.3 * 3]


LATE = 1_500


@pytest.mark.parametrize(
    ("late", "words"),
    [("12.5", "'12.5' is not uint16"), ("abc", "'abc' is not uint16"), ("", None)],
)
def test_a_column_of_another_kind_late_is_a_located_error(tmp_path, late, words) -> None:
    source = tmp_path / "a.csv"
    lines = [f"{i + 40_000},{i % 7}\n" for i in range(N)]
    lines[LATE] = f"{late},1\n"
    source.write_text("a,b\n" + "".join(lines))
    options = ConvertOptions(
        to="parquet",
        output=tmp_path / "out",
        columns=("b",),
        shape=ShapeOptions(where=("a >= 0 or a is null",)),
    )
    if words is None:
        assert run([source], options, sample_bytes=4096).rows == len(lines)
        return
    with pytest.raises(DataError, match=f"line {LATE + 2:,}") as caught:
        run([source], options, sample_bytes=4096)
    assert words in str(caught.value)
    assert "--type 'a=" in str(caught.value.hint)


def test_a_row_without_a_value_is_located_or_rejected(tmp_path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("a,b\n1,x\n9223372036854775807,y\n3,z\n")
    options: dict[str, Any] = {"to": "parquet", "derive": {"c": "a + 1"}}
    with pytest.raises(DataError, match="line 3") as caught:
        convert(source, output=tmp_path / "out", **options)
    assert 'derive="c": overflow' in str(caught.value)
    report = convert(source, output=tmp_path / "out", on_bad_row="skip", force=True, **options)
    assert (report.rows, report.rejected_rows) == (2, 1)
    assert [row["c"] for row in rows_of(tmp_path / "out")] == [2, 4]
    rejects = rejected_csv(tmp_path / "out").decode()
    assert '"9223372036854775807,y"' in rejects
    assert ",3," in rejects
    check(tmp_path / "out", source)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"where": "amont > 0"}, "amont > 0\n  ^^^^^"),
        ({"where": "amount + 1"}, "a condition is true or false"),
        ({"where": "type > 1"}, "not comparable"),
        ({"where": "amount >"}, "does not parse"),
        ({"derive": {"a": "foo(amount)"}}, 'no function "foo"'),
        ({"derive": {"a": "b", "b": "amount"}}, 'no column "b"'),
        ({"rename": {"amont": "x"}}, 'no column "amont"'),
        ({"rename": {"amount": "old"}}, 'two columns would be called "old"'),
        ({"sample": 1.5}, "not a share"),
        ({"where": "amount > 0", "drop": ["nothing"]}, 'no column "nothing"'),
    ],
)
def test_what_cannot_be_is_a_usage_error_before_any_work(folder, tmp_path, options, words) -> None:
    with pytest.raises(UsageError) as caught:
        convert(folder / "rows.csv", to="parquet", output=tmp_path / "out", **options)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_dataset_goes_through_steps_as_its_source_does(folder, tmp_path) -> None:
    convert(folder / "rows.csv", to="npy", output=tmp_path / "all")
    options: dict[str, Any] = {"to": "arrow", "where": "type = 'DEBIT'", "derive": {"d": "new % 2"}}
    convert(tmp_path / "all", output=tmp_path / "some", **options)
    convert(folder / "rows.csv", output=tmp_path / "direct", **options)
    keep = ["step", "type", "d"]
    assert rows_of(tmp_path / "some", keep) == rows_of(tmp_path / "direct", keep)
    check(tmp_path / "some", tmp_path / "all")


def test_text_lines_can_be_filtered(tmp_path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("error: one\nfine\nerror: two\n")
    convert(source, to="parquet", output=tmp_path / "out", text=True, where="text like 'error:%'")
    assert [row["text"] for row in rows_of(tmp_path / "out")] == ["error: one", "error: two"]


def test_arrow_types_of_tables_reach_expressions(tmp_path) -> None:
    table = pa.table({"u": pa.array([1, 2, 2**63], pa.uint64()), "b": [True, False, None]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 3"):
        convert(tmp_path / "a.parquet", to="arrow", output=tmp_path / "o", derive={"v": "u + 0"})
    convert(tmp_path / "a.parquet", to="arrow", output=tmp_path / "o", where="b", force=True)
    assert rows_of(tmp_path / "o") == [{"u": 1, "b": True}]


class Stopped(Exception):
    """In place of a kill."""


def test_a_run_that_ended_goes_on_under_the_same_steps_alone(folder, tmp_path) -> None:
    def options(expression: str) -> ConvertOptions:
        return ConvertOptions(
            to="arrow",
            output=tmp_path / "out",
            shards=8,
            jobs=1,
            shape=ShapeOptions(
                where=(expression,), derive=DERIVE, sample=0.5, fill={"old": "mean"}
            ),
        )

    def stop(progress: Any) -> None:
        if progress.rows > 300:
            raise Stopped

    with pytest.raises(Stopped):
        run([folder / "rows.csv"], options(WHERE), progress=stop, unit_bytes=2_000)
    report = run([folder / "rows.csv"], options(WHERE), unit_bytes=2_000)
    whole = run(
        [folder / "rows.csv"], dataclasses.replace(options(WHERE), output=tmp_path / "whole")
    )
    assert report.resumed_shards > 0
    assert [s.files[0].checksum for s in report.manifest.shards] == [
        s.files[0].checksum for s in whole.manifest.shards
    ]
    assert report.filtered_rows == whole.filtered_rows


def test_shards_are_repaired_with_their_steps(folder, tmp_path) -> None:
    given: dict[str, Any] = {
        "to": "parquet", "output": tmp_path / "out", "shards": 3, "where": WHERE, "derive": DERIVE,
    }  # fmt: skip
    before = convert(folder / "rows.csv", **given)
    sorted((tmp_path / "out").glob("[!_]*.parquet"))[1].write_bytes(b"damaged")
    after = convert(folder / "rows.csv", **given, repair=True)
    assert after.manifest.shards == before.manifest.shards
    assert after.filtered_rows == before.filtered_rows
    check(tmp_path / "out", folder / "rows.csv")


def test_truth_that_steps_make_is_stored_as_the_number_that_is_asked_for(folder, tmp_path):
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "o",
        derive={"is_large": "amount > 500"}, one_hot=["type"],
        types={"is_large": "int8", "type_*": "float32"},
    )  # fmt: skip
    check(tmp_path / "o", folder / "rows.csv")
    found = pl.read_parquet(tmp_path / "o")
    assert found.schema["is_large"] == pl.Int8
    large = (frame()["amount"] > 500).cast(pl.Int8)
    assert found["is_large"].to_list() == large.to_list()
    for kind in KINDS:
        wanted = (frame()["type"] == kind).cast(pl.Float32)
        assert found[f"type_{kind}"].equals(wanted.alias(f"type_{kind}"))
    with pytest.raises(DataError, match="is not int8"):
        convert(
            folder / "rows.csv", to="parquet", output=tmp_path / "p",
            derive={"kind": "lower(type)"}, types={"kind": "int8"},
        )  # fmt: skip
