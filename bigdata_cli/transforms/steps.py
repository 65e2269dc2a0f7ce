"""The steps of a dataset's rows as values: in a plan, in an identity, and in a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.transforms.columns.registry import AnyColumnStep
from bigdata_cli.transforms.computed import PLACE, Computed
from bigdata_cli.transforms.join import Join
from bigdata_cli.transforms.selections.registry import AnySelection
from bigdata_cli.transforms.step import Step


class Where(Step, frozen=True, kw_only=True):
    """Keeps the rows for which a condition is true."""

    filters: ClassVar[bool] = True
    expression: str

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        from bigdata_cli.transforms.expressions.columns import columns_of

        return columns_of(self.expression, names, "--where")

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        from bigdata_cli.transforms.expressions.expression import condition

        found = condition(self.expression, types, "--where")
        return (Computed("--where", found.dtype, found.compute),)


class Derive(Step, frozen=True, kw_only=True):
    """Makes a column of an expression."""

    name: Annotated[str, Meta(min_length=1)]
    expression: str

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        from bigdata_cli.transforms.expressions.columns import columns_of

        return columns_of(self.expression, names, self._option)

    def makes(self, names: Sequence[str]) -> tuple[str, ...]:
        return (self.name,)

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        from bigdata_cli.transforms.expressions.expression import expression

        found = expression(self.expression, types, self._option)
        return (Computed(self._option, found.dtype, found.compute),)

    @property
    def _option(self) -> str:
        return f'--derive "{self.name}"'


class Rename(Step, frozen=True, kw_only=True):
    """Gives columns other names, all at once."""

    names: dict[str, str]

    def __hash__(self) -> int:
        return hash(tuple(self.names.items()))

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset()

    def names_after(self, names: Sequence[str]) -> tuple[str, ...]:
        for name in self.names:
            if name not in names:
                raise UsageError(
                    f'--rename: there is no column "{name}"', hint=did_you_mean(name, names)
                )
        after = tuple(self.names.get(name, name) for name in names)
        for name in self.names.values():
            if after.count(name) > 1:
                raise UsageError(f'--rename: two columns would be called "{name}"')
            if not name:
                raise UsageError("--rename: a column has to have a name")
        return after


class SplitBy(Step, frozen=True, kw_only=True):
    """Has columns read by which rows are split, and which the dataset need not have."""

    filters: ClassVar[bool] = True
    is_of_source: ClassVar[bool] = True
    keeps_all: ClassVar[bool] = True
    columns: Annotated[tuple[str, ...], Meta(min_length=1)]

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        for name in self.columns:
            if name not in names:
                raise UsageError(
                    f'--split-by: there is no column "{name}"', hint=did_you_mean(name, names)
                )
        return frozenset(self.columns)

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        from bigdata_cli.transforms.sampling import keep_all

        return (Computed("--split-by", "bool", keep_all),)


class Sample(Step, frozen=True, kw_only=True):
    """Keeps each row with a probability, by a seeded hash of its place in the source."""

    filters: ClassVar[bool] = True
    reads_places: ClassVar[bool] = True
    is_of_source: ClassVar[bool] = True
    share: Annotated[float, Meta(gt=0, le=1)]
    seed: Annotated[int, Meta(ge=0)]

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset([PLACE])

    def rows_left(self, n_rows: int) -> int:
        return round(n_rows * self.share)

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        from bigdata_cli.transforms.sampling import sampler

        return (Computed("--sample", "bool", sampler(self.share, self.seed)),)


AnyStep = Where | Derive | Rename | SplitBy | Sample | Join | AnySelection | AnyColumnStep
Steps = tuple[AnyStep, ...]
