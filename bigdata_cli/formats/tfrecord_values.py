"""Kernels that read the value of a feature: a BytesList, a FloatList or an Int64List.

Lists may be packed or not, and come in parts. Value k goes to place first + k * step, of `floats`,
uint32, where it is a float's bits, else of `slots`, int64: a number, or where in `data` a text
begins, whose bytes `lengths`, int64, has. What exceeds `room` values is counted and not stored.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.tfrecord_parse import FIXED32, MESSAGE, VARINT, next_field, read_varint
from bigdata_cli.formats.tfrecord_wire import BYTES, FLOAT
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import load_u32

OK = 0
NOT_A_MESSAGE, WRONG_KIND, WRONG_COUNT, MISSING, UNEQUAL = -1, -2, -3, -4, -5
"""What is wrong with an Example."""
_ONE_FLOAT = 0x040A0612
"""The four bytes before the value of a Feature that is one float."""


@compiled
def _read_ints(data, at, end, slots, first, step, room):
    """Read one field of an Int64List; returns its values' number, or what is wrong."""
    count = 0
    while at < end:
        number, at = read_varint(data, at, end)
        if at < 0:
            return np.int64(NOT_A_MESSAGE)
        if count < room:
            slots[first + count * step] = np.int64(number)
        count += 1
    return count


@compiled
def _read_floats(data, at, end, floats, first, step, room):
    """Read one field of a FloatList as the bits of float32, likewise."""
    if (end - at) % 4:
        return np.int64(NOT_A_MESSAGE)
    count = (end - at) // 4
    for k in range(min(count, room)):
        floats[first + k * step] = load_u32(data, at + 4 * k)
    return count


@compiled
def _read_list(data, at, end, kind, floats, slots, lengths, first, step, room):
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
                    slots[into] = begin
                    lengths[into] = stop - begin
                more = np.int64(1)
        elif kind == FLOAT:
            if wire == MESSAGE or wire == FIXED32:
                more = _read_floats(data, begin, stop, floats, into, step, room - count)
        elif wire == MESSAGE or wire == VARINT:
            more = _read_ints(data, begin, stop, slots, into, step, room - count)
        if more < 0:
            return more
        count += more
    return count


@compiled
def read_feature(data, at, end, kind, floats, slots, lengths, first, step, room):
    """Read a Feature of one kind; returns the number of values, or what is wrong.

    Of several lists of one kind the values add up; one of another kind replaces those before.
    """
    if kind == FLOAT and end - at == 8 and load_u32(data, at) == _ONE_FLOAT and room == 1:
        floats[first] = load_u32(data, at + 4)
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
            data, begin, stop, kind, floats, slots, lengths, first + count * step, step,
            room - count,
        )  # fmt: skip
        if more < 0:
            return more
        count += more
    return np.int64(WRONG_KIND) if other else count


@compiled
def count_values(data, start, end, no_floats, no_slots):
    """The number of values of a Feature of any kind, or what is wrong.

    no_floats: uint32, no_slots: int64, both empty.
    """
    count = np.int64(WRONG_KIND)
    for kind in range(3):
        count = read_feature(data, start, end, kind, no_floats, no_slots, no_slots, 0, 0, 0)
        if count != WRONG_KIND:
            break
    return count
