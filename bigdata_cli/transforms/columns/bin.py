"""Numbers as the bins that they fall into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import UNSET, UnsetType

from bigdata_cli.transforms.columns.numbers import floats, is_number
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep


class Bin(ColumnStep, frozen=True, kw_only=True):
    """Makes each number the number of edges that are not above it: 0 to len(edges).

    quantiles: the number of bins of equal size that the edges were chosen for, if they were.
    """

    option: ClassVar[str] = "--bin"
    edges: tuple[float, ...]
    quantiles: int | UnsetType = UNSET

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import numpy as np
        import pyarrow as pa

        from bigdata_cli.types.buffers import array_of, numbers_of, scalar_of, validity_of

        if not is_number(types[self.column]):
            raise self.wrong_kind(types[self.column], "a number")
        edges = np.array(self.edges, np.float64)

        def compute(rows: Rows) -> pa.Array:
            array = floats(rows.column(self.column))
            valid = validity_of(array)
            if valid is not None:
                array = array.fill_null(scalar_of(0, pa.float64()))
            bins = np.searchsorted(edges, numbers_of(array), side="right").astype(np.int64)
            return array_of(bins, valid)

        return (Computed(self.option, "int64", compute),)
