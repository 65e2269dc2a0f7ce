"""Faults of an object store: one request goes wrong, the server is gone, or the process dies there.

After each fault the same command runs again, with a server that works, and must end in the dataset
that a folder would have.

`python -m tests.remote.request_faults` takes every request and every fault, which is some hours, or
a sample of N with `--sample N`, and prints a table.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from bigdata_cli.errors import BigdataError
from tests.reliability.children import KILLED, Zygote, write_source, zygote
from tests.reliability.counts import write_counts
from tests.remote.servers import FAULTS, FaultProxy, Faults

GONE, KILLED_BEFORE, KILLED_AFTER = "gone from here on", "killed before", "killed after"
KINDS = (*FAULTS, "lost", GONE, KILLED_BEFORE, KILLED_AFTER)
_OPTIONS = {"to": "parquet", "shards": 3, "on_bad_row": "skip", "jobs": 1}


class OneFault(Faults):
    """The request of one number goes wrong; at 0 none."""

    def __init__(self, children: Zygote, at: int = 0, kind: str = "") -> None:
        super().__init__()
        self.requests: list[str] = []
        self._children = children
        self._at = at
        self._kind = kind
        self._count = threading.Lock()

    def next(self, method: str = "") -> str | None:
        with self._count:
            self.requests.append(method)
            n = len(self.requests)
        if not self._at or n < self._at or (n > self._at and self._kind != GONE):
            return None
        if self._kind in (KILLED_BEFORE, KILLED_AFTER):
            self._children.kill_child()
        return {GONE: "reset", KILLED_BEFORE: "reset", KILLED_AFTER: "lost"}.get(
            self._kind, self._kind
        )


@dataclass
class RequestSweep:
    """Conversions into a bucket of an S3 server, behind a proxy.

    Attributes:
        expected: Name and checksum of each file of the dataset.
    """

    children: Zygote
    proxy: FaultProxy
    source: Path
    bucket: str
    expected: list[list[str]]

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[RequestSweep]:
        """Start the servers and the process that forks conversions."""
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        bucket = f"bucket-{uuid.uuid4().hex[:12]}"
        connection = HTTPConnection(host, port)
        connection.request("PUT", f"/{bucket}", headers={"Host": urlsplit(f"//{host}").netloc})
        assert connection.getresponse().status == 200
        connection.close()
        source = write_source(folder / "data.csv")
        with FaultProxy(f"http://{host}:{port}", Faults()).running() as proxy:
            variables = {
                "AWS_ENDPOINT_URL": proxy.url,
                "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "a-secret-key",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_CONFIG_FILE": str(folder / "none"),
                "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            }
            with zygote(**variables) as children:
                answer = children.run(source, folder / "here", verify=True, **_OPTIONS)
                yield cls(children, proxy, source, f"s3://{bucket}", answer["files"])
        server.stop()

    @cached_property
    def requests(self) -> list[str]:
        """The requests of a conversion that nothing disturbs: their methods, in order."""
        self.proxy.faults = faults = OneFault(self.children)
        answer = self.children.run(self.source, f"{self.bucket}/none", **_OPTIONS)
        assert "error" not in answer, answer["message"]
        return faults.requests

    def check(self, at: int, kind: str) -> None:
        """Have one request go wrong, and run the same command again if it has to be.

        Raises:
            AssertionError: The dataset is another one, or a fault that passes was not survived.
        """
        output = f"{self.bucket}/{at}-{kind.replace(' ', '-')}"
        self.proxy.faults = OneFault(self.children, at, kind)
        answer = self.children.run(self.source, output, **_OPTIONS)
        if kind in (KILLED_BEFORE, KILLED_AFTER):
            assert answer["status"] == KILLED
        elif kind != GONE:
            assert "error" not in answer, answer["message"]
        self.proxy.faults = Faults()
        again = self.children.run(self.source, output, verify=True, **_OPTIONS)
        if "already holds a dataset" in again.get("message", ""):
            again = self.children.run(self.source, output, verify=True, action="look", **_OPTIONS)
        assert "error" not in again, again["message"]
        assert again["findings"] == []
        assert again["files"] == self.expected


def sampled(requests: list[str], n: int, seed: str) -> list[tuple[int, str]]:
    """So many requests with a fault each: every kind of fault, and the last requests."""
    numbers = random.Random(seed)
    places = [*range(len(requests), 0, -3), *numbers.choices(range(1, len(requests) + 1), k=n)]
    return [(at, KINDS[-1 - i % len(KINDS)]) for i, at in enumerate(places[:n])]


def main(arguments: Sequence[str]) -> int:
    """Take every request and every fault, or some; the number of those that failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--update", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    counts: Counter[tuple[str, str]] = Counter()
    n_failed = 0
    with tempfile.TemporaryDirectory() as place, RequestSweep.running(Path(place)) as sweep:
        requests = sweep.requests
        chosen = [(at, kind) for at in range(1, len(requests) + 1) for kind in KINDS]
        if options.sample:
            chosen = sampled(requests, options.sample, options.seed)
        for at, kind in chosen:
            counts[requests[at - 1], kind] += 1
            try:
                sweep.check(at, kind)
            except (AssertionError, BigdataError) as error:
                n_failed += 1
                reason = str(error).partition("\n")[0][:200]
                print(f"request {at}, {requests[at - 1]}, {kind}: {reason}", flush=True)
    lines = [f"| request | {' | '.join(KINDS)} |", "|---|" + "---:|" * len(KINDS)]
    for method in sorted({method for method, _ in counts}):
        cells = (str(counts[method, kind]) for kind in KINDS)
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    lines += ["", f"{counts.total():,} faults of {len(requests)} requests, {n_failed} failed."]
    print("\n".join(lines))
    if options.update:
        write_counts("tests.remote.request_faults", "\n".join(lines))
    return n_failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
