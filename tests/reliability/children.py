"""Conversions in processes that are killed, and what they leave beside an undisturbed run."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil

from bigdata_cli.io.manifest_names import MANIFEST_NAMES
from tests.manifest_files import read_document

ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
UNIT_BYTES = 1 << 12


class Zygote:
    """The process that forks the children."""

    def __init__(self, preload: Path | None = None, **variables: str) -> None:
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
        environment |= variables
        if preload is not None:
            environment["LD_PRELOAD"] = str(preload)
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/reliability/zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(
        self, source: Path, output: Path | str, *, die_at: int | str | None = None, **request: Any
    ) -> dict[str, Any]:
        """Convert in a child; its answer, with `status`: its exit status, KILLED where it died.

        die_at: the number of a step, or its name. What is no part of a request is an option of
        the conversion.
        """
        parts = (
            "die_after_s",
            "sample_bytes",
            "part_bytes",
            "verify",
            "fault",
            "action",
            "allocation",
        )
        asked = {key: request.pop(key) for key in parts if key in request}
        options = {"to": "parquet", "jobs": 2, **request, "output": str(output)}
        line = {"sources": [str(source)], "options": options, "unit_bytes": UNIT_BYTES, **asked}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**line, "die_at": die_at}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "bug" not in answer, answer["bug"]
        return answer

    def kill_child(self) -> None:
        """End the child that is at work, from another thread."""
        for child in psutil.Process(self._process.pid).children():
            child.kill()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


@contextmanager
def zygote(preload: Path | None = None, **variables: str) -> Iterator[Zygote]:
    """A process that forks children.

    preload: a library that is loaded into it first. variables: of its environment, besides.
    """
    process = Zygote(preload, **variables)
    try:
        yield process
    finally:
        process.close()


def write_source(path: Path, n_rows: int = 1_200, *, seed: int = 7) -> Path:
    """A CSV with all that makes a conversion hard: nulls, categories, surprises late, bad records.

    `late` is of numbers until the last tenth; `grows` gets another category now and then.
    """
    numbers = random.Random(seed)
    lines = ["id,price,kind,grows,late,when,text"]
    for i in range(n_rows):
        late = f"x{i}" if i > n_rows * 0.93 and i % 50 == 0 else str(i % 9)
        when = f"2024-0{1 + i % 9}-1{i % 10}"
        lines.append(
            f"{i},{numbers.random():.4f},{'abc'[i % 3]},g{i * 12 // n_rows},{late},"
            f'{"" if i % 11 == 0 else when},"text, {numbers.randrange(10**6)}"'
        )
        if i % 700 == 350:
            lines.append("1,2,too,few")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_widening_source(path: Path, kind: str, n_rows: int = 900) -> Path:
    """A CSV whose columns widen late, so that shards are written again.

    kind: "headers", where that is all they need (in Parquet); "values", of their own files; "text",
    where a column of decimals becomes text, for which the source is read again too.
    """
    lines = ["id,grows,decimal,word,kind,day,rare,price"]
    rare = {n_rows * 3 // 5, n_rows * 4 // 5 + 7}
    for i in range(n_rows):
        grows = 30_000 if i in rare else i % 90
        late = i in rare and kind != "headers"
        decimal = "0.5" if late else str(i % 50)
        word = "x" if late else str(i % 40)
        word_kind = "late" if late else "abc"[i % 3]
        day = f"2024-0{1 + i % 9}-1{i % 10}" + (" 10:00" if late else "")
        null = "2021-02-03" if late else ""
        price = "none" if late and kind == "text" else f"{i % 100}.25"
        lines.append(f"{i % 100},{grows},{decimal},{word},{word_kind},{day},{null},{price}")
    path.write_text("\n".join(lines) + "\n")
    return path


def compressed(path: Path) -> Path:
    """The file as gzip, beside it."""
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    return target


def contents(folder: Path) -> dict[str, Any]:
    """What a dataset is: its files' bytes; of HDF5, whose bytes may differ, the values."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".h5":
            found[path.name] = _values(path)
        elif path.name in MANIFEST_NAMES:
            found["_manifest"] = _manifest(folder)
        elif path.is_dir() and "=" in path.name:
            assert any(path.iterdir())  # its files have their own names
        elif path.name != "_lock":  # of a process that died when all was done
            found[path.name] = path.read_bytes()
    return found


def _values(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        return {
            name: (
                str(data.dtype),
                repr(np.asarray(data[()]).tolist()),  # NaN is not equal to itself
                {key: np.asarray(value).tolist() for key, value in data.attrs.items()},
            )
            for name, data in _datasets(file)
        }


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for item in group.values():
        if isinstance(item, h5py.Group):
            yield from _datasets(item)
        else:
            yield item.name, item


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_document(folder)
    if manifest["format"] == "hdf5":
        for shard in manifest["shards"]:
            shard["files"] = [file["name"] for file in shard["files"]]
        del manifest["sha256"]
    return manifest
