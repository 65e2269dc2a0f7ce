"""Many conversions in one process leave nothing behind: no memory, no open files, no threads."""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import random
import threading
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from bigdata_cli import convert, inspect, open_dataset, verify
from bigdata_cli.errors import BigdataError
from tests.datasets import LAYOUTS

MB = 1 << 20


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Whole ones in three forms, and ones that end in an error."""
    folder = tmp_path_factory.mktemp("soak")
    numbers = random.Random(6)
    lines = [f"{i},{numbers.random()},{'xyz'[i % 3]},{i % 2}\n" for i in range(40_000)]
    text = "id,price,kind,label\n" + "".join(lines)
    (folder / "a.csv").write_text(text)
    (folder / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "c.csv").write_text(text + "bad\n")
    (folder / "d.csv.gz").write_bytes((folder / "b.csv.gz").read_bytes()[:-1000])
    (folder / "e.csv").write_text(text.replace("39999,", "late,"))
    return sorted(folder.iterdir())


def work(number: int, sources: list[Path], folder: Path) -> None:
    """One conversion in some format, verified and read, or one that fails."""
    source = sources[number % len(sources)]
    layout = LAYOUTS[number % len(LAYOUTS)]  # 5 and 8 have no common divisor: all pairs
    with contextlib.suppress(BigdataError):
        convert(
            source, to=layout[0], layout=layout[1], output=folder / "out", force=True, shards=2,
            label="label", drop=["id"] if source.name == "e.csv" else [],
        )  # fmt: skip
        assert verify(folder / "out", source=source).passed
        inspect(folder / "out")
        for _ in open_dataset(folder / "out").batches(1000):
            break  # a reader that is not read to its end


def usage() -> tuple[int, int, int]:
    """(memory that is in use, open files, threads) of this process."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    memory = psutil.Process().memory_info().rss
    return memory, len(os.listdir("/proc/self/fd")), threading.active_count()


def check_no_growth(sources: list[Path], folder: Path, n_conversions: int) -> int:
    """Convert so often after a warm-up; returns by how many bytes memory grew."""
    n_warm = len(sources) * len(LAYOUTS)
    for number in range(min(n_warm, n_conversions)):
        work(number, sources, folder)
    memory, files, threads = usage()
    for number in range(n_conversions):
        work(number, sources, folder)
    grown, files_now, threads_now = usage()
    assert files_now <= files
    assert threads_now <= threads
    return grown - memory


def test_ten_conversions_leave_nothing(sources: list[Path], tmp_path: Path) -> None:
    assert check_no_growth(sources, tmp_path, 10) < 100 * MB


@pytest.mark.soak
def test_hundreds_of_conversions_leave_nothing(sources: list[Path], tmp_path: Path) -> None:
    """Were a block of 4 MB left by each, or a table, it would be gigabytes."""
    assert check_no_growth(sources, tmp_path, 400) < 100 * MB
