"""Records that differ from the one before in their values only: read without parsing them again.

Where all other bytes are equal, so is all that the parse depends on. That is what records of
numbers are, as our writer writes them, and it takes a seventh of the time.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.tfrecord_parse import read_varint
from bigdata_cli.formats.tfrecord_wire import BYTES, FLOAT
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import load_u8, load_u32, load_u64


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
def mark_values(places, kinds, length, mask):
    """Fill mask[: length + 8], uint8, with which bits of a record decide over its parse.

    All are but those of values: of an integer the highest bit of each byte does, as it says
    whether another follows.
    """
    mask[:length] = 0xFF
    mask[length : length + 8] = 0
    for f in range(len(kinds)):
        bits = 0 if kinds[f] == FLOAT or kinds[f] == BYTES else 0x80
        mask[places[f, 0] : places[f, 1]] = bits


@compiled
def is_alike(data, start, like, length, mask):
    """Whether the records at `start` and `like`, of one length, are equal but for their values.

    Then all that the parse depends on is equal. They are compared in words, the last of which may
    reach beyond their end. No branch: it compiles to vector instructions.
    """
    differing = np.uint64(0)
    for k in range(0, length, 8):
        differing |= (load_u64(data, start + k) ^ load_u64(data, like + k)) & load_u64(mask, k)
    return differing == 0


@compiled
def plan_moves(kinds, places, firsts, strides, moves):
    """Fill moves, int64 (lists, 5), with what `read_values` reads; returns how many are floats.

    Floats come first; each has where its value begins and ends in a record, the place of its first
    value, the stride from row to row, and its kind.
    """
    n_floats = 0
    for f in range(len(kinds)):
        n_floats += kinds[f] == FLOAT
    next_float, next_other = 0, n_floats
    for f in range(len(kinds)):
        if kinds[f] == FLOAT:
            m = next_float
            next_float += 1
        else:
            m = next_other
            next_other += 1
        moves[m, 0], moves[m, 1] = places[f, 0], places[f, 1]
        moves[m, 2], moves[m, 3], moves[m, 4] = firsts[f], strides[f], kinds[f]
    return n_floats


@compiled
def read_values(data, start, moves, n_floats, floats, slots, lengths, offset):
    """Read the values of a record that is alike; they go where `decode_records` says.

    Places are unsigned, so that none is tested for being counted from an array's end.
    """
    for m in range(n_floats):
        into = np.uint64(moves[m, 2] + offset * moves[m, 3])
        floats[into] = load_u32(data, start + moves[m, 0])
    for m in range(n_floats, len(moves)):
        at, stop = start + moves[m, 0], start + moves[m, 1]
        into = np.uint64(moves[m, 2] + offset * moves[m, 3])
        if moves[m, 4] == BYTES:
            slots[into] = at
            lengths[into] = stop - at
        else:
            number, _ = read_varint(data, at, stop)
            slots[into] = np.int64(number)
