"""Functions of dates and timestamps."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.function import Function, always, like_argument
from bigdata_cli.transforms.expressions.nodes import FLOAT, INT, TIMES
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
_UNIT = (Kind.TEXT,)


def _part(usage: str, compute: Callable[[Datum], Datum]) -> Function:
    """A part of a date or timestamp, as an integer."""

    def integer(time: Datum) -> Datum:
        return pc.cast(compute(time), pa.int64())

    return Function(usage, (TIMES,), always(INT), integer)


def _stamp(time: Datum) -> Datum:
    """Dates as timestamps; timestamps as they are."""
    return pc.cast(time, pa.timestamp("us")) if pa.types.is_date(time.type) else time


def _truncate(unit: str, time: Datum) -> Datum:
    """The beginning of the unit that a time is in; a week begins on Monday."""
    kind = time.type
    floor = pc.floor_temporal(_stamp(time), unit=_checked(unit), week_starts_monday=True)
    return pc.cast(floor, kind)


def _difference(unit: str, start: Datum, stop: Datum) -> Datum:
    """How many beginnings of units lie between two times."""
    start, stop = _stamp(start), _stamp(stop)
    if _checked(unit) == "month":
        years = pc.subtract(pc.year(stop), pc.year(start))
        return pc.add(
            pc.multiply(years, scalar_of(12, pa.int64())),
            pc.subtract(pc.month(stop), pc.month(start)),
        )
    between = getattr(pc, f"{unit.lower()}s_between")
    if unit.lower() == "week":
        return pc.cast(between(start, stop, week_start=1, count_from_zero=False), pa.int64())
    return pc.cast(between(start, stop), pa.int64())


def _checked(unit: str) -> str:
    if unit.lower() not in UNITS:
        raise pa.ArrowInvalid(f"{unit!r} is no unit; there are {', '.join(UNITS)}")
    return unit.lower()


def _epoch(time: Datum) -> Datum:
    """Seconds since 1970."""
    stamp = _stamp(time)
    per_second = scalar_of({"us": 1e6, "ns": 1e9}[stamp.type.unit], pa.float64())
    return pc.divide(pc.cast(pc.cast(stamp, pa.int64()), pa.float64(), safe=False), per_second)


DATE_FUNCTIONS = {
    "year": _part("year(t)", pc.year),
    "quarter": _part("quarter(t)", pc.quarter),
    "month": _part("month(t)", pc.month),
    "week": _part("week(t): of ISO 8601", pc.iso_week),
    "day": _part("day(t)", pc.day),
    "dayofweek": _part(
        "dayofweek(t): Sunday is 0",
        lambda t: pc.day_of_week(t, count_from_zero=True, week_start=7),
    ),
    "isodow": _part(
        "isodow(t): Monday is 1, Sunday 7",
        lambda t: pc.day_of_week(t, count_from_zero=False, week_start=1),
    ),
    "dayofyear": _part("dayofyear(t)", pc.day_of_year),
    "hour": _part("hour(t)", lambda t: pc.hour(_stamp(t))),
    "minute": _part("minute(t)", lambda t: pc.minute(_stamp(t))),
    "second": _part("second(t)", lambda t: pc.second(_stamp(t))),
    "epoch": Function("epoch(t): seconds since 1970", (TIMES,), always(FLOAT), _epoch),
    "date_trunc": Function(
        "date_trunc(unit, t): the beginning of its " + ", ".join(UNITS),
        (_UNIT, TIMES),
        like_argument(1),
        _truncate,
        constants=(0,),
    ),
    "date_diff": Function(
        "date_diff(unit, t, u): beginnings of units between two times",
        (_UNIT, TIMES, TIMES),
        always(INT),
        _difference,
        constants=(0,),
    ),
}
