"""Varints in lists: counted in words, as a parser that takes a byte at a time counts them."""

from __future__ import annotations

import random

import numpy as np

from bigdata_cli.native.library import address, lib

PADDING = 64
NOT_A_MESSAGE = -1


def number_of(data: bytes) -> int | None:
    """The varints in data, None where one is truncated or has more than ten bytes."""
    count = begun = 0
    for byte in data:
        begun += 1
        if byte < 0x80:
            count, begun = count + 1, 0
        elif begun == 10:
            return None
    return count if begun == 0 else None


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def example(payload: bytes) -> bytes:
    """An Example with one Int64List, whose values are these bytes."""

    def message(tag: int, content: bytes) -> bytes:
        return bytes([tag]) + varint(len(content)) + content

    feature = message(0x12, message(0x1A, message(0x0A, payload)))
    return message(0x0A, message(0x0A, message(0x0A, b"k") + feature))


def rows_of(payload: bytes) -> int | None:
    """How many rows a record with this list has."""
    record = example(payload)
    # Other bytes follow, which must not matter.
    data = np.frombuffer(record + b"\x01" * (PADDING // 2) + b"\xff" * (PADDING // 2), np.uint8)
    starts, ends = np.zeros(1, np.int64), np.array([len(record)])
    rows, wrong = np.zeros(1, np.int64), np.zeros(1, np.int64)
    status = lib.bd_tfrecord_count_rows(
        address(data), address(starts), address(ends), 1, False, address(rows), address(wrong)
    )
    assert status in (0, NOT_A_MESSAGE)
    return int(rows[0]) if status == 0 else None


def test_any_lengths() -> None:
    chance = random.Random(0)
    for _ in range(3_000):
        sizes = [chance.choice([1, 1, 2, 5, 8, 9, 10]) for _ in range(chance.randint(0, 12))]
        payload = b"".join(b"\xff" * (size - 1) + b"\x01" for size in sizes)
        assert rows_of(payload) == len(sizes)


def test_damage() -> None:
    chance = random.Random(1)
    n_wrong = 0
    for _ in range(5_000):
        size = chance.randint(1, 40)
        share = chance.choice([0.1, 0.5, 0.9, 0.97])
        payload = bytes(0x80 | 1 if chance.random() < share else 1 for _ in range(size))
        expected = number_of(payload)
        assert rows_of(payload) == expected, payload
        n_wrong += expected is None
    assert 1_000 < n_wrong < 4_500
