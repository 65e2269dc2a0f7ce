"""Kernels that read framed `tf.train.Example` records back into columns.

The parse is that of any protobuf parser: fields in any order, lists packed or not, unknown fields
skipped, the last of two equal keys wins. Every length is checked against the message around it, so
that no input, however damaged, is read beyond its end.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.crc32c import masked_crc32c
from bigdata_cli.formats.tfrecord_alike import read_alike, value_places
from bigdata_cli.formats.tfrecord_parse import (
    FIXED32,
    MESSAGE,
    VARINT,
    next_field,
    read_entry,
    read_varint,
    same_bytes,
)
from bigdata_cli.formats.tfrecord_wire import BYTES, FLOAT
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import load_u8, load_u32, load_u64

OK, MORE, LENGTH_CRC, DATA_CRC = 0, 1, 2, 3
"""What `scan_records` says of the record that it stopped at."""
NOT_A_MESSAGE, WRONG_KIND, WRONG_COUNT, MISSING, UNEQUAL = -1, -2, -3, -4, -5
"""What is wrong with an Example."""
_ONE_FLOAT = 0x040A0612
"""The four bytes before the value of a Feature that is one float."""
_MOST_MISSES = 16
"""Of so many records one after the other that are not alike, the following are not tried."""


@compiled
def scan_records(data, start, end, max_records, all_crcs):
    """Find whole records in data[start:end] and check their CRCs; of lengths only if not all_crcs.

    data: uint8, with SLACK bytes after `end`, as for all kernels here. Returns starts and ends of
    Examples, int64 (records,); where the next record begins; and what is to be said of that
    record: OK, MORE (bytes are needed), LENGTH_CRC or DATA_CRC (is wrong).
    """
    starts = np.empty(max_records, np.int64)
    ends = np.empty(max_records, np.int64)
    n = 0
    at = start
    while n < max_records:
        if end - at < 12:
            return starts[:n], ends[:n], at, MORE
        length = load_u64(data, at)
        if load_u32(data, at + 8) != masked_crc32c(data, at, at + 8):
            return starts[:n], ends[:n], at, LENGTH_CRC
        if length > np.uint64(end - at) or np.int64(length) + 16 > end - at:
            return starts[:n], ends[:n], at, MORE
        begin = at + 12
        stop = begin + np.int64(length)
        if all_crcs and load_u32(data, stop) != masked_crc32c(data, begin, stop):
            return starts[:n], ends[:n], at, DATA_CRC
        starts[n] = begin
        ends[n] = stop
        n += 1
        at = stop + 4
    return starts[:n], ends[:n], at, OK


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
def _read_ints(data, at, end, wire, out, first, step, room):
    """Read one field of an Int64List; returns its values' number, or what is wrong.

    What exceeds `room` is counted and not stored.
    """
    count = 0
    while at < end:
        number, at = read_varint(data, at, end)
        if at < 0:
            return np.int64(NOT_A_MESSAGE)
        if count < room:
            out[first + count * step] = np.int64(number)
        count += 1
    return count


@compiled
def _read_floats(data, at, end, out, first, step, room):
    """Read one field of a FloatList as the bits of float32, likewise."""
    if (end - at) % 4:
        return np.int64(NOT_A_MESSAGE)
    count = (end - at) // 4
    for k in range(min(count, room)):
        out[first + k * step] = np.int64(load_u32(data, at + 4 * k))
    return count


@compiled
def _read_list(data, at, end, kind, out, lengths, first, step, room):
    """Read a BytesList, FloatList or Int64List; returns the number of values, or what is wrong."""
    count = np.int64(0)
    while at < end:
        at, number, wire, begin, stop = next_field(data, at, end)
        if at < 0:
            return np.int64(NOT_A_MESSAGE)
        if number != 1:
            continue
        into = first + count * step
        more = np.int64(0)
        if kind == BYTES:
            if wire == MESSAGE:
                if count < room:
                    out[into] = begin
                    lengths[into] = stop - begin
                more = np.int64(1)
        elif kind == FLOAT:
            if wire == MESSAGE or wire == FIXED32:
                more = _read_floats(data, begin, stop, out, into, step, room - count)
        elif wire == MESSAGE or wire == VARINT:
            more = _read_ints(data, begin, stop, wire, out, into, step, room - count)
        if more < 0:
            return more
        count += more
    return count


@compiled
def _read_feature(data, at, end, kind, out, lengths, first, step, room):
    """Read a Feature of one kind; returns the number of values, or what is wrong.

    Of several lists of one kind the values add up; one of another kind replaces those before.
    """
    if kind == FLOAT and end - at == 8 and load_u32(data, at) == _ONE_FLOAT and room == 1:
        out[first] = np.int64(load_u32(data, at + 4))
        return np.int64(1)
    field = 1 if kind == BYTES else 2 if kind == FLOAT else 3
    count = np.int64(0)
    other = False
    while at < end:
        at, number, wire, begin, stop = next_field(data, at, end)
        if at < 0:
            return np.int64(NOT_A_MESSAGE)
        if wire != MESSAGE or number > 3:
            continue
        if number != field:
            count = np.int64(0)
            other = stop > begin
            continue
        other = False
        more = _read_list(
            data, begin, stop, kind, out, lengths, first + count * step, step, room - count
        )
        if more < 0:
            return more
        count += more
    return np.int64(WRONG_KIND) if other else count


@compiled
def count_lists(data, starts, ends, keys, key_ends, kinds, optional, rows):
    """Fill rows (records,) with the length of each record's lists, which must be equal.

    optional: uint8 (lists,), lists that may be absent. Returns (what is wrong, record, list).
    """
    spans = np.empty((len(kinds), 2), np.int64)
    nothing = np.empty(1, np.int64)
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
            count = _read_feature(
                data, spans[f, 0], spans[f, 1], kinds[f], nothing, nothing, 0, 0, 0
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
    data, starts, ends, keys, key_ends, kinds, counts, optional, offsets, rows, step, firsts, out,
    lengths, present, singles,
):  # fmt: skip
    """Read lists: value k of list f of record j goes to out[firsts[f] + offsets[j] + k * step].

    kinds, optional: uint8, counts, firsts: int64, all (lists,); a list has counts[f] values, or
    rows[j] where counts[f] is 0, or none where it is optional. starts, ends, offsets, rows: int64
    (records,). out, lengths: int64, flat: numbers, bits of float32, or where in `data` a text
    begins and its bytes. present: uint8 (lists, records). singles: whether every list has one value
    per record, so that a record may be read like the one before. Returns (what is wrong, record,
    list).
    """
    spans = np.empty((len(kinds), 2), np.int64)
    places = np.empty((len(kinds), 2), np.int64)
    at_once = np.empty(len(kinds), np.int64)
    like = np.int64(-1)
    misses = 0
    for j in range(len(starts)):
        if like >= 0:
            for f in range(len(kinds)):
                at_once[f] = firsts[f] + offsets[j]
            if read_alike(
                data, starts[j], ends[j], starts[like], ends[like], kinds, places, out, lengths,
                at_once,
            ):  # fmt: skip
                present[:, j] = 1
                misses = 0
                continue
            misses += 1
        status = _find_features(data, starts[j], ends[j], keys, key_ends, spans)
        if status != OK:
            return status, j, 0
        like = np.int64(-1)
        if singles and misses < _MOST_MISSES:
            if value_places(data, starts[j], spans, kinds, places):
                like = np.int64(j)
        for f in range(len(kinds)):
            count = np.int64(0)
            expected = counts[f] if counts[f] > 0 else rows[j]
            if spans[f, 0] >= 0:
                first = firsts[f] + offsets[j]
                count = _read_feature(
                    data, spans[f, 0], spans[f, 1], kinds[f], out, lengths, first, step, expected
                )
            if count < 0:
                return count, j, f
            present[f, j] = count > 0
            if count == expected or (count == 0 and optional[f]):
                continue
            return MISSING if count == 0 else WRONG_COUNT, j, f
    return OK, 0, 0


@compiled
def count_rows_of_blocks(data, starts, ends):
    """The rows of records that hold lists of equal length: (rows, what is wrong, record)."""
    total = np.int64(0)
    nothing = np.empty(1, np.int64)
    for j in range(len(starts)):
        rows = np.int64(-1)
        at = starts[j]
        while at < ends[j]:
            at, number, wire, begin, stop = next_field(data, at, ends[j])
            if at < 0:
                return total, NOT_A_MESSAGE, j
            if number != 1 or wire != MESSAGE:
                continue
            while begin < stop:
                begin, number, wire, entry, entry_end = next_field(data, begin, stop)
                if begin < 0:
                    return total, NOT_A_MESSAGE, j
                if number != 1 or wire != MESSAGE:
                    continue
                key, _, value, value_end = read_entry(data, entry, entry_end)
                if key < 0:
                    return total, NOT_A_MESSAGE, j
                count = _count_values(data, value, value_end, nothing)
                if count < 0:
                    return total, count, j
                if rows >= 0 and count != rows:
                    return total, np.int64(UNEQUAL), j
                rows = count
        total += max(rows, np.int64(0))
    return total, np.int64(OK), 0


@compiled
def count_first_lists(data, starts, ends, rows):
    """Fill rows (records,) with the length of each record's first list: (what is wrong, record)."""
    nothing = np.empty(1, np.int64)
    for j in range(len(starts)):
        rows[j] = 0
        at = starts[j]
        while at < ends[j]:
            at, number, wire, begin, stop = next_field(data, at, ends[j])
            if at < 0:
                return NOT_A_MESSAGE, j
            if number != 1 or wire != MESSAGE or begin == stop:
                continue
            begin, number, wire, entry, entry_end = next_field(data, begin, stop)
            if begin < 0 or number != 1 or wire != MESSAGE:
                return NOT_A_MESSAGE, j
            key, _, value, value_end = read_entry(data, entry, entry_end)
            if key < 0:
                return NOT_A_MESSAGE, j
            count = _count_values(data, value, value_end, nothing)
            if count < 0:
                return count, j
            rows[j] = count
            break
    return OK, 0


