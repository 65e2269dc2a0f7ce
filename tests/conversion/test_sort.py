"""Conversions that sort their rows: as Polars' stable sort does, whatever the cut of the work."""

from __future__ import annotations

import gzip
import json
import math
from datetime import UTC, date, datetime, timedelta
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
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.formats.buckets.sort_keys import Keys, SortColumn
from bigdata_cli.formats.buckets.write import BucketOptions
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.sources.tables import sorted_runs
from tests.examples import examples
from tests.manifest_files import as_json, rejected_csv
from tests.reliability.children import write_source, write_widening_source

N = 4_000


def frame() -> pl.DataFrame:
    """Every type, nulls, one value for half of the rows, and where each row was."""
    chance = np.random.default_rng(3)
    half = np.where(chance.random(N) < 0.5, 7, chance.integers(-300, 300, N))
    texts = np.array(["", "a", "ab", "a b", "Ä", "z", "zz"])[chance.integers(0, 7, N)]
    start = datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "row": range(N),
            "half": [None if i % 11 == 0 else int(x) for i, x in enumerate(half)],
            "float": [
                None if i % 7 == 0 else round(x, 2)
                for i, x in enumerate(chance.normal(0, 9, N).tolist())
            ],
            "text": texts.tolist(),
            "long": [f"id-{x:07d}" for x in chance.integers(0, N, N)],
            "bool": (chance.random(N) < 0.3).tolist(),
            "date": [date(2020, 1, 1) + timedelta(int(x)) for x in chance.integers(0, 900, N)],
            "time": [start + timedelta(seconds=int(x)) for x in chance.integers(-9, 9, N)],
            "big": [int(x) for x in chance.integers(2**62, 2**64 - 1, N, dtype=np.uint64)],
            "same": [1] * N,
        },
        schema_overrides={"big": pl.UInt64},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sort")
    pq.write_table(frame().to_arrow(), folder / "rows.parquet", row_group_size=700)
    frame().write_csv(folder / "rows.csv", null_value="NA")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    return folder


def column_of(dataset: Path, name: str = "row") -> list[Any]:
    """The values of a column in the order of the rows."""
    return [
        value
        for batch in open_dataset(dataset).read(columns=[name])
        for value in batch.column(0).to_pylist()
    ]


