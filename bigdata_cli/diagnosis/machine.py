"""The machine as a process really has it: processors, memory, disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bigdata_cli.diagnosis.report import Check
from bigdata_cli.resources.budget import START_BYTES, default_limit
from bigdata_cli.resources.memory import available_cpus, available_memory_bytes
from bigdata_cli.resources.sizes import format_size

_TOPIC = "Machine"


def machine_checks() -> Iterator[Check]:
    """The system, processors, memory and disk."""
    yield Check(topic=_TOPIC, name="system", found=platform.platform())
    yield Check(topic=_TOPIC, name="Python", found=f"{platform.python_version()} {sys.executable}")
    yield _processors()
    yield _memory()
    yield _disk("disk here", Path.cwd())
    yield _disk("disk for temporary files", Path(tempfile.gettempdir()))


def _processors() -> Check:
    usable, there = available_cpus(), os.cpu_count() or 1
    limit = "" if usable == there else f" of {there}, by affinity or control group"
    return Check(topic=_TOPIC, name="processors", found=f"{usable}{limit}")


def _memory() -> Check:
    import psutil

    left, there = available_memory_bytes(), psutil.virtual_memory().total
    found = (
        f"{format_size(left)} available of {format_size(there)}, by the system, control group "
        f"and ulimit; --memory-limit is {format_size(default_limit(left))} by default"
    )
    if left < 2 * START_BYTES:
        hint = f"bigdata needs {format_size(START_BYTES)} to begin with: end other programs"
        return Check(topic=_TOPIC, name="memory", found=found, status="failed", hint=hint)
    return Check(topic=_TOPIC, name="memory", found=found)


def _disk(name: str, folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        found = f"{folder}: {error.strerror}"
        return Check(topic=_TOPIC, name=name, found=found, status="failed", hint="cd elsewhere")
    return Check(topic=_TOPIC, name=name, found=f"{format_size(free)} free in {folder}")
