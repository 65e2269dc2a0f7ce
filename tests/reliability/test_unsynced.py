"""After a power cut, whatever was not synced may be lost: the same command goes on."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.children import Zygote
from tests.reliability.faults import SCENARIOS, faulty_children
from tests.reliability.unsynced import Call, Disk, PowerCuts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc")
N_SAMPLED = 6


@pytest.fixture(scope="module")
def children() -> Iterator[Zygote]:
    """A process that forks conversions whose calls can be recorded."""
    with faulty_children() as process:
        yield process


@pytest.mark.parametrize("name", ["parquet", "hdf5 columns", "force"])
def test_some_power_cuts(name: str, children: Zygote, source: Path, tmp_path: Path) -> None:
    cuts = PowerCuts(children, name, source, tmp_path)
    cuts.check_record()
    for i in range(N_SAMPLED):
        cuts.check(random.Random(f"{name} {i}"))


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_thousand_power_cuts(name: str, children: Zygote, source: Path, tmp_path: Path) -> None:
    cuts = PowerCuts(children, name, source, tmp_path)
    cuts.check_record()
    for i in range(1_000):
        cuts.check(random.Random(f"{name} {i}"))


def _states(tmp_path: Path, *calls: Call) -> list[dict[str, bytes | None]]:
    found: list[dict[str, bytes | None]] = []
    for seed in range(200):
        disk = Disk(tmp_path)
        for call in calls:
            disk.make(call)
        state = disk.crash(random.Random(seed))
        if state not in found:
            found.append(state)
    return found


def _call(name: str, path: str, other: str = "", at: int = 0, data: bytes = b"") -> Call:
    return Call(name, path, other, at, data)


def test_what_is_synced_is_there(tmp_path: Path) -> None:
    write = [_call("create", "a"), _call("write", "a", data=b"12"), _call("fsync", "a")]
    assert _states(tmp_path, *write, _call("fsync", "")) == [{"a": b"12"}]


def test_a_synced_file_may_lack_its_name(tmp_path: Path) -> None:
    write = [_call("create", "a"), _call("write", "a", data=b"12"), _call("fsync", "a")]
    states = _states(tmp_path, *write)
    assert sorted(map(str, states)) == ["{'a': b'12'}", "{}"]


def test_a_name_may_be_there_without_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    calls = [_call("create", "b"), _call("write", "b", data=b"new"), _call("rename", "a", "b")]
    states = _states(tmp_path, *calls)
    assert {"a": b"old"} in states
    assert {"a": b""} in states
    assert {"a": b"\0\0\0"} in states
    assert {"a": b"new"} in states


def test_renaming_is_atomic(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    states = _states(tmp_path, _call("rename", "b", "a"))
    assert sorted(map(str, states)) == ["{'a': b'1'}", "{'b': b'1'}"]
