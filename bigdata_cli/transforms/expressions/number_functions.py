"""Functions of numbers, and of values of any type."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.function import Function, always, like_argument
from bigdata_cli.transforms.expressions.kernels import as_float
from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    FLOAT,
    INT,
    NUMBERS,
    TIMES,
    Type,
)
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.dtype import Kind

_ANY = (Kind.BOOL, *NUMBERS, *TIMES, Kind.TEXT)
_FLOATS = ((Kind.FLOAT,),)


def _float(usage: str, compute: Callable[[Datum], Datum]) -> Function:
    """A function of a number that gives a float64, NaN where there is no value."""
    return Function(usage, (NUMBERS,), always(FLOAT), lambda x: compute(as_float(x)))


def _absolute(x: Datum) -> Datum:
    return pc.abs_checked(x)


def _round(x: Datum, digits: int = 0) -> Datum:
    if pa.types.is_integer(x.type) and digits >= 0:
        return x
    return pc.round(x, ndigits=digits, round_mode="half_towards_infinity")


def _power(x: Datum, y: Datum) -> Datum:
    return pc.power(as_float(x), as_float(y))


def _sign(x: Datum) -> Datum:
    return pc.cast(pc.sign(x), pa.int64())


def _largest(*values: Datum) -> Datum:
    return pc.max_element_wise(*values)


def _smallest(*values: Datum) -> Datum:
    return pc.min_element_wise(*values)


def _common(arguments: Sequence[Type]) -> Type:
    kinds = {argument.kind for argument in arguments}
    return FLOAT if kinds == set(NUMBERS) else arguments[0]


NUMBER_FUNCTIONS = {
    "abs": Function("abs(x)", (NUMBERS,), like_argument(0), _absolute, may_fail=True),
    "ceil": _float("ceil(x)", pc.ceil),
    "floor": _float("floor(x)", pc.floor),
    "round": Function(
        "round(x, digits): halves away from 0",
        (NUMBERS, (Kind.INT,)),
        like_argument(0),
        _round,
        n_optional=1,
        constants=(1,),
    ),
    "sqrt": _float("sqrt(x)", pc.sqrt),
    "exp": _float("exp(x)", pc.exp),
    "ln": _float("ln(x): the natural logarithm", pc.ln),
    "log10": _float("log10(x)", pc.log10),
    "log2": _float("log2(x)", pc.log2),
    "log1p": _float("log1p(x): the natural logarithm of 1 + x", pc.log1p),
    "sin": _float("sin(x)", pc.sin),
    "cos": _float("cos(x)", pc.cos),
    "tan": _float("tan(x)", pc.tan),
    "pow": Function("pow(x, y)", (NUMBERS, NUMBERS), always(FLOAT), _power),
    "sign": Function("sign(x): -1, 0 or 1", (NUMBERS,), always(INT), _sign, may_fail=True),
    "isnan": Function("isnan(x)", _FLOATS, always(BOOL), pc.is_nan),
    "isinf": Function("isinf(x)", _FLOATS, always(BOOL), pc.is_inf),
    "isfinite": Function("isfinite(x)", _FLOATS, always(BOOL), pc.is_finite),
}
VALUE_FUNCTIONS = {
    "greatest": Function(
        "greatest(x, y, …): the largest value", (_ANY, _ANY), _common, _largest, repeats=True
    ),
    "least": Function(
        "least(x, y, …): the smallest value", (_ANY, _ANY), _common, _smallest, repeats=True
    ),
}
