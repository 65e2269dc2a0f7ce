"""Samples of an exact number of rows: those with the smallest keys, of all or of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec import Meta

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.strict_json import Count
from bigdata_cli.transforms.computed import PLACE, Computed
from bigdata_cli.transforms.step import Step

if TYPE_CHECKING:
    pass

MAX_CLASSES = 1_000
Key = Annotated[int, Meta(ge=0)]
"""An integer of 64 bits."""


class SampleRows(Step, frozen=True, kw_only=True, tag="sample-rows"):
    """Keeps the rows whose keys are not above the last one; the keys are of their places."""

    filters: ClassVar[bool] = True
    reads_places: ClassVar[bool] = True
    is_of_source: ClassVar[bool] = True
    rows: Count
    seed: Key
    last: Key | None

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset([PLACE])

    def rows_left(self, n_rows: int) -> int:
        return self.rows

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        from bigdata_cli.transforms.sampling import smallest

        return (Computed("--sample", "bool", smallest(self.last, self.seed)),)


class ClassCut(msgspec.Struct, frozen=True, kw_only=True):
    """A class, by the text of its value, None for null: its rows that are kept, and the last key of
    them."""

    value: str | None
    rows: Count
    last: Key | None


class _ByClass(Step, frozen=True, kw_only=True):
    """Keeps the rows whose keys are not above the last one of their class."""

    filters: ClassVar[bool] = True
    reads_places: ClassVar[bool] = True
    is_of_source: ClassVar[bool] = True
    option: ClassVar[str]
    column: str
    seed: Key
    classes: Annotated[tuple[ClassCut, ...], Meta(max_length=MAX_CLASSES)]

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        if self.column not in names:
            raise UsageError(
                f'{self.option}: there is no column "{self.column}"',
                hint=did_you_mean(self.column, names),
            )
        return frozenset([self.column, PLACE])

    def rows_left(self, n_rows: int) -> int:
        return sum(one.rows for one in self.classes)

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        from bigdata_cli.transforms.sampling import smallest_of_class

        last = {one.value: one.last for one in self.classes}
        kept = smallest_of_class(self.column, last, self.seed)
        return (Computed(self.option, "bool", kept),)


class Stratify(_ByClass, frozen=True, kw_only=True):
    """A sample that has of each class its share, exact within one row."""

    option: ClassVar[str] = "--stratify"


class Balance(_ByClass, frozen=True, kw_only=True):
    """As many rows of each class as the smallest one has."""

    option: ClassVar[str] = "--balance"
