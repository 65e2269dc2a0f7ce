"""Commands at one output at once, in orders of their steps that are drawn at random."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli import clean, convert, open_dataset, verify
from bigdata_cli.errors import BigdataError, UsageError
from tests.reliability.schedule import Command, stepwise

N_ROWS = 40
N_SCHEDULES = 15


@pytest.fixture(scope="module", autouse=True)
def _stepwise() -> Iterator[None]:
    with stepwise():
        yield


class Place:
    """An output, and commands that are given it; rows of one source have one value."""

    def __init__(self, folder: Path, to: str) -> None:
        self.output = folder / "out"
        self._to = to
        self._sources = {}
        for value in (1, 2):
            path = self._sources[value] = folder / f"{value}.csv"
            path.write_text("n,text\n" + f"{value},word {value}\n" * N_ROWS)

    def write(self, value: int, **options: Any) -> Any:
        return convert(
            self._sources[value], to=self._to, output=self.output, shards=2, jobs=1, **options
        )

    def replace(self) -> Any:
        return self.write(2, force=True)

    def repair(self) -> Any:
        return self.write(1, repair=True)

    def clean(self) -> Any:
        return clean(self.output)

    def read(self) -> Any:
        """The values of all rows of the dataset that is there."""
        dataset = open_dataset(self.output)
        return [
            value for batch in dataset.read(columns=["n"]) for value in batch.column(0).to_pylist()
        ]

    def check(self) -> None:
        """There is a whole dataset, or none."""
        try:
            values = self.read()
        except UsageError:
            return
        assert values in ([1] * N_ROWS, [2] * N_ROWS)


PARTS: dict[str, Callable[[Place], list[Callable[[], Any]]]] = {
    "two writers": lambda place: [lambda: place.write(1), lambda: place.write(2)],
    "two that replace": lambda place: [place.replace, lambda: place.write(1, force=True)],
    "a writer and a reader": lambda place: [place.replace, place.read],
    "a writer and clean": lambda place: [lambda: place.write(1), place.clean],
    "a resumed run and clean": lambda place: [lambda: place.write(1), place.clean, place.clean],
    "repair and a reader": lambda place: [place.repair, place.read],
    "repair and a writer": lambda place: [place.repair, place.replace],
}
_BEGIN_WITH_A_DATASET = ("two that replace", "a writer and a reader")


def run_schedule(name: str, to: str, folder: Path, numbers: random.Random) -> None:
    """Run the commands in an order that is drawn, and look at the output between the steps."""
    place = Place(folder, to)
    if name in _BEGIN_WITH_A_DATASET or "repair" in name:
        place.write(1)
    if "repair" in name:
        next(path for path in place.output.iterdir() if "-00001-of-" in path.name).unlink()
    commands = [Command(function) for function in PARTS[name](place)]
    try:
        _run_in_some_order(place, commands, numbers, looks="repair" not in name)
    finally:
        for command in commands:
            command.free()
    for command in commands:
        assert command.bug is None, repr(command.bug)
        if isinstance(command.result, list):
            assert command.result in ([1] * N_ROWS, [2] * N_ROWS)
    if place.output.exists() and "clean" not in name:
        assert any(command.error is None for command in commands)
        assert verify(place.output).passed


def _run_in_some_order(
    place: Place, commands: list[Command], numbers: random.Random, *, looks: bool
) -> None:
    eager = numbers.random()
    while waiting := [command for command in commands if not command.is_done]:
        chosen = waiting[0] if numbers.random() < eager else numbers.choice(waiting)
        for _ in range(numbers.choice((1, 1, 3, 20))):
            if not chosen.is_done:
                chosen.let_go()
        if looks and numbers.random() < 0.2:
            place.check()


@pytest.mark.parametrize("name", PARTS)
def test_some_schedules(name: str, tmp_path: Path) -> None:
    for i in range(N_SCHEDULES):
        folder = tmp_path / str(i)
        folder.mkdir()
        run_schedule(name, "npy", folder, random.Random(f"{name} {i}"))


@pytest.mark.soak
@pytest.mark.parametrize("to", ["parquet", "npy"])
@pytest.mark.parametrize("name", PARTS)
def test_many_schedules(name: str, to: str) -> None:
    for i in range(750):
        with tempfile.TemporaryDirectory() as folder:
            run_schedule(name, to, Path(folder), random.Random(f"{name} {to} {i}"))


def test_the_order_is_that_of_the_test(tmp_path: Path) -> None:
    """A second writer that comes while the first one stands is told so."""
    place = Place(tmp_path, "npy")
    first = Command(lambda: place.write(1))
    for _ in range(20):
        first.let_go()
    second = Command(lambda: place.write(2))
    second.finish()
    assert isinstance(second.error, UsageError)
    first.finish()
    assert first.error is None
    assert place.read() == [1] * N_ROWS
    shutil.rmtree(place.output)


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    place = Place(tmp_path, "npy")
    place.write(1)
    shard = next(path for path in place.output.iterdir() if ".n-" in path.name)
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x07")
    with pytest.raises((AssertionError, BigdataError)):
        place.check()
