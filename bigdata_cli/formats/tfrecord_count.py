"""Kernels that count the rows of `tf.train.Example` records, and find their keys.

no_floats: uint32, no_slots: int64, both empty, where values would go that are only counted.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.tfrecord_parse import MESSAGE, next_field, read_entry
from bigdata_cli.formats.tfrecord_values import NOT_A_MESSAGE, OK, UNEQUAL, count_values
from bigdata_cli.native import compiled


@compiled
def count_rows_of_blocks(data, starts, ends, no_floats, no_slots):
    """The rows of records that hold lists of equal length: (rows, what is wrong, record)."""
    total = np.int64(0)
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
                count = count_values(data, value, value_end, no_floats, no_slots)
                if count < 0:
                    return total, count, j
                if rows >= 0 and count != rows:
                    return total, np.int64(UNEQUAL), j
                rows = count
        total += max(rows, np.int64(0))
    return total, np.int64(OK), 0


@compiled
def count_first_lists(data, starts, ends, rows, no_floats, no_slots):
    """Fill rows (records,) with the length of each record's first list: (what is wrong, record)."""
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
            count = count_values(data, value, value_end, no_floats, no_slots)
            if count < 0:
                return count, j
            rows[j] = count
            break
    return OK, 0


@compiled
def find_keys(data, start, end, keys):
    """Fill keys with where the keys of an Example begin and end; returns how many there are.

    keys: int64 (n, 2), for half as many as the Example has bytes, and one. A damaged Example has
    none.
    """
    n = 0
    at = start
    while at < end:
        at, number, wire, begin, stop = next_field(data, at, end)
        if at < 0:
            return 0
        if number != 1 or wire != MESSAGE:
            continue
        while begin < stop:
            begin, number, wire, entry, entry_end = next_field(data, begin, stop)
            if begin < 0:
                return 0
            if number == 1 and wire == MESSAGE:
                keys[n, 0], keys[n, 1], _, _ = read_entry(data, entry, entry_end)
                if keys[n, 0] < 0:
                    return 0
                n += 1
    return n
