"""What a power cut leaves: calls that were made, but not yet on the disk, are lost in any subset.

`faults.c` records the calls that change the output. A crash keeps what was synced before it; of the
rest a file system may keep whatever it has come to. Rules, as strict as POSIX allows:

- What was written to a file is on the disk after `fsync` of the file. Until then each write may be
  there, be lost, be cut off, or have only its length there, with zeros in place of the bytes.
- A name in a folder (created, renamed, removed) is on the disk after `fsync` of the folder. Until
  then any of these changes may be lost, or all from some change on. A rename is atomic.

The idea is from ALICE (Pillai et al., OSDI 2014) and LazyFS (Ramos et al., VLDB 2024).

`python -m tests.reliability.unsynced [--states N] [NAME …]` checks so many states of each kind of
conversion, and then leaves out each `fsync` in turn, to see which states fail without it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bigdata_cli.errors import BigdataError
from tests.reliability.children import Zygote, write_source
from tests.reliability.counts import write_counts
from tests.reliability.faults import SCENARIOS, Sweep, faulty_children

_BLOCK_BYTES = 512


@dataclass(frozen=True)
class Call:
    """A call that changed the folder.

    Attributes:
        path: Below the folder, "" for the folder itself.
        other: The old name, of a rename or link.
        at: Where it was written to, or the length of `ftruncate`, in bytes.
    """

    name: str
    path: str
    other: str
    at: int
    data: bytes


def read_record(path: Path) -> list[Call]:
    """The calls that `faults.c` recorded, in order."""
    calls = []
    with path.open("rb") as file:
        while line := file.readline():
            name, target, other, at, n = line.decode().rstrip("\n").split("\t")
            data = file.read(int(n))
            calls.append(Call(name, target.strip("/"), other.strip("/"), int(at), data))
    return calls


@dataclass
class _File:
    """A file: what is on the disk, and the writes and truncations that may not be."""

    synced: bytes = b""
    pending: list[Call] = field(default_factory=list)


class _Folder(dict[str, "_File | _Folder"]):
    """A folder: the names that are on the disk."""

    __hash__ = object.__hash__  # type: ignore[assignment]


@dataclass(frozen=True)
class _Renaming:
    """Names that change together: (folder, name, what it names from now on)."""

    entries: tuple[tuple[_Folder, str, _File | _Folder | None], ...]


class Disk:
    """A folder on a disk while calls change it.

    Args:
        folder: Its contents are on the disk at the beginning.
        unheeded: The numbers of the calls of `fsync`, from 0, that do nothing.
    """

    def __init__(self, folder: Path, unheeded: Collection[int] = ()) -> None:
        self._unheeded = unheeded
        self._n_syncs = 0
        self._root = _Folder()
        self._live: dict[str, _File | _Folder] = {"": self._root}
        self._pending: list[_Renaming] = []
        for path in sorted(folder.rglob("*")) if folder.exists() else ():
            at = path.relative_to(folder).as_posix()
            item = _Folder() if path.is_dir() else _File(path.read_bytes())
            self._folder_of(at)[path.name] = item
            self._live[at] = item

    def make(self, call: Call) -> None:
        """Make a call."""
        item = self._live.get(call.path)
        match call.name:
            case "create":
                self._name(call.path, _File())
            case "mkdir" if call.path:
                self._name(call.path, _Folder())
            case "unlink" | "rmdir" if call.path:
                self._name(call.path, None)
            case "link":
                self._name(call.path, self._live[call.other])
            case "rename":
                self._rename(call.other, call.path)
            case "fsync":
                if self._n_syncs not in self._unheeded:
                    self._sync(item)
                self._n_syncs += 1
            case "write" | "ftruncate" if isinstance(item, _File):
                item.pending.append(call)

    def _folder_of(self, path: str) -> _Folder:
        folder = self._live[path.rpartition("/")[0]]
        assert isinstance(folder, _Folder)
        return folder

    def _name(self, path: str, item: _File | _Folder | None) -> None:
        entry = (self._folder_of(path), path.rpartition("/")[2], item)
        self._pending.append(_Renaming((entry,)))
        self._live.pop(path, None)
        if item is not None:
            self._live[path] = item

    def _rename(self, old: str, new: str) -> None:
        item = self._live[old]
        entries = tuple(
            (self._folder_of(path), path.rpartition("/")[2], what)
            for path, what in ((old, None), (new, item))
        )
        self._pending.append(_Renaming(entries))
        moved = [path for path in self._live if path == old or path.startswith(old + "/")]
        for path in moved:
            self._live[new + path[len(old) :]] = self._live.pop(path)

    def _sync(self, item: _File | _Folder | None) -> None:
        if isinstance(item, _File):
            item.synced, item.pending = _applied(item.synced, item.pending), []
        elif item is not None:
            touched = [one for one in self._pending if any(f is item for f, *_ in one.entries)]
            self._pending = [change for change in self._pending if change not in touched]
            for change in touched:
                _rename_in(change)

    def crash(self, numbers: random.Random) -> dict[str, bytes | None]:
        """What is on the disk after a power cut, by path; None for a folder. Ends this disk."""
        pending = self._pending
        if numbers.random() < 0.5:
            kept = pending[: numbers.randint(0, len(pending))]
        else:
            share = numbers.random()
            kept = [change for change in pending if numbers.random() < share]
        for change in kept:
            _rename_in(change)
        return dict(_contents(self._root, numbers))

    def everything(self) -> dict[str, bytes | None]:
        """What is there where nothing is lost."""
        files = {path: item for path, item in self._live.items() if path}
        return {
            path: _applied(item.synced, item.pending) if isinstance(item, _File) else None
            for path, item in files.items()
        }


def _rename_in(change: _Renaming) -> None:
    for folder, name, item in change.entries:
        folder.pop(name, None)
        if item is not None:
            folder[name] = item


def _applied(data: bytes, calls: Sequence[Call]) -> bytes:
    found = bytearray(data)
    for call in calls:
        if call.name == "ftruncate":
            del found[call.at :]
            found.extend(bytes(call.at - len(found)))
        else:
            found.extend(bytes(max(0, call.at - len(found))))
            found[call.at : call.at + len(call.data)] = call.data
    return bytes(found)


def _contents(
    folder: _Folder, numbers: random.Random, above: str = ""
) -> Iterator[tuple[str, bytes | None]]:
    for name, item in folder.items():
        if isinstance(item, _File):
            yield above + name, _applied(item.synced, _survivors(item.pending, numbers))
        else:
            yield above + name, None
            yield from _contents(item, numbers, f"{above}{name}/")


def _survivors(calls: Sequence[Call], numbers: random.Random) -> list[Call]:
    share = numbers.choice((0.0, 0.5, 0.9, 1.0))
    kept = [call for call in calls if numbers.random() < share]
    return [_torn(call, numbers) if numbers.random() < 0.2 else call for call in kept]


def _torn(call: Call, numbers: random.Random) -> Call:
    """A write that was cut off, or of which the file has only the length."""
    if numbers.random() < 0.5:
        data = bytes(len(call.data))
    else:
        cut = numbers.randint(0, len(call.data))
        data = call.data[: cut // _BLOCK_BYTES * _BLOCK_BYTES if numbers.random() < 0.5 else cut]
    return Call(call.name, call.path, call.other, call.at, data)


class PowerCuts:
    """States of the output of one kind of conversion after power cuts.

    Args:
        children: Forks conversions, with `faults.c` in them.
        name: One of SCENARIOS.
        source: What is converted.
        folder: For what is written.
    """

    def __init__(self, children: Zygote, name: str, source: Path, folder: Path) -> None:
        self.sweep = Sweep(children, name, source, folder)
        record = folder / "record"
        self.sweep.begin()
        self._before = folder / "before"
        if self.sweep.output.exists():
            shutil.copytree(self.sweep.output, self._before)
        self.sweep.run(fault={"at": 0, "log": "", "record": str(record)}, **self.sweep.request)
        self.calls = read_record(record)

    @property
    def n_syncs(self) -> int:
        """How many calls of `fsync` a conversion makes."""
        return sum(call.name == "fsync" for call in self.calls)

    def check_record(self) -> None:
        """With no call lost, the folder is what the conversion has written: the record is whole."""
        disk = Disk(self._before)
        for call in self.calls:
            disk.make(call)
        output = self.sweep.output
        found = {path.relative_to(output).as_posix(): path for path in output.rglob("*")}
        assert disk.everything() == {
            at: path.read_bytes() if path.is_file() else None for at, path in found.items()
        }

    def check(self, numbers: random.Random, unheeded: Collection[int] = ()) -> None:
        """Cut the power somewhere, and run the same command again.

        Raises:
            AssertionError: A reader sees half a dataset, or the second run ends otherwise than one
                that nothing disturbed.
        """
        disk = Disk(self._before, unheeded)
        for call in self.calls[: numbers.randint(1, len(self.calls))]:
            disk.make(call)
        output = self.sweep.output
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        for path, data in disk.crash(numbers).items():
            if data is None:
                (output / path).mkdir(parents=True, exist_ok=True)
            else:
                (output / path).write_bytes(data)
        self.sweep.check_recovery()


def _failures(cuts: PowerCuts, n: int, seed: str, unheeded: Collection[int] = ()) -> Iterator[str]:
    for i in range(n):
        numbers = random.Random(f"{seed} {i}")
        try:
            cuts.check(numbers, unheeded)
        except (AssertionError, BigdataError) as error:
            yield f"state {i}: {str(error).partition(chr(10))[0][:200]}"


def _report_needed(cuts: PowerCuts, name: str, n: int) -> None:
    """Print, for each fsync, whether states fail without it."""
    places = [call.path or "." for call in cuts.calls if call.name == "fsync"]
    for i, place in enumerate(places):
        failure = next(_failures(cuts, n, f"{name} without {i}", [i]), None)
        print(f"{name}: without fsync {i} of {place}: {failure or 'nothing found'}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Check states of each kind of conversion; how many failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--states", type=int, default=1_000)
    parser.add_argument("--without", type=int, default=0, help="states for each fsync left out")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--update", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args(arguments)
    n_failed = 0
    lines = ["| conversion | states | calls | fsync | failed |", "|---|---:|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as place, faulty_children() as children:
        source = write_source(Path(place, "data.csv"))
        for name in options.names or SCENARIOS:
            folder = Path(place, name)
            folder.mkdir()
            cuts = PowerCuts(children, name, source, folder)
            cuts.check_record()
            failures = list(_failures(cuts, options.states, f"{options.seed} {name}"))
            n_failed += len(failures)
            numbers = (options.states, len(cuts.calls), cuts.n_syncs, len(failures))
            lines.append(f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
            print(f"{name}: {options.states:,} states of {len(cuts.calls)} calls, "
                  f"{cuts.n_syncs} fsync: {len(failures)} failed", *failures[:5], sep="\n  ",
                  flush=True)  # fmt: skip
            if options.without:
                _report_needed(cuts, name, options.without)
    if options.update:
        write_counts("tests.reliability.unsynced", "\n".join(lines))
    return n_failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
