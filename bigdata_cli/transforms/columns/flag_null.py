"""A column that says where another one is null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from bigdata_cli.errors import UsageError
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.transforms.step import ColumnStep

SUFFIX = "_is_null"


class FlagNull(ColumnStep, frozen=True, kw_only=True, tag="flag-null"):
    """Makes the column `COL_is_null`: true where COL is null."""

    option: ClassVar[str] = "--flag-null"

    def makes(self, names: Sequence[str]) -> tuple[str, ...]:
        made = self.column + SUFFIX
        if made in names:
            raise UsageError(f'{self.option}: there is a column "{made}" already')
        return (made,)

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        def compute(rows: Rows):
            return rows.column(self.column).is_null()

        return (Computed(self.option, "bool", compute),)
