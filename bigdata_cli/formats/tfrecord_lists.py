"""The kernels of the TFRecord layouts whose records are lists: packed, a list of a row's numbers,
and block, a list of a column's values.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.tfrecord_wire import (
    BYTES,
    CRC_BYTES,
    FLOAT,
    INT,
    LIST_TAGS,
    SLACK,
    VALID,
    begin_record,
    copy,
    record_bytes,
    seal,
    varint_bytes,
    write_varint,
)
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import store_u8, store_u32

_TAGS = np.array(LIST_TAGS, np.uint8)


def encode_packed(
    n_rows: int,
    kinds: np.ndarray,
    firsts: np.ndarray,
    counts: np.ndarray,
    slots: np.ndarray,
    valid: np.ndarray,
    keys: np.ndarray,
    key_ends: np.ndarray,
) -> np.ndarray:
    """A record per row: list f has the slots of counts[f] columns from firsts[f] on.

    kinds: uint8, FLOAT, INT or VALID; firsts, counts: int64, all (lists,). slots: int64, valid:
    uint8, flat, a column's n_rows + 1 apart. keys, key_ends: from `pack_bytes` of the key fields.
    Returns uint8, the records.
    """
    payloads = np.zeros((len(kinds), n_rows), np.int64)
    sizes = np.empty(n_rows, np.int64)
    alike = np.zeros(n_rows, np.uint8)
    values_at = np.zeros(len(kinds), np.int64)
    lists = n_rows, kinds, firsts, counts, slots, valid
    _fill_packed_payloads(*lists, payloads)
    total = _packed_sizes(kinds, payloads, key_ends, sizes, alike)
    out = np.empty(total + SLACK, np.uint8)
    _write_packed(*lists, keys, key_ends, payloads, sizes, alike, values_at, out)
    return out[:total]


@compiled
def _packed_sizes(kinds, payloads, key_ends, sizes, alike):
    """Fill the bytes of each row's features, int64 (rows,), and whether its lists have the bytes
    of those of the row before, uint8; returns the bytes of all records."""
    total = 0
    for r in range(len(sizes)):
        alike[r] = r > 0 and _are_equal(payloads, r)
        sizes[r] = sizes[r - 1] if alike[r] else _features_bytes(kinds, payloads[:, r], key_ends)
        total += record_bytes(sizes[r])
    return total


@compiled
def _write_packed(
    n_rows, kinds, firsts, counts, slots, valid, keys, key_ends,
    payloads, sizes, alike, values_at, out,
):  # fmt: skip
    """Write the records into `out`: see `encode_packed`. values_at: int64 (lists,), overwritten."""
    end = sealed = pattern = 0
    for r in range(n_rows):
        start = end
        end += record_bytes(sizes[r])
        if alike[r]:
            # Only the values differ from those of a record before.
            copy(out, start, out, pattern, pattern + end - start - CRC_BYTES)
        else:
            pattern = start
            at = begin_record(out, start, sizes[r])
            for f in range(len(kinds)):
                payload = payloads[f, r]
                if payload >= 0:
                    key_start, key_end = key_ends[f], key_ends[f + 1]
                    at = _begin_list(out, at, kinds[f], payload, keys, key_start, key_end)
                    values_at[f] = at - start
                    at += payload
        for f in range(len(kinds)):
            at = start + values_at[f]
            place = firsts[f] + r
            if kinds[f] == FLOAT:
                for _ in range(counts[f]):
                    store_u32(out, at, np.uint32(slots[place]))
                    at += 4
                    place += n_rows + 1
            elif kinds[f] == INT:
                for _ in range(counts[f]):
                    at = write_varint(out, at, slots[place])
                    place += n_rows + 1
            elif payloads[f, r] >= 0:
                for _ in range(counts[f]):
                    store_u8(out, at, valid[place])
                    at += 1
                    place += n_rows + 1
        sealed = seal(out, sealed, end, r + 1 == n_rows)


@compiled
def _fill_packed_payloads(n_rows, kinds, firsts, counts, slots, valid, payloads):
    """Bytes of the values of each list of each row, int64 (lists, rows), which come as zeros; -1
    where none are needed: all of them are valid."""
    for f in range(len(kinds)):
        own = payloads[f]
        if kinds[f] == FLOAT:
            own[:] = 4 * counts[f]
            continue
        for k in range(counts[f]):
            first = firsts[f] + k * (n_rows + 1)
            if kinds[f] == INT:
                for r in range(n_rows):
                    own[r] += varint_bytes(slots[first + r])
            else:
                for r in range(n_rows):
                    own[r] += valid[first + r]
        if kinds[f] == VALID:
            for r in range(n_rows):
                own[r] = -1 if own[r] == counts[f] else counts[f]


@compiled(inline="always")
def _are_equal(payloads, r):
    """Whether the lists of row r have as many bytes as those of the row before."""
    equal = True
    for f in range(len(payloads)):
        equal &= payloads[f, r] == payloads[f, r - 1]
    return equal


def encode_blocks(
    n_rows: int,
    block_rows: int,
    kinds: np.ndarray,
    firsts: np.ndarray,
    slots: np.ndarray,
    valid: np.ndarray,
    text: np.ndarray,
    keys: np.ndarray,
    key_ends: np.ndarray,
) -> np.ndarray:
    """A record per block of rows: list f has the slots of its rows from firsts[f] on.

    kinds: uint8, firsts: int64, both (lists,). slots: int64, valid: uint8, flat. text: uint8 with
    slack. keys, key_ends: from `pack_bytes` of the key fields. Returns uint8, the records.
    """
    n_records = -(-n_rows // block_rows)
    payloads = np.empty((n_records, len(kinds)), np.int64)
    sizes = np.empty(n_records, np.int64)
    lists = n_rows, block_rows, kinds, firsts, slots, valid
    total = _block_sizes(*lists, key_ends, payloads, sizes)
    out = np.empty(total + SLACK, np.uint8)
    _write_blocks(*lists, text, keys, key_ends, payloads, sizes, out)
    return out[:total]


@compiled
def _block_sizes(n_rows, block_rows, kinds, firsts, slots, valid, key_ends, payloads, sizes):
    """Fill the bytes of each record's lists, int64 (records, lists), and of its features, int64
    (records,); returns the bytes of all records."""
    total = 0
    for j in range(len(sizes)):
        offset = j * block_rows
        count = min(block_rows, n_rows - offset)
        for f in range(len(kinds)):
            payloads[j, f] = _block_payload(kinds[f], slots, valid, firsts[f] + offset, count)
        sizes[j] = _features_bytes(kinds, payloads[j], key_ends)
        total += record_bytes(sizes[j])
    return total


@compiled
def _write_blocks(
    n_rows, block_rows, kinds, firsts, slots, valid, text, keys, key_ends, payloads, sizes, out
):  # fmt: skip
    """Write the records into `out`: see `encode_blocks`."""
    at = sealed = 0
    for j in range(len(sizes)):
        at = begin_record(out, at, sizes[j])
        offset = j * block_rows
        count = min(block_rows, n_rows - offset)
        for f in range(len(kinds)):
            payload = payloads[j, f]
            if payload >= 0:
                key_start, key_end = key_ends[f], key_ends[f + 1]
                at = _begin_list(out, at, kinds[f], payload, keys, key_start, key_end)
                first = firsts[f] + offset
                at = _write_values(out, at, kinds[f], slots, valid, text, first, count)
        at += CRC_BYTES
        sealed = seal(out, sealed, at, j + 1 == len(sizes))


@compiled
def _block_payload(kind, slots, valid, first, count):
    """Bytes of a list's values; -1 where a list of validity is not needed."""
    if kind == FLOAT:
        return 4 * count
    total = 0
    if kind == VALID:
        for i in range(first, first + count):
            total += valid[i]
        return -1 if total == count else count
    for i in range(first, first + count):
        if kind == INT:
            total += varint_bytes(slots[i])
        else:
            length = slots[i + 1] - slots[i]
            total += 1 + varint_bytes(length) + length
    return total


