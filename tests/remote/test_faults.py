"""Processes that are killed and servers that fail: the same bytes in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigdata_cli import clean, convert, open_dataset, verify
from tests.remote.request_faults import KILLED_AFTER, KILLED_BEFORE, RequestSweep, sampled
from tests.remote.servers import FAULTS, FaultProxy, Faults

N_ROWS = 40_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "trips.csv"
    lines = (f"{i},text {i % 300},{i / 4}\n" for i in range(N_ROWS))
    path.write_text("id,text,value\n" + "".join(lines))
    return path


def checksums(folder: Path | str) -> list[tuple[str, str]]:
    return [
        (file.name, file.checksum) for shard in open_dataset(folder).shards for file in shard.files
    ]


CHILD = """
import sys, time
from bigdata_cli import convert
from bigdata_cli.io.remote import writing

upload, n_sent = writing.upload, [0]

def slow(path, url):
    upload(path, url)
    n_sent[0] += 1
    if n_sent[0] == 3:
        print("three are sent", flush=True)
        time.sleep(60)

writing.upload = slow
convert(sys.argv[1], to="parquet", output=sys.argv[2], shards=6, jobs=1)
"""


def test_a_killed_conversion_goes_on(s3: str, source: Path, tmp_path: Path) -> None:
    there = f"{s3}/d"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(source), there], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "three are sent\n"
    time.sleep(0.3)  # the line of the second shard is in the journal
    child.send_signal(signal.SIGKILL)
    child.wait()
    report = convert(source, to="parquet", output=there, shards=6, jobs=1)
    assert report.resumed_shards >= 2
    convert(source, to="parquet", output=tmp_path / "here", shards=6)
    assert checksums(there) == checksums(tmp_path / "here")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
def test_what_a_killed_conversion_left_is_cleaned(s3: str, source: Path) -> None:
    import s3fs

    there = f"{s3}/d"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(source), there], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.wait()
    assert len(clean(there).files) >= 3
    assert not s3fs.S3FileSystem().exists(there)


def round_trip(there: str, source: Path, tmp_path: Path) -> None:
    """Send a source and read it from there, write a dataset and read it back."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    convert(f"{there}/trips.csv", to="parquet", output=f"{there}/d", shards=3)
    convert(source, to="parquet", output=tmp_path / "here", shards=3)
    assert checksums(f"{there}/d") == checksums(tmp_path / "here")
    report = verify(f"{there}/d", source=f"{there}/trips.csv")
    assert (report.findings, report.compared_rows) == ((), N_ROWS)


def test_an_s3_server_ten_percent_of_whose_answers_go_wrong(
    s3: str, s3_server: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    s3fs.S3FileSystem().put_file(str(source), f"{s3}/trips.csv")
    with FaultProxy(s3_server, Faults(0.1, (*FAULTS, "lost"), seed=3)).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        round_trip(s3, source, tmp_path)
    assert proxy.faults.n_made > 4
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestSweep]:
    with RequestSweep.running(tmp_path_factory.mktemp("sweep")) as running:
        yield running


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
@pytest.mark.parametrize("kind", ["lost", KILLED_BEFORE, KILLED_AFTER])
def test_one_request_goes_wrong(kind: str, sweep: RequestSweep) -> None:
    sweep.check(random.Random(kind).randint(1, len(sweep.requests)), kind)


@pytest.mark.soak
def test_requests_go_wrong(sweep: RequestSweep) -> None:
    for at, kind in sampled(sweep.requests, 200, "soak"):
        sweep.check(at, kind)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
def test_an_s3_server_a_third_of_whose_answers_go_wrong(
    s3: str,
    s3_server: str,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    import s3fs

    s3fs.S3FileSystem().put_file(str(source), f"{s3}/trips.csv")
    with FaultProxy(s3_server, Faults(0.3, (*FAULTS, "lost"), seed=seed)).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        round_trip(s3, source, tmp_path)
    assert proxy.faults.n_made > 4
    s3fs.S3FileSystem.clear_instance_cache()
