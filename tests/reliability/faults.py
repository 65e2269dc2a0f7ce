"""Faults of the system: one call that changes the output fails, or the process dies there.

`faults.c` counts the calls and fails one of them; it is loaded into the process that forks the
conversions. After each fault the same command runs again and must end in the same dataset.

`python -m tests.reliability.faults [NAME …]` takes every call and every fault, and prints a table.
"""

from __future__ import annotations

import errno
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigdata_cli import open_dataset, verify
from bigdata_cli.errors import BigdataError, UsageError
from bigdata_cli.native.compile import find_compiler
from tests.reliability.children import KILLED, Zygote, contents, write_source, zygote

FAIL, SHORT_WRITE, KILL, FAIL_FROM_HERE = range(4)
"""As `faults.c` has them."""
_UNFINISHED = "is unfinished and not in the manifest"
_INTERRUPTIBLE = ("write", "pwrite", "fsync", "ftruncate", "flock")


@dataclass(frozen=True)
class Fault:
    """What becomes of a call.

    Attributes:
        calls: Of which kinds of calls it makes sense; empty for all.
    """

    name: str
    kind: int
    error: int = 0
    calls: tuple[str, ...] = ()


FAULTS = (
    Fault("EIO", FAIL, errno.EIO),
    Fault(
        "ENOSPC", FAIL, errno.ENOSPC, ("write", "pwrite", "ftruncate", "mkdir", "open", "rename")
    ),
    Fault("ENOSPC from here on", FAIL_FROM_HERE, errno.ENOSPC, ("write", "pwrite", "ftruncate")),
    Fault("EDQUOT", FAIL, errno.EDQUOT, ("write", "pwrite", "open")),
    Fault("EINTR", FAIL, errno.EINTR, _INTERRUPTIBLE),
    Fault("short write", SHORT_WRITE, 0, ("write", "pwrite")),
    Fault("killed", KILL),
)
REQUESTS: dict[str, dict[str, Any]] = {
    "parquet": {"to": "parquet"},
    "hdf5 columns": {"to": "hdf5"},
    "hdf5 matrix": {"to": "hdf5", "layout": "matrix"},
    "npy columns": {"to": "npy"},
    "npy matrix": {"to": "npy", "layout": "matrix"},
    "tfrecord rows": {"to": "tfrecord"},
    "tfrecord block": {"to": "tfrecord", "layout": "block", "compression": "gzip"},
    "tfrecord packed": {"to": "tfrecord", "layout": "packed"},
    "arrow": {"to": "arrow"},
    "splits": {"to": "parquet", "split": {"train": 0.7, "test": 0.3}},
    "shuffle": {"to": "parquet", "shuffle": True},
    "force": {"to": "tfrecord", "force": True},
}
_NUMBERS_ALONE = ("matrix", "packed")


