"""Kernels that read framed `tf.train.Example` records back into columns.

The parse is that of any protobuf parser: fields in any order, lists packed or not, unknown fields
skipped, the last of two equal keys wins. Every length is checked against the message around it, so
that no input, however damaged, is read beyond its end.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.crc32c import masked_crc32c
from bigdata_cli.formats.tfrecord_alike import (
    is_alike,
    mark_values,
    plan_moves,
    read_values,
    value_places,
)
from bigdata_cli.formats.tfrecord_parse import (
    MESSAGE,
    next_field,
    read_entry,
    read_varint,
    same_bytes,
)
from bigdata_cli.formats.tfrecord_values import (
    MISSING,
    NOT_A_MESSAGE,
    OK,
    UNEQUAL,
    WRONG_COUNT,
    read_feature,
)
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import load_u8, load_u32, load_u64

MORE, LENGTH_CRC, DATA_CRC = 1, 2, 3
"""What `scan_records` says of the record that it stopped at, if not OK."""
_MOST_MISSES = 16
"""Of so many records one after the other that are not alike, the following are not tried."""


@compiled
def scan_records(data, start, end, all_crcs, starts, ends):
    """Find whole records in data[start:end] and check their CRCs; of lengths only if not all_crcs.

    data: uint8, with SLACK bytes after `end`, as for all kernels here. Fills starts and ends of
    Examples, int64, both (most,). Returns how many records there are; where the next one begins;
    and what is to be said of that: OK, MORE (bytes are needed), LENGTH_CRC or DATA_CRC (is wrong).
    """
    n = 0
    at = start
    while n < len(starts):
        if end - at < 12:
            return n, at, MORE
        length = load_u64(data, at)
        if load_u32(data, at + 8) != masked_crc32c(data, at, at + 8):
            return n, at, LENGTH_CRC
        if length > np.uint64(end - at) or np.int64(length) + 16 > end - at:
            return n, at, MORE
        begin = at + 12
        stop = begin + np.int64(length)
        if all_crcs and load_u32(data, stop) != masked_crc32c(data, begin, stop):
            return n, at, DATA_CRC
        starts[n] = begin
        ends[n] = stop
        n += 1
        at = stop + 4
    return n, at, OK


@compiled
def _expected_entry(data, at, end, keys, key_start, key_end):
    """Where the Feature of the entry at `at` begins and ends, if it is as our writer writes it.

    That is a field of a map with the key keys[key_start:key_end], then the Feature, and no more.
    Else -1: the entry must be parsed in full.
    """
    nothing = np.int64(-1), np.int64(-1)
    if load_u8(data, at) != 0x0A:
        return nothing
    length, at = read_varint(data, at + 1, end)
    if at < 0 or length > np.uint64(end - at):
        return nothing
    stop = at + np.int64(length)
    size = key_end - key_start
    if stop - at < size + 4 or size > 0x7F or load_u8(data, at) != 0x0A:
        return nothing
    if load_u8(data, at + 1) != size or load_u8(data, at + 2 + size) != 0x12:
        return nothing
    if not same_bytes(data, at + 2, at + 2 + size, keys, key_start, key_end):
        return nothing
    length, at = read_varint(data, at + 3 + size, stop)
    if at < 0 or length != np.uint64(stop - at):
        return nothing
    return at, stop


@compiled
def _place_of_key(data, start, end, keys, key_ends, expected):
    """The number of the key data[start:end], looked for from `expected` on; -1 if it is none."""
    n_keys = len(key_ends) - 1
    for k in range(n_keys):
        f = expected + k
        if f >= n_keys:
            f -= n_keys
        if same_bytes(data, start, end, keys, key_ends[f], key_ends[f + 1]):
            return f
    return -1


@compiled
def _find_features(data, start, end, keys, key_ends, spans):
    """Fill spans, int64 (keys, 2), with where each key's Feature stands, or -1."""
    n_keys = len(key_ends) - 1
    spans[:] = -1
    expected = 0
    at = start
    while at < end:
        at, number, wire, begin, stop = next_field(data, at, end)
        if at < 0:
            return NOT_A_MESSAGE
        if number != 1 or wire != MESSAGE:
            continue
        while begin < stop:
            # Features mostly come in the order of the columns.
            if expected < n_keys:
                value_start, value_end = _expected_entry(
                    data, begin, stop, keys, key_ends[expected], key_ends[expected + 1]
                )
                if value_start >= 0:
                    spans[expected, 0] = value_start
                    spans[expected, 1] = value_end
                    expected += 1
                    begin = value_end
                    continue
            begin, number, wire, entry, entry_end = next_field(data, begin, stop)
            if begin < 0:
                return NOT_A_MESSAGE
            if number != 1 or wire != MESSAGE:
                continue
            key_start, key_end, value_start, value_end = read_entry(data, entry, entry_end)
            if key_start < 0:
                return NOT_A_MESSAGE
            f = _place_of_key(data, key_start, key_end, keys, key_ends, expected)
            if f >= 0:
                spans[f, 0] = value_start
                spans[f, 1] = value_end
                expected = f + 1
    return OK


