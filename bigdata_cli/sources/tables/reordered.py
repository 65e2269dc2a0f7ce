"""The rows of a source in another order, from the files that they were scattered to."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.errors import DataError, VerificationError
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import ShardLocator
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.tables.rows import parse_rows, row_text
from bigdata_cli.sources.wrapped import WrappedSource
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.lattice import TypeOptions

_PIECES_AHEAD = 2


class RowsInOrder(Protocol):
    """Rows that were scattered, as they are read in their new order.

    order: what manifests call it. schema: the columns, in their final dtypes. rows: how many.
    """

    @property
    def order(self) -> str: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def rows(self) -> int: ...

    def shares(
        self, columns: Sequence[Column], share_bytes: int | None = None
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """(order, rows): some rows of these columns, and their order: int64 (n,).

        share_bytes: of these rows in memory, about; None for what conversions take. The order of
        all rows does not depend on it. Raises VerificationError where a file is damaged.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SplitsInOrder:
    """The rows of one split after the other, each in the new order; a `RowsInOrder`.

    splits: at least one; all have the same columns.
    """

    splits: tuple[RowsInOrder, ...]

    @property
    def order(self) -> str:
        return self.splits[0].order

    @property
    def schema(self) -> Schema:
        return self.splits[0].schema

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.splits)

    def shares(
        self, columns: Sequence[Column], share_bytes: int | None = None
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """See `RowsInOrder`."""
        for one in self.splits:
            yield from one.shares(columns, share_bytes)


class ReorderedRows(NamedTuple):
    """Some rows of one shard; first_row: of all rows, from 0. consumed: see `FedRows`.

    rows, order: of the share that they are of, order of them alone.
    """

    shard: int
    file: int
    rows: pa.RecordBatch
    order: np.ndarray
    first_row: int
    consumed: int

    def parse(self, fields: Sequence[int], plan: ParsePlan) -> Unit:
        with stage("reorder"):
            batch = self.rows.take(pa.array(self.order))
        with stage("types"):
            return parse_rows(batch, self.file, self.first_row, plan)

    def line(self, position: int) -> int:
        return position + 1

    def record(self, position: int, plan: ParsePlan) -> bytes:
        rows = self.order[position - self.first_row : position - self.first_row + 1]
        return row_text(self.rows.take(pa.array(rows)), 0)

    def end_of(self, position: int, plan: ParsePlan) -> int:
        return position + 1


class ReorderedFeed:
    """The rows in their new order; a `RowFeed`."""

    def __init__(
        self,
        source: ReorderedSource,
        locate: ShardLocator,
        *,
        columns: Sequence[Column],
        batch_rows: int,
    ) -> None:
        self._source = source
        self._locate = locate
        self._columns = columns
        self._batch_rows = batch_rows
        self._pieces = Prefetch(self._cut(), depth=_PIECES_AHEAD, name="feed")

    def __iter__(self) -> Iterator[ReorderedRows]:
        return self._pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.close()

    def entries(self) -> tuple[SourceEntry, ...]:
        return self._source.entries

    def _cut(self) -> Generator[ReorderedRows]:
        scattered, total_bytes = self._source.scattered, self._source.bytes
        row = 0
        try:
            for order, rows in _staged(scattered.shares(self._columns)):
                place = 0
                while place < len(order):
                    shard, stop = self._locate(row)
                    n_rows = min(self._batch_rows, len(order) - place)
                    n_rows = n_rows if stop is None else min(n_rows, stop - row)
                    piece = order[place : place + n_rows]
                    place, first_row, row = place + n_rows, row, row + n_rows
                    consumed = total_bytes * row // max(scattered.rows, 1)
                    yield ReorderedRows(shard, 0, rows, piece, first_row, consumed)
        except VerificationError as error:
            raise DataError(error.message, hint="--force starts over") from error
        if row != scattered.rows:
            raise DataError(
                f"{scattered.rows:,} rows were scattered, and {row:,} are there",
                hint="--force starts over",
            )


def _staged(
    shares: Iterator[tuple[np.ndarray, pa.RecordBatch]],
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """The same, and the time that they take."""
    while True:
        with stage("reorder"):
            share = next(shares, None)
        if share is None:
            return
        yield share


class ReadFile(NamedTuple):
    """A file of the source as it was when it was read; it is not needed any more."""

    source: SourceEntry

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def is_remote(self) -> bool:
        return False

    def entry(self) -> SourceEntry:
        return self.source

    def check_unchanged(self) -> None:
        """Whatever becomes of it."""


@dataclass(frozen=True, kw_only=True)
class ReorderedSource(WrappedSource):
    """A source whose rows are read in another order; a `RowSource`.

    entries: the files of the source itself, as they were read. row_bytes: of a row of it, on
    average.
    """

    scattered: RowsInOrder
    entries: tuple[SourceEntry, ...]
    row_bytes: float
    is_stream: bool = True
    in_pieces: None = None
    comes_once: bool = False
    is_shaped: bool = False
    layers: frozenset[str] = frozenset()

    @property
    def files(self) -> tuple[ReadFile, ...]:
        return tuple(ReadFile(entry) for entry in self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        return self.scattered.schema.names

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.entries)

    @property
    def total_rows(self) -> int:
        return self.scattered.rows

    def read_seconds(self) -> float:
        return 0.0

    def arrow_batches(self, max_bytes: int) -> Iterator[pa.RecordBatch] | None:
        return self.inner.arrow_batches(max_bytes)

    def fields_of(self, keep: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        return (tuple(range(len(keep))),)

    def sample(self, types: TypeOptions, **about: Any) -> Sample:
        """That of the source itself: the rows are the same."""
        return self.inner.sample(types, **about)

    def sample_units(self, plan: ParsePlan, keep: Sequence[str], max_bytes: int) -> Iterator[Unit]:
        """Rows of the first share."""
        columns = [self.scattered.schema[name] for name in keep]
        for order, rows in self.scattered.shares(columns, max_bytes):
            yield ReorderedRows(0, 0, rows, order, 0, 0).parse((), plan)
            return

    def feed(
        self,
        locate: ShardLocator,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> ReorderedFeed:
        columns = [self.scattered.schema[name] for name in keep]
        batch_rows = max(1, int(unit_bytes / self.row_bytes))
        return ReorderedFeed(self, locate, columns=columns, batch_rows=batch_rows)

    def hints(self, plan: ParsePlan) -> dict[str, str]:
        return {}

    def steps_entry(self, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
        return self.inner.steps_entry(plan)

    def located(self, file: int, error: RecordError) -> DataError:
        """An error of a row, which was kept when it was scattered."""
        return DataError(
            f"row {error.offset + 1:,} of the {self.scattered.order} rows: {error.problem}",
            hint=error.hint,
        )
