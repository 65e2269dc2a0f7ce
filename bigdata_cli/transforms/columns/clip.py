"""Numbers held between two bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bigdata_cli.transforms.columns.numbers import is_number
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.expressions.nodes import type_of
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.types.buffers import scalar_of


class Clip(ColumnStep, frozen=True, kw_only=True):
    """Makes numbers below `low` that, and those above `high` that; None is no bound."""

    option: ClassVar[str] = "--clip"
    low: int | float | None
    high: int | float | None

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        dtype = types[self.column]
        if not is_number(dtype):
            raise self.wrong_kind(dtype, "a number")
        if float in (type(self.low), type(self.high)):
            dtype = "float64"
        target = type_of(dtype).arrow
        low, high = (
            None if one is None else scalar_of(one, target) for one in (self.low, self.high)
        )

        def compute(rows: Rows) -> pa.Array:
            array = rows.column(self.column)
            valid = array.is_valid()
            if array.type != target:
                array = pc.cast(array, target, safe=False)
            if low is not None:
                array = pc.max_element_wise(array, low, skip_nulls=False)
            if high is not None:
                array = pc.min_element_wise(array, high, skip_nulls=False)
            return (
                array if not array.null_count else pc.if_else(valid, array, scalar_of(None, target))
            )

        return (Computed(self.option, dtype, compute),)
