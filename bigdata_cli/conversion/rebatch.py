"""A stream of batches cut anew into tables of a given size, without copying."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bigdata_cli.native.library import address, lib
from bigdata_cli.types.buffers import cast_array, validity_of
from bigdata_cli.types.dtype import Kind, Schema, item_bytes


class Rebatcher:
    """Cuts tables of `max_rows` rows, or fewer where they would exceed `max_bytes` in memory.

    Where a cut falls depends on the rows only, not on the batches they came in.

    text_categories: whether a category counts as its text, so that a column that turns out to be
    text changes no cut; else as its code.

    room: bytes by which the largest table stayed below `max_bytes`; less than 0 where one was cut
    for that limit, infinite where there is none.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        max_rows: int | None,
        max_bytes: int | None,
        text_categories: bool = False,
    ) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self.room = math.inf if max_rows is None or max_bytes is None else float(max_bytes)
        self._text_categories = text_categories
        self.fixed_bytes = fixed_bytes(schema, text_categories=text_categories)
        self._text = _text_columns(schema, text_categories=self._text_categories)
        self.arrow_schema = schema.arrow()
        self._parts: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0.0

    def widen(self, schema: Schema) -> bool:
        """Go on with batches of another schema, into which what waits can be cast.

        As if all rows had been of it: `room` takes account of that. Returns whether rows count as
        many bytes as before, so that the tables so far are cut where the schema would have it.
        """
        fixed = fixed_bytes(schema, text_categories=self._text_categories)
        has_same_sizes = fixed == self.fixed_bytes and self._text == _text_columns(
            schema, text_categories=self._text_categories
        )
        if self._max_rows is not None and fixed > self.fixed_bytes:
            self.room -= self._max_rows * (fixed - self.fixed_bytes)
        self._bytes += self._rows * (fixed - self.fixed_bytes)
        self.fixed_bytes = fixed
        self.arrow_schema = schema.arrow()
        self._text = _text_columns(schema, text_categories=self._text_categories)
        self._parts = [_cast(part, self.arrow_schema) for part in self._parts]
        return has_same_sizes

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
        texts = [batch.column(i).slice(0, n_rows) for i in self._text]
        n_bytes = n_rows * self.fixed_bytes + sum(map(_text_bytes, texts))
        if self._bytes + n_bytes <= self._max_bytes:
            return n_rows, n_bytes, full
        sizes = np.arange(1, n_rows + 1, dtype=np.float64) * self.fixed_bytes
        for array in texts:
            sizes += _cumulative_bytes(array)
        fitting = int(np.searchsorted(sizes, self._max_bytes - self._bytes, side="right"))
        # A row that is larger than the limit alone is a table of its own.
        n_rows = fitting if fitting or self._rows else 1
        self.room = -1.0
        return n_rows, float(sizes[n_rows - 1]) if n_rows else 0.0, True


def counted_bytes(batch: pa.RecordBatch, schema: Schema, *, text_categories: bool) -> float:
    """Bytes of a batch where tables are cut by bytes."""
    fixed = fixed_bytes(schema, text_categories=text_categories)
    texts = _text_columns(schema, text_categories=text_categories)
    return batch.num_rows * fixed + sum(_text_bytes(batch.column(i)) for i in texts)


def _text_columns(schema: Schema, *, text_categories: bool) -> list[int]:
    kinds = (Kind.TEXT, Kind.CATEGORY) if text_categories else (Kind.TEXT,)
    return [i for i, column in enumerate(schema) if column.kind in kinds]


def _ends(texts: pa.Array) -> np.ndarray:
    """Where each text ends in the bytes of a string array, and before it where the first begins."""
    if not len(texts):
        return np.zeros(1, np.int32)
    return np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)


def _text_bytes(array: pa.Array) -> int:
    """Bytes of the texts of all rows; of a category too."""
    if not pa.types.is_dictionary(array.type):
        ends = _ends(array)
        return int(ends[-1]) - int(ends[0])
    if array.null_count == len(array):
        return 0
    validity, codes = array.buffers()
    ends = _ends(array.dictionary)
    return lib.bd_coded_bytes(
        codes.address,
        None if validity is None else validity.address,
        array.offset,
        len(array),
        address(ends),
    )


def _cumulative_bytes(array: pa.Array) -> np.ndarray:
    """Bytes of the texts of the first 1, 2, … rows."""
    if not pa.types.is_dictionary(array.type):
        ends = _ends(array)
        return ends[1:] - ends[0]
    if array.null_count == len(array):
        return np.zeros(len(array), np.int64)
    return np.cumsum(_category_lengths(array, np.diff(_ends(array.dictionary))))


def _category_lengths(array: pa.DictionaryArray, lengths: np.ndarray) -> np.ndarray:
    """Bytes of the text of each row, int64; lengths: of each value of the dictionary."""
    codes = np.frombuffer(array.buffers()[1], np.int32, len(array), array.offset * 4)
    valid = validity_of(array)
    if valid is None:
        return lengths.astype(np.int64)[codes]
    # The code of a null may be any number.
    return lengths.astype(np.int64).take(codes, mode="clip") * valid


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        pa.nulls(len(array), field.type)
        if array.null_count == len(array)
        else cast_array(array, field.type)
        for array, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def fixed_bytes(schema: Schema, *, text_categories: bool) -> float:
    """Bytes of a row where tables are cut by bytes, but for its text."""
    category = item_bytes("text") if text_categories else 4.0
    return sum(
        category if column.kind is Kind.CATEGORY else item_bytes(column.dtype) for column in schema
    )