def expected(by: tuple[str, ...]) -> list[int]:
    """Where rows were, in the order of Polars' stable sort."""
    names = [one.removesuffix(":desc") for one in by]
    down = [one.endswith(":desc") for one in by]
    rows = frame().sort(names, descending=down, nulls_last=True, maintain_order=True)
    return rows["row"].to_list()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tables, buckets, parts and shares of few rows."""
    monkeypatch.setattr(scatter, "SHARE_BYTES", 20_000)
    monkeypatch.setattr(scatter, "PART_BYTES", 60_000)
    monkeypatch.setattr("bigdata_cli.formats.buckets.write.BucketWriter.batch_rows", 300)


KEYS = [
    ("half",), ("float",), ("text",), ("long",), ("bool",), ("date",), ("time",), ("big",),
    ("same",),
    ("half:desc",), ("float:desc",), ("text:desc",), ("big:desc",), ("time:desc", "bool"),
    ("text", "half:desc", "float"), ("bool:desc", "text:desc", "date"), ("same", "long"),
]  # fmt: skip


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("by", KEYS, ids="-".join)
def test_any_type_as_polars_sorts_it(by, folder, tmp_path):
    convert(folder / "rows.parquet", to="parquet", output=tmp_path / "out", sort_by=by, shards=3)
    assert column_of(tmp_path / "out") == expected(by)
    assert verify(tmp_path / "out", source=folder / "rows.parquet").passed


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name, folder, tmp_path):
    report = convert(
        folder / "rows.csv", to=name, output=tmp_path / "out", sort_by=["half", "long:desc"],
        null=["NA"], drop=["time"], shards=3,
    )  # fmt: skip
    assert report.rows == N
    assert column_of(tmp_path / "out") == expected(("half", "long:desc"))
    manifest = open_dataset(tmp_path / "out").manifest
    assert (manifest.order, manifest.options["sort_by"]) == ("sorted", ["half", "long:desc"])
    assert [shard.rows for shard in manifest.shards] == [1333, 1333, 1334]
    assert not (tmp_path / "out" / "_scattered").exists()
    assert verify(tmp_path / "out", source=folder / "rows.csv").passed


def test_the_order_does_not_depend_on_the_cut_of_the_work(folder, tmp_path, monkeypatch):
    by = ("text", "half:desc")
    source = folder / "rows.csv"
    asked: dict[str, dict[str, Any]] = {
        "large": {},
        "units": {"jobs": 1, "unit_bytes": 3_000},
        "buckets": {},
        "tables": {"shards": 7},
        "files": {},
    }
    for name, options in asked.items():
        sizes = {key: options.pop(key) for key in ("unit_bytes",) if key in options}
        with monkeypatch.context() as patch:
            if name in ("buckets", "files"):
                patch.setattr(scatter, "SHARE_BYTES", 10_000)
            if name in ("tables", "files"):
                patch.setattr("bigdata_cli.formats.buckets.write.BucketWriter.batch_rows", 111)
            if name == "files":
                patch.setattr(scatter, "PART_BYTES", 20_000)
                patch.setattr(sorted_runs, "_OPEN_FILES", 2)
            run(
                [source],
                ConvertOptions(
                    to="parquet", output=tmp_path / name, order=OrderOptions(sort_by=by), **options
                ),
                **sizes,
            )
        assert column_of(tmp_path / name) == expected(by), name


@pytest.mark.usefixtures("small")
def test_streams_and_pipes(folder, tmp_path):
    convert(folder / "rows.csv.gz", to="arrow", output=tmp_path / "gz", sort_by="half", null=["NA"])
    assert column_of(tmp_path / "gz") == expected(("half",))
    convert(tmp_path / "gz", to="npy", output=tmp_path / "again", sort_by=["row"])
    assert column_of(tmp_path / "again") == list(range(N))


def test_skew_does_not_fill_memory(tmp_path, monkeypatch):
    """Equal keys go out in shares as other keys do."""
    monkeypatch.setattr(scatter, "SHARE_BYTES", 16_000)
    monkeypatch.setattr("bigdata_cli.formats.buckets.write.BucketWriter.batch_rows", 1_000)
    shares: list[int] = []
    joined = sorted_runs._joined

    def counted(held: Any, types: pa.Schema) -> Any:
        order, rows = joined(held, types)
        shares.append(len(order))
        return order, rows

    monkeypatch.setattr(sorted_runs, "_joined", counted)
    source = tmp_path / "skew.csv"
    n = 60_000
    for name, key in {"all": lambda i: 5, "half": lambda i: 5 if i % 2 else i * 7919 % n}.items():
        source.write_text("key,row\n" + "".join(f"{key(i)},{i}\n" for i in range(n)))
        shares.clear()
        convert(source, to="parquet", output=tmp_path / name, sort_by="key")
        rows = sorted(range(n), key=lambda i: (key(i), i))
        assert column_of(tmp_path / name) == rows
        assert sum(shares) == n
        assert max(shares) * 6 < 4 * 16_000


@pytest.mark.parametrize("kind", ["headers", "values", "text"])
def test_types_that_change_late(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(scatter, "PART_BYTES", 9_000)
    source = write_widening_source(tmp_path / "data.csv", kind)
    convert(source, to="parquet", output=tmp_path / "plain")
    plain = pl.read_parquet(tmp_path / "plain/*.parquet")
    for name in plain.columns:
        output = tmp_path / name
        run(
            [source],
            ConvertOptions(to="parquet", output=output, order=OrderOptions(sort_by=(name,))),
            sample_bytes=2_000,
            unit_bytes=2_000,
        )
        found = pl.read_parquet(output / "*.parquet")
        if plain[name].dtype == pl.Categorical:
            plain = plain.with_columns(pl.col(name).cast(pl.String))
        assert found.cast(dict(plain.schema)).equals(
            plain.sort(name, nulls_last=True, maintain_order=True)
        )


def test_bad_rows_are_set_aside(tmp_path):
    source = write_source(tmp_path / "data.csv", 2_000)
    for name, options in {"plain": {}, "sorted": {"sort_by": ["kind", "id:desc"]}}.items():
        convert(source, to="parquet", output=tmp_path / name, on_bad_row="skip", **options)
    rejects = [rejected_csv(tmp_path / name) for name in ("plain", "sorted")]
    assert rejects[0] == rejects[1]
    assert verify(tmp_path / "sorted", source=source).passed
    before, after = (open_dataset(tmp_path / name).manifest for name in ("plain", "sorted"))
    assert before.schema == after.schema


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_few_rows(n_rows, tmp_path):
    source = tmp_path / "few.csv"
    source.write_text("a,b\n" + "".join(f"{9 - i},x\n" for i in range(n_rows)))
    options = {} if n_rows else {"types": {"a": "int8", "b": "text"}}
    convert(source, to="parquet", output=tmp_path / "out", sort_by="a", shards=2, **options)
    assert column_of(tmp_path / "out", "a") == sorted(9 - i for i in range(n_rows))


def test_verify_finds_rows_that_are_not_in_order(folder, tmp_path):
    source = folder / "rows.parquet"
    convert(source, to="parquet", output=tmp_path / "out", sort_by="half")
    path = as_json(tmp_path / "out")
    manifest = json.loads(path.read_text())
    for sort_by in (["long"], [], ["nothing"], 3):
        manifest["options"]["sort_by"] = sort_by
        path.write_text(json.dumps(manifest))
        whats = [finding.what for finding in verify(tmp_path / "out", source=source).findings]
        assert any("sort" in what for what in whats), sort_by


def test_wrong_options(folder, tmp_path):
    source, output = folder / "rows.csv", tmp_path / "out"
    for options, message in {
        (("sort_by", "hlaf"),): 'there is no column "hlaf" in the dataset',
        (("sort_by", "half"), ("drop", ("half",))): 'there is no column "half" in the dataset',
        (("sort_by", ("half", "half:desc")),): "by which rows are sorted already",
        (("sort_by", "half"), ("shuffle", True)): "exclude each other",
        (("sort_by", "half"), ("repair", True)): "has rows from all over the source",
    }.items():
        with pytest.raises(UsageError, match=message):
            convert(source, to="parquet", output=output, **dict(options))
    assert not output.exists()


def test_sorted_tables_count_against_the_disk(folder, tmp_path):
    plain = convert(folder / "rows.csv", to="parquet", output=tmp_path / "plain")
    with pytest.raises(BudgetError, match=r"on their way into another order \(sort_by"):
        convert(
            folder / "rows.csv", to="parquet", output=tmp_path / "out", sort_by="half",
            disk_limit=plain.bytes_out * 5 // 4,
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.string(): st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(UTC)),
    pa.null(): st.none(),
}


@examples(60)
@given(st.data())
def test_keys_are_in_the_order_of_polars(data):
    n_rows = data.draw(st.integers(0, 12))
    by, arrays = [], []
    for number in range(data.draw(st.integers(1, 3))):
        kind = data.draw(st.sampled_from(list(VALUES)))
        few = data.draw(st.lists(VALUES[kind], min_size=1, max_size=4))
        values = st.sampled_from([None, *few])
        arrays.append(pa.array([data.draw(values) for _ in range(n_rows)], kind))
        by.append(SortColumn(f"c{number}", data.draw(st.booleans())))
    keys = Keys.of(arrays, by)
    rows = pl.DataFrame({one.name: pl.from_arrow(a) for one, a in zip(by, arrays, strict=True)})
    rows = rows.with_row_index("row").sort(
        [one.name for one in by], descending=[one.descending for one in by], nulls_last=True,
        maintain_order=True,
    )  # fmt: skip
    order = keys.order().tolist()
    assert order == rows["row"].to_list()
    places = np.array(order, np.uint64)
    in_order = Keys.of([array.take(pa.array(order, pa.int64())) for array in arrays], by)
    for place, row in enumerate(order):
        assert in_order.n_before(keys.key(row), places, row) == place


def test_integers_of_all_widths_compare():
    by = [SortColumn("a")]
    parts = [
        Keys.of([pa.array(values, kind)], by)
        for values, kind in (
            ([3, -4], pa.int8()), ([70_000], pa.int32()), ([2**63, 2**64 - 1], pa.uint64()),
            ([None], pa.null()), ([2**63 - 1, None, -(2**63)], pa.int64()),
        )
    ]  # fmt: skip
    order = Keys.joined(parts).order().tolist()
    values = [3, -4, 70_000, 2**63, 2**64 - 1, math.inf, 2**63 - 1, math.inf, -(2**63)]
    assert order == sorted(range(9), key=lambda i: values[i])


def test_the_number_of_buckets_follows_from_the_size(monkeypatch):
    monkeypatch.setattr(scatter, "SHARE_BYTES", 1_000)
    from bigdata_cli.types.dtype import Column, Schema
    from bigdata_cli.types.statistics import ColumnStatistics

    schema = Schema((Column(name="a", dtype="int64"),))
    options = scatter.bucket_options(
        schema, {"a": ColumnStatistics()}, 1_000, OrderOptions(sort_by=("a",))
    )
    assert options == BucketOptions(bits=4, by=(SortColumn("a"),))
