"""Rows that repeat others: the same as Polars finds, whatever the cut, and in bounded memory."""

from __future__ import annotations

import datetime as dt
import errno
import gc
import gzip
import os
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
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.options import request_of
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.transforms import deduplicate
from bigdata_cli.transforms.options import ShapeOptions
from bigdata_cli.transforms.repeated.places import PlacesWriter
from bigdata_cli.transforms.repeated.row_keys import row_keys
from bigdata_cli.transforms.repeated.runs import KeyRuns
from bigdata_cli.transforms.repeated.stored_runs import ROW_BYTES
from bigdata_cli.transforms.shape import pass_seconds, shaped
from tests.examples import examples

N = 5_000
SOURCES = ["rows.csv", "rows.csv.gz", "rows.jsonl", "rows.parquet"]
SECRET = np.array([7, 11], np.uint64)


def frame() -> pl.DataFrame:
    numbers = range(N)
    return pl.DataFrame(
        {
            "i": list(numbers),
            "user": [i * i % 997 for i in numbers],
            "city": [("Rome", "Oslo", None)[i * 7 % 3] for i in numbers],
            "x": [None if i % 11 == 0 else i % 5 + 0.5 for i in numbers],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repeated")
    rows = frame()
    rows.write_csv(folder / "rows.csv")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    rows.write_ndjson(folder / "rows.jsonl")
    pq.write_table(rows.to_arrow(), folder / "rows.parquet", row_group_size=700)
    return folder


def kept(path: Path, column: str = "i") -> list[Any]:
    read = open_dataset(path).read([column])
    return [row[column] for batch in read for row in batch.to_pylist()]


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("columns", [["user"], ["user", "city"], ["city", "x"]])
@pytest.mark.parametrize("source", SOURCES)
def test_the_rows_are_those_of_polars(folder, tmp_path, source, columns, keep) -> None:
    report = convert(
        folder / source, to="parquet", output=tmp_path / "o", dedup=columns, keep=keep, shards=2
    )
    wanted = frame().unique(columns, keep=keep, maintain_order=True)["i"].to_list()
    assert kept(tmp_path / "o") == wanted
    assert report.filtered_rows == N - len(wanted)
    if columns == ["user"]:
        assert verify(tmp_path / "o", source=folder / source).findings == ()


def test_all_columns_are_those_of_the_dataset(folder, tmp_path) -> None:
    convert(folder / "rows.csv", to="npy", output=tmp_path / "a", dedup=["*"], drop=["i", "city"])
    assert len(kept(tmp_path / "a", "user")) == len(frame().unique(["user", "x"]))
    convert(folder / "rows.csv", to="npy", output=tmp_path / "b", dedup=["*"], columns=["x"])
    assert len(kept(tmp_path / "b", "x")) == 6


def test_rows_are_compared_after_new_columns_and_filters(folder, tmp_path) -> None:
    convert(
        folder / "rows.csv", to="parquet", output=tmp_path / "o", where="i >= 100",
        derive={"tens": "user % 10"}, dedup=["tens"], limit=4,
    )  # fmt: skip
    wanted = (
        frame()
        .filter(pl.col("i") >= 100)
        .with_columns(tens=pl.col("user") % 10)
        .unique("tens", keep="first", maintain_order=True)[:4]
    )
    assert kept(tmp_path / "o") == wanted["i"].to_list()
    assert verify(tmp_path / "o", source=folder / "rows.csv").findings == ()


def test_the_same_rows_whatever_the_jobs_shards_and_units(folder, tmp_path) -> None:
    found = []
    for jobs, shards, unit_bytes in ((1, 1, 1 << 20), (2, 3, 997)):
        options = ConvertOptions(
            to="arrow",
            output=tmp_path / str(jobs),
            shards=shards,
            jobs=jobs,
            shape=request_of(ShapeOptions, {"dedup": ["user"], "sample": "300rows"}),
        )
        run([folder / "rows.csv"], options, unit_bytes=unit_bytes)
        found.append(kept(tmp_path / str(jobs)))
    assert found[0] == found[1]
    assert len(found[0]) == 300


def test_its_pass_is_in_the_predicted_time(folder) -> None:
    rows = open_rows([folder / "rows.csv"])
    options = request_of(ShapeOptions, {"dedup": ["user"]})
    found = shaped(rows, options, from_sample=True)
    assert found.names == rows.names
    assert 0 < pass_seconds(found) < 1e-3
    assert pass_seconds(shaped(rows, request_of(ShapeOptions, {}), from_sample=True)) == 0


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["1", "1.0", "01", "1"], [0, 1, 2]),  # text in the end: 01 is no number
        (["1", "2", "1.0", "2.5", "2.50"], [0, 1, 3]),
        (["1", "x", "1", " 1"], [0, 1, 3]),
        (["2024-01-01", "2024-01-01 00:00:00", "2024-01-02"], [0, 2]),
        (["true", "TRUE", "false", ""], [0, 2, 3]),
        (["", "", "NA", "5"], [0, 3]),
        (["9223372036854775807", "9223372036854775808", "9223372036854775807"], [0, 1]),
    ],
)
def test_values_are_compared_as_what_their_column_is_in_the_end(tmp_path, values, wanted) -> None:
    """A sample that shows one kind of value does not decide."""
    source = tmp_path / "a.csv"
    source.write_text("v,i\n" + "".join(f"{value},{i}\n" for i, value in enumerate(values)))
    convert(source, to="arrow", output=tmp_path / "o", dedup=["v"])
    stored = stored_values(tmp_path, source)
    assert [i for i, value in enumerate(stored) if value not in stored[:i]] == wanted
    assert kept(tmp_path / "o") == wanted


