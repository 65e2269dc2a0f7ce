"""Rows sorted by their keys, from files of sorted tables.

The buckets of all tables are read in the order of their first keys. So whatever is before the first
key of the next bucket is in memory, and goes out; of each table at most one bucket waits.
(Knuth, "The Art of Computer Programming" 3, 5.4.9: forecasting in a merge of runs on disks.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.buckets.read import BucketFile, held_type
from bigdata_cli.formats.buckets.sort_keys import Keys, SortColumn
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.types.buffers import array_of
from bigdata_cli.types.dtype import Column, Schema

_PART_BITS = 40
"""A place in the source is the number of its part, and of so many bits the row in that."""
_OPEN_FILES = 32


@dataclass(frozen=True, kw_only=True)
class SortedRuns:
    """Rows sorted by some columns, those with equal keys in the order of the source; a
    `RowsInOrder`.

    names: of files of sorted tables, in the order of the parts of the source. by: what they are
    sorted by. schema, rows, share_bytes: as those of `Scattered`.
    """

    order: ClassVar[str] = "sorted"
    store: Files
    names: tuple[str, ...]
    schema: Schema
    rows: int
    share_bytes: int
    by: tuple[SortColumn, ...]

    def shares(
        self, columns: Sequence[Column], share_bytes: int | None = None
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """See `RowsInOrder`."""
        index = _Index.of(self)
        if not len(index.places):
            return
        order = index.keys.order()
        types = pa.schema([(column.name, held_type(column)) for column in columns])
        held: list[_Held] = []
        n_bytes = 0
        with _OpenFiles(self) as files:
            for rank, number in enumerate(order.tolist()):
                held.append(files.read(index, number, columns))
                n_bytes += int(index.sizes[number])
                if rank + 1 == len(order):
                    yield _joined(held, types)
                elif n_bytes >= (share_bytes or self.share_bytes):
                    following = int(order[rank + 1])
                    going, held = _divided(held, index, following)
                    n_bytes = 0
                    if going:
                        yield _joined(going, types)

    def groups(self, n_columns: int) -> list[Group]:
        """The values of the first columns of the sort, in its order, and how many rows have them.

        Buckets were cut where these values change.
        """
        index = _Index.of(self)
        if not len(index.places):
            return []
        order = index.keys.order()
        starts = np.append(0, index.keys.changes(order, n_columns))
        rows = np.add.reduceat(index.rows[order], starts)
        by = [self.schema[one.name] for one in self.by[:n_columns]]
        arrays: list[list[pa.Array]] = [[] for _ in by]
        for name in self.names:
            with BucketFile(StoredFile(self.store, name)) as file:
                for table in range(len(file.sizes)):
                    _, firsts = file.firsts(table, by)
                    for known, array in zip(arrays, firsts, strict=True):
                        known.append(array)
        chosen = array_of(order[starts])
        columns = [pa.concat_arrays(known).take(chosen).to_pylist() for known in arrays]
        return [
            Group(values, n_rows)
            for values, n_rows in zip(zip(*columns, strict=True), rows.tolist(), strict=True)
        ]


class Group(NamedTuple):
    """Values of some columns, and how many rows have them."""

    values: tuple[object, ...]
    rows: int


class _Index(NamedTuple):
    """All buckets that have rows, file after file, table after table.

    files, tables, buckets: their numbers; sizes: bytes in memory; rows: how many; places: of their
    first rows; keys: of these.
    """

    files: np.ndarray
    tables: np.ndarray
    buckets: np.ndarray
    sizes: np.ndarray
    rows: np.ndarray
    places: np.ndarray
    keys: Keys

    @classmethod
    def of(cls, runs: SortedRuns) -> Self:
        by = [runs.schema[one.name] for one in runs.by]
        found: list[tuple[np.ndarray, ...]] = []
        keys: list[Keys] = []
        for number, name in enumerate(runs.names):
            with BucketFile(StoredFile(runs.store, name)) as file:
                for table, sizes in enumerate(file.sizes):
                    positions, arrays = file.firsts(table, by)
                    buckets = np.flatnonzero(sizes[:, 2])
                    same = np.ones(len(buckets), np.int32)
                    places = _places(file, table, positions)
                    sizes = sizes[buckets]
                    numbers = number * same, table * same, buckets
                    found.append((*numbers, sizes[:, 1], sizes[:, 2], places))
                    keys.append(Keys.of(arrays, runs.by))
        if not found:
            nothing = np.empty(0, np.int64)
            return cls(nothing, nothing, nothing, nothing, nothing, nothing, Keys(()))
        joined = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        files, tables, buckets, sizes, rows, places = joined
        return cls(files, tables, buckets, sizes, rows, places, Keys.joined(keys))


class _Held(NamedTuple):
    """Rows of a bucket that are sorted and wait; number: of the bucket in the index."""

    number: int
    rows: pa.RecordBatch
    keys: Keys
    places: np.ndarray


class _OpenFiles:
    """Files of sorted tables, those that were read last open; a context manager."""

    def __init__(self, runs: SortedRuns) -> None:
        self._runs = runs
        self._open: OrderedDict[int, BucketFile] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def read(self, index: _Index, number: int, columns: Sequence[Column]) -> _Held:
        """The rows of a bucket; raises VerificationError where it is damaged."""
        runs = self._runs
        file = self._file(int(index.files[number]))
        table, bucket = int(index.tables[number]), int(index.buckets[number])
        names = {column.name for column in columns}
        by = [runs.schema[one.name] for one in runs.by]
        wanted = [*columns, *(column for column in by if column.name not in names)]
        ((positions, batch),) = file.parts(table, range(bucket, bucket + 1), wanted)
        keys = Keys.of([batch.column(column.name) for column in by], runs.by)
        rows = batch.select([column.name for column in columns])
        return _Held(number, rows, keys, _places(file, table, positions))

    def _file(self, number: int) -> BucketFile:
        file = self._open.pop(number, None)
        if file is None:
            if len(self._open) >= _OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            file = BucketFile(StoredFile(self._runs.store, self._runs.names[number]))
        self._open[number] = file
        return file


def _places(file: BucketFile, table: int, positions: np.ndarray) -> np.ndarray:
    """Where rows of a table stand in the source: uint64 (n,)."""
    first = (file.footer.part << _PART_BITS) + file.footer.tables[table].first_row
    return positions.astype(np.uint64) + np.uint64(first)


def _divided(
    held: Sequence[_Held], index: _Index, following: int
) -> tuple[list[_Held], list[_Held]]:
    """The rows before the first one of the bucket that is read next, and those that wait."""
    key, place = index.keys.key(following), int(index.places[following])
    going, waiting = [], []
    for one in held:
        n, n_rows = one.keys.n_before(key, one.places, place), len(one.places)
        if n:
            going.append(_slice(one, 0, n))
        if n < n_rows:
            waiting.append(_slice(one, n, n_rows))
    return going, waiting


def _slice(one: _Held, start: int, stop: int) -> _Held:
    return _Held(
        one.number,
        one.rows.slice(start, stop - start),
        one.keys.slice(start, stop),
        one.places[start:stop],
    )


def _joined(held: Sequence[_Held], types: pa.Schema) -> tuple[np.ndarray, pa.RecordBatch]:
    """Rows as one batch, and the order of their keys; equal keys stay in the source's order."""
    parts = sorted(held, key=lambda one: one.number)
    order = Keys.joined([one.keys for one in parts]).order()
    (rows,) = (
        pa.Table.from_batches([one.rows for one in parts], types).combine_chunks().to_batches()
    )
    return order, rows
