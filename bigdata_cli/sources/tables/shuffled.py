"""The rows of a source in random order, from the files that they were scattered to."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.errors import DataError, VerificationError
from bigdata_cli.formats.buckets.read import BucketFile
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.resources.stages import stage
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import Portions
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.tables.rows import parse_rows, row_text
from bigdata_cli.sources.wrapped import WrappedSource
from bigdata_cli.types.dtype import Column, Schema, arrow_type
from bigdata_cli.types.lattice import TypeOptions

_MAX_BITS = 40
_PIECES_AHEAD = 2


@dataclass(frozen=True, kw_only=True)
class Scattered:
    """Files of buckets, in the order of the parts of the source.

    schema: the columns, in their final dtypes. rows: of all files. share_bytes: of rows in memory
    that are put into order at a time, about.
    """

    store: Files
    names: tuple[str, ...]
    schema: Schema
    rows: int
    share_bytes: int

    def shares(self, share_bytes: int) -> Iterator[tuple[int, int]]:
        """(first bits, how many) of the keys of rows that are put into order together, ascending.

        The order of the rows does not depend on where they are cut.

        Args:
            share_bytes: Of a share in memory, at most, about.
        """
        sizes = self._bucket_bytes()
        yield from _cut(sizes, share_bytes, number=0, bits=0)

    def read(
        self, number: int, bits: int, columns: Sequence[Column]
    ) -> tuple[np.ndarray, pa.RecordBatch]:
        """(order, rows): the rows whose keys begin with these bits, and the order of their keys."""
        keys, batches = [], []
        for name in self.names:
            with BucketFile(StoredFile(self.store, name)) as file:
                for some, batch in file.share(number, bits, columns):
                    keys.append(some)
                    batches.append(batch)
        types = [(c.name, _held_type(c)) for c in columns]
        rows = pa.Table.from_batches(batches, pa.schema(types)).combine_chunks()
        order = np.argsort(np.concatenate(keys)) if keys else np.empty(0, np.int64)
        whole = rows.to_batches()
        if not whole:
            return order, pa.RecordBatch.from_pylist([], schema=rows.schema)
        return order, whole[0]

    def _bucket_bytes(self) -> np.ndarray:
        """Bytes in memory of each bucket, of as many as the file with most has: float64 (2**n,)."""
        known = []
        for name in self.names:
            with BucketFile(StoredFile(self.store, name)) as file:
                known.append(file.sizes[:, :, 1].sum(axis=0, dtype=np.float64))
        most = max((len(one) for one in known), default=1)
        total = np.zeros(most)
        for one in known:
            total += np.repeat(one * len(one) / most, most // len(one))
        return total


def _cut(sizes: np.ndarray, most: int, *, number: int, bits: int) -> Iterator[tuple[int, int]]:
    """The shares of the keys that begin with these bits; sizes: of their buckets."""
    total = float(sizes.sum())
    if total <= most or bits >= _MAX_BITS:
        yield number, bits
        return
    if len(sizes) == 1:
        sizes = np.repeat(sizes / 2, 2)
    half = len(sizes) // 2
    yield from _cut(sizes[:half], most, number=2 * number, bits=bits + 1)
    yield from _cut(sizes[half:], most, number=2 * number + 1, bits=bits + 1)


def _held_type(column: Column) -> pa.DataType:
    return pa.string() if column.dtype == "category" else arrow_type(column.dtype)


class ShuffledRows(NamedTuple):
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
        with stage("shuffle"):
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


class ShuffledFeed:
    """The rows of buckets in the order of their keys; a `RowFeed`."""

    def __init__(
        self,
        source: ShuffledSource,
        portions: Portions,
        *,
        columns: Sequence[Column],
        batch_rows: int,
    ) -> None:
        self._source = source
        self._portions = portions
        self._columns = columns
        self._batch_rows = batch_rows
        self._pieces = Prefetch(self._cut(), depth=_PIECES_AHEAD, name="feed")

    def __iter__(self) -> Iterator[ShuffledRows]:
        return self._pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces.close()

    def entries(self) -> tuple[SourceEntry, ...]:
        return self._source.entries

    def _cut(self) -> Generator[ShuffledRows]:
        scattered, total_bytes = self._source.scattered, self._source.bytes
        row = 0
        try:
            for number, bits in scattered.shares(scattered.share_bytes):
                with stage("shuffle"):
                    order, rows = scattered.read(number, bits, self._columns)
                place = 0
                while place < len(order):
                    shard, stop = self._portions(row)
                    n_rows = min(self._batch_rows, len(order) - place)
                    n_rows = n_rows if stop is None else min(n_rows, stop - row)
                    piece = order[place : place + n_rows]
                    place, first_row, row = place + n_rows, row, row + n_rows
                    consumed = total_bytes * row // max(scattered.rows, 1)
                    yield ShuffledRows(shard, 0, rows, piece, first_row, consumed)
        except VerificationError as error:
            raise DataError(error.message, hint="--force starts over") from error
        if row != scattered.rows:
            raise DataError(
                f"{scattered.rows:,} rows were scattered, and {row:,} are there",
                hint="--force starts over",
            )


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
class ShuffledSource(WrappedSource):
    """A source whose rows are read in random order; a `RowSource`.

    entries: the files of the source itself, as they were read. row_bytes: of a row of it, on
    average.
    """

    scattered: Scattered
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
        number, bits = next(self.scattered.shares(max_bytes))
        columns = [self.scattered.schema[name] for name in keep]
        order, rows = self.scattered.read(number, bits, columns)
        yield ShuffledRows(0, 0, rows, order, 0, 0).parse((), plan)

    def feed(
        self,
        portions: Portions,
        *,
        keep: Sequence[str],
        unit_bytes: int,
        max_record_bytes: int,
        strict: bool,
    ) -> ShuffledFeed:
        columns = [self.scattered.schema[name] for name in keep]
        batch_rows = max(1, int(unit_bytes / self.row_bytes))
        return ShuffledFeed(self, portions, columns=columns, batch_rows=batch_rows)

    def hints(self, plan: ParsePlan) -> dict[str, str]:
        return {}

    def steps_entry(self, plan: ParsePlan) -> tuple[dict[str, Any], ...]:
        return self.inner.steps_entry(plan)

    def located(self, file: int, error: RecordError) -> DataError:
        """An error of a row, which was kept when it was scattered."""
        return DataError(
            f"row {error.offset + 1:,} of the shuffled rows: {error.problem}", hint=error.hint
        )
