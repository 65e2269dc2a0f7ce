"""What the operators of expressions compute, on Arrow arrays and scalars."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.buffers import array_of, numbers_of, scalar_of

_CHECKED = {"+": pc.add_checked, "-": pc.subtract_checked, "*": pc.multiply_checked}
_FLOATING = {"+": pc.add, "-": pc.subtract, "*": pc.multiply, "/": pc.divide}
_FALSE, _UNKNOWN = scalar_of(False, pa.bool_()), scalar_of(None, pa.bool_())
_COMPARISONS = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def as_float(datum: Datum) -> Datum:
    """Numbers as float64: the nearest, where an integer is beyond 2**53."""
    if pa.types.is_float64(datum.type):
        return datum
    return pc.cast(datum, pa.float64(), safe=False)


def integer_arithmetic(operator: str, a: Datum, b: Datum) -> Datum:
    """`+`, `-`, `*` of int64; raises pa.ArrowInvalid where the result is beyond it."""
    return _CHECKED[operator](a, b)


def float_arithmetic(operator: str, a: Datum, b: Datum) -> Datum:
    """`+`, `-`, `*`, `/` of float64, as IEEE 754 has them: 1 / 0 is infinite."""
    return _FLOATING[operator](as_float(a), as_float(b))


def remainder(a: Datum, b: Datum) -> Datum:
    """What is left of a division, with the sign of `a`.

    Raises:
        pa.ArrowInvalid: An integer is divided by 0.
    """
    is_whole = pa.types.is_integer(a.type) and pa.types.is_integer(b.type)
    if not is_whole:
        return _of_numpy(np.fmod, as_float(a), as_float(b))
    if pc.any(pc.equal(b, scalar_of(0, b.type))).as_py():
        raise pa.ArrowInvalid("division by zero")
    return _of_numpy(np.fmod, a, b)


def _of_numpy(function: np.ufunc, a: Datum, b: Datum) -> Datum:
    """A function of NumPy on numbers of one type; null where either is."""
    arrays = [pa.repeat(d, 1) if isinstance(d, pa.Scalar) else d for d in (a, b)]
    if isinstance(a, pa.Scalar) and isinstance(b, pa.Scalar):
        return _of_numpy(function, *arrays)[0]
    is_null = pc.or_(pc.is_null(a), pc.is_null(b))
    values = [numbers_of(array.fill_null(scalar_of(1, array.type))) for array in arrays]
    with np.errstate(all="ignore"):
        found = np.broadcast_arrays(function(*values))[0]
    return pc.if_else(is_null, scalar_of(None, a.type), array_of(found))


def compare(operator: str, a: Datum, b: Datum) -> Datum:
    """A comparison; of floats, NaN equals itself and is larger than all others, as in sorting."""
    found = _COMPARISONS[operator](a, b)
    if not (pa.types.is_floating(a.type) or pa.types.is_floating(b.type)):
        return found
    nan_a, nan_b = _is_nan(a), _is_nan(b)
    if nan_a is None and nan_b is None:
        return found
    nan_a = _FALSE if nan_a is None else nan_a
    nan_b = _FALSE if nan_b is None else nan_b
    # With NaN as infinity and the others as 0, the order is that of these flags where one is set.
    flags = _COMPARISONS[operator](pc.cast(nan_a, pa.int8()), pc.cast(nan_b, pa.int8()))
    return pc.if_else(pc.or_(nan_a, nan_b), flags, found)


def _is_nan(datum: Datum) -> Datum | None:
    """Which values are NaN, None where none is."""
    if not pa.types.is_floating(datum.type):
        return None
    found = pc.is_nan(datum)
    return found if pc.any(found).as_py() else None


def is_in(value: Datum, items: pa.Array) -> Datum:
    """Whether a value is among constants; null where it is null, or may be a null among them."""
    found = pc.is_in(value, value_set=items.drop_null())
    if items.null_count:
        found = pc.if_else(found, found, _UNKNOWN)
    return pc.if_else(pc.is_null(value), _UNKNOWN, found)


def like(text: Datum, pattern: str, escape: str | None, *, ignore_case: bool) -> Datum:
    """SQL's LIKE: `%` is any text, `_` any character, and there is no escape unless one is said."""
    out = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            character = next(characters, "")
            out.append(f"\\{character}" if character in ("%", "_", "\\") else character)
        else:
            out.append("\\\\" if character == "\\" else character)
    return pc.match_like(text, "".join(out), ignore_case=ignore_case)


def case_when(conditions: list[pa.Array], values: list[Datum], otherwise: Datum) -> Datum:
    """The value of the first condition that holds."""
    return pc.case_when(pc.make_struct(*conditions), *values, otherwise)


def to_integer(datum: Datum) -> Datum:
    """Floats as the nearest integers, halves to the even one; raises pa.ArrowInvalid beyond int64.

    >>> to_integer(pa.scalar(2.5)).as_py()
    2
    """
    rounded = pc.round(datum, ndigits=0, round_mode="half_to_even")
    return pc.cast(rounded, pa.int64())


def negate(datum: Datum) -> Datum:
    """The number with the other sign; raises pa.ArrowInvalid for the smallest int64."""
    return pc.negate_checked(datum)


def is_true(truth: Datum) -> Datum:
    """A truth, false where it is null."""
    return pc.fill_null(truth, _FALSE)
