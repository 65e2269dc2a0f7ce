"""Building blocks of a few instructions for compiled functions.

None of them checks a bound or wraps a negative index: the caller has checked. Loads and stores may
be at any byte of an array; their values are little-endian, as the machines are that numba compiles
for (x86, ARM).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bigdata_cli.native.function import intrinsic


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, bits: int) -> Any:
    """A pointer to `bits` bits at byte `index` of a uint8 array."""
    from llvmlite import ir

    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.IntType(bits).as_pointer())


def _load(bits: int) -> Callable[..., Any]:
    def define(typing_context, array, index):
        from numba import types

        def generate(context, builder, signature, arguments):
            data, at = arguments
            pointer = _pointer(context, builder, signature.args[0], data, at, bits)
            return builder.load(pointer, align=1)

        return getattr(types, f"uint{bits}")(array, types.int64), generate

    return define


def _store(bits: int) -> Callable[..., Any]:
    def define(typing_context, array, index, value):
        from numba import types

        def generate(context, builder, signature, arguments):
            data, at, number = arguments
            pointer = _pointer(context, builder, signature.args[0], data, at, bits)
            builder.store(number, pointer, align=1)
            return context.get_dummy_value()

        return types.void(array, types.int64, getattr(types, f"uint{bits}")), generate

    return define


load_u8 = intrinsic(_load(8))
load_u32 = intrinsic(_load(32))
load_u64 = intrinsic(_load(64))
store_u8 = intrinsic(_store(8))
store_u32 = intrinsic(_store(32))
store_u64 = intrinsic(_store(64))


@intrinsic
def byte_at(typing_context, array, index):
    """array[index] of a uint8 array, as an int64."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        data, at = arguments
        byte = builder.load(_pointer(context, builder, signature.args[0], data, at, 8))
        return builder.zext(byte, ir.IntType(64))

    return types.int64(array, types.int64), generate


@intrinsic
def multiply_high(typing_context, a, b):
    """The upper 64 bits of the 128-bit product of two uint64."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def leading_zeros(typing_context, value):
    """Leading zero bits of a uint64; 64 for 0."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context, value):
    """Trailing zero bits of a uint64; 64 for 0."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@intrinsic
def count_ones(typing_context, value):
    """Bits of a uint64 that are set."""
    from numba import types

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def bit_length(typing_context, value):
    """The bits of a uint64 up to its highest one; 1 for 0."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        (number,) = arguments
        one = ir.Constant(number.type, 1)
        zeros = builder.ctlz(builder.or_(number, one), ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(number.type, 64), zeros)

    return types.int64(types.uint64), generate


def _float_at(name: str) -> Callable[..., Any]:
    def define(typing_context, address):
        from llvmlite import ir
        from numba import types

        def generate(context, builder, signature, arguments):
            kind = context.get_value_type(signature.return_type)
            return builder.load(builder.inttoptr(arguments[0], ir.PointerType(kind)), align=1)

        return getattr(types, name)(types.int64), generate

    return define


float32_at = intrinsic(_float_at("float32"))
float64_at = intrinsic(_float_at("float64"))


@intrinsic
def bits_to_float(typing_context, bits):
    """The float64 with these bits."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), generate


@intrinsic
def float_to_bits(typing_context, value):
    """The bits of a float64, as an int64."""
    from llvmlite import ir
    from numba import types

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate
