"""The metadata of Arrow IPC files: what stands where, read with nothing believed, and the footer.

pyarrow encodes and decodes record batches. Where they lie in a file stands in the footer, and how
many rows and bytes they have in the metadata of their messages, which are flatbuffers.
Source: the Arrow columnar format, "IPC file format"; File.fbs, Message.fbs and Schema.fbs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

MAGIC = b"ARROW1"
START = MAGIC + bytes(2)
"""What a file begins with."""
END_OF_STREAM = b"\xff\xff\xff\xff" + bytes(4)
TAIL_BYTES = 4 + len(MAGIC)
"""What a file ends with: the length of the footer, and MAGIC again."""
PREFIX_BYTES = 8
"""Before the metadata of a message: four bytes 255, and its length."""
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3
"""Kinds of messages."""

_V5 = 4
BLOCK = np.dtype([("start", "<i8"), ("metadata", "<i4"), ("unused", "<i4"), ("body", "<i8")])
"""Where a message is: its first byte, the bytes of its metadata with their prefix, and of its
body."""
_NODE = np.dtype([("length", "<i8"), ("nulls", "<i8")])
_BUFFER = np.dtype([("start", "<i8"), ("bytes", "<i8")])


class Table:
    """A table of a flatbuffer; its fields have numbers. Raises ValueError for what is beyond it."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place
        self._vtable = place - self._number("<i", place)
        self._fields = (self._number("<H", self._vtable) - 4) // 2

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The table that a flatbuffer is of."""
        return cls(data, Table._unpack(data, "<I", 0))

    @property
    def place(self) -> int:
        """Where the table begins, in bytes from the start of the flatbuffer."""
        return self._place

    def number(self, field: int, form: str) -> int:
        """A scalar, as `struct` has it; 0 where the field is left out."""
        at = self._at(field)
        return 0 if at is None else self._number(form, at)

    def table(self, field: int) -> Table | None:
        """A table that a field points to."""
        at = self._at(field)
        return None if at is None else Table(self._data, at + self._number("<I", at))

    def structs(self, field: int, dtype: np.dtype) -> np.ndarray:
        """A vector of structs: (n,)."""
        at = self._at(field)
        if at is None:
            return np.empty(0, dtype)
        at += self._number("<I", at)
        return np.frombuffer(self._data, dtype, self._number("<I", at), at + 4)

    def _at(self, field: int) -> int | None:
        if field >= self._fields:
            return None
        offset = self._number("<H", self._vtable + 4 + 2 * field)
        return self._place + offset if offset else None

    def _number(self, form: str, at: int) -> int:
        return self._unpack(self._data, form, at)

    @staticmethod
    def _unpack(data: bytes, form: str, at: int) -> int:
        if not 0 <= at <= len(data) - struct.calcsize(form):
            raise ValueError("a flatbuffer points beyond its end")
        return struct.unpack_from(form, data, at)[0]


@dataclass(frozen=True, kw_only=True)
class BatchMetadata:
    """What the metadata of a record batch says of it, none of it compared with the file.

    nodes: length and nulls of each column. buffers: where each is in the body, and its bytes there.
    """

    rows: int
    nodes: np.ndarray
    buffers: np.ndarray
    is_compressed: bool
    body: int


def batch_metadata(data: bytes, kind: int) -> BatchMetadata:
    """The metadata of a message with a record batch, or with a dictionary (`kind`).

    data: with the prefix. Raises ValueError where it is of no such message.
    """
    if data[:4] != END_OF_STREAM[:4] or int.from_bytes(data[4:8], "little") > len(data) - 8:
        raise ValueError("a message does not begin where the footer says")
    message = Table.root(data[PREFIX_BYTES:])
    header = message.table(2)
    if message.number(1, "<B") != kind or header is None:
        raise ValueError("a message is of another kind than the footer says")
    if kind == DICTIONARY_BATCH:
        if header.number(2, "<B"):
            raise ValueError("a dictionary is a part of another one")
        header = header.table(1)
        if header is None:
            raise ValueError("a dictionary has no values")
    return BatchMetadata(
        rows=header.number(0, "<q"),
        nodes=header.structs(1, _NODE),
        buffers=header.structs(2, _BUFFER),
        is_compressed=header.table(3) is not None,
        body=message.number(3, "<q"),
    )


def footer_blocks(footer: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Where the dictionaries and the record batches of a file are: arrays of BLOCK."""
    table = Table.root(footer)
    return table.structs(2, BLOCK), table.structs(3, BLOCK)


def encode_footer(schema_message: bytes, dictionaries: np.ndarray, batches: np.ndarray) -> bytes:
    """The end of a file: the footer, its length, and MAGIC.

    schema_message: with its prefix, as it stands at the file's start. dictionaries, batches: BLOCK.
    """
    # A flatbuffer points forward by distances only: the schema stays as pyarrow encoded it, behind
    # the footer's own table. All places are multiples of the size of what stands there.
    message = schema_message[PREFIX_BYTES:]
    schema = Table.root(message).table(2)
    assert schema is not None
    vtable, table, vectors = 4, 16, 36
    second = vectors + 4 + dictionaries.nbytes + 4
    end = second + 4 + batches.nbytes
    out = bytearray(end)
    for place, form, *values in (
        (0, "<I", table),
        (vtable, "<6H", 12, 18, 16, 4, 8, 12),
        (table, "<i", table - vtable),
        (table + 4, "<I", end + schema.place - (table + 4)),
        (table + 8, "<I", vectors - (table + 8)),
        (table + 12, "<I", second - (table + 12)),
        (table + 16, "<H", _V5),
        (vectors, "<I", len(dictionaries)),
        (second, "<I", len(batches)),
    ):
        struct.pack_into(form, out, place, *values)
    out[vectors + 4 : second - 4] = dictionaries.tobytes()
    out[second + 4 :] = batches.tobytes()
    footer = bytes(out) + message
    return footer + len(footer).to_bytes(4, "little") + MAGIC
