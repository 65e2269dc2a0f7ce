"""CRC-32C (Castagnoli), and the masked form that TFRecord stores.

The processor's own instruction where it has SSE 4.2, else slicing-by-8 (Kounavis and
Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators", 2005).
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled, intrinsic, processor
from bigdata_cli.native.instructions import load_u8, load_u64

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


def _slicing_tables() -> np.ndarray:
    """uint64 (8, 256): row k is the CRC of a byte followed by k zero bytes."""
    tables = np.zeros((8, 256), np.uint64)
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        tables[0, byte] = crc
    for k in range(1, 8):
        before = tables[k - 1]
        tables[k] = tables[0][(before & np.uint64(0xFF)).astype(np.int64)] ^ before >> np.uint64(8)
    return tables


_TABLES = _slicing_tables()


@compiled
def crc32c_by_tables(data, start, end):
    """CRC-32C of data[start:end], uint8 → uint32, by slicing-by-8."""
    low = np.uint64(0xFF)
    crc = np.uint64(0xFFFFFFFF)
    while start + 8 <= end:
        word = load_u64(data, start) ^ crc
        crc = (
            _TABLES[7, word & low]
            ^ _TABLES[6, word >> np.uint64(8) & low]
            ^ _TABLES[5, word >> np.uint64(16) & low]
            ^ _TABLES[4, word >> np.uint64(24) & low]
            ^ _TABLES[3, word >> np.uint64(32) & low]
            ^ _TABLES[2, word >> np.uint64(40) & low]
            ^ _TABLES[1, word >> np.uint64(48) & low]
            ^ _TABLES[0, word >> np.uint64(56)]
        )
        start += 8
    while start < end:
        crc = _TABLES[0, (crc ^ np.uint64(load_u8(data, start))) & low] ^ crc >> np.uint64(8)
        start += 1
    return np.uint32(crc ^ np.uint64(0xFFFFFFFF))


def _instruction(bits: int):
    """The SSE 4.2 instruction that takes `bits` bits into a CRC held in a uint64."""

    def define(typing_context, crc, value):
        from llvmlite import ir
        from numba import types

        def generate(context, builder, signature, arguments):
            wide, narrow = ir.IntType(64), ir.IntType(bits)
            name = f"llvm.x86.sse42.crc32.64.{bits}"
            function = builder.module.declare_intrinsic(
                name, (), ir.FunctionType(wide, [wide, narrow])
            )
            return builder.call(function, arguments)

        return types.uint64(types.uint64, getattr(types, f"uint{bits}")), generate

    return intrinsic(define)


_take_u64 = _instruction(64)
_take_u8 = _instruction(8)


@compiled
def crc32c_by_instruction(data, start, end):
    """CRC-32C of data[start:end], uint8 → uint32, by SSE 4.2."""
    crc = np.uint64(0xFFFFFFFF)
    while start + 8 <= end:
        crc = _take_u64(crc, load_u64(data, start))
        start += 8
    while start < end:
        crc = _take_u8(crc, load_u8(data, start))
        start += 1
    return np.uint32(crc ^ np.uint64(0xFFFFFFFF))


def has_instruction() -> bool:
    """Whether there is SSE 4.2 in what is compiled for (not so with NUMBA_CPU_NAME=generic)."""
    return "+sse4.2" in processor.features()


crc32c = crc32c_by_instruction if has_instruction() else crc32c_by_tables
"""CRC-32C of data[start:end], uint8 → uint32."""


@compiled
def masked_crc32c(data, start, end):
    """CRC-32C of data[start:end] as TFRecord stores it: rotated and offset, uint32."""
    crc = np.uint64(crc32c(data, start, end))
    rotated = crc >> np.uint64(15) | crc << np.uint64(17)
    return np.uint32(rotated + np.uint64(_MASK_DELTA))
