"""Late values that no sample shows: the types must come out as if all had been read first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bigdata_cli import open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.formats.registry import FORMATS

ROWS = 6_000
UNIT_BYTES = 3_000
SAMPLE_BYTES = 3_200
"""A sample of a few rows, so that surprises are late in small files too."""


def converted(
    tmp_path: Path, values: list[str], *, to: str = "parquet", shards: int = 4, **options
):
    """The dataset of a file with a column `x` of these values, beside a counter `n`."""
    source = tmp_path / "data.csv"
    source.write_text("n,x\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values)))
    out = tmp_path / f"out-{to}"
    report = run(
        [source],
        ConvertOptions(to=to, output=out, shards=shards, jobs=2, **options),
        unit_bytes=UNIT_BYTES,
        sample_bytes=SAMPLE_BYTES,
    )
    assert report.rows == len(values)
    return open_dataset(out), report


def column(dataset, name: str = "x") -> list:
    return [
        value for batch in dataset.read(columns=[name]) for value in batch.column(name).to_pylist()
    ]


def with_value(value: str, at: float, fill: str = "7") -> list[str]:
    values = [fill] * ROWS
    values[min(int(ROWS * at), ROWS - 1)] = value
    return values


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ("200", "uint8"),
        ("-200", "int16"),
        ("9000000000", "int64"),
        ("9223372036854775808", "uint64"),
        ("18446744073709551615", "uint64"),
        ("18446744073709551616", "text"),
        ("-9223372036854775808", "int64"),
        ("-9223372036854775809", "text"),
        ("123456789012345678", "int64"),
        ("0.5", "float32"),
        ("0.1234567890123", "float64"),
        ("1e-5", "float32"),
        ("1.0E4", "float32"),
        ("inf", "float32"),
        ("1e+400", "text"),
        ("1e-400", "text"),
        ("4.9e-324", "float64"),
        ("0e-400", "float32"),
        ("00501", "text"),
        ("1E4", "text"),
        ("+1", "text"),
        ("1_000", "text"),
        ("n/a", "int8"),
        ("", "int8"),
        ("   ", "int8"),
        (" 12 ", "int8"),
        ("true", "text"),
        ("2024-01-31", "text"),
        ("héllo", "text"),
    ],
)
@pytest.mark.parametrize("at", [0.9, 1.0])
def test_an_integer_column_with_one_late_value(tmp_path, value, dtype, at):
    values = with_value(value, at)
    dataset, _ = converted(tmp_path, values)
    assert dataset.schema["x"].dtype in (dtype, "category" if dtype == "text" else dtype)
    got = column(dataset)
    for path in sorted(dataset.path.glob("[!_]*.parquet")):
        assert (
            pq.read_schema(path).field("x").type
            == pq.read_schema(dataset.path / dataset.shards[0].file_names[0]).field("x").type
        )
    expected = [oracle(text, dtype) for text in values]
    assert got == expected


def oracle(text: str, dtype: str):
    if dtype == "text":
        return text if text else None
    stripped = text.strip()
    if stripped in ("", "n/a"):
        return None
    if dtype.startswith("float"):
        return float(np.float32(stripped)) if dtype == "float32" else float(stripped)
    return int(stripped)


@pytest.mark.parametrize("to", FORMATS)
def test_nulls_for_long_and_then_dates(tmp_path, to):
    values = [""] * (ROWS - 2) + ["2021-02-28", "2021-03-01"]
    dataset, _ = converted(tmp_path, values, to=to)
    assert dataset.schema["x"].dtype == "date"
    got = column(dataset)
    assert [str(value) for value in got if value is not None] == ["2021-02-28", "2021-03-01"]
    assert got.count(None) == ROWS - 2


@pytest.mark.parametrize(
    ("last", "dtype"),
    [
        ("2021-01-01T10:00", "timestamp[us]"),
        ("2021-01-01T10:00:00.123456789", "timestamp[ns]"),
        ("2021-01-01T10:00:00Z", "text"),
        ("2021-01-01T10:00:00+02:00", "text"),
        ("2021-02-30", "text"),
    ],
)
def test_dates_and_then_something_else(tmp_path, last, dtype):
    dataset, _ = converted(tmp_path, ["2020-12-31"] * (ROWS - 1) + [last])
    assert dataset.schema["x"].dtype in (dtype, "category" if dtype == "text" else dtype)


@pytest.mark.parametrize("to", ["npy", "hdf5", "arrow"])
def test_late_categories_get_codes_of_one_sorted_vocabulary(tmp_path, to):
    values = ["b", "d"] * (ROWS // 2)
    values[-1], values[ROWS // 2] = "a", "c"
    dataset, report = converted(tmp_path, values, to=to)
    assert dataset.schema["x"].vocabulary == ("a", "b", "c", "d")
    assert column(dataset) == values
    assert report.redone_shards >= 2  # codes moved: those too that hold nothing new


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("n_numbers", [300, ROWS])
@pytest.mark.parametrize("shards", [1, 4])
def test_texts_that_were_read_as_numbers_are_in_the_vocabulary(tmp_path, to, n_numbers, shards):
    # The numbers of the beginning do not come again after the text.
    half = ROWS // 2
    values = [str(i % n_numbers) if i < half else str(10_000 + i % 50) for i in range(ROWS)]
    values[half + 200] = "late"
    dataset, report = converted(tmp_path, values, to=to, shards=shards)
    assert report.redone_shards
    is_category = n_numbers < ROWS
    assert dataset.schema["x"].dtype == ("category" if is_category else "text")
    if is_category:
        assert dataset.schema["x"].vocabulary == tuple(sorted(set(values)))
    found = [row for batch in dataset.read() for row in batch.column("x").to_pylist()]
    assert found == values
    assert verify(dataset.path).passed


def test_a_category_with_too_many_values_is_text(tmp_path, monkeypatch):
    for module in (
        "bigdata_cli.sources.csv.evidence",
        "bigdata_cli.types.lattice",
        "bigdata_cli.types.vocabulary",
    ):
        monkeypatch.setattr(f"{module}.MAX_CATEGORIES", 50)
    values = [f"v{i % 20}" for i in range(ROWS)]
    values[-40:] = [f"w{i}" for i in range(40)]
    dataset, _ = converted(tmp_path, values, to="npy")
    assert dataset.schema["x"].dtype == "text"
    assert column(dataset) == values


@pytest.mark.parametrize("shards", [1, 7])
@pytest.mark.parametrize("to", ["npy", "parquet"])
@pytest.mark.parametrize(
    ("n_bytes", "types", "dtype"),
    [
        (100, {}, "category"),
        (101, {}, "text"),
        (101, {"x": "category"}, "category"),
    ],
)
def test_texts_that_are_too_long_together_are_no_categories(
    tmp_path, monkeypatch, to, shards, n_bytes, types, dtype
):
    for module in ("bigdata_cli.sources.csv.evidence", "bigdata_cli.types.vocabulary"):
        monkeypatch.setattr(f"{module}.MAX_VOCABULARY_BYTES", 5000)
    monkeypatch.setattr("bigdata_cli.types.vocabulary.MAX_CATEGORY_BYTES", 4000)
    n_distinct = 50
    values = [f"{i % n_distinct:0100d}" for i in range(ROWS)]
    values[-1] = f"{n_distinct - 1:0{n_bytes}d}"
    if n_bytes > 100:  # it comes in the place of the one that is shorter
        values = [v if v != f"{n_distinct - 1:0100d}" else values[0] for v in values]
    dataset, _ = converted(tmp_path, values, to=to, shards=shards, types=types)
    assert dataset.schema["x"].dtype == dtype
    assert column(dataset) == values


def test_where_texts_are_stored_a_category_that_is_none_does_no_shard_again(tmp_path, monkeypatch):
    """Row groups are cut by their bytes here: a text counts as many, whatever its column is."""
    monkeypatch.setattr("bigdata_cli.formats.parquet.write.ROW_GROUP_BYTES", 5000)
    values = [f"a value of some length {i % 20}" for i in range(ROWS)]
    values[-40] = "too long for a category" * 200
    dataset, report = converted(tmp_path, values, shards=1)
    assert dataset.schema["x"].dtype == "text"
    assert column(dataset) == values
    assert report.redone_shards == 0
    (tmp_path / "told").mkdir()
    told, _ = converted(tmp_path / "told", values, shards=1, types={"x": "text"})
    [written], [expected] = ([*one.path.glob("[!_]*.parquet")] for one in (dataset, told))
    assert written.read_bytes() == expected.read_bytes()


def test_only_shards_that_would_differ_are_done_again(tmp_path):
    early, report = converted(tmp_path, with_value("70000", 0.1), shards=20, to="npy")
    assert early.schema["x"].dtype == "int32"
    # Later shards start with the wider type: the redone ones are those under way before.
    assert 1 <= report.redone_shards <= 8
    # In Parquet int8 and int32 differ in the footer only.
    (tmp_path / "p").mkdir()
    _, report = converted(tmp_path / "p", with_value("70000", 0.9715), shards=20)
    assert report.redone_shards == 0
    (tmp_path / "t").mkdir()
    _, report = converted(tmp_path / "t", with_value("70000", 0.9715), to="tfrecord", shards=20)
    assert report.redone_shards == 0  # int64_list whatever the width


def test_the_guess_takes_no_part_in_the_outcome(tmp_path):
    """A column that is fixed wide is wide; one that is guessed is as narrow as its values."""
    narrow, _ = converted(tmp_path, ["1"] * ROWS)
    assert narrow.schema["x"].dtype == "int8"
    (tmp_path / "t").mkdir()
    wide, _ = converted(tmp_path / "t", ["1"] * ROWS, types={"x": "float64"})
    assert wide.schema["x"].dtype == "float64"


@pytest.mark.parametrize("to", FORMATS)
def test_a_million_nulls_and_then_dates(tmp_path, to):
    source = tmp_path / "data.csv"
    n_rows = 1_000_000
    with source.open("w") as file:
        file.write("n,x\n" + "1,\n" * n_rows + "1,2021-02-28\n" * 3 + "1,\n" * 100_000)
    report = run(
        [source],
        ConvertOptions(to=to, output=tmp_path / "out", shards=5, jobs=2),
        sample_bytes=SAMPLE_BYTES,
    )
    dataset = open_dataset(tmp_path / "out")
    assert (dataset.schema["x"].dtype, report.rows) == ("date", n_rows + 100_003)
    assert dataset.manifest.statistics["x"].values == 3
    found: list[int] = []
    at = 0
    for batch in dataset.read(columns=["x"]):
        valid = np.flatnonzero(batch.column("x").is_valid().to_numpy(zero_copy_only=False))
        found += (at + valid).tolist()
        at += len(batch)
    assert (found, at) == ([n_rows, n_rows + 1, n_rows + 2], n_rows + 100_003)


@pytest.mark.parametrize("n_distinct", [65_536, 70_000])
def test_the_70_000th_category_makes_it_text(tmp_path, n_distinct):
    first = [f"c{i % 60_000}" for i in range(200_000)]
    values = first + [f"c{i}" for i in range(60_000, n_distinct)] + ["c0"] * 50_000
    source = tmp_path / "data.csv"
    source.write_text("n,x\n" + "".join(f"1,{value}\n" for value in values))
    run([source], ConvertOptions(to="npy", output=tmp_path / "out", shards=3, jobs=2))
    dataset = open_dataset(tmp_path / "out")
    assert dataset.schema["x"].dtype == ("category" if n_distinct <= 65_536 else "text")
    assert column(dataset) == values
