"""The steps of a dataset as its manifest has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.strict_json import convert
from bigdata_cli.transforms.steps import Steps
from bigdata_cli.types.dtype import DTYPES
from bigdata_cli.types.lattice import Observed, observed_as
from bigdata_cli.types.state import ColumnState


class Read(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="read"):
    """The columns of the source that the steps read, with the types that they go by.

    fixed: those whose dtype the user chose.
    """

    columns: dict[str, str]
    fixed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, dtype in self.columns.items():
            if dtype not in DTYPES:
                raise ValueError(f'column "{name}": "{dtype}" is not a dtype')

    def states(self) -> tuple[ColumnState, ...]:
        """The columns, as `ParsePlan.inputs` has them."""
        return tuple(
            ColumnState(
                name=name,
                dtype="text" if dtype == "category" else dtype,
                observed=Observed() if name in self.fixed else observed_as(dtype),
                fixed=name in self.fixed,
                distinct=None,
            )
            for name, dtype in self.columns.items()
        )


class Entry(NamedTuple):
    """Steps, and the columns that they read."""

    steps: Steps
    inputs: tuple[ColumnState, ...]


def transforms_entry(steps: Steps, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
    """The steps as plain JSON values, after the columns that they read."""
    read = Read(
        columns={state.name: state.dtype for state in plan.inputs},
        fixed=tuple(state.name for state in plan.inputs if state.fixed),
    )
    return tuple(msgspec.to_builtins([read, *steps]))


def read_entry(entries: Sequence[Any]) -> Entry:
    """The steps of a manifest; raises JsonError where they are none."""
    read = convert(entries[0], Read)
    return Entry(convert(list(entries[1:]), Steps), read.states())
