"""Numbers moved and scaled by statistics of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bigdata_cli.transforms.columns.numbers import floats, is_number
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.types.buffers import array_of, numbers_of, validity_of


class _Scale(ColumnStep, frozen=True, kw_only=True):
    """Makes each number x (x - shift) / scale."""

    def _of(self, types: Mapping[str, str], shift: float, scale: float) -> tuple[Computed, ...]:
        import numpy as np
        import pyarrow as pa

        if not is_number(types[self.column]):
            raise self.wrong_kind(types[self.column], "a number")

        def compute(rows: Rows) -> pa.Array:
            array = rows.arrays[self.column]
            # NumPy widens on its way, and Arrow would make an array for each operation.
            if pa.types.is_uint64(array.type) or not pa.types.is_integer(array.type):
                array = floats(rows.column(self.column))
            with np.errstate(all="ignore"):  # what stands in the place of nulls may be anything
                made = np.subtract(numbers_of(array), shift, dtype=np.float64)
                np.divide(made, scale, out=made)
            return array_of(made, validity_of(array))

        return (Computed(self.option, "float64", compute),)


class Standardize(_Scale, frozen=True, kw_only=True):
    """Makes the mean 0 and the standard deviation 1. std: of the population, 1 where it is 0."""

    option: ClassVar[str] = "--standardize"
    mean: float
    std: float

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        return self._of(types, self.mean, self.std or 1.0)


class Minmax(_Scale, frozen=True, kw_only=True):
    """Makes the minimum 0 and the maximum 1; 0 where they are the same."""

    option: ClassVar[str] = "--minmax"
    minimum: float
    maximum: float

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        return self._of(types, self.minimum, (self.maximum - self.minimum) or 1.0)
