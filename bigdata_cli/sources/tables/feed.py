"""The rows of tables in order, as batches of one shard each, read in a thread."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.base import ShardLocator
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.tables.rows import parse_rows, row_text

if TYPE_CHECKING:
    from bigdata_cli.sources.tables.table import Table

_BATCHES_AHEAD = 2


class FedBatch(NamedTuple):
    """Rows of one table and one shard; first_row: of the table, from 0. consumed: see `FedRows`."""

    shard: int
    file: int
    batch: pa.RecordBatch
    first_row: int
    consumed: int

    def parse(self, fields: Sequence[int], plan: ParsePlan) -> Unit:
        with stage("types"):
            return parse_rows(self.batch, self.file, self.first_row, plan)

    def line(self, position: int) -> int:
        return position + 1

    def record(self, position: int, plan: ParsePlan) -> bytes:
        return row_text(self.batch, position - self.first_row)

    def end_of(self, position: int, plan: ParsePlan) -> int:
        return position + 1


class TableFeed:
    """The rows of tables in order; a `RowFeed`.

    locate: which rows belong to which shard. unit_bytes: of a batch, in memory, about. Raises
    DataError, after the batches before it, where a table is damaged.
    """

    def __init__(
        self, tables: Sequence[Table], locate: ShardLocator, *, keep: Sequence[str], unit_bytes: int
    ) -> None:
        self._tables = tables
        self._locate = locate
        self._keep = keep
        self._unit_bytes = unit_bytes
        self._batches = Prefetch(self._cut(), depth=_BATCHES_AHEAD, name="feed")

    def __iter__(self) -> Iterator[FedBatch]:
        return self._batches

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._batches.close()

    def entries(self) -> tuple[SourceEntry, ...]:
        return tuple(table.entry() for table in self._tables)

    def _cut(self) -> Generator[FedBatch]:
        base = consumed = 0
        for index, table in enumerate(self._tables):
            row = 0
            for whole in table.read(self._keep, batch_bytes=self._unit_bytes):
                if row >= table.rows:
                    break
                batch = whole.slice(0, table.rows - row)
                while batch.num_rows:
                    shard, stop = self._locate(base + row)
                    n_rows = batch.num_rows if stop is None else stop - base - row
                    piece, batch = batch.slice(0, n_rows), batch.slice(n_rows)
                    done = table.bytes * (row + piece.num_rows) // table.rows
                    yield FedBatch(shard, index, piece, row, consumed + done)
                    row += piece.num_rows
            base += row
            consumed += table.bytes
