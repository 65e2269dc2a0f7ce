"""An allocation of the C library fails: an error says that memory is short, or nothing is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.children import Zygote, contents
from tests.reliability.faults import SCENARIOS, faulty_children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc")
FORMATS = ("parquet", "hdf5 columns", "npy columns", "tfrecord rows", "arrow", "splits", "dedup")


@pytest.fixture(scope="module")
def faulty() -> Iterator[Zygote]:
    """A process that forks conversions, in which allocations can be made to fail."""
    with faulty_children() as process:
        yield process


def check_allocations(name: str, faulty: Zygote, source: Path, folder: Path, step: int) -> int:
    """Have each step-th allocation fail; returns how many there are."""
    request = {"shards": 2, "jobs": 1, "on_bad_row": "skip", **SCENARIOS[name].options}
    output = folder / "out"
    undisturbed = faulty.run(source, output, allocation=0, **request)
    expected, n = contents(output), undisturbed["allocations"]
    for at in range(1, n + 1, step):
        answer = faulty.run(source, output, allocation=at, **{**request, "force": True})
        if "error" in answer:
            assert answer["error"] == "BudgetError", (at, answer)
        found = contents(output)
        assert {name: found[name] for name in found if name in expected} == expected, at
        assert all(name in expected or name.startswith("_") for name in found)
    return n


@pytest.mark.parametrize("name", ["parquet", "tfrecord rows"])
def test_some_allocations_fail(name: str, faulty: Zygote, source: Path, tmp_path: Path) -> None:
    assert check_allocations(name, faulty, source, tmp_path, step=40) > 100


@pytest.mark.soak
@pytest.mark.parametrize("name", FORMATS)
def test_every_allocation_fails(name: str, faulty: Zygote, source: Path, tmp_path: Path) -> None:
    assert check_allocations(name, faulty, source, tmp_path, step=1) > 100
