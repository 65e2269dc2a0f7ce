"""Pipes whose rows are chosen, or columns changed, by what all rows say: the result of a file."""

from __future__ import annotations

import gc
import gzip
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.errors import BudgetError, DataError, UsageError
from tests.conversion.test_streams import piped

N = 3_000
HOW: dict[str, dict[str, Any]] = {
    "dedup": {"dedup": ["user"]},
    "balance": {"balance": "city"},
    "sample": {"sample": "700rows", "seed": 3},
    "stratified sample": {"sample": 0.2, "stratify": "city"},
    "statistics": {"standardize": ["x"], "fill": {"user": "median"}, "bin": {"n": "quantiles:4"}},
    "one-hot": {"one_hot": ["city"]},
    "ffill": {"fill": {"user": "ffill", "city": "ffill"}},
    "split by order": {"split": {"train": 0.8, "test": 0.2}, "split_order": True},
    "split by time": {"split": {"train": 0.8, "test": 0.2}, "split_time": "n"},
    "split by class": {"split": {"train": 0.8, "test": 0.2}, "stratify": "city"},
    "fit of a split": {"split": {"train": 0.8, "test": 0.2}, "minmax": ["x"], "shuffle": True},
}


def text(encoding: str = "utf-8") -> bytes:
    rows = (
        f"{i},{'' if i % 4 == 1 else i * i % 97},{('Rom', 'Köln', '')[i * 7 % 3]},{i % 13 / 8}"
        for i in range(N)
    )
    return ("n,user,city,x\n" + "\n".join(rows) + "\n").encode(encoding)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [row for batch in open_dataset(path).read() for row in batch.to_pylist()]


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("how", HOW)
def test_a_pipe_gives_what_the_file_gives(tmp_path, scratch, how) -> None:
    source = tmp_path / "rows.csv"
    source.write_bytes(text())
    convert(source, to="arrow", output=tmp_path / "of-file", shards=2, **HOW[how])
    with piped(tmp_path / "pipe.csv", text()) as path:
        report = convert(path, to="arrow", output=tmp_path / "of-pipe", shards=2, **HOW[how])
    assert rows_of(tmp_path / "of-pipe") == rows_of(tmp_path / "of-file")
    entry = report.manifest.sources[0]
    assert (entry.name, entry.bytes, entry.mtime_ns) == (str(path), len(text()), 0)
    assert verify(tmp_path / "of-pipe", source=source).findings == ()
    del report
    gc.collect()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("kind", ["gzip", "latin-1"])
def test_it_is_decompressed_and_decoded_once(tmp_path, kind) -> None:
    source = tmp_path / "rows.csv"
    source.write_bytes(text("utf-8" if kind == "gzip" else kind))
    data = gzip.compress(text()) if kind == "gzip" else source.read_bytes()
    more = {} if kind == "gzip" else {"encoding": kind}
    convert(source, to="arrow", output=tmp_path / "of-file", dedup=["user", "city"], **more)
    with piped(tmp_path / "pipe", data) as path:
        convert(path, to="arrow", output=tmp_path / "of-pipe", dedup=["user", "city"], **more)
    assert rows_of(tmp_path / "of-pipe") == rows_of(tmp_path / "of-file")
    assert verify(tmp_path / "of-pipe", source=source).findings == ()


def test_json_lines(tmp_path) -> None:
    data = b"".join(b'{"a": %d, "b": %d}\n' % (i % 5, i) for i in range(50))
    with piped(tmp_path / "pipe.jsonl", data) as path:
        convert(path, to="parquet", output=tmp_path / "o", dedup=["a"], keep="last")
    assert [row["b"] for row in rows_of(tmp_path / "o")] == list(range(45, 50))


def test_without_a_spool_it_is_refused(tmp_path) -> None:
    with (
        piped(tmp_path / "pipe.csv", text()) as path,
        pytest.raises(UsageError, match="takes a pass over all rows before") as error,
    ):
        convert(path, to="parquet", output=tmp_path / "o", dedup=["user"], spool=False)
    assert "spool" in str(error.value.hint)
    assert not (tmp_path / "o").exists()


def test_an_error_names_the_pipe_and_its_line_and_nothing_is_left(tmp_path, scratch) -> None:
    data = text() + b"1,2\n" + text().split(b"\n", 1)[1]
    with (
        piped(tmp_path / "pipe.csv", data) as path,
        pytest.raises(DataError, match=rf"pipe\.csv line {N + 2:,}") as error,
    ):
        convert(path, to="parquet", output=tmp_path / "o", standardize=["x"])
    assert str(scratch) not in str(error.value)
    del error
    gc.collect()
    assert list(scratch.iterdir()) == []


def test_the_copy_counts_against_the_limit_of_the_disk(tmp_path, scratch) -> None:
    with (
        piped(tmp_path / "pipe.csv", text() * 40) as path,
        pytest.raises(BudgetError, match="copies of a pipe need at least"),
    ):
        convert(path, to="parquet", output=tmp_path / "o", standardize=["x"], disk_limit=1_100_000)
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "o").exists()
