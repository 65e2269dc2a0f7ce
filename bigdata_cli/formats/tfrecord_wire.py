"""How a framed, serialized `tf.train.Example` is written: what its kernels share.

A record is: its length (uint64), masked CRC-32C of the length, the Example, masked CRC-32C of it.
An Example is nested messages, each with its length before it, which is why sizes come first:

    Example   0A n   Features   (0A n   entry)*
    entry     0A n key   12 n   Feature
    Feature   0A n  BytesList (0A n bytes)*  |  12 n  FloatList 0A n float*  |  1A n  Int64List
                                                                               0A n varint*

Slots hold values, int64: a number, the bits of a float32, or where a text begins in `text`.
See https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.crc32c import masked_crc32c
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import (
    bit_length,
    load_u64,
    store_u8,
    store_u32,
    store_u64,
)

INT, FLOAT, BYTES, VALID = 0, 1, 2, 3
"""Kinds of a list; VALID is an Int64List of validity, left out where all rows are valid."""
SLACK = 16
"""Bytes after the end of every buffer that a kernel may read or overwrite."""
FRAMING_BYTES = 16
"""Bytes of a record besides its Example."""
CRC_BYTES = 4
_SEALED_BYTES = 1 << 14
"""Of records whose CRCs are computed together: they are still in the processor's first cache."""
LIST_TAGS = (0x1A, 0x12, 0x0A, 0x1A)
_MAX_VARINT_BYTES = 10


def varint(number: int) -> bytes:
    """A non-negative number as a varint.

    >>> varint(300).hex()
    'ac02'
    """
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _message(tag: int, content: bytes, following: int = 0) -> bytes:
    """A field with `content`, of a message that `following` more bytes belong to."""
    return bytes([tag]) + varint(len(content) + following) + content


def feature_prefixes(key: bytes, kind: int) -> list[bytes]:
    """What stands before a feature's only value.

    FLOAT: one prefix; INT: one for each number of bytes that a varint can have, 0 to 10;
    BYTES: the key alone, the rest follows from the length of the text.
    """
    key_field = _message(0x0A, key)
    if kind == BYTES:
        return [key_field]
    value_sizes = [4] if kind == FLOAT else range(_MAX_VARINT_BYTES + 1)
    prefixes = []
    for size in value_sizes:
        values = _message(0x0A, b"", size)
        feature = _message(LIST_TAGS[kind], values, size)
        prefixes.append(_message(0x0A, key_field + _message(0x12, feature, size), size))
    return prefixes


def pack_bytes(parts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The parts one after another, uint8 with slack, and where each begins and ends, int64."""
    ends = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join(parts) + bytes(SLACK), np.uint8), ends


@compiled(inline="always")
def varint_bytes(number):
    """Bytes of a number as a varint; a negative one has ten."""
    return (bit_length(np.uint64(number)) * 9 + 64) >> 6


@compiled(inline="always")
def write_varint(out, at, number):
    rest = np.uint64(number)
    while rest > np.uint64(0x7F):
        store_u8(out, at, np.uint8(rest & np.uint64(0x7F) | np.uint64(0x80)))
        rest >>= np.uint64(7)
        at += 1
    store_u8(out, at, np.uint8(rest))
    return at + 1


@compiled(inline="always")
def copy(out, at, source, start, end):
    """Copy source[start:end], eight bytes at a time; up to seven more are read and written."""
    while start < end:
        store_u64(out, at, load_u64(source, start))
        at += 8
        start += 8
    return at + end - start


@compiled(inline="always")
def record_bytes(features_bytes):
    """Bytes of a record with its framing."""
    return FRAMING_BYTES + 1 + varint_bytes(features_bytes) + features_bytes


@compiled(inline="always")
def begin_record(out, at, features_bytes):
    """Write the length and the Example's head; returns where the features begin."""
    size = 1 + varint_bytes(features_bytes) + features_bytes
    store_u64(out, at, np.uint64(size))
    store_u8(out, at + 12, np.uint8(0x0A))
    return write_varint(out, at + 13, features_bytes)


@compiled
def seal(out, start, end, at_once):
    """Write the CRCs of the records from `start` to `end`, once there are many, or `at_once`.

    Not as each is written: to load what has just been stored in smaller pieces makes the processor
    wait. Returns where the first record without CRCs begins.
    """
    if end - start < _SEALED_BYTES and not at_once:
        return start
    while start < end:
        size = np.int64(load_u64(out, start))
        store_u32(out, start + 8, masked_crc32c(out, start, start + 8))
        start += 12
        store_u32(out, start + size, masked_crc32c(out, start, start + size))
        start += size + CRC_BYTES
    return start
