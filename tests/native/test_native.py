"""Compiled functions: how they are called, kept, and made again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core.errors import NumbaError

from bigdata_cli.native import build, compiled, processor, store
from bigdata_cli.native.function import Compiled, fingerprint
from bigdata_cli.native.instructions import load_u32

FACTOR = 3
WEIGHTS = np.array([1.0, 2.0, 4.0])


class Pair(NamedTuple):
    numbers: np.ndarray
    is_doubled: bool


@compiled
def _weighed(value):
    return value * WEIGHTS[2] * FACTOR


@compiled
def summed(matrix, pair, first, share):
    """A sum over every kind of argument; how many were added, and whether the last was negative."""
    total = 0.0
    count = 0
    negative = False
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            total += _weighed(matrix[row, column])
            negative = matrix[row, column] < 0
            count += 1
    for number in pair.numbers:
        total += 2 * number if pair.is_doubled else number
    return total + share, count + first, negative


@compiled
def fill(out, value):
    for i in range(len(out)):
        out[i] = value


@compiled
def divided(a, b):
    return a // b


@compiled
def word(data, at):
    return load_u32(data, at)


@compiled
def allocating(n):
    return len(np.empty(n))


@compiled
def returning(array):
    return array[1:]


@compiled
def reshaped(matrix):
    return len(matrix.reshape(-1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where machine code is kept, empty."""
    monkeypatch.setattr(store, "_folder", lambda: tmp_path)
    return tmp_path


def again(function: Any) -> Any:
    """The function as a new process has it."""
    return Compiled(function.function, function.options)


def test_every_kind_of_argument_and_of_result(folder: Path) -> None:
    matrix = np.arange(-6.0, 6.0).reshape(3, 4)
    pair = Pair(np.array([1, 2], np.int64), True)
    expected = matrix.sum() * 12 + 6 + 0.5
    assert summed(matrix, pair, 10, 0.5) == (expected, 22, False)
    assert summed(matrix[::-1, ::2], pair, 10, 0.5) == (matrix[:, ::2].sum() * 12 + 6.5, 16, True)
    matrix.flags.writeable = False
    assert summed(matrix, pair._replace(is_doubled=False), np.int64(0), np.float64(0)) == (
        matrix.sum() * 12 + 3, 12, False,
    )  # fmt: skip
    out = np.zeros(5, np.int32)
    assert fill(out[1:4], 7) is None
    assert out.tolist() == [0, 7, 7, 7, 0]
    number = word(np.arange(8, dtype=np.uint8), 1)
    assert number == 0x04030201
    assert type(number) is int


def test_numbers_of_another_byte_order_are_not_taken_for_our_own(folder: Path) -> None:
    out = np.zeros(2, np.int32)
    fill(out, 7)
    with pytest.raises((TypeError, NumbaError)):
        fill(out.astype(">i4"), 7)


def test_what_is_kept_is_not_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert again(divided)(7, 2) == 3
    (kept,) = folder.iterdir()
    monkeypatch.setattr(build, "build", None)
    assert again(divided)(9, 2) == 4
    with pytest.raises(TypeError, match="not callable"):
        again(divided)(9.0, 2)
    assert list(folder.iterdir()) == [kept]


@pytest.mark.parametrize("damage", ["empty", "head", "cut", "flipped", "other"])
def test_what_is_damaged_is_made_again(folder: Path, damage: str) -> None:
    assert again(divided)(7, 2) == 3
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    kept.write_bytes(
        {
            "empty": b"",
            "head": b"{" + whole,
            "cut": whole[:-1],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "other": json.dumps({"sha256": 0}).encode() + b"\n",
        }[damage]
    )
    assert again(divided)(9, 2) == 4
    (made,) = folder.iterdir()
    assert store.read(made) is not None


def test_machine_code_is_that_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(summed)
    assert fingerprint(again(summed)) == before
    monkeypatch.setitem(globals(), "FACTOR", 4)
    constant = fingerprint(summed)
    monkeypatch.setitem(globals(), "WEIGHTS", WEIGHTS + 1)
    array = fingerprint(summed)
    monkeypatch.setitem(globals(), "_weighed", divided)
    callee = fingerprint(summed)
    options = fingerprint(Compiled(summed.function, {**summed.options, "error_model": "numpy"}))
    assert len({before, constant, array, callee, options}) == 5


def test_another_source_replaces_what_was_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, pair = np.ones((1, 1)), Pair(np.zeros(0, np.int64), False)
    assert again(summed)(matrix, pair, 0, 0.0)[0] == 12
    (before,) = folder.iterdir()
    monkeypatch.setitem(globals(), "_weighed", Compiled(_weighed.function, _weighed.options))
    monkeypatch.setitem(globals(), "FACTOR", 5)
    assert again(summed)(matrix, pair, 0, 0.0)[0] == 20
    (after,) = folder.iterdir()
    assert before != after


def test_code_for_another_processor_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def place() -> Path | None:
        for cached in (processor.name, processor.features):
            cached.cache_clear()
        return store.place("m.f", ("int64",), "0")

    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    here = place()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    generic = place()
    assert processor.features() == frozenset()
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+sse4.2")
    assert len({here, generic, place()}) == 3
    monkeypatch.undo()
    assert place() == here


def test_without_a_folder_it_is_made_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_folder", lambda: None)
    assert again(divided)(7, 2) == 3


def test_a_folder_that_cannot_be_written_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(file / "below"))
    store._folder.cache_clear()
    assert store.place("m.f", ("int64",), "0") is None
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    store._folder.cache_clear()
    monkeypatch.setattr(store, "_folder", lambda: file)
    assert again(divided)(7, 2) == 3


def test_first_calls_from_several_threads(folder: Path) -> None:
    function = again(divided)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda n: function(n, 3), range(40))) == [n // 3 for n in range(40)]
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (allocating, (3,), "No implementation of function .*empty"),
        (returning, (np.zeros(3),), "returning of array"),
        (reshaped, (np.zeros((2, 3)),), "needs numba_attempt_nocopy_reshape"),
        (divided, ("7", 2), "takes no str"),
    ],
    ids=["allocates", "returns an array", "reshapes", "takes text"],
)
def test_what_would_need_numba_is_refused(
    folder: Path, function: Any, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises((TypeError, NumbaError), match=message):
        function(*arguments)
    assert list(folder.iterdir()) == []


def test_an_exception_is_an_error(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="divided ended with status 1"):
        divided(1, 0)


COMMANDS = [
    *(["convert", "sample_data/transactions.csv", "--to", name] for name in ("parquet", "hdf5")),
    *(["convert", "sample_data/transactions.csv", "--to", name] for name in ("npy", "tfrecord")),
    ["inspect", "sample_data/transactions.csv"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command[::2]))
def test_a_command_needs_no_compiler_the_second_time(command: list[str], tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "out"), "--force"] if command[0] == "convert" else []
    code = (
        "import sys\n"
        "from bigdata_cli.cli import main\n"
        f"try: main({[*command, *output]!r})\n"
        "except SystemExit as end: assert not end.code\n"
        "print('numba' in sys.modules)"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
        )
    assert done.stdout.splitlines()[-1] == "False"
