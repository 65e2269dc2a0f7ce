"""Compiled: whether float32 keeps float64 values, by the rule for the numbers of a CSV."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.sources.kernel import NO_VALUE
from bigdata_cli.sources.number import decimal_to_float, survives_float32

_POWERS = np.array([10.0**i for i in range(61)])
_DIGITS = 9
"""A decimal of more digits than float32 gives back does not survive."""


@compiled(error_model="numpy")
def loses_float32(values, flags):
    """Whether float32 loses one of the values: float64 (n,), flags uint8 (n,).

    A value survives where float32 equals it, or where its shortest decimal is the shortest one of
    the float32: written as text and read again it would be this float32.
    """
    for row in range(len(values)):
        if flags[row] != NO_VALUE and not _survives(values[row]):
            return True
    return False


@compiled(error_model="numpy")
def _survives(value):
    narrow = np.float64(np.float32(value))
    if narrow == value or np.isnan(value):
        return True
    magnitude = abs(value)
    if magnitude < 1.1754943508222875e-38 or np.isinf(narrow):
        return False
    exponent = np.int64(np.floor(np.log10(magnitude))) - (_DIGITS - 1)
    digits = _scaled(magnitude, exponent)
    if digits < 10.0 ** (_DIGITS - 1):  # the logarithm was rounded up
        exponent -= 1
        digits = _scaled(magnitude, exponent)
    significand = np.uint64(np.int64(digits))
    again, exact = decimal_to_float(significand, exponent)
    return exact and again == magnitude and survives_float32(magnitude, significand, exponent)


@compiled(error_model="numpy")
def _scaled(magnitude, exponent):
    """magnitude / 10**exponent, rounded to an integer."""
    if exponent >= 0:
        return np.rint(magnitude / _POWERS[exponent])
    return np.rint(magnitude * _POWERS[-exponent])
