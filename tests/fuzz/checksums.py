"""CRC-32C against its definition."""

from __future__ import annotations

import random

import numpy as np

from bigdata_cli.native.library import address, lib
from tests.fuzz import target


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The CRC-32C, a byte at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """The CRC-32C that TFRecord stores."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@target
def checksums(chance: random.Random) -> int:
    """Any length, at any place."""
    data = chance.randbytes(chance.choice([9, 70, 300, 5000]))
    array = np.frombuffer(data, np.uint8).copy()
    start = chance.randrange(len(data))
    end = chance.randint(start, len(data))
    at, expected = address(array) + start, crc32c(data[start:end])
    assert lib.bd_crc32c(at, end - start) == expected, (data, start, end)
    assert lib.bd_crc32c_by_tables(at, end - start) == expected, (data, start, end)
    return 1
