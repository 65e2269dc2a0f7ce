"""Apache Thrift's compact protocol: bytes to a tree of structs and back, whatever the IDL.

Parquet's footer is such a struct. The tree is keyed by the field ids of the IDL, so that single
fields can be changed and all others go through untouched.
Source: the Thrift project's "Thrift Compact protocol encoding" specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
"""Types on the wire. As a field's type TRUE and FALSE are the value too."""


@dataclass
class Struct:
    """A struct: the type on the wire and the value of each field, by field id.

    Values are bool, int, float, bytes, Struct, Sequence or Mapping.
    """

    types: dict[int, int] = field(default_factory=dict)
    values: dict[int, Any] = field(default_factory=dict)

    def __contains__(self, field_id: int) -> bool:
        return field_id in self.values

    def __getitem__(self, field_id: int) -> Any:
        return self.values[field_id]

    def __setitem__(self, field_id: int, value: Any) -> None:
        """Change a field that is there."""
        if field_id not in self.values:
            raise KeyError(field_id)
        self.values[field_id] = value

    def __delitem__(self, field_id: int) -> None:
        del self.values[field_id], self.types[field_id]


@dataclass
class Sequence:
    """A list or a set: the type of its elements on the wire, and the elements."""

    element: int
    items: list[Any]


@dataclass
class Mapping:
    """A map: the types of keys and values on the wire, and the pairs."""

    key: int
    value: int
    items: list[tuple[Any, Any]]


class Encoded(bytes):
    """An element that is encoded already: it is written as it is."""


def parse_struct(data: bytes | memoryview) -> Struct:
    """The struct that `data` begins with; raises ValueError where it is truncated or not one."""
    try:
        return _Parser(bytes(data)).struct()
    except (IndexError, struct.error) as error:
        raise ValueError("the Thrift struct is truncated") from error


def encode_struct(value: Struct) -> bytes:
    """The bytes of a struct, its fields in ascending order of their ids.

    >>> encode_struct(Struct({1: I32, 3: BINARY}, {1: -1, 3: b"ab"})).hex()
    '15012802616200'
    """
    out = bytearray()
    _emit_struct(out, value)
    return bytes(out)


def varint(number: int) -> bytes:
    """A number of 0 or more, seven bits a byte.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    _emit_varint(out, number)
    return bytes(out)


class _Parser:
    """A cursor over encoded bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def take(self, n_bytes: int) -> bytes:
        end = self.place + n_bytes
        if end > len(self.data):
            raise IndexError
        piece = self.data[self.place : end]
        self.place = end
        return piece

    def byte(self) -> int:
        value = self.data[self.place]
        self.place += 1
        return value

    def varint(self) -> int:
        byte = self.data[self.place]
        self.place += 1
        result, shift = byte & 0x7F, 7
        while byte >= 0x80:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
        return result

    def zigzag(self) -> int:
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def struct(self) -> Struct:
        parsed = Struct()
        field_id = 0
        while header := self.byte():
            kind = header & 0x0F
            field_id = field_id + (header >> 4) if header >> 4 else self.zigzag()
            parsed.types[field_id] = kind
            parsed.values[field_id] = kind == TRUE if kind in (TRUE, FALSE) else self.value(kind)
        return parsed

    def value(self, kind: int) -> Any:
        """A value that is not a field of bool."""
        if kind in (I16, I32, I64):
            return self.zigzag()
        if kind == BINARY:
            return self.take(self.varint())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            return self.sequence()
        if kind in (TRUE, FALSE):
            return self.byte() == 1
        if kind == I8:
            return int.from_bytes(self.take(1), "little", signed=True)
        if kind == DOUBLE:
            return struct.unpack("<d", self.take(8))[0]
        if kind == MAP:
            return self.mapping()
        if kind == UUID:
            return self.take(16)
        raise ValueError(f"{kind} is not a type of the compact protocol")

    def sequence(self) -> Sequence:
        header = self.byte()
        size = header >> 4 if header >> 4 != 15 else self.varint()
        element = header & 0x0F
        return Sequence(element, [self.value(element) for _ in range(size)])

    def mapping(self) -> Mapping:
        size = self.varint()
        if size == 0:
            return Mapping(0, 0, [])
        kinds = self.byte()
        key, value = kinds >> 4, kinds & 0x0F
        return Mapping(key, value, [(self.value(key), self.value(value)) for _ in range(size)])


def _emit_varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _emit_zigzag(out: bytearray, number: int) -> None:
    _emit_varint(out, number << 1 if number >= 0 else (-number << 1) - 1)


def _emit_struct(out: bytearray, value: Struct) -> None:
    last = 0
    for field_id in sorted(value.values):
        kind, content = value.types[field_id], value.values[field_id]
        if kind in (TRUE, FALSE):
            kind = TRUE if content else FALSE
        if 0 < field_id - last < 16:
            out.append((field_id - last) << 4 | kind)
        else:
            out.append(kind)
            _emit_zigzag(out, field_id)
        last = field_id
        if kind not in (TRUE, FALSE):
            _emit_value(out, kind, content)
    out.append(0)


def _emit_value(out: bytearray, kind: int, value: Any) -> None:
    """Write a value that is not a field of bool."""
    if isinstance(value, Encoded):
        out += value
    elif kind in (I16, I32, I64):
        _emit_zigzag(out, value)
    elif kind == BINARY:
        _emit_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _emit_struct(out, value)
    elif kind in (LIST, SET):
        _emit_sequence(out, value)
    elif kind in (TRUE, FALSE):
        out.append(1 if value else 0)
    elif kind == I8:
        out += value.to_bytes(1, "little", signed=True)
    elif kind == DOUBLE:
        out += struct.pack("<d", value)
    elif kind == MAP:
        _emit_mapping(out, value)
    elif kind == UUID:
        out += value
    else:
        raise ValueError(f"{kind} is not a type of the compact protocol")


def _emit_sequence(out: bytearray, value: Sequence) -> None:
    if len(value.items) < 15:
        out.append(len(value.items) << 4 | value.element)
    else:
        out.append(0xF0 | value.element)
        _emit_varint(out, len(value.items))
    for item in value.items:
        _emit_value(out, value.element, item)


def _emit_mapping(out: bytearray, value: Mapping) -> None:
    _emit_varint(out, len(value.items))
    if value.items:
        out.append(value.key << 4 | value.value)
        for key, content in value.items:
            _emit_value(out, value.key, key)
            _emit_value(out, value.value, content)
