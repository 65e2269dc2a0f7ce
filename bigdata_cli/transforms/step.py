"""What a step is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.transforms.computed import Computed


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag=str.lower):
    """One step: what columns it reads, and what it makes of them.

    Attributes:
        filters: It makes no column, but says which rows are kept.
        reads_places: It reads where in the source a row stands.
        counts_unmatched: It says which rows it has found something for, and the others are counted.
        counts_unknown: Values that it makes null are counted, as they are not known.
        is_of_source: It says which rows of one source are kept, and nothing of those of another.
        keeps_all: It keeps all rows, and is there for what it reads.
    """

    filters: ClassVar[bool] = False
    reads_places: ClassVar[bool] = False
    counts_unmatched: ClassVar[bool] = False
    counts_unknown: ClassVar[bool] = False
    is_of_source: ClassVar[bool] = False
    keeps_all: ClassVar[bool] = False

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        """Which of the columns it reads; raises UsageError for one that is not there."""
        raise NotImplementedError

    def makes(self, names: Sequence[str]) -> tuple[str, ...]:
        """The columns that it makes, new ones or in place of those of the same name."""
        return ()

    def names_after(self, names: Sequence[str]) -> tuple[str, ...]:
        """The columns after it; raises UsageError where it cannot make them."""
        made = self.makes(names)
        return (*names, *(name for name in made if name not in names))

    def rows_left(self, n_rows: int) -> int:
        """About how many of so many rows it leaves, as far as that does not follow from values."""
        return n_rows

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        """How each column that it makes is computed, or, of a filter, which rows are kept.

        Args:
            types: The dtypes of the columns that it reads, as far as their kind goes.

        Raises:
            UsageError: It cannot be of such columns.
        """
        raise NotImplementedError


class ColumnStep(Step, frozen=True, kw_only=True):
    """A step on one column, which it replaces."""

    option: ClassVar[str]
    column: str

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        if self.column not in names:
            raise UsageError(
                f'{self.option}: there is no column "{self.column}"',
                hint=did_you_mean(self.column, names),
            )
        return frozenset([self.column])

    def makes(self, names: Sequence[str]) -> tuple[str, ...]:
        return (self.column,)

    def wrong_kind(self, dtype: str, expected: str) -> UsageError:
        """The error for a column that the step cannot be of."""
        return UsageError(f'{self.option}: column "{self.column}" is {dtype}, and not {expected}')
