"""A step that gives each row the columns of a small table, by keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import local
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.step import Step
from bigdata_cli.types.dtype import Kind, kind_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from bigdata_cli.transforms.join_table import JoinTable
    from bigdata_cli.transforms.rows_of_columns import Rows

SUFFIX = "_right"
"""Of a column of the table whose name there is already."""


class Join(Step, frozen=True, kw_only=True):
    """Makes the columns of a table, of the row whose key is that of the row.

    Attributes:
        path: Of the table.
        on: The columns of keys, of the rows and of the table.
        how: Whether rows without a key in the table are kept, with nulls.
        columns: By the names that they get, the columns of the table.
        digest: Of the content of the table.
    """

    path: Annotated[str, Meta(min_length=1)]
    on: Annotated[tuple[str, ...], Meta(min_length=1)]
    how: Literal["left", "inner"]
    columns: dict[str, str]
    digest: str

    def __hash__(self) -> int:
        return hash((self.path, self.on, self.how, tuple(self.columns.items()), self.digest))

    @property
    def option(self) -> str:
        """The option, as errors name it."""
        return f"--join {self.path}"

    @property
    def filters(self) -> bool:  # type: ignore[override]
        return self.how == "inner"

    @property
    def counts_unmatched(self) -> bool:  # type: ignore[override]
        return True

    @property
    def table_bytes(self) -> int:
        """Of the table in memory."""
        from bigdata_cli.transforms.join_table import tables

        return tables.table(self.path, self.on, self.digest).bytes

    def check_table(self) -> None:
        """Read the table; raises DataError where it is not what it was, and as `load_table`."""
        from bigdata_cli.transforms.join_table import tables

        tables.table(self.path, self.on, self.digest, is_read=True)

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        for name in self.on:
            if name not in names:
                raise _no_column(self.path, name, names)
        return frozenset(self.on)

    def makes(self, names: Sequence[str]) -> tuple[str, ...]:
        for name in self.columns:
            if name in names:
                raise UsageError(f'{self.option}: there is a column "{name}" already')
        return tuple(self.columns)

    def computed(self, types: Mapping[str, str]) -> tuple[Computed, ...]:
        """First which rows are found, then the columns."""
        from bigdata_cli.transforms.join_table import tables
        from bigdata_cli.types.buffers import array_of

        table = tables.table(self.path, self.on, self.digest)
        self._check_kinds(types, table)
        recent = _Recent()

        def found(rows: Rows) -> np.ndarray:
            arrays = tuple(rows.arrays[name] for name in self.on)
            if recent.arrays is None or any(
                a is not b for a, b in zip(arrays, recent.arrays, strict=True)
            ):
                one = tables.table(self.path, self.on, self.digest)
                recent.found = one.find([rows.column(name) for name in self.on], rows.n_rows)
                recent.arrays = arrays
            assert recent.found is not None
            return recent.found

        def is_found(rows: Rows) -> pa.Array:
            return array_of(found(rows) >= 0)

        def column(name: str) -> Computed:
            def compute(rows: Rows) -> pa.Array:
                places = found(rows)
                values = tables.table(self.path, self.on, self.digest).columns[name]
                if not len(values):
                    import pyarrow as pa

                    return pa.nulls(rows.n_rows, values.type)
                return values.take(array_of(places.clip(0), places >= 0))

            return Computed(self.option, table.dtypes[name], compute)

        made = [column(name) for name in self.columns.values()]
        return (Computed(self.option, "bool", is_found), *made)

    def _check_kinds(self, types: Mapping[str, str], table: JoinTable) -> None:
        """Raise UsageError where the keys of rows are of another kind than those of the table."""
        for name in self.columns.values():
            if name not in table.dtypes:
                raise UsageError(f'{self.option}: it has no column "{name}"')
        for name in self.on:
            own, other = types[name], table.dtypes[name]
            if "null" not in (own, other) and _family(own) != _family(other):
                raise UsageError(
                    f'{self.option}: column "{name}" is {own} in the rows, and {other} in the '
                    "table: they never match",
                    hint=f"--type '{name}={other}' for the rows, or a dataset of the table that "
                    f"`bigdata convert` makes with --type '{name}={own}'",
                )


def _no_column(path: str, name: str, names: Sequence[str]) -> UsageError:
    return UsageError(
        f'--join {path}: there is no column "{name}" of --on', hint=did_you_mean(name, names)
    )


class _Recent(local):
    """What was found last, for the columns of one chunk: they are computed one after the other."""

    def __init__(self) -> None:
        self.arrays: tuple[pa.Array, ...] | None = None
        self.found: np.ndarray | None = None


def _family(dtype: str) -> tuple[Kind, bool]:
    kind = kind_of(dtype)
    return (Kind.TEXT if kind is Kind.CATEGORY else kind), "UTC" in dtype


def joins(
    paths: Sequence[str],
    on: Sequence[tuple[str, ...]],
    how: Sequence[Literal["left", "inner"]],
    names: Sequence[str],
    *,
    max_bytes: int,
) -> tuple[Join, ...]:
    """The steps of `--join`, one after the other.

    Args:
        paths: Of the tables.
        on: For each of them the columns of keys, or one for all.
        how: For each of them, or one for all; none for "left".
        names: The columns of the rows.
        max_bytes: That a table may take in memory.

    Raises:
        UsageError: The options do not go together, or a table is not there.
        DataError: Keys are not unique.
        BudgetError: A table is too large.
    """
    from bigdata_cli.transforms.join_table import load_table, tables

    if not paths:
        if on or how:
            raise UsageError(f"{'--on' if on else '--how'} goes with --join")
        return ()
    if not on:
        raise UsageError("--join needs the columns of its keys", hint="--join TABLE --on COLS")
    for flag, given in (("--on", on), ("--how", how)):
        if len(given) not in (0, 1, len(paths)):
            raise UsageError(
                f"{len(given)} times {flag}, and {len(paths)} times --join: one for all, or one "
                "for each"
            )
    steps: list[Join] = []
    names = tuple(names)
    for number, path in enumerate(paths):
        keys = on[number % len(on)]
        for name in keys:
            if name not in names:
                raise _no_column(path, name, names)
        table = tables.keep(load_table(path, keys, max_bytes))
        columns = {}
        for name in table.dtypes:
            if name not in keys:
                columns[f"{name}{SUFFIX}" if name in names else name] = name
        chosen = how[number % len(how)] if how else "left"
        step = Join(path=path, on=keys, how=chosen, columns=columns, digest=table.digest)
        names = step.names_after(names)
        steps.append(step)
    return tuple(steps)
