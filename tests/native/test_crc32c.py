"""CRC-32C: known values, and the instruction against the tables."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native.library import address, lib

DATA = np.random.default_rng(0).integers(0, 256, 30_000, dtype=np.uint8)


def test_known_values() -> None:
    # RFC 3720, B.4, and the check value of CRC catalogues.
    known = {
        bytes(32): 0x8A9136AA,
        b"\xff" * 32: 0x62A8AB43,
        bytes(range(32)): 0x46DD794E,
        b"123456789": 0xE3069283,
        b"": 0,
    }
    for data, crc in known.items():
        array = np.frombuffer(data + b"!", np.uint8)
        assert lib.bd_crc32c(address(array), len(data)) == crc
        assert lib.bd_crc32c_by_tables(address(array), len(data)) == crc


def test_all_lengths_and_places() -> None:
    # Lanes of 64 and 1,024 bytes (1,024 and 8,192 on ARM), three of them at a time.
    sizes = [*range(410), *range(3060, 3300), *range(6130, 6160), 24_575, 24_576, 29_990]
    for size in sizes:
        for start in (0, 3):
            at = address(DATA) + start
            assert lib.bd_crc32c(at, size) == lib.bd_crc32c_by_tables(at, size), size
