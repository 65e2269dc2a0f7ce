"""Datasets verified on engines: what is found is what threads find."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli import convert, verify
from bigdata_cli.errors import UsageError


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as made:
        yield made


@pytest.fixture(params=["processes", "executor"])
def engine(request: pytest.FixtureRequest, executor: ProcessPoolExecutor) -> Any:
    return executor if request.param == "executor" else request.param


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    source = tmp_path / "rows.csv"
    source.write_text("id,x\n" + "".join(f"{i},{i / 8}\n" for i in range(2_000)))
    convert(source, to="parquet", shards=6, output=tmp_path / "rows")
    return tmp_path / "rows"


def test_a_dataset_that_is_whole(dataset: Path, engine: Any) -> None:
    seen = []
    report = verify(dataset, engine=engine, jobs=2, progress=seen.append)
    assert report.passed
    assert report.rows == 2_000
    assert [one.rows for one in seen] == sorted(one.rows for one in seen)
    assert seen[-1].bytes_done == report.bytes


def test_damage_is_found_in_the_order_of_the_shards(dataset: Path, engine: Any) -> None:
    files = sorted(dataset.glob("*.parquet"))
    for path in (files[4], files[1]):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    files[2].unlink()
    there, here = verify(dataset, engine=engine, jobs=2), verify(dataset)
    assert there.findings == here.findings
    assert [one.file for one in there.findings] == [files[i].name for i in (1, 2, 4)]


def test_a_scheduler_without_its_engine(dataset: Path) -> None:
    with pytest.raises(UsageError, match="scheduler goes with"):
        verify(dataset, scheduler="tcp://127.0.0.1:1")
