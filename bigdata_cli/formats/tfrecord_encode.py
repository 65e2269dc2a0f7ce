"""Kernels that turn columns into framed, serialized `tf.train.Example` records.

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
from numba import njit

from bigdata_cli.formats.crc32c import masked_crc32c
from bigdata_cli.unaligned import (
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
_LIST_TAGS = (0x1A, 0x12, 0x0A, 0x1A)
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
        feature = _message(_LIST_TAGS[kind], values, size)
        prefixes.append(_message(0x0A, key_field + _message(0x12, feature, size), size))
    return prefixes


def pack_bytes(parts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The parts one after another, uint8 with slack, and where each begins and ends, int64."""
    ends = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join(parts) + bytes(SLACK), np.uint8), ends


@njit(nogil=True, cache=True, inline="always")
def _varint_bytes(number):
    """Bytes of a number as a varint; a negative one has ten."""
    return (bit_length(np.uint64(number)) + 6) // 7


@njit(nogil=True, cache=True, inline="always")
def _write_varint(out, at, number):
    rest = np.uint64(number)
    while rest > np.uint64(0x7F):
        store_u8(out, at, np.uint8(rest & np.uint64(0x7F) | np.uint64(0x80)))
        rest >>= np.uint64(7)
        at += 1
    store_u8(out, at, np.uint8(rest))
    return at + 1


@njit(nogil=True, cache=True, inline="always")
def _copy(out, at, source, start, end):
    """Copy source[start:end], eight bytes at a time; up to seven more are read and written."""
    while start < end:
        store_u64(out, at, load_u64(source, start))
        at += 8
        start += 8
    return at + end - start


@njit(nogil=True, cache=True, inline="always")
def _begin_record(out, at, features_bytes):
    """Write the framing and the Example's head; returns where the features begin."""
    size = 1 + _varint_bytes(features_bytes) + features_bytes
    store_u64(out, at, np.uint64(size))
    store_u32(out, at + 8, masked_crc32c(out, at, at + 8))
    store_u8(out, at + 12, np.uint8(0x0A))
    return _write_varint(out, at + 13, features_bytes)


@njit(nogil=True, cache=True, inline="always")
def _end_record(out, start, at):
    """Write the CRC of the record that began at `start`; returns where the next one begins."""
    store_u32(out, at, masked_crc32c(out, start + 12, at))
    return at + 4


@njit(nogil=True, cache=True)
def _bytes_entry_size(key_bytes, length):
    """Bytes of the entry of a feature that is one text: (entry, feature, list)."""
    list_bytes = 1 + _varint_bytes(length) + length
    feature = 1 + _varint_bytes(list_bytes) + list_bytes
    return key_bytes + 1 + _varint_bytes(feature) + feature, feature, list_bytes


@njit(nogil=True, cache=True)
def _row_feature_bytes(kinds, slots, valid, nullable, prefix_ends, first_prefix, sizes):
    """Fill sizes (rows,) with the bytes of each row's features."""
    n_rows = len(sizes)
    for c in range(len(kinds)):
        first = first_prefix[c]
        key_bytes = prefix_ends[first + 1] - prefix_ends[first]
        for r in range(n_rows):
            if nullable[c] and not valid[c, r]:
                continue
            if kinds[c] == FLOAT:
                sizes[r] += key_bytes + 4
            elif kinds[c] == INT:
                size = _varint_bytes(slots[c, r])
                sizes[r] += prefix_ends[first + size + 1] - prefix_ends[first + size] + size
            else:
                entry, _, _ = _bytes_entry_size(key_bytes, slots[c, r + 1] - slots[c, r])
                sizes[r] += 1 + _varint_bytes(entry) + entry


@njit(nogil=True, cache=True)
def _write_text_feature(out, at, prefixes, key_start, key_end, text, start, end):
    length = end - start
    entry, feature, list_bytes = _bytes_entry_size(key_end - key_start, length)
    store_u8(out, at, np.uint8(0x0A))
    at = _write_varint(out, at + 1, entry)
    at = _copy(out, at, prefixes, key_start, key_end)
    store_u8(out, at, np.uint8(0x12))
    at = _write_varint(out, at + 1, feature)
    store_u8(out, at, np.uint8(0x0A))
    at = _write_varint(out, at + 1, list_bytes)
    store_u8(out, at, np.uint8(0x0A))
    at = _write_varint(out, at + 1, length)
    return _copy(out, at, text, start, end)


@njit(nogil=True, cache=True)
def encode_rows(kinds, slots, valid, nullable, text, prefixes, prefix_ends, first_prefix):
    """A record per row, a feature per column; what is null is left out.

    kinds, nullable: uint8 (columns,). slots: int64, valid: uint8, both (columns, rows + 1).
    text: uint8 with slack. prefixes, prefix_ends: from `pack_bytes` of every column's
    `feature_prefixes`; first_prefix: int64 (columns,). Returns uint8, the records.
    """
    n_rows = slots.shape[1] - 1
    sizes = np.zeros(n_rows, np.int64)
    _row_feature_bytes(kinds, slots, valid, nullable, prefix_ends, first_prefix, sizes)
    total = 0
    for r in range(n_rows):
        total += FRAMING_BYTES + 1 + _varint_bytes(sizes[r]) + sizes[r]
    out = np.empty(total + SLACK, np.uint8)
    at = 0
    for r in range(n_rows):
        start = at
        at = _begin_record(out, at, sizes[r])
        for c in range(len(kinds)):
            if nullable[c] and not valid[c, r]:
                continue
            first = first_prefix[c]
            slot = slots[c, r]
            if kinds[c] == FLOAT:
                at = _copy(out, at, prefixes, prefix_ends[first], prefix_ends[first + 1])
                store_u32(out, at, np.uint32(slot))
                at += 4
            elif kinds[c] == INT:
                first += _varint_bytes(slot)
                at = _copy(out, at, prefixes, prefix_ends[first], prefix_ends[first + 1])
                at = _write_varint(out, at, slot)
            else:
                at = _write_text_feature(
                    out,
                    at,
                    prefixes,
                    prefix_ends[first],
                    prefix_ends[first + 1],
                    text,
                    slot,
                    slots[c, r + 1],
                )
        at = _end_record(out, start, at)
    return out[:total]


