"""Values in the place of nulls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from msgspec import UNSET, UnsetType

from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.expressions.nodes import type_of
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind, kind_of


class Fill(ColumnStep, frozen=True, kw_only=True):
    """Puts a value in the place of nulls. value: dates and timestamps as ISO 8601.

    statistic: which one of all rows it is, where it is one.
    """

    option: ClassVar[str] = "--fill"
    value: bool | int | float | str
    statistic: Literal["mean", "median", "mode"] | UnsetType = UNSET

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        dtype = types[self.column]
        kind = kind_of(dtype)
        if kind is Kind.INT and isinstance(self.value, float):
            dtype = "float64"
        target = type_of(dtype).arrow
        try:
            value = scalar_of(self.value, target)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self.wrong_kind(dtype, f"what {self.value!r} is of") from error

        def compute(rows: Rows) -> pa.Array:
            array = rows.column(self.column)
            if array.type != target and not pa.types.is_timestamp(target):
                array = pc.cast(array, target, safe=False)
            return array.fill_null(value.cast(array.type))

        return (Computed(self.option, dtype, compute),)
