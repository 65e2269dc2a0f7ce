"""Limits of control groups, both versions, in folders made as the kernel shows them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bigdata_cli.resources.memory import (
    CgroupFiles,
    available_cpus,
    available_memory_bytes,
    peak_memory_bytes,
)

MB = 1_000_000


def cgroup(root: Path, membership: str, contents: dict[str, str]) -> CgroupFiles:
    """Control group files under `root`: path below the mount → content."""
    (root / "self").write_text(membership)
    for name, content in contents.items():
        path = root / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return CgroupFiles(mount=root / "mount", membership=root / "self")


def test_v2_limit_less_usage_without_page_cache(tmp_path):
    files = cgroup(
        tmp_path,
        "0::/app\n",
        {
            "app/memory.max": str(100 * MB),
            "app/memory.current": str(60 * MB),
            "app/memory.stat": f"anon {10 * MB}\ninactive_file {20 * MB}",
        },
    )
    assert available_memory_bytes(files) == 60 * MB


def test_v2_limit_of_a_parent_group_counts(tmp_path):
    files = cgroup(
        tmp_path,
        "0::/slice/app\n",
        {
            "slice/memory.max": str(30 * MB),
            "slice/memory.current": str(10 * MB),
            "slice/app/memory.max": "max",
            "slice/app/memory.current": str(5 * MB),
        },
    )
    assert available_memory_bytes(files) == 20 * MB


def test_v2_group_that_is_not_mounted_falls_back_to_the_root(tmp_path):
    files = cgroup(
        tmp_path,
        "0::/../host/container\n",
        {"memory.max": str(7 * MB), "memory.current": str(2 * MB)},
    )
    assert available_memory_bytes(files) == 5 * MB


def test_v1_limit(tmp_path):
    files = cgroup(
        tmp_path,
        "3:cpu,cpuacct:/job\n5:memory:/job\n",
        {
            "memory/job/memory.limit_in_bytes": str(50 * MB),
            "memory/job/memory.usage_in_bytes": str(20 * MB),
            "memory/job/memory.stat": f"total_inactive_file {5 * MB}",
        },
    )
    assert available_memory_bytes(files) == 35 * MB


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"memory.max": "max", "memory.current": "5"},
        {
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "memory/memory.usage_in_bytes": "5",
        },
    ],
)
def test_without_a_limit_the_host_counts(tmp_path, contents):
    files = cgroup(tmp_path, "0::/\n5:memory:/\n", contents)
    assert 0 < available_memory_bytes(files) <= psutil.virtual_memory().total


def test_used_up_is_zero_and_not_negative(tmp_path):
    files = cgroup(tmp_path, "0::/\n", {"memory.max": "1000", "memory.current": "5000"})
    assert available_memory_bytes(files) == 0


@pytest.mark.parametrize(
    ("membership", "contents"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "90000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        ),
    ],
)
def test_cpu_quota_is_rounded_up_to_one(tmp_path, membership, contents):
    assert available_cpus(cgroup(tmp_path, membership, contents)) == 1


def test_cpus_without_a_quota(tmp_path):
    files = cgroup(tmp_path, "0::/\n", {"cpu.max": "max 100000"})
    assert available_cpus(files) == len(psutil.Process().cpu_affinity())
    assert available_cpus(CgroupFiles(mount=tmp_path / "no", membership=tmp_path / "none")) >= 1


def test_peak_memory_stays_when_memory_is_given_back():
    script = """
from bigdata_cli.resources.memory import peak_memory_bytes
before = peak_memory_bytes()
held = bytearray(200_000_000)
during = peak_memory_bytes()
del held
print(before, during, peak_memory_bytes())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    before, during, after = map(int, done.stdout.split())
    assert before + 150 * MB < during < before + 250 * MB
    assert after > during - 1 * MB  # the kernel counts in batches


def test_peak_memory_of_a_small_process_does_not_start_at_its_parents_size():
    held = bytearray(300 * MB)
    script = "from bigdata_cli.resources import memory; print(memory.peak_memory_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < len(held) // 3


def test_peak_memory_counts_a_living_child():
    script = "held = bytearray(200_000_000); print('ready', flush=True); input()"
    before = peak_memory_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert peak_memory_bytes() >= before + 200 * MB
        child.communicate("\n")
