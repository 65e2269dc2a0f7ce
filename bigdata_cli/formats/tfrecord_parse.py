"""What kernels that read protobuf messages share: varints, fields, entries of a map, equal bytes.

Every length is checked against the message around it. Buffers are uint8 with SLACK bytes after
their ends.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import load_u8, load_u64

VARINT, FIXED64, MESSAGE, FIXED32 = 0, 1, 2, 5
"""Wire types."""


@compiled
def read_varint(data, at, end):
    """A varint and where it ends; -1 for one that is cut off or too long."""
    if at < end and load_u8(data, at) < 0x80:
        return np.uint64(load_u8(data, at)), at + 1
    number = np.uint64(0)
    shift = np.uint64(0)
    while at < end and shift < np.uint64(70):
        byte = np.uint64(load_u8(data, at))
        at += 1
        number |= (byte & np.uint64(0x7F)) << shift
        if byte < np.uint64(0x80):
            return number, at
        shift += np.uint64(7)
    return number, np.int64(-1)


@compiled
def next_field(data, at, end):
    """The field at `at`: where the next one begins (-1: damaged), number, wire type, content."""
    tag, at = read_varint(data, at, end)
    number = np.int64(tag >> np.uint64(3))
    wire = np.int64(tag & np.uint64(7))
    if at < 0 or number == 0:
        return np.int64(-1), number, wire, at, at
    begin = at
    if wire == VARINT:
        _, at = read_varint(data, at, end)
    elif wire == MESSAGE:
        length, begin = read_varint(data, at, end)
        if begin < 0 or length > np.uint64(end - begin):
            return np.int64(-1), number, wire, at, at
        at = begin + np.int64(length)
    elif wire == FIXED32:
        at += 4
    elif wire == FIXED64:
        at += 8
    else:
        at = np.int64(-1)
    if at > end:
        at = np.int64(-1)
    return at, number, wire, begin, at


@compiled
def read_entry(data, at, end):
    """The key and the Feature of a map entry: (key begins, ends, Feature begins, ends), -1 first
    where it is damaged."""
    key_start, key_end, value_start, value_end = at, at, at, at
    while at < end:
        at, number, wire, begin, stop = next_field(data, at, end)
        if at < 0:
            return np.int64(-1), at, at, at
        if wire == MESSAGE and number == 1:
            key_start, key_end = begin, stop
        elif wire == MESSAGE and number == 2:
            value_start, value_end = begin, stop
    return key_start, key_end, value_start, value_end


@compiled
def same_bytes(data, start, end, keys, key_start, key_end):
    """Whether data[start:end] is keys[key_start:key_end], compared in words; both have slack."""
    if end - start != key_end - key_start:
        return False
    while start + 8 <= end:
        if load_u64(data, start) != load_u64(keys, key_start):
            return False
        start += 8
        key_start += 8
    differing = load_u64(data, start) ^ load_u64(keys, key_start)
    return differing << np.uint64(8 * (8 - (end - start))) == 0 if start < end else True
