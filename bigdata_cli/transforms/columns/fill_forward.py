"""The last value before a null in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from bigdata_cli.strict_json import Count
from bigdata_cli.transforms.computed import PLACE, Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.types.buffers import array_of, numbers_of, validity_of


class FillForward(ColumnStep, frozen=True, kw_only=True, tag="fill-forward"):
    """Puts the last value of the column before it, in the order of the source, in a null's place.

    Which values these are a pass over all rows has found; a source knows them by the digest.

    Attributes:
        dtype: Of the column in that pass.
        filled: How many nulls get a value.
        leading: How many do not: there is no value before them.
        digest: SHA-256 of the values and the places of the nulls; None for an estimate, which fills
            within the rows at hand.
    """

    option: ClassVar[str] = "--fill"
    reads_places: ClassVar[bool] = True
    dtype: str
    filled: Count
    leading: Count
    digest: str | None

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        return super().reads(names) | {PLACE}

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        def compute(rows: Rows) -> pa.Array:
            array = rows.column(self.column)
            valid = validity_of(array)
            if valid is None or pa.types.is_null(array.type):
                return array
            if self.digest is None:
                return pc.fill_null_forward(array)
            places = numbers_of(rows.arrays[PLACE])[~valid]
            values = rows.last_values[self.digest].at(places, array.type)
            return pc.replace_with_mask(array, array_of(~valid), values)

        return (Computed(self.option, types[self.column], compute),)
