"""Runs of rows where they are kept until all rows have come: in memory, or on the disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from bigdata_cli.io.scratch import make_folder, remove_folder
from bigdata_cli.native.library import address, lib
from bigdata_cli.resources.pages import pages
from bigdata_cli.transforms.repeated.numbers_file import NumbersFile

N_PARTS = 256
KEY_WORDS = 2
ROW_BYTES = 25
"""What a row takes: its key, its place, and whether it repeats another one."""


class Rows:
    """Room for the keys and places of rows; n: how many are there."""

    def __init__(self, n_rows: int) -> None:
        self.keys = np.empty((n_rows, KEY_WORDS), np.uint64)
        self.places = np.empty(n_rows, np.int64)
        self.n = 0


class StoredRun(Protocol):
    """Rows by the parts of their keys, in the order of the source within each part.

    Attributes:
        bounds: Part p has the rows from bounds[p] to bounds[p + 1]: int64 (N_PARTS + 1,).
    """

    bounds: np.ndarray

    def keys(self, start: int, n: int) -> np.ndarray:
        """The keys of n rows: uint64 (n, 2)."""
        ...

    def repeated(self, start: int, n: int) -> np.ndarray:
        """Which of n rows repeat another one, as far as is known: uint8 (n,)."""
        ...

    def mark(self, start: int, repeated: np.ndarray) -> None:
        """Keep what `repeated` has given and what was changed of it."""
        ...

    def places(self) -> np.ndarray:
        """The places of all rows: int64 (rows,)."""
        ...


class HeldRun:
    """A `StoredRun` in memory."""

    def __init__(self, rows: Rows) -> None:
        n = rows.n
        memory = pages(n * ROW_BYTES)
        ends = [0, 8 * KEY_WORDS * n, 8 * (KEY_WORDS + 1) * n, n * ROW_BYTES]
        keys, places, self._repeated = (memory[a:b] for a, b in itertools.pairwise(ends))
        self._keys = keys.view(np.uint64).reshape(n, KEY_WORDS)
        self._places = places.view(np.int64)
        self.bounds = divide(rows, self._keys, self._places)

    def keys(self, start: int, n: int) -> np.ndarray:
        return self._keys[start : start + n]

    def repeated(self, start: int, n: int) -> np.ndarray:
        return self._repeated[start : start + n]

    def mark(self, start: int, repeated: np.ndarray) -> None:
        """Nothing is left to do: `repeated` is what is kept."""

    def places(self) -> np.ndarray:
        return self._places


class SpilledRun:
    """A `StoredRun` in files, from a row of these on."""

    def __init__(self, files: RunFiles, first: int, bounds: np.ndarray) -> None:
        self._files = files
        self._first = first
        self.bounds = bounds

    def keys(self, start: int, n: int) -> np.ndarray:
        return self._files.keys.read(self._first + start, n)

    def repeated(self, start: int, n: int) -> np.ndarray:
        return self._files.repeated.read(self._first + start, n)

    def mark(self, start: int, repeated: np.ndarray) -> None:
        if repeated.any():
            self._files.repeated.write(self._first + start, repeated)

    def places(self) -> np.ndarray:
        return self._files.places.read(self._first, int(self.bounds[-1]))


class RunFiles:
    """The files of runs in a folder that it makes and removes; a context manager."""

    def __init__(self, folder: Path, *, run_rows: int, on_write: Callable[[int], None]) -> None:
        """on_write: is called with the bytes on the disk before some are written."""
        make_folder(folder)
        self._folder = folder
        self._on_write = on_write
        self._divided = Rows(run_rows)
        self.keys = NumbersFile(folder / "keys", np.uint64, width=KEY_WORDS)
        self.places = NumbersFile(folder / "places", np.int64)
        self.repeated = NumbersFile(folder / "repeated", np.uint8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self.keys, self.places, self.repeated):
            file.__exit__(*error)
        remove_folder(self._folder)

    def write(self, rows: Rows) -> SpilledRun:
        """Write a run after those that are there."""
        divided, first = self._divided, self.keys.rows
        bounds = divide(rows, divided.keys, divided.places)
        self._on_write((first + rows.n) * ROW_BYTES)
        self.keys.append(divided.keys[: rows.n])
        self.places.append(divided.places[: rows.n])
        self.repeated.extend(rows.n)
        return SpilledRun(self, first, bounds)


def divide(rows: Rows, keys: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Put rows in the order of the parts of their keys; the bounds of the parts."""
    bounds = np.empty(N_PARTS + 1, np.int64)
    arrays = (rows.keys, rows.places, bounds, keys, places)
    lib.bd_divide_rows(rows.n, *map(address, arrays))
    return bounds
