"""Reading a bucket file: rows of some buckets with their keys, or all in their own order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.buckets.footer import Footer, TableEntry, read_footer
from bigdata_cli.formats.buckets.keys import buckets_of, row_keys
from bigdata_cli.formats.buckets.write import CODEC
from bigdata_cli.io.store import StoredFile
from bigdata_cli.types.dtype import Column, arrow_type


class BucketFile:
    """An open file of buckets; a context manager."""

    def __init__(self, stored: StoredFile) -> None:
        self._place = str(stored)
        self._file = stored.open()
        try:
            self.footer: Footer = read_footer(self._file, stored.stat().bytes, self._place)
        except BaseException:
            self._file.close()
            raise
        self.sizes = self.footer.table_sizes()
        self._schemas = self.footer.arrow_schemas()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.footer.tables)

    @property
    def schemas(self) -> Sequence[pa.Schema]:
        """Those of its tables."""
        return self._schemas

    def tables(self, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        """Its tables one after the other, their rows as they were before they were scattered."""
        for number, table in enumerate(self.footer.tables):
            parts = list(self.parts(number, range(table.buckets), columns))
            if not parts:
                continue
            positions = np.concatenate([part[0] for part in parts])
            rows = pa.Table.from_batches([part[1] for part in parts]).combine_chunks()
            order = np.empty(len(positions), np.int64)
            try:
                order[positions] = np.arange(len(positions))
            except IndexError as error:
                raise self._damage(f"table {number} has no such row") from error
            (batch,) = rows.to_batches()
            if batch.num_rows != table.rows:
                raise self._damage(f"table {number} has {batch.num_rows:,} rows")
            yield batch.take(pa.array(order))

    def share(
        self, number: int, bits: int, columns: Sequence[Column]
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """Rows whose keys begin with these bits, and their keys: uint64 (n,); not sorted yet.

        Args:
            number: The first bits of the keys.
            bits: How many these are; more than those of a bucket, or fewer.
            columns: Those that are read.
        """
        own = self.footer.bits
        if bits <= own:
            buckets = range(number << (own - bits), (number + 1) << (own - bits))
        else:
            buckets = range(number >> (bits - own), (number >> (bits - own)) + 1)
        for index, table in enumerate(self.footer.tables):
            for positions, batch in self.parts(index, buckets, columns):
                rows = positions.astype(np.uint64) + np.uint64(table.first_row)
                keys = row_keys(self.footer.seed, self.footer.part, rows)
                if bits > own:
                    kept = buckets_of(keys, bits) == number
                    keys, batch = keys[kept], batch.filter(pa.array(kept))
                yield keys, batch

    def firsts(self, number: int, columns: Sequence[Column]) -> tuple[np.ndarray, list[pa.Array]]:
        """(positions: int64 (n,), columns) of the first row of each bucket of a sorted table.

        columns: of those that it is sorted by.
        """
        table = self.footer.tables[number]
        fields = [self._schemas[table.schema].field(name) for name in self.footer.by]
        try:
            schema = pa.schema([_steps(table), *fields])
            batch = pa.ipc.read_record_batch(pa.py_buffer(table.firsts), schema)
        except (pa.ArrowException, OSError) as error:
            raise self._damage(str(error)) from error
        if batch.num_rows != np.count_nonzero(self.sizes[number][:, 2]):
            raise self._damage(f"table {number} has {batch.num_rows:,} first rows")
        arrays = [_as_type(batch.column(1 + self.footer.by.index(c.name)), c) for c in columns]
        return batch.column(0).to_numpy().astype(np.int64), arrays

    def parts(
        self, number: int, buckets: range, columns: Sequence[Column]
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """The rows of neighbouring buckets of a table, and their positions in it: int64 (n,)."""
        table, sizes = self.footer.tables[number], self.sizes[number]
        stored = sizes[:, 0]
        n_bytes = int(stored[buckets.start : buckets.stop].sum())
        if not n_bytes:
            return
        self._file.seek(table.start + int(stored[: buckets.start].sum()))
        data = memoryview(self._file.read(n_bytes))
        if len(data) != n_bytes:
            raise self._damage("it is truncated")
        place = 0
        for bucket in buckets:
            length, plain_bytes, n_rows = sizes[bucket].tolist()
            if not n_rows:
                continue
            batch = self._decoded(table, data[place : place + length], plain_bytes)
            place += length
            if batch.num_rows != n_rows:
                raise self._damage(f"bucket {bucket} has {batch.num_rows:,} rows")
            positions = np.cumsum(batch.column(0).to_numpy(), dtype=np.int64)
            arrays = [
                _as_type(batch.column(1 + self._schemas[table.schema].get_field_index(c.name)), c)
                for c in columns
            ]
            names = [column.name for column in columns]
            yield positions, pa.RecordBatch.from_arrays(arrays, names=names)

    def _decoded(self, table: TableEntry, data: memoryview, plain_bytes: int) -> pa.RecordBatch:
        schema = pa.schema([_steps(table), *self._schemas[table.schema]])
        try:
            plain = pa.Codec(CODEC).decompress(data, plain_bytes)
            return pa.ipc.read_record_batch(pa.py_buffer(plain), schema)
        except (pa.ArrowException, OSError) as error:
            raise self._damage(str(error)) from error

    def _damage(self, what: str) -> VerificationError:
        return VerificationError(f"{self._place} is damaged: {what}")


def _steps(table: TableEntry) -> pa.Field:
    return pa.field("", pa.int32() if table.is_wide else pa.uint16())


def held_type(column: Column) -> pa.DataType:
    """The type in which the values of a column are read; of a category its texts."""
    return pa.string() if column.dtype == "category" else arrow_type(column.dtype)


def _as_type(array: pa.Array, column: Column) -> pa.Array:
    """Values in the type of a column, which may be wider by now."""
    wanted = held_type(column)
    if array.type == wanted:
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), wanted)
    return array.cast(wanted)
