"""A disk that takes no more: exit status 4, a message, nothing left behind, and no crash."""

from __future__ import annotations

import random
import resource
import subprocess
import sys

import pytest

from bigdata_cli import convert

LAYOUTS = [("parquet", "rows"), ("npy", "columns"), ("hdf5", "columns"), ("tfrecord", "block")]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A file of 8 MB; it has been converted, so that the kernels are compiled and cached."""
    folder = tmp_path_factory.mktemp("source")
    path = folder / "data.csv"
    numbers = random.Random(5)
    path.write_text(
        "i,f,t\n" + "".join(f"{i},{numbers.random()},name {i}\n" for i in range(250_000))
    )
    for to, layout in LAYOUTS:
        convert(path, to=to, layout=layout, output=folder / to)
    return path


@pytest.mark.parametrize("limit_bytes", [100_000, 600_000], ids=["estimate", "shards"])
@pytest.mark.parametrize(("to", "layout"), LAYOUTS)
def test_a_file_that_may_not_grow(source, tmp_path, to, layout, limit_bytes):
    def limit() -> None:  # files beyond the limit fail as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    command = [sys.executable, "-m", "bigdata_cli", "convert", str(source), "--to", to]
    command += ["--layout", layout, "--jobs", "2", "-o", "out", "-q"]
    command += ["--shards", "2"] if limit_bytes > 100_000 else []
    done = subprocess.run(
        command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("Error: ")
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
