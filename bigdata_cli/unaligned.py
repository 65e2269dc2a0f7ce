"""Loads and stores at any byte of an array, for compiled kernels.

None of them checks a bound or wraps a negative index: the caller has checked. Multi-byte values
are little-endian on the machines that numba compiles for (x86, ARM).
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _pointer(context, builder, array_type, array, index, bits: int):
    """A pointer to `bits` bits at byte `index` of a uint8 array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.IntType(bits).as_pointer())


def _load(bits: int, result):
    def define(typing_context, array, index):
        def generate(context, builder, signature, arguments):
            data, at = arguments
            pointer = _pointer(context, builder, signature.args[0], data, at, bits)
            return builder.load(pointer, align=1)

        return result(array, types.int64), generate

    return define


def _store(bits: int, value_type):
    def define(typing_context, array, index, value):
        def generate(context, builder, signature, arguments):
            data, at, number = arguments
            pointer = _pointer(context, builder, signature.args[0], data, at, bits)
            builder.store(number, pointer, align=1)
            return context.get_dummy_value()

        return types.void(array, types.int64, value_type), generate

    return define


load_u8 = intrinsic(_load(8, types.uint8))
load_u32 = intrinsic(_load(32, types.uint32))
load_u64 = intrinsic(_load(64, types.uint64))
store_u8 = intrinsic(_store(8, types.uint8))
store_u32 = intrinsic(_store(32, types.uint32))
store_u64 = intrinsic(_store(64, types.uint64))


@intrinsic
def bit_length(typing_context, value):
    """The bits of a uint64 up to its highest one; 1 for 0."""

    def generate(context, builder, signature, arguments):
        (number,) = arguments
        one = ir.Constant(number.type, 1)
        zeros = builder.ctlz(builder.or_(number, one), cgutils.false_bit)
        return builder.sub(ir.Constant(number.type, 64), zeros)

    return types.int64(types.uint64), generate
