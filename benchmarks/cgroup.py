"""A control group with a memory limit, where the system lets one be made: the kernel as witness."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_ENTER = 'echo $$ > "$0" && exec "$@"'
_REMOVE_SECONDS = 5.0


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """A new group whose processes are killed beyond the limit, page cache and swap included.

    Yields None where no group can be made: another system, no rights, no memory controller.
    """
    group = _new_group(limit_bytes)
    try:
        yield group
    finally:
        if group is not None:
            _remove(group)


def inside(group: Path | None) -> list[str]:
    """What to put before a command line so that it runs in the group."""
    return [] if group is None else ["sh", "-c", _ENTER, str(group / "cgroup.procs")]


def _new_group(limit_bytes: int) -> Path | None:
    """By version 1 of the interface, or by version 2."""
    name = f"bigdata-{os.getpid()}-{time.monotonic_ns()}"
    for parent, files in (
        (_ROOT / "memory", ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")),
        (_ROOT, ("memory.max", "memory.swap.max")),
    ):
        group = parent / name
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / files[0]).write_text(str(limit_bytes))
            with suppress(OSError):  # a kernel that does not account for swap
                swap_bytes = 0 if files[1] == "memory.swap.max" else limit_bytes
                (group / files[1]).write_text(str(swap_bytes))
        except OSError:
            _remove(group)
            continue
        return group
    return None


def _remove(group: Path) -> None:
    """The kernel lets a group go only a moment after its last process."""
    end = time.monotonic() + _REMOVE_SECONDS
    while time.monotonic() < end:
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.01)
        else:
            return
