"""Rows without those that repeat others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from bigdata_cli.strict_json import Count
from bigdata_cli.transforms.computed import REPEATED, Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import Step


class Dedup(Step, frozen=True, kw_only=True):
    """Leaves out the rows that are equal to another one in some columns.

    Which they are a pass over all rows has found; a source knows them by their places.

    Attributes:
        columns: Those that are compared, with the dtypes that hold their values; decimals are
            compared as float64.
        keep: Which of equal rows is kept.
        rows: How many rows are kept.
        repeated: How many are not.
        digest: SHA-256 of the places of these.
    """

    filters: ClassVar[bool] = True
    reads_places: ClassVar[bool] = True
    is_of_source: ClassVar[bool] = True
    columns: dict[str, str]
    keep: Literal["first", "last"]
    rows: Count
    repeated: Count
    digest: str

    def __hash__(self) -> int:
        return hash((tuple(self.columns.items()), self.keep, self.digest))

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset([REPEATED])

    def rows_left(self, n_rows: int) -> int:
        return self.rows

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow.compute as pc

        def compute(rows: Rows) -> object:
            return pc.invert(rows.arrays[REPEATED])

        return (Computed("--dedup", "bool", compute),)
