"""Arrow tables as framed records of `tf.train.Example`: what the C library needs to make them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord.layout import FLOAT, INT, feature_lists, stored_kind
from bigdata_cli.formats.tfrecord.plan import RecordPlan
from bigdata_cli.native.arrow import ArrowBatches
from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import TfrecordBatches
from bigdata_cli.resources.pages import pages
from bigdata_cli.types.buffers import numbers_of, text_array
from bigdata_cli.types.dtype import Column, Kind, Schema

_SPARE_BUFFERS = 4


class _Vocabulary:
    """Where values are in a vocabulary."""

    def __init__(self, values: Sequence[str]) -> None:
        self._places = {value: k for k, value in enumerate(values)}
        self._values = text_array(values)

    def places(self, dictionary: pa.Array) -> np.ndarray:
        """The place of each value, int64, -1 where it has none; and one more.

        So there is an address where there are no values.
        """
        places = np.full(len(dictionary) + 1, -1, np.int64)
        if len(self._values) <= 2 * len(dictionary):
            # Arrow hashes the whole vocabulary each time, and each value in no time.
            import pyarrow.compute as pc  # takes 40 ms

            found = pc.index_in(dictionary, value_set=self._values)
            places[:-1] = numbers_of(found.fill_null(-1))
        else:
            places[:-1] = [self._places.get(v, -1) for v in dictionary.to_pylist()]
        return places


class RecordEncoder:
    """Makes records of tables of one schema; thread-safe.

    The arrays that it returns are in buffers that `recycle` takes back, so that not every table
    needs new memory.
    """

    def __init__(self, schema: Schema, options: StorageOptions) -> None:
        layout = options.layout
        self._arrow = schema.arrow()
        self._plan = RecordPlan(schema, options, feature_lists(schema, options))
        self._columns = self._plan.columns
        place = {name: child for child, name in enumerate(schema.names)}
        self._coded = [
            (c, place[column.name], _Vocabulary(column.vocabulary or ()))
            for c, column in enumerate(self._columns)
            if column.kind is Kind.CATEGORY and stored_kind(column, layout) == INT
        ]
        self._spare: list[np.ndarray] = []

    def encode(self, table: pa.Table) -> np.ndarray:
        """The records of a table: uint8 (bytes,).

        Raises DataError for a number beyond float32, and for a category that is not in the
        vocabulary where codes are stored.
        """
        if not table.schema.equals(self._arrow):
            table = table.select(self._arrow.names).cast(self._arrow)
        parts = [batch for batch in table.to_batches() if batch.num_rows]
        batches = ArrowBatches(parts)
        lookups = self._lookups(parts)
        given = TfrecordBatches(
            n_batches=len(parts),
            batches=address(batches.addresses),
            lookups=None if lookups is None else address(lookups[0]),
        )
        given_at = ctypes.addressof(given)
        scratch_bytes = ctypes.c_int64()
        bound = lib.bd_tfrecord_bound(self._plan.at, given_at, ctypes.addressof(scratch_bytes))
        # Rounded, so that the scratch is aligned.
        bound = -(-bound // 64) * 64
        buffer = self._buffer(bound + scratch_bytes.value)
        at = address(buffer)
        size = lib.bd_tfrecord_encode(self._plan.at, given_at, at, at + bound)
        if size < 0:
            raise _error(self._columns[-1 - size])
        return buffer[:size]

    def recycle(self, encoded: np.ndarray) -> None:
        """Take back the memory of what `encode` gave, which must not be used any more."""
        if encoded.base is not None and len(self._spare) < _SPARE_BUFFERS:
            self._spare.append(encoded.base)

    def _buffer(self, n_bytes: int) -> np.ndarray:
        try:
            buffer = self._spare.pop()
        except IndexError:
            return pages(n_bytes)
        return buffer if len(buffer) >= n_bytes else pages(n_bytes)

    def _lookups(self, batches: Sequence[pa.RecordBatch]) -> tuple[np.ndarray, list] | None:
        """Per batch and column where the places of its codes lie, uintp, and the arrays."""
        if not self._coded:
            return None
        pointers = np.zeros((len(batches), len(self._columns)), np.uintp)
        arrays = []
        for b, batch in enumerate(batches):
            for c, child, vocabulary in self._coded:
                arrays.append(vocabulary.places(batch.column(child).dictionary))
                pointers[b, c] = address(arrays[-1])
        return pointers, arrays


def _error(column: Column) -> DataError:
    if stored_kind(column, "packed") == FLOAT:
        return DataError(
            f'column "{column.name}" has a number beyond float32, which TFRecord stores',
            hint=f"--type '{column.name}=text', or --to parquet",
        )
    return DataError(
        f'column "{column.name}" has a value that is not among its categories',
        hint=f"--type '{column.name}=text'",
    )