@compiled
def count_lists(
    data, starts, ends, keys, key_ends, kinds, optional, rows, spans, no_floats, no_slots
):
    """Fill rows (records,) with the length of each record's lists, which must be equal.

    optional: uint8 (lists,), lists that may be absent. spans: int64 (lists, 2), scratch; no_floats:
    uint32, no_slots: int64, both empty. Returns (what is wrong, record, list).
    """
    for j in range(len(starts)):
        status = _find_features(data, starts[j], ends[j], keys, key_ends, spans)
        if status != OK:
            return status, j, 0
        rows[j] = -1
        for f in range(len(kinds)):
            if spans[f, 0] < 0:
                if optional[f]:
                    continue
                return MISSING, j, f
            count = read_feature(
                data, spans[f, 0], spans[f, 1], kinds[f], no_floats, no_slots, no_slots, 0, 0, 0
            )
            if count < 0:
                return count, j, f
            if rows[j] >= 0 and rows[j] != count:
                return UNEQUAL, j, f
            rows[j] = count
        rows[j] = max(rows[j], 0)
    return OK, 0, 0


@compiled
def decode_records(
    data, starts, ends, keys, key_ends, kinds, counts, optional, offsets, rows, firsts, strides,
    steps, floats, slots, lengths, absent, absences, fixed, spans, places, moves, mask,
):  # fmt: skip
    """Read lists: value k of list f of record j goes to place
    firsts[f] + offsets[j] * strides[f] + k * steps[f].

    That is of `floats`, `slots` and `lengths`, flat, as `tfrecord_values` has them. kinds,
    optional: uint8, counts, firsts, strides, steps: int64, all (lists,); a list has counts[f]
    values, or rows[j] where counts[f] is 0, or none where it is optional: then absent[f, j], uint8
    (lists, records), becomes 1, and absences[f], int64 (lists,), more by one. starts, ends,
    offsets, rows: int64 (records,). fixed: whether each list has counts[f] values in a record of
    one row, so that a record may be read like the one before. spans, places: int64 (lists, 2),
    moves: int64 (values, 5), and mask: uint8, the bytes of a record and 8, are scratch. Returns
    (what is wrong, record, list).
    """
    like = np.int64(-1)
    misses = n_floats = 0
    for j in range(len(starts)):
        if like >= 0:
            length = ends[like] - starts[like]
            if ends[j] - starts[j] == length:
                if is_alike(data, starts[j], starts[like], length, mask):
                    read_values(
                        data, starts[j], moves, n_floats, floats, slots, lengths, offsets[j]
                    )
                    misses = 0
                    continue
            misses += 1
        status = _find_features(data, starts[j], ends[j], keys, key_ends, spans)
        if status != OK:
            return status, j, 0
        like = np.int64(-1)
        if fixed and misses < _MOST_MISSES and ends[j] - starts[j] + 8 <= len(mask):
            if value_places(data, starts[j], spans, kinds, counts, places):
                mark_values(places, kinds, ends[j] - starts[j], mask)
                n_floats = plan_moves(kinds, counts, places, firsts, strides, steps, moves)
                like = np.int64(j)
        for f in range(len(kinds)):
            count = np.int64(0)
            expected = counts[f] if counts[f] > 0 else rows[j]
            if spans[f, 0] >= 0:
                first = firsts[f] + offsets[j] * strides[f]
                count = read_feature(
                    data, spans[f, 0], spans[f, 1], kinds[f], floats, slots, lengths, first,
                    steps[f], expected,
                )  # fmt: skip
            if count < 0:
                return count, j, f
            if count == 0 and optional[f]:
                absent[f, j] = 1
                absences[f] += 1
            elif count != expected:
                return MISSING if count == 0 else WRONG_COUNT, j, f
    return OK, 0, 0


@compiled
def text_offsets(lengths, valid, offsets):
    """Fill offsets, int64 (rows + 1,), of texts one after another; returns the bytes of all.

    A row that is not valid has none.
    """
    offsets[0] = 0
    for r in range(len(lengths)):
        offsets[r + 1] = offsets[r] + (lengths[r] if valid[r] else 0)
    return offsets[len(lengths)]


@compiled
def gather_text(data, starts, offsets, text):
    """Write the texts that begin at `starts` in `data` to `text`, uint8, at their offsets."""
    for r in range(len(starts)):
        for k in range(offsets[r + 1] - offsets[r]):
            text[offsets[r] + k] = data[starts[r] + k]
