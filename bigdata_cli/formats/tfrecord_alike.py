"""Records that differ from the one before in their values only: read without parsing them again.

Where all other bytes are equal, so is all that the parse depends on. That is what records of
numbers are, as our writer writes them, and it takes a seventh of the time.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.tfrecord_parse import read_varint, same_bytes
from bigdata_cli.formats.tfrecord_wire import BYTES, FLOAT
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import load_u8, load_u32


@compiled
def value_places(data, start, spans, kinds, places):
    """Fill places, int64 (lists, 2), with where each value begins and ends, counted from `start`.

    False where a feature is not one value as our writer writes it, or they are in another order.
    """
    before = start
    for f in range(len(kinds)):
        at, end = spans[f, 0], spans[f, 1]
        tag = 0x12 if kinds[f] == FLOAT else 0x0A if kinds[f] == BYTES else 0x1A
        size = end - at - 4
        if at < before or not 0 < size < 0x7E:
            return False
        if load_u8(data, at) != tag or load_u8(data, at + 1) != size + 2:
            return False
        if load_u8(data, at + 2) != 0x0A or load_u8(data, at + 3) != size:
            return False
        if kinds[f] == FLOAT and size != 4:
            return False
        if kinds[f] != FLOAT and kinds[f] != BYTES:
            for k in range(size):
                if (load_u8(data, at + 4 + k) < 0x80) != (k == size - 1):
                    return False
        places[f, 0] = at + 4 - start
        places[f, 1] = end - start
        before = end
    return True


@compiled
def read_alike(data, start, end, like, like_end, kinds, places, out, lengths, firsts):
    """Read a record whose bytes are those of the record at `like`, but for the values.

    Then all that the parse depends on is equal. False where it is not so, whatever was read.
    """
    if end - start != like_end - like:
        return False
    before = np.int64(0)
    for f in range(len(kinds)):
        at, stop = places[f, 0], places[f, 1]
        if not same_bytes(data, start + before, start + at, data, like + before, like + at):
            return False
        if kinds[f] == FLOAT:
            out[firsts[f]] = np.int64(load_u32(data, start + at))
        elif kinds[f] == BYTES:
            out[firsts[f]] = start + at
            lengths[firsts[f]] = stop - at
        else:
            for k in range(at, stop):
                if (load_u8(data, start + k) < 0x80) != (k == stop - 1):
                    return False
            number, after = read_varint(data, start + at, start + stop)
            if after != start + stop:
                return False
            out[firsts[f]] = np.int64(number)
        before = stop
    return same_bytes(data, start + before, end, data, like + before, like_end)