def stored_values(tmp_path: Path, source: Path) -> list[Any]:
    convert(source, to="arrow", output=tmp_path / "all")
    return kept(tmp_path / "all", "v")


def test_a_kind_that_changes_after_the_sample(tmp_path) -> None:
    """The pass begins again: rows before are compared as text, too."""
    source = tmp_path / "a.csv"
    n = 900_000
    values = [str(i % 1000) for i in range(n)]
    values[n // 2 + 7] = "0x1"
    values[n // 2 + 8] = "007"
    source.write_text("v\n" + "\n".join(values) + "\n")
    report = convert(source, to="parquet", output=tmp_path / "o", dedup=["v"])
    assert report.rows == 1002
    assert kept(tmp_path / "o", "v")[-2:] == ["0x1", "007"]


def test_equal_values_have_equal_keys_whatever_their_types() -> None:
    def key(array: pa.Array) -> tuple[int, int]:
        (found,) = row_keys([array], 1, SECRET).tolist()
        return tuple(found)

    one = [pa.array([1], t) for t in (pa.int8(), pa.uint64(), pa.float32(), pa.float64())]
    assert len({key(array) for array in one}) == 1
    day = dt.date(2024, 2, 29)
    times = [
        pa.array([day]),
        pa.array([dt.datetime(2024, 2, 29)], pa.timestamp("us")),
        pa.array([dt.datetime(2024, 2, 29)], pa.timestamp("ns")),
    ]
    assert len({key(array) for array in times}) == 1
    big = [pa.array([2**63], pa.uint64()), pa.array([2.0**63])]
    assert len({key(array) for array in big}) == 1
    texts = [pa.array(["a"]), pa.array(["a"]).dictionary_encode(), pa.array(["xa"]).slice(0)]
    assert key(texts[0]) == key(texts[1]) != key(texts[2])
    assert key(pa.array([0.0])) == key(pa.array([-0.0]))
    assert key(pa.array([float("nan")])) == key(pa.array([-float("nan")]))
    nulls = [pa.nulls(1), pa.array([None], pa.int8()), pa.array([None], pa.string())]
    assert len({key(array) for array in nulls}) == 1
    assert len({key(pa.array([v])) for v in (True, 1, "1", "true", None, "", 0, False)}) == 8


def test_rows_of_texts_that_join_to_the_same_are_different() -> None:
    columns = [pa.array(["ab", "a", "", None]), pa.array(["c", "bc", "abc", "abc"])]
    assert len({tuple(key) for key in row_keys(columns, 4, SECRET).tolist()}) == 4


def sip_hash(message: bytes, secret: tuple[int, int]) -> tuple[int, int]:
    """SipHash-2-4 with 128 bits, from its paper."""
    mask = 2**64 - 1

    def rotated(x: int, n: int) -> int:
        return (x << n | x >> (64 - n)) & mask

    v = [
        secret[0] ^ 0x736F6D6570736575,
        secret[1] ^ 0x646F72616E646F6D ^ 0xEE,
        secret[0] ^ 0x6C7967656E657261,
        secret[1] ^ 0x7465646279746573,
    ]

    def rounds(n: int) -> None:
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotated(v[1], 13) ^ v[0]
            v[0] = rotated(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotated(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotated(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotated(v[1], 17) ^ v[2]
            v[2] = rotated(v[2], 32)

    padded = message + bytes(-(len(message) + 1) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return first, v[0] ^ v[1] ^ v[2] ^ v[3]


def message(columns: list[list[Any]], row: int) -> bytes:
    """What the key of a row is the hash of, for columns of texts and of small numbers."""
    parts, codes = b"", 0
    for place, column in enumerate(columns):
        value = column[row]
        code = 0 if value is None else 1
        if isinstance(value, str):
            data = value.encode()
            parts += data + bytes(-len(data) % 8)
            code = 10 + len(data) if len(data) <= 230 else 255
            parts += len(data).to_bytes(8, "little") if code == 255 else b""
        else:
            parts += (value or 0).to_bytes(8, "little", signed=True)
        codes = codes << 8 | code
        if place % 8 == 7 or place == len(columns) - 1:
            parts += codes.to_bytes(8, "little")
            codes = 0
    return parts


def test_keys_are_those_of_siphash() -> None:
    key = int.from_bytes(bytes(range(8)), "little"), int.from_bytes(bytes(range(8, 16)), "little")
    # The first vector of the authors.
    assert sip_hash(b"", key) == (0xE6A825BA047F81A3, 0x930255C71472F66D)
    texts = ["", "a", "abcdefg", "abcdefgh", "abcdefghi", "ö" * 115, "ö" * 116, "z" * 999, None]
    texts = texts * 60  # more rows than go through the columns together
    numbers = [None if i % 7 == 3 else i - 9 for i in range(len(texts))]
    for columns in ([texts], [numbers], [texts, numbers], [numbers, texts] * 4, [numbers] * 9):
        keys = row_keys([pa.array(column) for column in columns], len(texts), SECRET).tolist()
        for row in (*range(9), 254, 255, 256, 257, len(texts) - 1):
            assert tuple(keys[row]) == sip_hash(message(columns, row), (7, 11))


@examples(60)
@given(
    values=st.lists(st.integers(0, 40), max_size=300),
    keep_last=st.booleans(),
    run_rows=st.sampled_from([1, 7, 1000]),
    memory_bytes=st.sampled_from([0, 25, 1_000, 1 << 20]),
    max_slots=st.sampled_from([64, 1 << 10]),
    skewed=st.booleans(),
)
def test_repeated_rows_are_found_in_any_number_of_runs(
    tmp_path_factory, values, keep_last, run_rows, memory_bytes, max_slots, skewed
) -> None:
    folder = tmp_path_factory.mktemp("runs") / "runs"
    spread = np.arange(41, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    keys = np.stack([spread * np.uint64(not skewed), spread], axis=1)[np.array(values, np.int64)]
    places = np.arange(len(values)) * 3 + 1
    found: list[int] = []
    room = {"run_rows": run_rows, "memory_bytes": memory_bytes, "max_slots": max_slots}
    with KeyRuns(folder, **room) as runs:
        for start in range(0, len(values), 5):
            runs.add(keys[start : start + 5], places[start : start + 5])
        n = runs.repeated(keep_last=keep_last, take=lambda some: found.extend(some.tolist()))
    wanted = pl.DataFrame(
        {"v": values, "p": places.tolist()}, schema={"v": pl.Int64, "p": pl.Int64}
    )
    left = wanted.unique("v", keep="last" if keep_last else "first")["p"].to_list()
    assert found == sorted(set(places.tolist()) - set(left))
    assert n == len(found)
    assert not folder.exists()


def test_more_keys_than_a_table_holds_take_more_steps(tmp_path) -> None:
    keys = np.random.default_rng(3).integers(0, 2**64, (3_000, 2), np.uint64)
    keys[:, 0] &= np.uint64(2**56 - 1)  # all of one part
    keys[1000:2000] = keys[:1000]
    found: list[int] = []
    with KeyRuns(tmp_path / "runs", run_rows=500, max_slots=64) as runs:
        runs.add(keys, np.arange(3_000))
        runs.repeated(keep_last=False, take=lambda some: found.extend(some.tolist()))
    assert found == list(range(1000, 2000))


@pytest.mark.parametrize("memory_rows", [0, 1000, 2000, 10_000])
def test_only_what_has_no_room_in_memory_goes_to_the_disk(tmp_path, memory_rows) -> None:
    keys = np.random.default_rng(3).integers(0, 2**64, (3_000, 2), np.uint64)
    written: list[int] = []
    with KeyRuns(
        tmp_path / "runs", run_rows=1000, memory_bytes=memory_rows * ROW_BYTES,
        on_write=written.append,
    ) as runs:  # fmt: skip
        runs.add(keys, np.arange(3_000))
        runs.add(keys[::-1], np.arange(3_000, 6_000))
        found: list[int] = []
        runs.repeated(keep_last=False, take=lambda some: found.extend(some.tolist()))
        assert (tmp_path / "runs").exists() == bool(written)
    assert found == list(range(3_000, 6_000))
    n_spilled = max(0, 6_000 - memory_rows)
    assert written == [n * ROW_BYTES for n in range(1_000, n_spilled + 1, 1_000)]


def test_places_are_found_among_those_of_the_file(tmp_path) -> None:
    known = np.unique(np.random.default_rng(1).integers(0, 10**6, 50_000))
    writer = PlacesWriter(tmp_path / "places")
    for start in range(0, len(known), 777):
        writer.add(known[start : start + 777])
    places = writer.finish()
    for low in (0, 1, 123_456, 999_990, 2_000_000):
        asked = np.arange(low, low + 3_000)
        assert (places.among(asked) == np.isin(asked, known)).all()
    assert not places.among(np.zeros(0, np.int64)).any()


def test_nothing_is_left_on_the_disk(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    os.mkdir(tmp_path / "scratch")
    convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", dedup=["user"])
    gc.collect()  # a conversion is a circle of objects
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_does_not_fit_the_disk_is_refused_before_any_work(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(deduplicate, "_MAX_MEMORY_BYTES", 1000)
    with pytest.raises(BudgetError, match="dedup: the keys of the rows would need about"):
        convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", dedup=["i"],
                disk_limit=100_000)  # fmt: skip
    assert not (tmp_path / "o").exists()


def test_a_disk_that_is_full_is_no_traceback(folder, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(deduplicate, "_MAX_MEMORY_BYTES", 0)
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(BudgetError, match="the temporary disk is full"):
        convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", dedup=["i"])


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"dedup": ["city"]}, "--dedup: 4,997 rows left out that repeat one before in city"),
        ({"balance": "city"}, "--balance: 1,666 rows of each of 3 classes"),
        ({"limit": 6_000}, "--limit: 5,000 rows, and no more, were left to take"),
        ({"sample": "1Mrows"}, "--sample: 5,000 rows, and no more, were left to take"),
    ],
)
def test_the_report_says_what_was_left_out(folder, tmp_path, options, note) -> None:
    report = convert(folder / "rows.csv", to="arrow", output=tmp_path / "o", **options)
    assert note in report.notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dedup": ["town"]}, 'there is no column "town"'),
        ({"keep": "last"}, "keep goes with dedup"),
        ({"dedup": ["i"], "keep": "any"}, "none of"),
    ],
)
def test_what_cannot_be_is_refused(folder, tmp_path, options, words) -> None:
    with pytest.raises(UsageError, match=words):
        convert(folder / "rows.csv", to="parquet", output=tmp_path / "o", **options)
    assert not (tmp_path / "o").exists()


class Stopped(Exception):
    """In place of a kill."""


def test_a_run_that_ended_goes_on(folder, tmp_path) -> None:
    options = ConvertOptions(
        to="arrow",
        output=tmp_path / "o",
        shards=8,
        jobs=1,
        shape=request_of(ShapeOptions, {"dedup": ["user"], "keep": "last"}),
    )

    def stop(progress: Any) -> None:
        if progress.rows > 100:
            raise Stopped

    with pytest.raises(Stopped):
        run([folder / "rows.csv"], options, progress=stop, unit_bytes=2_000)
    report = run([folder / "rows.csv"], options, unit_bytes=2_000)
    assert report.resumed_shards > 0
    wanted = frame().unique(["user"], keep="last", maintain_order=True)["i"].to_list()
    assert kept(tmp_path / "o") == wanted
