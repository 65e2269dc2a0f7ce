"""Rates from and to addresses on this machine, beside those of files and what the servers can do.

`python -m benchmarks.urls [--size 200MB] [--times 3]`: a web server and a server of S3 (moto),
each a process of its own. The limit of a server is how fast it gives or takes the same bytes, in
the same ranges, where nothing is done with them. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bigdata_cli import convert, sample
from bigdata_cli.io.remote.files import look_at, read_range
from bigdata_cli.io.remote.ranges import STREAMED
from bigdata_cli.io.remote.writing import upload
from bigdata_cli.resources.sizes import parse_size
from bigdata_cli.url import Url

OBJECT_BYTES = 16_000_000
"""moto reads all of an object for each range of it."""
WEB = """
import sys, time
from pathlib import Path
from tests.remote.servers import Faults, WebServer
with WebServer(Path(sys.argv[1]), faults=Faults(float(sys.argv[2]))).running() as server:
    print(server.url, flush=True)
    while True:
        time.sleep(1)
        server.requests.clear()
"""
S3 = """
import logging, time
from moto.server import ThreadedMotoServer
logging.disable()
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
time.sleep(1e6)
"""


@contextmanager
def served(code: str, *arguments: str) -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()


def seconds(work: Callable[[], object], times: int) -> float:
    """The median of what some runs take."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return median(took)


def fetch(urls: list[Url]) -> None:
    """Read files in the ranges that a conversion reads ahead, and drop them."""
    step = STREAMED.block_bytes
    ranges = []
    for url in urls:
        size = look_at(url).bytes or 0
        ranges += [(url, start, min(start + step, size)) for start in range(0, size, step)]
    with ThreadPoolExecutor(STREAMED.n_ahead) as pool:
        for _ in pool.map(lambda one: read_range(*one), ranges):
            pass


def cut(path: Path, folder: Path) -> list[Path]:
    """A CSV in files of OBJECT_BYTES, each with its header."""
    made = []
    with path.open("rb") as file:
        header = file.readline()
        while lines := file.readlines(OBJECT_BYTES):
            made.append(folder / f"{len(made):03d}.csv")
            made[-1].write_bytes(header + b"".join(lines))
    return made


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="200MB")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "whole" / "trips.csv"
        source.parent.mkdir()
        sample("transactions", size=parse_size(given.size), output=source)
        (folder / "cut").mkdir()
        pieces = cut(source, folder / "cut")
        n_bytes = source.stat().st_size
        _measure(folder, source, pieces, n_bytes, given.times)


def _measure(folder: Path, source: Path, pieces: list[Path], n_bytes: int, times: int) -> None:
    def converted(given: object, output: object = folder / "out") -> Callable[[], object]:
        return lambda: convert(given, to="parquet", output=output, force=True)  # type: ignore[arg-type]

    def row(what: str, took: float, beside: float, size: int = n_bytes) -> None:
        print(f"{what:46} {size / took / 1e6:8.1f} MB/s {beside / took:8.2f}", flush=True)

    here = seconds(converted(source), times)
    row("local", here, here)
    with served(WEB, str(source.parent), "0") as web:
        url = f"{web}/trips.csv"
        row("the web server's limit", seconds(lambda: fetch([Url(url)]), times), here)
        row("from the web server", seconds(converted(url), times), here)
    with served(WEB, str(source.parent), "0.1") as web:
        row("the same, 10 % of answers go wrong", seconds(converted(f"{web}/trips.csv"), 1), here)
    with served(S3) as endpoint:
        os.environ |= {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "example",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        import s3fs

        s3fs.S3FileSystem().mkdir("bench-bucket")
        urls = [Url(f"s3://bench-bucket/in/{piece.name}") for piece in pieces]
        for piece, url in zip(pieces, urls, strict=True):
            upload(piece, url)
        here = seconds(converted(pieces), times)
        row(f"local, {len(pieces)} files", here, here)
        row("the limit of S3 (moto)", seconds(lambda: fetch(urls), times), here)
        row("from S3", seconds(converted(list(map(str, urls))), times), here)
        report = convert(pieces, to="parquet", output=folder / "out", force=True)
        shards = [folder / "out" / name for s in report.manifest.shards for name in s.file_names]
        there = Url("s3://bench-bucket/limit")
        took = seconds(lambda: [upload(path, there / path.name) for path in shards], times)
        row("to S3 (moto): uploads alone", took, here)
        row("to S3", seconds(converted(pieces, "s3://bench-bucket/out"), times), here)


if __name__ == "__main__":
    main()
