"""Numbers of one kind in a scratch file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from bigdata_cli.io.scratch import ScratchFile


class NumbersFile:
    """Numbers of one dtype, or rows of `width` of them, written and read at any place.

    A context manager. rows: how many there are.
    """

    def __init__(self, path: Path, dtype: DTypeLike, *, width: int = 1) -> None:
        self._file = ScratchFile(path)
        self._dtype = np.dtype(dtype)
        self._shape = () if width == 1 else (width,)
        self._row_bytes = width * self._dtype.itemsize
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def append(self, values: np.ndarray) -> None:
        """Write rows after all that are there."""
        self.write(self.rows, values)
        self.rows += len(values)

    def extend(self, n: int) -> None:
        """Put rows of zeros after all that are there."""
        self.rows += n
        self._file.extend(self.rows * self._row_bytes)

    def write(self, start: int, values: np.ndarray) -> None:
        """Write rows over those from `start` on."""
        data = np.ascontiguousarray(values, self._dtype)
        self._file.write(start * self._row_bytes, memoryview(data.reshape(-1)).cast("B"))

    def read(self, start: int, n: int) -> np.ndarray:
        """Rows from `start` on: of the dtype (n,), or (n, width)."""
        values = np.empty((n, *self._shape), self._dtype)
        if n:
            self._file.read_into(start * self._row_bytes, memoryview(values.reshape(-1)).cast("B"))
        return values
