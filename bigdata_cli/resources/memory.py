"""The memory and processors that this process may use, and the memory that it has used.

psutil reports the host. In a container the limits are the cgroup's, which the kernel enforces by
killing, so every figure here is the smaller of the two. Both cgroup versions are read, at each
level from the process's own group up to the root, since a limit may be set at any of them.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

UNLIMITED_BYTES = 1 << 60
"""cgroup v1 writes a huge number where there is no limit."""
_STACK_BYTES = 8 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class CgroupFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the kernel shows control groups (another folder in tests)."""

    mount: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")


def peak_memory_bytes() -> int:
    """The largest resident memory so far, in bytes, of this process and its children.

    The peak of this process, plus the peak of each child that lives, or of the largest child that
    has ended where that is more. An upper bound of the sum at any one moment.
    """
    own = _peak_of_process("self") or _max_rss_bytes("RUSAGE_SELF")
    live = sum(_peak_of_process(str(pid)) or 0 for pid in _child_pids())
    # On Linux a child's ru_maxrss starts at its parent's size at fork, so it is not looked at.
    ended = 0 if sys.platform == "linux" else _max_rss_bytes("RUSAGE_CHILDREN")
    return own + max(live, ended)


def available_memory_bytes(files: CgroupFiles | None = None, *, new_threads: int = 0) -> int:
    """Bytes that can still be used: what the host has, capped by cgroup limits and ulimit.

    Page cache counts as usable: the kernel drops it before it kills. new_threads: that will be
    begun, whose stacks are address space.
    """
    left = (_cgroup_memory_left(files or CgroupFiles()), address_space_left(new_threads))
    bounds = [n_bytes for n_bytes in left if n_bytes is not None]
    return max(0, min([_host_memory_left(), *bounds]))


def _host_memory_left() -> int:
    """What the host has available: on Linux without psutil, whose import takes several ms."""
    available = _sizes(Path("/proc/meminfo")).get("MemAvailable")
    if available is None:
        import psutil

        available = int(psutil.virtual_memory().available)
    return available


def address_space_left(new_threads: int = 0) -> int | None:
    """Bytes of `ulimit -v` and `ulimit -d` that are not taken; None where there is no such limit.

    Both count what is reserved and never touched, such as the stacks of threads.
    """
    try:
        import resource
    except ImportError:
        return None
    sizes = _status_of("self")
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    stack = _STACK_BYTES if stack in (resource.RLIM_INFINITY, -1) else stack
    rooms = []
    for limit, used in (("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")):
        most = resource.getrlimit(getattr(resource, limit))[0]
        if most != resource.RLIM_INFINITY and used in sizes:
            rooms.append(max(0, most - sizes[used] - new_threads * stack))
    return min(rooms, default=None)


def tree_memory_bytes() -> int:
    """Resident bytes of this process and its children now; some microseconds without children."""
    own = _resident_of("self")
    if own is None:
        import psutil

        own = int(psutil.Process().memory_info().rss)
    return own + sum(_resident_of(str(pid)) or 0 for pid in _child_pids())


def _resident_of(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.read(128).split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return None


def _has_children() -> bool:
    """Whether there may be any: the kernel is asked, without waiting for one."""
    if not hasattr(os, "waitid"):
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    except OSError:
        return True
    return True


def available_cpus(files: CgroupFiles | None = None) -> int:
    """Processors that this process may use: its affinity, capped by the cgroup's quota; >= 1."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _cgroup_cpu_quota(files or CgroupFiles())
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _peak_of_process(pid: str) -> int | None:
    """VmHWM: unlike ru_maxrss it starts anew at exec and not with the parent's size."""
    return _status_of(pid).get("VmHWM")


def _status_of(pid: str) -> dict[str, int]:
    """The sizes in a process's status, in bytes; none where there is no /proc."""
    return _sizes(Path("/proc", pid, "status"))


def _sizes(path: Path) -> dict[str, int]:
    """The sizes in a file of /proc, in bytes; none where there is no such file."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    fields = (line.split() for line in text.splitlines())
    return {
        words[0].rstrip(":"): int(words[1]) * 1024
        for words in fields
        if len(words) == 3 and words[2] == "kB"
    }


def _child_pids() -> list[int]:
    if not _has_children():
        return []
    import psutil

    try:
        return [child.pid for child in psutil.Process().children(recursive=True)]
    except psutil.Error:
        return []


def _max_rss_bytes(who: str) -> int:
    try:
        import resource
    except ImportError:  # Windows has no such module
        import psutil

        info = psutil.Process().memory_info()
        return int(getattr(info, "peak_wset", info.rss)) if who == "RUSAGE_SELF" else 0
    rss = resource.getrusage(getattr(resource, who)).ru_maxrss
    return rss if sys.platform == "darwin" else rss * 1024


def _cgroup_memory_left(files: CgroupFiles) -> int | None:
    """The least room of the groups this process is in; None where none has a limit."""
    rooms = []
    for folder in _groups(files, controller="memory"):
        v2 = (folder / "memory.max").exists()
        limit = _integer(folder / ("memory.max" if v2 else "memory.limit_in_bytes"))
        used = _integer(folder / ("memory.current" if v2 else "memory.usage_in_bytes"))
        if limit is None or limit >= UNLIMITED_BYTES:
            continue
        cache = _statistic(folder / "memory.stat", "inactive_file" if v2 else "total_inactive_file")
        rooms.append(limit - max(0, (used or 0) - cache))
    return min(rooms, default=None)


def _cgroup_cpu_quota(files: CgroupFiles) -> float | None:
    """Processors' worth of time of the tightest group; None where none has a quota."""
    quotas = []
    for folder in _groups(files, controller="cpu"):
        words = _words(folder / "cpu.max")
        if not words:
            words = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def _groups(files: CgroupFiles, *, controller: str) -> Iterator[Path]:
    """The folders of the groups that this process is in, innermost first, for both versions.

    Inside a container the path may name a folder that is not mounted there; the root that is
    mounted is then the container's own group.
    """
    for line in _lines(files.membership):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            root = files.mount
        elif controller in controllers.split(","):
            named = [files.mount / controllers, files.mount / controller]
            root = next((folder for folder in named if folder.is_dir()), named[-1])
        else:
            continue
        parts = [part for part in group.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts), -1, -1):
            folder = root.joinpath(*parts[:depth])
            if folder.is_dir():
                yield folder


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _integer(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else None


def _statistic(path: Path, name: str) -> int:
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0
