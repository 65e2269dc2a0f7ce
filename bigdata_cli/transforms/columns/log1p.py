"""Logarithms of a column that is skewed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bigdata_cli.transforms.columns.numbers import floats, is_number
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep


class Log1p(ColumnStep, frozen=True, kw_only=True):
    """Makes each number x the natural logarithm of 1 + x: NaN below -1."""

    option: ClassVar[str] = "--log1p"

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if not is_number(types[self.column]):
            raise self.wrong_kind(types[self.column], "a number")

        def compute(rows: Rows) -> pa.Array:
            return pc.log1p(floats(rows.column(self.column)))

        return (Computed(self.option, "float64", compute),)