@njit(nogil=True, cache=True)
def _list_payload_bytes(kind, slots, valid, first, step, count):
    """Bytes of a list's values; -1 where a list of validity is not needed."""
    if kind == FLOAT:
        return 4 * count
    total = 0
    if kind == VALID:
        for k in range(count):
            total += valid[first + k * step]
        return -1 if total == count else count
    for k in range(count):
        at = first + k * step
        if kind == INT:
            total += _varint_bytes(slots[at])
        else:
            length = slots[at + 1] - slots[at]
            total += 1 + _varint_bytes(length) + length
    return total


@njit(nogil=True, cache=True)
def _list_sizes(kind, payload, key_bytes):
    """Bytes of (entry, feature, list) for values of `payload` bytes."""
    list_bytes = payload if kind == BYTES else 1 + _varint_bytes(payload) + payload
    feature = 1 + _varint_bytes(list_bytes) + list_bytes
    return key_bytes + 1 + _varint_bytes(feature) + feature, feature, list_bytes


@njit(nogil=True, cache=True)
def _write_list(out, at, kind, slots, valid, text, first, step, count):
    for k in range(count):
        i = first + k * step
        if kind == FLOAT:
            store_u32(out, at, np.uint32(slots[i]))
            at += 4
        elif kind == INT:
            at = _write_varint(out, at, slots[i])
        elif kind == VALID:
            store_u8(out, at, valid[i])
            at += 1
        else:
            store_u8(out, at, np.uint8(0x0A))
            at = _write_varint(out, at + 1, slots[i + 1] - slots[i])
            at = _copy(out, at, text, slots[i], slots[i + 1])
    return at


@njit(nogil=True, cache=True)
def _list_bytes(n_records, kinds, firsts, counts, limits, record_step, step, slots, valid, keys):
    """Bytes of every list's values, int64 (records, lists), and of each record's features."""
    payloads = np.empty((n_records, len(kinds)), np.int64)
    sizes = np.zeros(n_records, np.int64)
    for j in range(n_records):
        for f in range(len(kinds)):
            offset = j * record_step
            count = min(counts[f], limits[f] - offset)
            payload = _list_payload_bytes(kinds[f], slots, valid, firsts[f] + offset, step, count)
            payloads[j, f] = payload
            if payload >= 0:
                entry, _, _ = _list_sizes(kinds[f], payload, keys[f + 1] - keys[f])
                sizes[j] += 1 + _varint_bytes(entry) + entry
    return payloads, sizes


@njit(nogil=True, cache=True)
def encode_lists(
    n_records, kinds, firsts, counts, limits, record_step, step, slots, valid, text, keys, key_ends
):
    """A record of lists: list f of record j holds the slots from firsts[f] + j * record_step.

    kinds: uint8, firsts, counts, limits: int64, all (lists,); a list has counts[f] values `step`
    slots apart, and no more than limits[f] - j * record_step. slots: int64, valid: uint8, flat.
    keys, key_ends: from `pack_bytes` of the key fields. Returns uint8, the records.
    """
    tags = np.array(_LIST_TAGS, np.uint8)
    payloads, sizes = _list_bytes(
        n_records, kinds, firsts, counts, limits, record_step, step, slots, valid, key_ends
    )
    total = 0
    for j in range(n_records):
        total += FRAMING_BYTES + 1 + _varint_bytes(sizes[j]) + sizes[j]
    out = np.empty(total + SLACK, np.uint8)
    at = 0
    for j in range(n_records):
        start = at
        at = _begin_record(out, at, sizes[j])
        for f in range(len(kinds)):
            payload = payloads[j, f]
            if payload < 0:
                continue
            kind = kinds[f]
            entry, feature, list_bytes = _list_sizes(kind, payload, key_ends[f + 1] - key_ends[f])
            store_u8(out, at, np.uint8(0x0A))
            at = _write_varint(out, at + 1, entry)
            at = _copy(out, at, keys, key_ends[f], key_ends[f + 1])
            store_u8(out, at, np.uint8(0x12))
            at = _write_varint(out, at + 1, feature)
            store_u8(out, at, tags[kind])
            at = _write_varint(out, at + 1, list_bytes)
            if kind != BYTES:
                store_u8(out, at, np.uint8(0x0A))
                at = _write_varint(out, at + 1, payload)
            offset = j * record_step
            count = min(counts[f], limits[f] - offset)
            at = _write_list(out, at, kind, slots, valid, text, firsts[f] + offset, step, count)
        at = _end_record(out, start, at)
    return out[:total]
