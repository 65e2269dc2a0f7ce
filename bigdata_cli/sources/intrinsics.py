"""Single-instruction building blocks for the compiled kernels."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def byte_at(typing_context, array, index):
    """array[index] as a uint8, without the test for negative indices that Python semantics cost.

    The caller guarantees 0 <= index < len(array).
    """
    signature = types.int64(array, types.int64)

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte = builder.load(builder.gep(data, [arguments[1]]))
        return builder.zext(byte, ir.IntType(64))

    return signature, generate


@intrinsic
def multiply_high(typing_context, a, b):
    """The upper 64 bits of the 128-bit product of two uint64."""
    signature = types.uint64(types.uint64, types.uint64)

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return signature, generate


@intrinsic
def leading_zeros(typing_context, value):
    """Leading zero bits of a uint64; 64 for 0."""
    signature = types.int64(types.uint64)

    def generate(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return signature, generate


@intrinsic
def trailing_zeros(typing_context, value):
    """Trailing zero bits of a uint64; 64 for 0."""
    signature = types.int64(types.uint64)

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return signature, generate


@intrinsic
def count_ones(typing_context, value):
    """Bits of a uint64 that are set."""
    signature = types.int64(types.uint64)

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return signature, generate


@intrinsic
def bits_to_float(typing_context, bits):
    """The float64 with these bits."""
    signature = types.float64(types.uint64)

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return signature, generate


@intrinsic
def float_to_bits(typing_context, value):
    """The bits of a float64, as an int64."""
    signature = types.int64(types.float64)

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return signature, generate
