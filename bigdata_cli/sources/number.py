"""Compiled number parsing: exact, and with what typing needs to know of the text.

Decimal to float64: Clinger's fast path, then Eisel and Lemire ("Number Parsing at a Gigabyte per
Second", Software: Practice and Experience, 2021). Where neither decides (more than 19 digits and
both neighbours possible, subnormals), the caller is told to ask Python's `float`.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import (
    bits_to_float,
    byte_at,
    leading_zeros,
    load_u64,
    multiply_high,
    trailing_zeros,
)

NOT_A_NUMBER, INTEGER, DECIMAL, HARD_DECIMAL, INFINITE = 0, 1, 2, 3, 4
"""What `scan_number` found; INTEGER is canonical, HARD_DECIMAL needs Python's float."""

MAX_DIGITS = 19
SURE_IN_FLOAT32 = np.uint64(1 << 23)
"""Smaller significands survive in float32: floats lie closer to each other than such decimals do,
by at most value / 2**23 < 10**exponent."""
SCRATCH_BYTES = 128
"""Room in which a number is written without its thousands marks."""
_SMALLEST_POWER, _LARGEST_POWER = -342, 308
_EXACT_POWERS = np.array([10.0**i for i in range(23)])
_POWERS = np.array([10.0**i for i in range(61)])
POWERS_OF_TEN = np.array([10**i for i in range(9)], np.uint64)
_ZEROS = np.uint64(0x3030303030303030)
_OVER_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_PAIRS = np.uint64(0x00FF00FF00FF00FF)
_FOURS = np.uint64(0x0000FFFF0000FFFF)


def _powers_of_five() -> np.ndarray:
    """5**q for q in [-342, 308] as 128-bit normalised significands: uint64 (651, 2), high first."""
    rows = []
    for q in range(_SMALLEST_POWER, _LARGEST_POWER + 1):
        if q >= 0:
            power = 5**q
            shift = power.bit_length() - 128
            significand = power >> shift if shift > 0 else power << -shift
        else:
            power = 5**-q
            bits = power.bit_length() + 127
            significand = (1 << bits) // power + 1
            significand >>= significand.bit_length() - 128
        rows.append((significand >> 64, significand & (2**64 - 1)))
    return np.array(rows, np.uint64)


_FIVES = _powers_of_five()


@compiled
def scan_digits(block, pos):
    """(value, n) of the n digits that stand from `pos` on, of eight at the most: uint64, int64.

    They are added in pairs (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019);
    where there are fewer than eight, zeros are shifted in before them.
    """
    digits = load_u64(block, pos) ^ _ZEROS
    # A sum of more than a byte spoils only bytes after one that is no digit.
    others = ((digits + _OVER_NINE) | digits) & _HIGH_BITS
    n = trailing_zeros(others) >> 3
    half = np.uint64(4 * (8 - n))
    digits = digits << half << half
    digits = (digits * np.uint64(2561)) >> np.uint64(8)
    digits = ((digits & _PAIRS) * np.uint64(6553601)) >> np.uint64(16)
    return ((digits & _FOURS) * np.uint64(42949672960001)) >> np.uint64(32), n


@compiled(error_model="numpy")
def decimal_to_float(significand, exponent):
    """(value, exact) of significand * 10**exponent: uint64, int64 → float64 ≥ 0, bool.

    `exact` is False where the correctly rounded value could not be decided.
    """
    if significand == np.uint64(0):
        return 0.0, True
    if significand <= np.uint64(9007199254740992) and -22 <= exponent <= 22:
        value = np.float64(np.int64(significand))
        if exponent < 0:
            return value / _EXACT_POWERS[-exponent], True
        return value * _EXACT_POWERS[exponent], True
    if exponent < _SMALLEST_POWER - 20:
        return 0.0, True
    if exponent > _LARGEST_POWER:
        return np.inf, True
    if exponent < _SMALLEST_POWER:
        return 0.0, False
    zeros = leading_zeros(significand)
    w = significand << np.uint64(zeros)
    index = exponent - _SMALLEST_POWER
    low = w * _FIVES[index, 0]
    high = multiply_high(w, _FIVES[index, 0])
    if (high & np.uint64(0x1FF)) == np.uint64(0x1FF):
        more = multiply_high(w, _FIVES[index, 1])
        low = low + more
        if low < more:
            high = high + np.uint64(1)
    if low == np.uint64(0xFFFFFFFFFFFFFFFF) and not (-27 <= exponent <= 55):
        return 0.0, False
    upper = high >> np.uint64(63)
    shift = upper + np.uint64(64 - 52 - 3)
    mantissa = high >> shift
    power = ((217706 * exponent) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if power <= 0:
        return 0.0, False
    if (
        low <= np.uint64(1)
        and -4 <= exponent <= 23
        and (mantissa & np.uint64(3)) == np.uint64(1)
        and (mantissa << shift) == high
    ):
        mantissa &= ~np.uint64(1)
    mantissa += mantissa & np.uint64(1)
    mantissa >>= np.uint64(1)
    if mantissa >= np.uint64(1) << np.uint64(53):
        mantissa = np.uint64(1) << np.uint64(52)
        power += 1
    if power >= 0x7FF:
        return np.inf, True
    mantissa &= ~(np.uint64(1) << np.uint64(52))
    return bits_to_float(mantissa | (np.uint64(power) << np.uint64(52))), True


@compiled
def out_of_range(value, significand):
    """Whether a decimal with these digits lies beyond float64: it became infinite, or zero."""
    return value == np.inf or (value == 0.0 and significand != np.uint64(0))


@compiled(error_model="numpy")
def survives_float32(value, significand, exponent):
    """Whether float32 keeps a number: it equals it, or the text is its shortest decimal.

    value: float64; significand (uint64) and exponent: the decimal digits it was read from. In the
    normal range those below SURE_IN_FLOAT32 survive, and more than 9 digits never do (IEEE 754).
    """
    narrow = np.float64(np.float32(value))
    return narrow == value or is_shortest(value, significand, exponent)


@compiled(error_model="numpy")
def is_shortest(value, significand, exponent):
    """Whether the text of a number is the shortest decimal of its float32; as `survives_float32`.

    Subnormal numbers count as if it were not.
    """
    narrow = np.float64(np.float32(value))
    magnitude = abs(value)
    if significand == np.uint64(0):
        return True
    if magnitude < 1.1754943508222875e-38 or abs(narrow) == np.inf:
        return False
    while significand >= SURE_IN_FLOAT32 and significand % np.uint64(10) == np.uint64(0):
        significand //= np.uint64(10)
        exponent += 1
    if significand < SURE_IN_FLOAT32:
        return True
    if significand >= np.uint64(1000000000) or exponent < -60 or exponent > 59:
        return False
    digits = np.float64(np.int64(significand))
    narrow = abs(narrow)
    seen = narrow / _POWERS[exponent] if exponent >= 0 else narrow * _POWERS[-exponent]
    miss = abs(seen - digits)
    if miss > 0.5 or (miss == 0.5 and significand & np.uint64(1)):  # printers break ties to even
        return False
    shorter = np.float64(np.int64(significand // np.uint64(10)))
    for candidate in (shorter, shorter + 1.0):
        if exponent + 1 >= 0:
            other = candidate * _POWERS[exponent + 1]
        else:
            other = candidate / _POWERS[-exponent - 1]
        if np.float64(np.float32(other)) == narrow:
            return False
    return True


@compiled
def _matches_word(block, start, end, word):
    if end - start != len(word):
        return False
    for i in range(len(word)):
        if (byte_at(block, start + i) | 0x20) != word[i]:
            return False
    return True


_INF = np.frombuffer(b"inf", np.uint8).astype(np.int64)
_INFINITY = np.frombuffer(b"infinity", np.uint8).astype(np.int64)


@compiled
def scan_number(block, start, end):
    """(form, negative, significand, exponent) of the text block[start:end].

    Canonical integers are `-?(0|[1-9][0-9]*)` but `-0`, up to 64 bits (significand uint64).
    Decimals have a point or an exponent with a point or a sign (`1e-5`, `1.0E4`), and no leading
    zeros; `1E4` is NOT_A_NUMBER, as are `+1`, `007`, `1_000`.
    """
    nothing = (NOT_A_NUMBER, False, np.uint64(0), 0)
    p = start
    if p >= end:
        return nothing
    negative = byte_at(block, p) == 45
    if negative:
        p += 1
    first = p
    significand = np.uint64(0)
    n_digits = 0
    dropped = 0
    while p < end and 48 <= byte_at(block, p) <= 57:
        digit = np.uint64(byte_at(block, p) - 48)
        if n_digits < MAX_DIGITS:
            significand = significand * np.uint64(10) + digit
            if significand != np.uint64(0):
                n_digits += 1
        else:
            dropped += 1
        p += 1
    n_whole = p - first
    if n_whole > 1 and byte_at(block, first) == 48:
        return nothing
    if p == end and n_whole > 0:
        return _integer(block, first, end, negative, significand, dropped)
    has_point = p < end and byte_at(block, p) == 46
    exponent = dropped
    inexact = dropped > 0
    n_fraction = 0
    if has_point:
        p += 1
        while p < end and 48 <= byte_at(block, p) <= 57:
            digit = np.uint64(byte_at(block, p) - 48)
            n_fraction += 1
            if n_digits < MAX_DIGITS:
                significand = significand * np.uint64(10) + digit
                exponent -= 1
                if significand != np.uint64(0):
                    n_digits += 1
            elif digit != np.uint64(0):
                inexact = True
            p += 1
    if n_whole + n_fraction == 0:
        if _matches_word(block, first, end, _INF) or _matches_word(block, first, end, _INFINITY):
            return INFINITE, negative, np.uint64(0), 0
        return nothing
    if p < end and (byte_at(block, p) | 0x20) == 101:
        p += 1
        sign = byte_at(block, p) if p < end else 0
        if sign == 45 or sign == 43:
            p += 1
        elif not has_point:
            return nothing
        n_exponent = 0
        value = 0
        while p < end and 48 <= byte_at(block, p) <= 57:
            if value < 100000:
                value = value * 10 + byte_at(block, p) - 48
            n_exponent += 1
            p += 1
        if n_exponent == 0:
            return nothing
        exponent += -value if sign == 45 else value
    if p != end:
        return nothing
    return (HARD_DECIMAL if inexact else DECIMAL), negative, significand, exponent


@compiled
def scan_local_number(block, start, end, rules, scratch):
    """`scan_number` of a number with the decimal and thousands marks of the rules.

    scratch: uint8 (SCRATCH_BYTES,), overwritten. A thousands mark stands between groups of three
    digits before the decimal mark, or it is no number.
    """
    if rules.decimal == 46 and rules.thousands < 0:
        return scan_number(block, start, end)
    nothing = (NOT_A_NUMBER, False, np.uint64(0), 0)
    n = 0
    n_group = 0
    grouped = False
    whole = True
    for p in range(start, end):
        c = byte_at(block, p)
        if n >= SCRATCH_BYTES - 16:
            return nothing
        if whole and c == rules.thousands:
            if n_group == 0 or n_group > 3 or (grouped and n_group != 3):
                return nothing
            grouped = True
            n_group = 0
            continue
        if c == rules.decimal:
            c = 46
        elif c == 46:
            return nothing
        if 48 <= c <= 57:
            n_group += 1
        elif whole and p > start:
            if grouped and n_group != 3:
                return nothing
            whole = False
        scratch[n] = c
        n += 1
    if whole and grouped and n_group != 3:
        return nothing
    scratch[n] = 10
    # Not a literal 0, for which all that is called would be compiled once more.
    return scan_number(scratch, np.int64(0), np.int64(n))


@compiled
def _integer(block, first, end, negative, significand, dropped):
    """The scan of digits only: an INTEGER where 64 bits hold it and it prints back."""
    if dropped == 0:
        if negative and significand == np.uint64(0):
            return DECIMAL, True, np.uint64(0), 0
        if negative and significand > np.uint64(9223372036854775808):
            return NOT_A_NUMBER, False, np.uint64(0), 0
        return INTEGER, negative, significand, 0
    if dropped == 1 and not negative:
        last = np.uint64(byte_at(block, end - 1) - 48)
        limit = np.uint64(1844674407370955161)
        if significand < limit or (significand == limit and last <= np.uint64(5)):
            return INTEGER, negative, significand * np.uint64(10) + last, 0
    return NOT_A_NUMBER, False, np.uint64(0), 0


def scratch_bytes() -> np.ndarray:
    """Scratch for one call of a kernel: uint8 (SCRATCH_BYTES,), of any content."""
    return np.empty(SCRATCH_BYTES, np.uint8)
