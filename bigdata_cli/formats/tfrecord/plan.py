"""The lists of a shard's records as the C library takes them, for writing and for reading."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord.layout import (
    BLOCK_ROWS,
    INT,
    VALID,
    FeatureList,
    stored_kind,
)
from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import TfrecordPlan
from bigdata_cli.types.dtype import Column, Kind, Schema

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
        ("flags", "i4"),
    ]
)
OPTIONAL, WANTED = 1, 2
"""Flags of lists that are read."""


class RecordPlan:
    """`struct bd_tfrecord_plan`, and the arrays that it points to. It does not change once made.

    lists: a structured array as `struct bd_tfrecord_list`. columns: those of the lists, in order.
    at: the address of the plan.
    """

    def __init__(
        self, schema: Schema, options: StorageOptions, features: Sequence[FeatureList]
    ) -> None:
        layout = options.layout
        place = {name: child for child, name in enumerate(schema.names)}
        self.columns = [
            column for entry in features if entry.kind != VALID for column in entry.columns
        ]
        described = [(_type_of(column, layout), place[column.name]) for column in self.columns]
        keys = [entry.key.encode() for entry in features]
        sizes = np.array([len(key) for key in keys], np.int64)
        self._column_array = np.array(described, _COLUMN)
        self._keys = np.frombuffer(b"".join(keys) + b"\0", np.uint8)
        self.lists = np.zeros(len(features), _LIST)
        kinds = np.array([entry.kind for entry in features], np.int64)
        counts = np.array([len(entry.columns) for entry in features], np.int64)
        own = np.where(kinds == VALID, 0, counts)
        self.lists["kind"], self.lists["count"] = kinds, counts
        # A list of validity has the columns of the list before it.
        self.lists["first"] = np.cumsum(own) - counts
        self.lists["key_size"] = sizes
        self.lists["key_at"] = np.cumsum(sizes) - sizes
        self._plan = TfrecordPlan(
            layout=_LAYOUTS.index(layout),
            n_columns=len(self.columns),
            n_lists=len(features),
            block_rows=BLOCK_ROWS,
            columns=address(self._column_array),
            lists=address(self.lists),
            keys=address(self._keys),
        )
        self.at = ctypes.addressof(self._plan)
        self._heads = np.empty(lib.bd_tfrecord_heads_bytes(self.at) + 1, np.uint8)
        self._plan.heads = address(self._heads)
        lib.bd_tfrecord_heads(self.at)


def _type_of(column: Column, layout: str) -> int:
    if column.kind is Kind.CATEGORY:
        return _TYPES.index("code" if stored_kind(column, layout) == INT else "category")
    dtype = {Kind.NULL: "bool", Kind.DATE: "int32", Kind.TIMESTAMP: "int64"}.get(column.kind)
    return _TYPES.index(dtype or column.dtype)
