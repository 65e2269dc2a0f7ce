"""Arrow tables as framed records of `tf.train.Example`: what the C library needs to make them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord_layout import (
    BLOCK_ROWS,
    FLOAT,
    INT,
    VALID,
    feature_lists,
    stored_kind,
)
from bigdata_cli.native.arrow import ArrowBatches
from bigdata_cli.native.library import TfrecordBatches, TfrecordPlan, address, lib
from bigdata_cli.resources.pages import pages
from bigdata_cli.schema.dtype import Column, Kind, Schema

_LAYOUTS = ("rows", "packed", "block")
_TYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "text",
    "category",
    "code",
)
"""How columns lie in Arrow; the C library knows them by their places here."""
_COLUMN = np.dtype([("type", "i4"), ("child", "i4")])
_LIST = np.dtype(
    [
        ("kind", "i4"),
        ("first", "i4"),
        ("count", "i4"),
        ("key_size", "i4"),
        ("key_at", "i8"),
        ("head_at", "i4"),
        ("head_size", "i4"),
        ("max_payload", "i4"),
        ("unused", "i4"),
    ]
)
_SPARE_BUFFERS = 4


def _type_of(column: Column, layout: str) -> int:
    if column.kind is Kind.CATEGORY:
        return _TYPES.index("code" if stored_kind(column, layout) == INT else "category")
    dtype = {Kind.NULL: "bool", Kind.DATE: "int32", Kind.TIMESTAMP: "int64"}.get(column.kind)
    return _TYPES.index(dtype or column.dtype)


class RecordEncoder:
    """Makes records of tables of one schema; thread-safe.

    The arrays that it returns are in buffers that `recycle` takes back, so that not every table
    needs new memory.
    """

    def __init__(self, schema: Schema, options: StorageOptions) -> None:
        layout = options.layout
        self._arrow = schema.arrow()
        lists = feature_lists(schema, options)
        place = {name: child for child, name in enumerate(schema.names)}
        self._columns = [
            column for entry in lists if entry.kind != VALID for column in entry.columns
        ]
        self._coded = [
            (c, place[column.name], {value: k for k, value in enumerate(column.vocabulary or ())})
            for c, column in enumerate(self._columns)
            if column.kind is Kind.CATEGORY and stored_kind(column, layout) == INT
        ]
        described = [(_type_of(column, layout), place[column.name]) for column in self._columns]
        keys = [entry.key.encode() for entry in lists]
        self._column_array = np.array(described, _COLUMN)
        self._list_array = np.zeros(len(lists), _LIST)
        self._list_array["kind"] = [entry.kind for entry in lists]
        self._list_array["count"] = counts = np.array([len(entry.columns) for entry in lists])
        is_valid = self._list_array["kind"] == VALID
        # The list before one of validity has the same columns.
        firsts = np.cumsum(np.where(is_valid, 0, counts)) - counts
        self._list_array["first"] = firsts
        self._list_array["key_size"] = sizes = [len(key) for key in keys]
        self._list_array["key_at"] = np.cumsum(sizes) - sizes
        self._keys = np.frombuffer(b"".join(keys) + b"\0", np.uint8)
        self._plan = TfrecordPlan(
            layout=_LAYOUTS.index(layout),
            n_columns=len(self._columns),
            n_lists=len(lists),
            block_rows=BLOCK_ROWS,
            columns=address(self._column_array),
            lists=address(self._list_array),
            keys=address(self._keys),
        )
        self._plan_at = ctypes.addressof(self._plan)
        self._heads = np.empty(lib.bd_tfrecord_heads_bytes(self._plan_at) + 1, np.uint8)
        self._plan.heads = address(self._heads)
        lib.bd_tfrecord_heads(self._plan_at)
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
        bound = lib.bd_tfrecord_bound(self._plan_at, given_at, ctypes.addressof(scratch_bytes))
        # Rounded, so that the scratch is aligned.
        bound = -(-bound // 64) * 64
        buffer = self._buffer(bound + scratch_bytes.value)
        at = address(buffer)
        size = lib.bd_tfrecord_encode(self._plan_at, given_at, at, at + bound)
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
            for c, child, places in self._coded:
                known = [places.get(value, -1) for value in batch.column(child).dictionary.to_pylist()]
                arrays.append(np.array([*known, -1], np.int64))
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
