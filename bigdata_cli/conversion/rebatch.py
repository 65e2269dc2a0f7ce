"""A stream of batches cut anew into tables of a given size, without copying."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bigdata_cli.types.dtype import Kind, Schema, item_bytes


class Rebatcher:
    """Cuts tables of `max_rows` rows, or fewer where they would exceed `max_bytes` in memory.

    Where a cut falls depends on the rows only, not on the batches they came in.

    room: bytes by which the largest table stayed below `max_bytes`; less than 0 where one was cut
    for that limit, infinite where there is none.
    """

    def __init__(self, schema: Schema, *, max_rows: int | None, max_bytes: int | None) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self.room = math.inf if max_rows is None or max_bytes is None else float(max_bytes)
        self.fixed_bytes = _fixed_bytes(schema)
        self._text = _text_columns(schema)
        self.arrow_schema = schema.arrow()
        self._parts: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0.0

    def widen(self, schema: Schema) -> None:
        """Go on with batches of another schema, into which what waits can be cast.

        As if all rows had been of it: `room` takes account of that.
        """
        fixed = _fixed_bytes(schema)
        if self._max_rows is not None and fixed > self.fixed_bytes:
            self.room -= self._max_rows * (fixed - self.fixed_bytes)
        self._bytes += self._rows * (fixed - self.fixed_bytes)
        self.fixed_bytes = fixed
        self.arrow_schema = schema.arrow()
        self._text = _text_columns(schema)
        self._parts = [_cast(part, self.arrow_schema) for part in self._parts]

    def push(self, batch: pa.RecordBatch) -> Iterator[pa.Table]:
        """Take a batch; yield the tables that are full."""
        if self._max_rows is None:
            if batch.num_rows:
                yield pa.Table.from_batches([batch])
            return
        while batch.num_rows:
            n_rows, n_bytes, full = self._fitting(batch)
            if n_rows:
                self._parts.append(batch.slice(0, n_rows))
                self._rows += n_rows
                self._bytes += n_bytes
            if not full:
                return
            yield self._cut()
            batch = batch.slice(n_rows)

    def flush(self) -> Iterator[pa.Table]:
        """Yield what is left."""
        if self._rows:
            yield self._cut()

    def _cut(self) -> pa.Table:
        if self._max_bytes is not None:
            self.room = min(self.room, self._max_bytes - self._bytes)
        table = pa.Table.from_batches(self._parts)
        self._parts, self._rows, self._bytes = [], 0, 0.0
        return table

    def _fitting(self, batch: pa.RecordBatch) -> tuple[int, float, bool]:
        """(rows of the batch that still fit, their bytes, whether the table is then full)."""
        assert self._max_rows is not None
        n_rows = min(batch.num_rows, self._max_rows - self._rows)
        full = self._rows + n_rows == self._max_rows
        if self._max_bytes is None:
            return n_rows, 0.0, full
        sizes = self._cumulative_bytes(batch, n_rows)
        if self._bytes + sizes[-1] > self._max_bytes:
            fitting = int(np.searchsorted(sizes, self._max_bytes - self._bytes, side="right"))
            if fitting < n_rows:
                # A row that is larger than the limit alone is a table of its own.
                n_rows = fitting if fitting or self._rows else 1
                full = True
                self.room = -1.0
        return n_rows, float(sizes[n_rows - 1]) if n_rows else 0.0, full

    def _cumulative_bytes(self, batch: pa.RecordBatch, n_rows: int) -> np.ndarray:
        """Bytes in memory of the first 1, 2, … rows of the batch."""
        sizes = np.arange(1, n_rows + 1, dtype=np.float64) * self.fixed_bytes
        for i in self._text:
            column = batch.column(i)
            offsets = np.frombuffer(column.buffers()[1], np.int32, n_rows + 1, column.offset * 4)
            sizes += offsets[1:] - offsets[0]
        return sizes


def _text_columns(schema: Schema) -> list[int]:
    return [i for i, column in enumerate(schema) if column.kind is Kind.TEXT]


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        pa.nulls(len(array), field.type)
        if array.null_count == len(array)
        else array.cast(field.type)
        for array, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _fixed_bytes(schema: Schema) -> float:
    """Bytes in memory of a row, but for its text."""
    return sum(
        4.0 if column.kind is Kind.CATEGORY else item_bytes(column.dtype) for column in schema
    )
