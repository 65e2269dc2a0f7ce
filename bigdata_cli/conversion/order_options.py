"""In what order the rows of a source are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.option_kinds import NAMES, accept_texts, join_names
from bigdata_cli.options import option

if TYPE_CHECKING:
    from bigdata_cli.formats.buckets.sort_keys import SortColumn

_DESCENDING, _ASCENDING = ":desc", ":asc"


def _accept_columns(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else accept_texts(given)


SORT_COLUMNS = NAMES._replace(
    metavar="COL[:desc],...",
    annotation="str | Sequence[str]",
    accept=_accept_columns,
    collect=join_names,
    note=", separated by commas; repeatable",
)


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The order of the rows of a dataset; that of the source by default."""

    shuffle: bool = option(
        "Store the rows in random order, each order as likely as any other; --seed chooses one.",
        group="Order of rows",
        default=False,
    )
    sort_by: tuple[str, ...] = option(
        "Store the rows sorted by these columns, equal ones in the order of the source, nulls "
        "last; COL:desc has the largest first.",
        SORT_COLUMNS,
        default=(),
    )

    @property
    def changes(self) -> tuple[str, ...]:
        """The options given that change the order of the source."""
        given = {"--shuffle": self.shuffle, "--sort-by": bool(self.sort_by)}
        return tuple(flag for flag, is_given in given.items() if is_given)

    def sort_columns(self) -> tuple[SortColumn, ...]:
        """What rows are sorted by; empty where they are not."""
        from bigdata_cli.formats.buckets.sort_keys import SortColumn

        return tuple(
            SortColumn(
                text.removesuffix(_DESCENDING if is_descending else _ASCENDING), is_descending
            )
            for text in self.sort_by
            for is_descending in (text.endswith(_DESCENDING),)
        )

    def check(self, names: Sequence[str]) -> None:
        """Raise UsageError where a dataset of these columns cannot be in that order."""
        if len(self.changes) > 1:
            raise UsageError(f"{' and '.join(self.changes)} exclude each other")
        columns = [column.name for column in self.sort_columns()]
        for name in columns:
            if name not in names:
                raise UsageError(
                    f'--sort-by: there is no column "{name}" in the dataset',
                    hint=did_you_mean(name, names),
                )
        if len(set(columns)) < len(columns):
            raise UsageError("--sort-by names a column twice")