@compiled
def _write_values(out, at, kind, slots, valid, text, first, count):
    for i in range(first, first + count):
        if kind == FLOAT:
            store_u32(out, at, np.uint32(slots[i]))
            at += 4
        elif kind == INT:
            at = write_varint(out, at, slots[i])
        elif kind == VALID:
            store_u8(out, at, valid[i])
            at += 1
        else:
            store_u8(out, at, np.uint8(0x0A))
            at = write_varint(out, at + 1, slots[i + 1] - slots[i])
            at = copy(out, at, text, slots[i], slots[i + 1])
    return at


@compiled
def _list_sizes(kind, payload, key_bytes):
    """Bytes of (entry, feature, list) for values of `payload` bytes."""
    list_bytes = payload if kind == BYTES else 1 + varint_bytes(payload) + payload
    feature = 1 + varint_bytes(list_bytes) + list_bytes
    return key_bytes + 1 + varint_bytes(feature) + feature, feature, list_bytes


@compiled
def _features_bytes(kinds, payloads, key_ends):
    """Bytes of a record's features; payloads: int64 (lists,)."""
    total = 0
    for f in range(len(kinds)):
        if payloads[f] >= 0:
            entry, _, _ = _list_sizes(kinds[f], payloads[f], key_ends[f + 1] - key_ends[f])
            total += 1 + varint_bytes(entry) + entry
    return total


@compiled
def _begin_list(out, at, kind, payload, keys, key_start, key_end):
    """Write what stands before the values of a list; returns where they begin."""
    entry, feature, list_bytes = _list_sizes(kind, payload, key_end - key_start)
    store_u8(out, at, np.uint8(0x0A))
    at = write_varint(out, at + 1, entry)
    at = copy(out, at, keys, key_start, key_end)
    store_u8(out, at, np.uint8(0x12))
    at = write_varint(out, at + 1, feature)
    store_u8(out, at, _TAGS[kind])
    at = write_varint(out, at + 1, list_bytes)
    if kind != BYTES:
        store_u8(out, at, np.uint8(0x0A))
        at = write_varint(out, at + 1, payload)
    return at
