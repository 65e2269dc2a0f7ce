"""Casts between the types of expressions."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.kernels import to_integer
from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    TEXT,
    TIMESTAMP,
    Type,
)
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

TARGETS = {
    **dict.fromkeys(("bigint", "int64", "int", "integer", "long"), INT),
    **dict.fromkeys(("double", "float64"), FLOAT),
    **dict.fromkeys(("text", "varchar", "string"), TEXT),
    **dict.fromkeys(("boolean", "bool"), BOOL),
    "date": DATE,
    "timestamp": TIMESTAMP,
    "datetime": TIMESTAMP,
}
"""The types that a cast may name."""


def _text_to_integer(text: Datum) -> Datum:
    return pc.cast(pc.utf8_trim_whitespace(text), pa.int64())


def _text_to_float(text: Datum) -> Datum:
    return pc.cast(pc.utf8_trim_whitespace(text), pa.float64())


def _plain(target: Type) -> Callable[[Datum], Datum]:
    return lambda datum: pc.cast(datum, target.arrow)


def _number_to_bool(number: Datum) -> Datum:
    return pc.not_equal(number, scalar_of(0, number.type))


def _to_text(datum: Datum) -> Datum:
    if pa.types.is_timestamp(datum.type) and datum.type.tz is not None:
        datum = pc.cast(pc.local_timestamp(datum), pa.string())
        return pc.binary_join_element_wise(
            datum, scalar_of("Z", pa.string()), scalar_of("", pa.string())
        )
    return pc.cast(datum, pa.string())


def _to_date(time: Datum) -> Datum:
    if time.type.tz is not None:
        time = pc.local_timestamp(time)
    return pc.cast(pc.floor_temporal(time, unit="day"), pa.date32())


_CASTS: dict[tuple[Kind, Kind], tuple[Callable[[Datum], Datum], bool]] = {
    (Kind.FLOAT, Kind.INT): (to_integer, True),
    (Kind.TEXT, Kind.INT): (_text_to_integer, True),
    (Kind.BOOL, Kind.INT): (_plain(INT), False),
    (Kind.INT, Kind.FLOAT): (lambda d: pc.cast(d, pa.float64(), safe=False), False),
    (Kind.TEXT, Kind.FLOAT): (_text_to_float, True),
    (Kind.BOOL, Kind.FLOAT): (lambda d: pc.cast(pc.cast(d, pa.int64()), pa.float64()), False),
    (Kind.INT, Kind.BOOL): (_number_to_bool, False),
    (Kind.FLOAT, Kind.BOOL): (_number_to_bool, False),
    (Kind.TEXT, Kind.BOOL): (_plain(BOOL), True),
    (Kind.TEXT, Kind.DATE): (_plain(DATE), True),
    (Kind.TIMESTAMP, Kind.DATE): (_to_date, False),
    (Kind.TEXT, Kind.TIMESTAMP): (_plain(TIMESTAMP), True),
    (Kind.DATE, Kind.TIMESTAMP): (_plain(TIMESTAMP), False),
    **{
        (kind, Kind.TEXT): (_to_text, False)
        for kind in (Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.DATE, Kind.TIMESTAMP)
    },
}


def cast_of(source: Type, target: Type) -> tuple[Callable[[Datum], Datum], bool] | None:
    """What casts values, and whether it may fail; None where there is no such cast."""
    if source.kind is Kind.NULL:
        return _plain(target), False
    if source.kind is target.kind:
        return (lambda datum: datum), False
    return _CASTS.get((source.kind, target.kind))


def tried(cast: Callable[[Datum], Datum], target: Type) -> Callable[[Datum], Datum]:
    """A cast that gives null where the value is none of the type."""

    def one(value: pa.Scalar) -> pa.Scalar:
        try:
            return cast(value)
        except pa.ArrowInvalid:
            return scalar_of(None, target.arrow)

    def compute(datum: Datum) -> Datum:
        try:
            return cast(datum)
        except pa.ArrowInvalid:
            if isinstance(datum, pa.Scalar):
                return one(datum)
            coded = datum.dictionary_encode()
            values = [pa.repeat(one(value), 1) for value in coded.dictionary]
            known = pa.concat_arrays([pa.nulls(0, target.arrow), *values])
            return known.take(coded.indices)

    return compute
