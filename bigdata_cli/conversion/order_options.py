"""In what order the rows of a source are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.option_kinds import NAMES, accept_text_or_texts, join_names
from bigdata_cli.options import option

if TYPE_CHECKING:
    from bigdata_cli.formats.buckets.sort_keys import SortColumn

_DESCENDING, _ASCENDING = ":desc", ":asc"


COLUMNS = NAMES._replace(
    annotation="str | Sequence[str]",
    accept=accept_text_or_texts,
    collect=join_names,
    note=", separated by commas; repeatable",
)
SORT_COLUMNS = COLUMNS._replace(metavar="COL[:desc],...")


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The order of the rows of a dataset; that of the source by default."""

    shuffle: bool = option(
        "Store the rows in random order, each order equally likely; --seed chooses one.",
        group="Order of rows",
        default=False,
    )
    sort_by: tuple[str, ...] = option(
        "Sort the rows by these columns; COL:desc: the largest first. Stable, nulls last.",
        SORT_COLUMNS,
        default=(),
    )

    partition_by: tuple[str, ...] = option(
        "Write a folder COL=VALUE for each value of these columns, as Hive does (Parquet only).",
        COLUMNS,
        default=(),
    )

    @property
    def changes(self) -> tuple[str, ...]:
        """The options given that change the order of the source."""
        given = {
            "--shuffle": self.shuffle,
            "--sort-by": self.sort_by,
            "--partition-by": self.partition_by,
        }
        return tuple(flag for flag, value in given.items() if value)

    def sort_columns(self) -> tuple[SortColumn, ...]:
        """What rows are sorted by, first by their folders; empty where they are not."""
        from bigdata_cli.formats.buckets.sort_keys import SortColumn

        folders = tuple(map(SortColumn, self.partition_by))
        return folders + tuple(
            SortColumn(
                text.removesuffix(_DESCENDING if is_descending else _ASCENDING), is_descending
            )
            for text in self.sort_by
            for is_descending in (text.endswith(_DESCENDING),)
        )

    def check(self, names: Sequence[str]) -> None:
        """Raise UsageError where a dataset of these columns cannot be in that order."""
        if self.shuffle and len(self.changes) > 1:
            raise UsageError(f"{' and '.join(self.changes)} exclude each other")
        columns = [column.name for column in self.sort_columns()]
        for place, name in enumerate(columns):
            flag = "--partition-by" if place < len(self.partition_by) else "--sort-by"
            if name not in names:
                raise UsageError(
                    f'{flag}: there is no column "{name}" in the dataset',
                    hint=did_you_mean(name, names),
                )
            if name in columns[:place]:
                raise UsageError(f'{flag} names "{name}", by which rows are sorted already')