@compiled
def find_keys(data, start, end):
    """Where the keys of an Example begin and end: int64 (keys, 2); none where it is damaged."""
    keys = np.empty(((end - start) // 2 + 1, 2), np.int64)
    n = 0
    at = start
    while at < end:
        at, number, wire, begin, stop = next_field(data, at, end)
        if at < 0:
            return keys[:0]
        if number != 1 or wire != MESSAGE:
            continue
        while begin < stop:
            begin, number, wire, entry, entry_end = next_field(data, begin, stop)
            if begin < 0:
                return keys[:0]
            if number == 1 and wire == MESSAGE:
                keys[n, 0], keys[n, 1], _, _ = read_entry(data, entry, entry_end)
                n += 1
    return keys[:n]


@compiled
def _count_values(data, start, end, nothing):
    """The number of values of a Feature of any kind, or what is wrong."""
    count = np.int64(WRONG_KIND)
    for kind in range(3):
        count = _read_feature(data, start, end, kind, nothing, nothing, 0, 0, 0)
        if count != WRONG_KIND:
            break
    return count


@compiled
def gather_text(data, starts, lengths, valid):
    """Texts of data[starts[r]:][:lengths[r]] one after another: offsets, int64 (rows + 1), uint8.

    A row that is not valid has no bytes.
    """
    n_rows = len(starts)
    offsets = np.zeros(n_rows + 1, np.int64)
    for r in range(n_rows):
        offsets[r + 1] = offsets[r] + (lengths[r] if valid[r] else 0)
    text = np.empty(offsets[n_rows], np.uint8)
    for r in range(n_rows):
        for k in range(offsets[r + 1] - offsets[r]):
            text[offsets[r] + k] = data[starts[r] + k]
    return offsets, text
