"""Rows of Arrow columns, which steps compute with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from bigdata_cli.transforms.last_values import LastValues

Datum = Any
"""A `pa.Array` with a value for each row, or a `pa.Scalar` that is the value of all."""


class Rows:
    """Columns of Arrow arrays, as they are stored, of the same number of rows."""

    def __init__(
        self,
        arrays: Mapping[str, pa.Array],
        n_rows: int,
        last_values: Mapping[str, LastValues] | None = None,
    ) -> None:
        """last_values: what steps that fill forward know by a digest."""
        self.arrays = arrays
        self.n_rows = n_rows
        self.last_values = last_values or {}
        self._wide: dict[str, pa.Array] = {}

    def column(self, name: str) -> pa.Array:
        """A column in the type that expressions compute with.

        Raises:
            pa.ArrowInvalid: An integer is beyond int64.
        """
        found = self._wide.get(name)
        if found is None:
            found = self._wide[name] = widened(self.arrays[name])
        return found

    def wide(self, names: Sequence[str]) -> dict[str, pa.Array]:
        """Columns in the types that expressions compute with."""
        return {name: self.column(name) for name in names}

    def where(self, mask: pa.Array) -> Rows:
        """The rows where a mask holds; not those where it is null."""
        arrays = {name: array.filter(mask) for name, array in self.arrays.items()}
        return Rows(arrays, pc.sum(mask).as_py() or 0, self.last_values)

    def slice(self, start: int, stop: int) -> Rows:
        """Some of the rows."""
        arrays = {name: array.slice(start, stop - start) for name, array in self.arrays.items()}
        return Rows(arrays, stop - start, self.last_values)

    def filled(self, datum: Datum) -> pa.Array:
        """A value for each row."""
        return pa.repeat(datum, self.n_rows) if isinstance(datum, pa.Scalar) else datum


def widened(array: pa.Array) -> pa.Array:
    """An array in the type that expressions compute with.

    Raises:
        pa.ArrowInvalid: An integer is beyond int64.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode()
    if pa.types.is_integer(kind):
        return array.cast(pa.int64())
    if pa.types.is_float32(kind):
        return array.cast(pa.float64())
    return array


def failing_rows(compute: Callable[[Rows], Any], rows: Rows) -> tuple[np.ndarray, str]:
    """The rows that cannot be computed, int64 (n,), and what is wrong with the first.

    compute raises pa.ArrowInvalid for all rows together.
    """
    found: list[int] = []
    problem = ""
    waiting = [(0, rows.n_rows)]
    while waiting:
        start, stop = waiting.pop()
        try:
            compute(rows.slice(start, stop))
        except pa.ArrowInvalid as error:
            if stop - start > 1:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
                continue
            found.append(start)
            problem = problem or str(error)
    return np.array(found, np.int64), problem
