"""Tables as a source of rows: their columns, a sample, a feed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import pyarrow as pa

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.manifest_names import is_manifest_name
from bigdata_cli.io.places import is_inside
from bigdata_cli.options import given_options
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import ShardLocator
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.header import match_columns
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample, initial_state
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.tables.arrow_kinds import Family, family_of
from bigdata_cli.sources.tables.datasets import DatasetTable, open_own
from bigdata_cli.sources.tables.feed import TableFeed
from bigdata_cli.sources.tables.parquet import open_parquet
from bigdata_cli.sources.tables.sample import read_parts, sample_units, take_sample
from bigdata_cli.sources.tables.table import Table
from bigdata_cli.types.dtype import FLOAT_DTYPES
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.vocabulary import MAX_CATEGORIES
from bigdata_cli.url import Place, Url

_NO_DIALECT = Dialect(delimiter=None)
"""Tables have none; what parses their rows does not look at it."""


@dataclass(frozen=True)
class TableDialect:
    """The entry in place of a dialect: "parquet" or "dataset"."""

    table: str
    is_text: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"table": self.table}


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """Tables with the same columns, one after the other; a `RowSource`."""

    files: tuple[Table, ...]
    names: tuple[str, ...]
    dialect: TableDialect
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_stream: bool = True
    in_pieces: None = None
    comes_once: bool = False
    is_shaped: bool = False
    flags: tuple[str, ...] = ()
    layers: frozenset[str] = frozenset()

    @property
    def stem(self) -> str:
        return self.files[0].stem

    @property
    def bytes(self) -> int:
        return sum(table.bytes for table in self.files)

    @property
    def total_rows(self) -> int:
        return sum(table.rows for table in self.files)

    def read_seconds(self) -> float:
        return 0.0

    def arrow_batches(self, max_bytes: int) -> Iterator[pa.RecordBatch]:
        return (batch for _, _, batch in read_parts(self, self.names, max_bytes))

    def check_output(self, output: Place) -> None:
        for table in self.files:
            if is_inside(table.path, output):
                raise UsageError(
                    f"{output} would be written into, and {table.name} is read from it",
                    hint="-o OTHER names another folder",
                )

    def until(self, file: int, end: int) -> Self:
        before, last, after = self.files[:file], self.files[file], self.files[file + 1 :]
        unread = (replace(table, max_rows=0) for table in after)
        return replace(self, files=(*before, replace(last, max_rows=end), *unread))

    def fields_of(self, keep: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(range(len(keep))) for _ in self.files)

    def sample(
        self,
        types: TypeOptions,
        *,
        keep: Sequence[str],
        max_bytes: int,
        skip_bad_rows: bool,
        max_record_bytes: int,
    ) -> Sample:
        if max_record_bytes != MAX_RECORD_BYTES:
            raise _for_text(["--max-line-size"], self.files[0].name)
        for name in keep:
            self._check_column(name, types)
        plan = ParsePlan(
            dialect=_NO_DIALECT,
            columns=tuple(self._initial_state(name, types) for name in keep),
            float_mode=types.float_mode,
            skip_bad_rows=skip_bad_rows,
        )
        return take_sample(self, plan, keep, max_bytes)

    def sample_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        return sample_units(self, plan, keep, max_bytes)

    def feed(
        self,
        locate: ShardLocator,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> TableFeed:
        return TableFeed(self.files, locate, keep=keep, unit_bytes=unit_bytes)

    def hints(self, plan: ParsePlan) -> dict[str, str]:
        return {}

    def steps_entry(self, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
        return ()

    def located(self, file: int, error: RecordError) -> DataError:
        return DataError(
            f"{self.files[file].name} row {error.offset + 1:,}: {error.problem}", hint=error.hint
        )

    def _check_column(self, name: str, types: TypeOptions) -> None:
        """Raise DataError for a type that no dtype holds, and for kinds that make no column."""
        seen: dict[Family, Table] = {}
        for table in self.files:
            family = family_of(table.types[name])
            if family is None:
                raise DataError(
                    f'{table.name}, column "{name}": {table.types[name]} is a type that a dataset '
                    "does not hold",
                    hint=f"--drop '{name}'",
                )
            if family is not Family.NULL:
                seen.setdefault(family, table)
        if len(seen) > 1 and name not in types.fixed:
            kinds = " and ".join(f"{t.types[name]} in {t.name}" for t in seen.values())
            raise DataError(
                f'column "{name}" is {kinds}', hint=f"--type '{name}=text' keeps both as text"
            )

    def _initial_state(self, name: str, types: TypeOptions) -> ColumnState:
        """A column of which nothing was seen: fixed where all tables agree on its dtype."""
        state = initial_state(name, types)
        dtypes = {table.dtypes.get(name) for table in self.files}
        dtype = dtypes.pop()
        if state.fixed or dtypes or dtype is None:
            return state
        if dtype in FLOAT_DTYPES and types.float_mode != "auto":
            dtype = f"float{types.float_mode}"
        if dtype != "category":
            return replace(state, dtype=dtype, fixed=True, distinct=None)
        known = (table.vocabularies[name] for table in self.files)
        distinct = frozenset[str]().union(*known)
        if len(distinct) > MAX_CATEGORIES:
            return state
        return replace(state, dtype=dtype, fixed=True, distinct=distinct)


def open_tables(names: Sequence[str], options: SourceOptions | None = None) -> TableSource:
    """Look at tables, and match their columns by name.

    Raises UsageError for options of text files, DataError for what is damaged or differs.
    """
    given = given_options(options or SourceOptions())
    if given:
        raise _for_text([one.flag_of(value) for one, value in given], names[0])
    tables = tuple(_open(name) for name in names)
    first = tuple(tables[0].types)
    for table in tables[1:]:
        match_columns(tuple(table.types), first, name=table.name, first=names[0], header=True)
    is_ours = all(isinstance(table, DatasetTable) for table in tables)
    return TableSource(
        files=tables, names=first, dialect=TableDialect("dataset" if is_ours else "parquet")
    )


def _open(name: str) -> Table:
    try:
        is_dataset = name.snapshot is None if isinstance(name, Url) else os.path.isdir(name)
        if is_dataset or is_manifest_name(os.path.basename(name)):
            return open_own(name)
        return open_parquet(name)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error


def _for_text(options: Sequence[str], name: str) -> UsageError:
    return UsageError(
        f"{', '.join(options)}: {name} is a table, and not text that could be read in another way",
        hint="--type, --drop and --columns say what becomes of its columns",
    )