@contextmanager
def faulty_children() -> Iterator[Zygote]:
    """A process that forks conversions, in which calls can be made to fail."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "faults.so")
        source = Path(__file__).with_name("faults.c")
        find_compiler().run("-shared", "-fPIC", "-O1", "-Wall", "-o", library, source, "-ldl")
        with zygote(preload=library) as process:
            yield process


class Sweep:
    """The faults of one kind of conversion.

    Args:
        children: Forks conversions.
        name: One of REQUESTS.
        source: What is converted.
        folder: For what is written.
    """

    def __init__(self, children: Zygote, name: str, source: Path, folder: Path) -> None:
        self._children = children
        self._source = source
        self._output = folder / "out"
        self._kept = folder / "kept"
        self.request: dict[str, Any] = {"shards": 3, "on_bad_row": "skip", **REQUESTS[name]}
        if self.request.get("layout") in _NUMBERS_ALONE:
            self.request["columns"] = ["id", "price", "late"]
            self.request["types"] = {"late": "int64"}
        self._replaced: dict[str, Any] | None = None
        if self.request.get("force"):
            self._run(**{**self.request, "to": "npy"})
            self._output.rename(self._kept)
            self._replaced = contents(self._kept)
        self._begin()
        log = folder / "calls"
        self._run(fault={"at": 0, "log": str(log)}, **self.request)
        self.expected = contents(self._output)
        self.calls = [line.split()[0] for line in log.read_text().splitlines()]

    def _run(self, **request: Any) -> dict[str, Any]:
        return self._children.run(self._source, self._output, **request)

    def _begin(self) -> None:
        if self._output.exists():
            shutil.rmtree(self._output)
        if self._replaced is not None:
            shutil.copytree(self._kept, self._output)

    def faults_of(self, at: int) -> list[Fault]:
        """The faults that the call of that number, from 1, may have."""
        call = self.calls[at - 1]
        return [fault for fault in FAULTS if not fault.calls or call in fault.calls]

    def run_with(self, at: int, fault: Fault) -> dict[str, Any]:
        """What a conversion from the beginning says, where one call fails."""
        self._begin()
        what = {"at": at, "error": fault.error, "kind": fault.kind, "log": ""}
        return self._run(fault=what, **self.request)

    def check(self, at: int, fault: Fault) -> None:
        """Have one call fail, and run the same command again.

        Raises:
            AssertionError: A reader sees half a dataset, or the second run ends otherwise than one
                that nothing disturbed.
        """
        answer = self.run_with(at, fault)
        assert answer["status"] in (0, KILLED if fault.kind == KILL else 0)
        self._check_reader()
        again = self._run(verify=True, **self.request)
        if "already holds a dataset" not in again.get("message", ""):
            assert "error" not in again, again["message"]
            assert again["findings"] == []
        found = contents(self._output)
        assert found.keys() == self.expected.keys(), sorted(found.keys() ^ self.expected.keys())
        assert found == self.expected, [n for n in found if found[n] != self.expected[n]]

    def _check_reader(self) -> None:
        """Whoever opens the folder now sees a whole dataset, the old or the new one, or none."""
        try:
            open_dataset(self._output)
        except UsageError:
            return
        findings = verify(self._output).findings
        assert all(finding.what == _UNFINISHED for finding in findings), findings


def main(names: Sequence[str]) -> int:
    """Take every call and every fault; the number of those that failed."""
    failed = 0
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as place, faulty_children() as children:
        source = write_source(Path(place, "data.csv"))
        for name in names or REQUESTS:
            folder = Path(place, name)
            folder.mkdir()
            sweep = Sweep(children, name, source, folder)
            n_before = counts.total()
            for at, call in enumerate(sweep.calls, 1):
                for fault in sweep.faults_of(at):
                    counts[call, fault.name] += 1
                    try:
                        sweep.check(at, fault)
                    except (AssertionError, BigdataError) as error:
                        failed += 1
                        reason = str(error).partition("\n")[0][:200]
                        print(f"{name}: call {at}, {call}, {fault.name}: {reason}", flush=True)
            print(
                f"{name}: {len(sweep.calls)} calls, {counts.total() - n_before} faults", flush=True
            )
    print_table(counts)
    print(f"{failed} failed")
    return failed


def print_table(counts: Counter[tuple[str, str]]) -> None:
    """Print how many faults of each kind each call had, as Markdown."""
    calls = sorted({call for call, _ in counts})
    print(f"| call | {' | '.join(fault.name for fault in FAULTS)} |")
    print("|---|" + "---:|" * len(FAULTS))
    for call in calls:
        cells = (f"{counts[call, fault.name]:,}" for fault in FAULTS)
        print(f"| `{call}` | {' | '.join(cells)} |")


def sampled(sweep: Sweep, n: int, seed: str) -> list[tuple[int, Fault]]:
    """So many calls with a fault each, the same for each seed: some of every kind of call."""
    numbers = random.Random(seed)
    kinds = sorted(set(sweep.calls))
    chosen = []
    for i in range(n):
        kind = kinds[i % len(kinds)]
        at = numbers.choice([place for place, call in enumerate(sweep.calls, 1) if call == kind])
        chosen.append((at, numbers.choice(sweep.faults_of(at))))
    return chosen


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
