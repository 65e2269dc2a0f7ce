"""Faults of the system: one call that changes the output fails, or the process dies there.

`faults.c` counts the calls and fails one of them; it is loaded into the process that forks the
conversions. After each fault the same command runs again and must end in the same dataset.

`python -m tests.reliability.faults [NAME …]` takes every call and every fault, and prints a table,
which stands in docs/reliability.md with `--update`.
"""

from __future__ import annotations

import argparse
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
from tests.reliability.counts import write_counts

FAIL, SHORT_WRITE, KILL, FAIL_FROM_HERE = range(4)
"""As `faults.c` has them."""
_UNFINISHED = "is unfinished and not in the manifest"
_DAMAGED = ("the file is missing",)
_DONE = ("already holds a dataset", "holds nothing that a conversion wrote")
"""What a command says that was done before the process died."""
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


@dataclass(frozen=True)
class Scenario:
    """What is done when a call fails.

    Attributes:
        options: Of the conversion.
        action: What is done with them; see `zygote.py`.
        before: Conversions before it, with other options, which nothing disturbs.
        is_damaged: After them a shard is gone.
    """

    options: dict[str, Any]
    action: str = "convert"
    before: tuple[dict[str, Any], ...] = ()
    is_damaged: bool = False


SCENARIOS = {
    "parquet": Scenario({"to": "parquet"}),
    "hdf5 columns": Scenario({"to": "hdf5"}),
    "hdf5 matrix": Scenario({"to": "hdf5", "layout": "matrix"}),
    "npy columns": Scenario({"to": "npy"}),
    "npy matrix": Scenario({"to": "npy", "layout": "matrix"}),
    "tfrecord rows": Scenario({"to": "tfrecord"}),
    "tfrecord block": Scenario({"to": "tfrecord", "layout": "block", "compression": "gzip"}),
    "tfrecord packed": Scenario({"to": "tfrecord", "layout": "packed"}),
    "arrow": Scenario({"to": "arrow"}),
    "splits": Scenario({"to": "parquet", "split": {"train": 0.7, "test": 0.3}}),
    "shuffle": Scenario({"to": "parquet", "shuffle": True}),
    "sort": Scenario({"to": "arrow", "sort_by": ["price"]}),
    "partition": Scenario({"to": "parquet", "partition_by": ["kind"], "shards": None}),
    "dedup": Scenario({"to": "parquet", "dedup": ["kind", "grows"]}),
    "standardize": Scenario({"to": "npy", "standardize": ["price"]}),
    "force": Scenario({"to": "tfrecord", "force": True}, before=({"to": "npy"},)),
    "resume": Scenario({"to": "parquet"}, before=({"die_at": "before recount"},)),
    "repair": Scenario({"to": "tfrecord", "repair": True}, before=({},), is_damaged=True),
    "tasks": Scenario({"to": "parquet"}, action="tasks"),
    "clean": Scenario({"to": "npy"}, action="clean", before=({"die_at": "before commit"},)),
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
        name: One of SCENARIOS.
        source: What is converted.
        folder: For what is written.

    Attributes:
        request: The options of the conversion.
        output: The folder that it writes.
        expected: The contents of the output where nothing fails.
        calls: The kinds of the calls that change the output, in order.
    """

    def __init__(self, children: Zygote, name: str, source: Path, folder: Path) -> None:
        self._children = children
        self._source = source
        self.output = folder / "out"
        self._kept = folder / "kept"
        self._scenario = SCENARIOS[name]
        self.request: dict[str, Any] = {
            "shards": 3, "on_bad_row": "skip", "seed": 1, **self._scenario.options
        }  # fmt: skip
        if self.request.get("layout") in _NUMBERS_ALONE:
            self.request["columns"] = ["id", "price", "late"]
            self.request["type"] = {"late": "int64"}
        plain = {**self.request, "force": False, "repair": False}
        for other in self._scenario.before:
            answer = self._children.run(self._source, self.output, **{**plain, **other})
            assert "error" not in answer, answer["message"]
        if self._scenario.is_damaged:
            next(self.output.glob("data-00001-*")).unlink()
        if self._scenario.before:
            self.output.rename(self._kept)
        self.begin()
        log = folder / "calls"
        answer = self.run(fault={"at": 0, "log": str(log)}, **self.request)
        assert "error" not in answer, answer["message"]
        self.expected = contents(self.output)
        self.calls = [line.split()[0] for line in log.read_text().splitlines()]

    def run(self, **request: Any) -> dict[str, Any]:
        """What a conversion says."""
        action = self._scenario.action
        return self._children.run(self._source, self.output, action=action, **request)

    def begin(self) -> None:
        """Make the output what it is before the command."""
        if self.output.exists():
            shutil.rmtree(self.output)
        if self._kept.exists():
            shutil.copytree(self._kept, self.output)

    def faults_of(self, at: int) -> list[Fault]:
        """The faults that the call of that number, from 1, may have."""
        call = self.calls[at - 1]
        return [fault for fault in FAULTS if not fault.calls or call in fault.calls]

    def run_with(self, at: int, fault: Fault) -> dict[str, Any]:
        """What a conversion from the beginning says, where one call fails."""
        self.begin()
        what = {"at": at, "error": fault.error, "kind": fault.kind, "log": ""}
        return self.run(fault=what, **self.request)

    def check(self, at: int, fault: Fault) -> None:
        """Have one call fail, and run the same command again.

        Raises:
            AssertionError: A reader sees half a dataset, or the second run ends otherwise than one
                that nothing disturbed.
        """
        answer = self.run_with(at, fault)
        assert answer["status"] in (0, KILLED if fault.kind == KILL else 0)
        self.check_recovery()

    def check_recovery(self) -> None:
        """Read what is there now, and run the same command again.

        Raises:
            AssertionError: A reader sees half a dataset, or the run ends otherwise than one that
                nothing disturbed.
        """
        self._check_reader()
        again = self.run(verify=True, **self.request)
        if not any(message in again.get("message", "") for message in _DONE):
            assert "error" not in again, again["message"]
            assert again.get("findings", []) == []
        found = contents(self.output)
        assert found.keys() == self.expected.keys(), sorted(found.keys() ^ self.expected.keys())
        assert found == self.expected, [n for n in found if found[n] != self.expected[n]]

    def _check_reader(self) -> None:
        """Whoever opens the folder now sees a whole dataset, the old or the new one, or none."""
        try:
            open_dataset(self.output)
        except UsageError:
            return
        findings = [one for one in verify(self.output).findings if one.what != _UNFINISHED]
        assert not findings or self._scenario.is_damaged, findings
        assert all(finding.what in _DAMAGED for finding in findings), findings


def main(arguments: Sequence[str]) -> int:
    """Take every call and every fault; the number of those that failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--update", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    failed = 0
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as place, faulty_children() as children:
        source = write_source(Path(place, "data.csv"))
        for name in options.names or SCENARIOS:
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
    text = table_of(counts, failed)
    print(text)
    if options.update:
        write_counts("tests.reliability.faults", text)
    return failed


def table_of(counts: Counter[tuple[str, str]], failed: int) -> str:
    """How many faults of each kind each call had, as Markdown."""
    lines = [f"| call | {' | '.join(fault.name for fault in FAULTS)} |"]
    lines.append("|---|" + "---:|" * len(FAULTS))
    for call in sorted({call for call, _ in counts}):
        cells = (f"{counts[call, fault.name]:,}" for fault in FAULTS)
        lines.append(f"| `{call}` | {' | '.join(cells)} |")
    lines += ["", f"{counts.total():,} faults, {failed} failed."]
    return "\n".join(lines)


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
