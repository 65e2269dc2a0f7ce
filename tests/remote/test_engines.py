"""Engines and job arrays whose sources and datasets are in an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdata_cli import commit, convert, open_dataset, verify
from bigdata_cli.errors import EngineError

N_ROWS = 6_000


@pytest.fixture
def source(s3: str) -> str:
    """Rows with quotes, of which the last ones have another type."""
    import s3fs

    halves = [".5" if i > N_ROWS - 9 else "" for i in range(N_ROWS)]
    rows = [f'{i},"text {i % 50},\n{i}",{i}{halves[i]}\n' for i in range(N_ROWS)]
    s3fs.S3FileSystem().pipe(f"{s3}/rows.csv", f"id,text,x\n{''.join(rows)}".encode())
    return f"{s3}/rows.csv"


def sums(place: str | Path) -> list[tuple[str, str]]:
    shards = open_dataset(place).shards
    return [(file.name, file.checksum) for shard in shards for file in shard.files]


def test_processes_read_and_write_there(s3: str, source: str, tmp_path: Path) -> None:
    convert(source, to="parquet", shards=4, output=tmp_path / "here")
    report = convert(source, to="parquet", shards=4, output=f"{s3}/out", engine="processes", jobs=2)
    assert report.rows == N_ROWS
    assert sums(f"{s3}/out") == sums(tmp_path / "here")
    assert verify(f"{s3}/out", engine="processes", jobs=2).passed


def test_tasks_of_a_job_array_write_there(s3: str, source: str, tmp_path: Path) -> None:
    out = f"{s3}/tasks"
    convert(source, to="parquet", shards=4, output=out, task="2/2")
    with pytest.raises(EngineError, match="task 1"):
        commit(out)
    convert(source, to="parquet", shards=4, output=out, task="1/2")
    assert commit(out, here=True).rows == N_ROWS
    convert(source, to="parquet", shards=4, output=tmp_path / "here")
    assert sums(out) == sums(tmp_path / "here")
