"""A disk that takes no more: exit status 4, a message, nothing left behind, and no crash."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys

import pytest

from bigdata_cli import convert

LAYOUTS = [
    ("parquet", "rows"), ("npy", "columns"), ("hdf5", "columns"), ("tfrecord", "block"),
    ("arrow", "rows"),
]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A file of 8 MB."""
    path = tmp_path_factory.mktemp("source") / "data.csv"
    numbers = random.Random(5)
    path.write_text(
        "i,f,t\n" + "".join(f"{i},{numbers.random()},name {i}\n" for i in range(250_000))
    )
    return path


@pytest.mark.parametrize("limit_bytes", [100_000, 600_000], ids=["estimate", "shards"])
@pytest.mark.parametrize(("to", "layout"), LAYOUTS)
def test_a_file_that_may_not_grow(source, tmp_path, to, layout, limit_bytes):
    def limit() -> None:  # files beyond the limit fail as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    command = [sys.executable, "-m", "bigdata_cli", "convert", str(source), "--to", to]
    command += ["--layout", layout, "--jobs", "2", "-o", "out", "-q"]
    command += ["--shards", "2"] if limit_bytes > 100_000 else []
    # `make coverage` would write within the limit too.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_PROCESS")}
    done = subprocess.run(
        command, cwd=tmp_path, preexec_fn=limit, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("Error: ")
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


NAMESPACE = (
    ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
)
ON_A_SMALL_DISK = """
mount -t tmpfs -o size=3m tmpfs small || exit 99
convert="$1 -m bigdata_cli convert $2 --to npy --shards 20 -o small/out --disk-limit 1GB"
$convert 2> first; echo $? > status
ls -A small/out > left
mount -o remount,size=64m small
$convert --json 2> second > report && cp -r small/out went-on
"""


@pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="this machine lets nobody mount a file system of their own",
)
def test_a_disk_that_is_full_and_then_is_not(source, tmp_path):
    (tmp_path / "small").mkdir()
    script = ["sh", "-c", ON_A_SMALL_DISK, "sh", sys.executable, str(source)]
    done = subprocess.run([*NAMESPACE, *script], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "status").read_text() == "4\n"
    first = (tmp_path / "first").read_text()
    assert "the disk is full" in first
    assert "of 20 shards are done; the same command goes on from there:\n  bigdata convert" in first
    left = (tmp_path / "left").read_text().split()
    assert "_journal.jsonl" in left
    assert all(name.startswith("_") for name in left)
    assert "resuming: " in (tmp_path / "second").read_text()
    assert json.loads((tmp_path / "report").read_text())["resumed_shards"] > 0
    straight = tmp_path / "straight"
    convert(source, to="npy", shards=20, output=straight)
    for path in straight.iterdir():
        assert (tmp_path / "went-on" / path.name).read_bytes() == path.read_bytes()
