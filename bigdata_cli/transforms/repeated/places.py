"""Places of rows on the disk, ascending, and which rows of a chunk are among them."""

from __future__ import annotations

import hashlib
import os
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bigdata_cli.errors import DataError
from bigdata_cli.io.scratch import read_into
from bigdata_cli.native.library import address, lib
from bigdata_cli.transforms.repeated.numbers_file import NumbersFile

_BLOCK = 1 << 12
_ITEM_BYTES = 8


@dataclass(frozen=True)
class Places:
    """Places of rows in a file that stays as long as this, and what was made of it, is used.

    Attributes:
        path: Of the file: int64, ascending.
        count: How many there are.
        digest: Of all of them.
    """

    path: str
    count: int
    digest: str

    def among(self, places: np.ndarray) -> np.ndarray:
        """Which of some places, int64 (n,), ascending, are in the file: bool (n,).

        Raises DataError where the file is gone: it is read on the machine that wrote it.
        """
        if not len(places) or not self.count:
            return np.zeros(len(places), bool)
        index = _opened(self)
        known = index.between(int(places[0]), int(places[-1]))
        marks = np.empty(len(places), bool)
        lib.bd_mark_known(len(places), address(places), len(known), address(known), address(marks))
        return marks


class _Index:
    """An open file of places, with the first place of each block in memory."""

    def __init__(self, places: Places) -> None:
        self._count = places.count
        try:
            self._file = os.open(places.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(
                f"{places.path}, the rows that --dedup leaves out, cannot be read: "
                f"{error.strerror}",
                hint="all workers have to see the temporary folder of the first one: TMPDIR",
            ) from error
        weakref.finalize(self, os.close, self._file)
        starts = range(0, self._count, _BLOCK)
        self._first = np.array([self._read(start, 1)[0] for start in starts], np.int64)

    def between(self, first: int, last: int) -> np.ndarray:
        """The places from `first` to `last`, both included, with some around them."""
        low = max(0, int(np.searchsorted(self._first, first, side="right")) - 1) * _BLOCK
        high = int(np.searchsorted(self._first, last, side="right")) * _BLOCK
        return self._read(low, max(0, min(high, self._count) - low))

    def _read(self, start: int, n: int) -> np.ndarray:
        values = np.empty(n, np.int64)
        if n:
            read_into(self._file, start * _ITEM_BYTES, memoryview(values).cast("B"))
        return values


_indices: weakref.WeakKeyDictionary[Places, _Index] = weakref.WeakKeyDictionary()


def _opened(places: Places) -> _Index:
    index = _indices.get(places)
    if index is None:
        index = _indices[places] = _Index(places)
    return index


class PlacesWriter:
    """Writes places, which only grow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = NumbersFile(path, np.int64)
        self._digest = hashlib.sha256()

    def add(self, places: np.ndarray) -> None:
        """Take places, int64 (n,), ascending."""
        self._digest.update(places.astype("<i8").tobytes())
        self._file.append(places)

    def finish(self) -> Places:
        """Close the file."""
        self._file.__exit__()
        return Places(str(self._path), self._file.rows, self._digest.hexdigest())
