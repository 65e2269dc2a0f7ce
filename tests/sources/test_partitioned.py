"""Folders that are called KEY=VALUE: their keys are columns of CSV files, JSON lines and tables."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, inspect, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.options import request_of


def write_csv(path, rows):
    path.write_text("id,x\n" + "".join(f"{i},{x}\n" for i, x in rows))


def write_gzip(path, rows):
    path.with_suffix(".csv.gz").write_bytes(
        gzip.compress(("id,x\n" + "".join(f"{i},{x}\n" for i, x in rows)).encode())
    )


def write_jsonl(path, rows):
    lines = "".join(f'{{"id": {i}, "x": {x}}}\n' for i, x in rows)
    path.with_suffix(".jsonl").write_text(lines)


def write_parquet(path, rows):
    ids, xs = zip(*rows, strict=True)
    pq.write_table(pa.table({"id": ids, "x": xs}), path.with_suffix(".parquet"))


WRITERS = {"csv": write_csv, "gzip": write_gzip, "jsonl": write_jsonl, "parquet": write_parquet}


def folder_of(root, write):
    """Three files of 500 rows; ids count on."""
    for place, (year, day, name) in enumerate(
        [(2023, "2023-12-31", "M%C3%BCnchen"), (2024, "2024-02-29", "a,b"),
         (2024, "2024-03-01", "__HIVE_DEFAULT_PARTITION__")]
    ):  # fmt: skip
        path = root / f"year={year}" / f"day={day}" / f"city={name}"
        path.mkdir(parents=True)
        write(path / "part.csv", [(place * 500 + i, i / 8) for i in range(500)])
    return root


def rows_of(folder):
    return [
        row
        for path in sorted(folder.glob("[!_]*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(("shards", "unit_bytes"), [(1, 1 << 22), (4, 700)])
def test_keys_are_columns(tmp_path, write, shards, unit_bytes):
    source = folder_of(tmp_path / "data", write)
    output = tmp_path / "out"
    options = {"to": "parquet", "output": output, "shards": shards, "jobs": 2}
    report = run([source], request_of(ConvertOptions, options), unit_bytes=unit_bytes)
    assert [(c.name, c.dtype) for c in report.columns] == [
        ("id", "int16"), ("x", "float32"), ("year", "int16"), ("day", "date"), ("city", "category"),
    ]  # fmt: skip
    rows = rows_of(output)
    assert [row["id"] for row in rows] == list(range(1500))
    cities = ["München", "a,b", None]
    for row in rows:
        place = row["id"] // 500
        assert row["year"] == (2023, 2024, 2024)[place]
        assert str(row["day"]) == ("2023-12-31", "2024-02-29", "2024-03-01")[place]
        assert row["city"] == cities[place]
    assert report.manifest.statistics["year"].minimum == 2023
    assert report.manifest.statistics["city"].nulls == 500
    assert verify(output, source=source).passed


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_columns_can_be_chosen_and_typed(tmp_path, write):
    source = folder_of(tmp_path / "data", write)
    report = convert(source, to="npy", output=tmp_path / "a", columns=["year", "x"])
    assert [c.name for c in report.columns] == ["year", "x"]
    report = convert(source, to="npy", output=tmp_path / "b", drop=["id", "x", "city", "day"])
    assert [(c.name, c.dtype, c.nulls) for c in report.columns] == [("year", "int16", 0)]
    assert report.rows == 1500
    report = convert(source, to="npy", output=tmp_path / "c", types={"year": "text"})
    assert {c.name: c.dtype for c in report.columns}["year"] == "text"
    with pytest.raises(DataError, match='column "city"'):
        convert(source, to="npy", output=tmp_path / "d", types={"city": "int8"})


def test_bad_rows_keep_their_keys(tmp_path):
    source = folder_of(tmp_path / "data", write_csv)
    path = next(source.rglob("year=2023/**/*.csv"))
    path.write_text(path.read_text().replace("\n7,0.875\n", "\n7\n"))
    report = convert(source, to="parquet", output=tmp_path / "out", on_bad_row="skip")
    assert (report.rows, report.rejected_rows) == (1499, 1)
    assert [row["year"] for row in rows_of(tmp_path / "out")] == [2023] * 499 + [2024] * 1000


def test_a_late_key_widens_its_column(tmp_path):
    for place, key in enumerate(["1", "02", "x"]):
        path = tmp_path / "data" / f"k={key}"
        path.mkdir(parents=True)
        write_csv(path / "a.csv", [(place, 1)] * 300)
    report = convert(tmp_path / "data", to="parquet", output=tmp_path / "out", shards=3)
    assert {row["k"] for row in rows_of(tmp_path / "out")} == {"1", "02", "x"}
    assert report.rows == 900


def test_what_cannot_be(tmp_path):
    path = tmp_path / "data" / "id=3"
    path.mkdir(parents=True)
    write_csv(path / "a.csv", [(1, 2)])
    with pytest.raises(UsageError, match=r'"id" is a column of .*, and a key'):
        inspect(tmp_path / "data")
    other = tmp_path / "data" / "k=3"
    other.mkdir()
    write_csv(other / "a.csv", [(1, 2)])
    with pytest.raises(UsageError, match=r"has the keys id .*has k"):
        inspect(tmp_path / "data")


def test_a_pattern_has_no_keys(tmp_path):
    source = folder_of(tmp_path / "data", write_csv)
    report = convert(f"{source}/**/*.csv", to="npy", output=tmp_path / "out")
    assert [c.name for c in report.columns] == ["id", "x"]
    assert [c.name for c in inspect(source).columns] == ["id", "x", "year", "day", "city"]
