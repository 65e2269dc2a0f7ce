"""A column of few values as a column of truths for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from bigdata_cli.errors import UsageError
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep

MAX_VALUES = 1_000


class OneHot(ColumnStep, frozen=True, kw_only=True, tag="one-hot"):
    """Makes a column `COL_VALUE` for each value, in the place of COL: all are false for a null."""

    option: ClassVar[str] = "--one-hot"
    values: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_VALUES)]

    def makes(self, names: Sequence[str]) -> tuple[str, ...]:
        made = tuple(f"{self.column}_{value}" for value in self.values)
        for name in made:
            if name in names:
                raise UsageError(f'{self.option}: there is a column "{name}" already')
        return made

    def names_after(self, names: Sequence[str]) -> tuple[str, ...]:
        place = tuple(names).index(self.column)
        return (*names[:place], *self.makes(names), *names[place + 1 :])

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        from bigdata_cli.types.buffers import scalar_of

        def column(value: str) -> Computed:
            wanted = scalar_of(value, pa.string())

            def compute(rows: Rows) -> pa.Array:
                texts = pc.cast(rows.column(self.column), pa.string())
                return pc.equal(texts, wanted).fill_null(scalar_of(False, pa.bool_()))

            return Computed(self.option, "bool", compute)

        return tuple(map(column, self.values))
