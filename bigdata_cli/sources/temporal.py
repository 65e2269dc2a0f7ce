"""Compiled parsing of ISO 8601 dates and timestamps."""

from __future__ import annotations

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import byte_at

MICROSECONDS_PER_DAY = 86_400_000_000


@compiled
def _digits(block, start, count):
    """The value of `count` digits, -1 where one is not a digit."""
    value = 0
    for i in range(count):
        digit = byte_at(block, start + i) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@compiled
def scan_date(block, start, end):
    """(found, days since 1970-01-01) of `YYYY-MM-DD` in the Gregorian calendar, years 1 to 9999.

    Days from the civil date as in Hinnant, "chrono-Compatible Low-Level Date Algorithms" (2014).
    """
    if end - start != 10 or byte_at(block, start + 4) != 45 or byte_at(block, start + 7) != 45:
        return False, 0
    year = _digits(block, start, 4)
    month = _digits(block, start + 5, 2)
    day = _digits(block, start + 8, 2)
    if year < 1 or month < 1 or month > 12 or day < 1:
        return False, 0
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    if month == 2:
        longest = 29 if leap else 28
    else:
        longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if day > longest:
        return False, 0
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return True, era * 146097 + day_of_era - 719468


@compiled
def scan_timestamp(block, start, end):
    """(found, microseconds since 1970, nanoseconds beyond, fraction digits, utc) of a timestamp.

    `YYYY-MM-DD[T ]HH:MM[:SS[.f{1,9}]][Z|+00:00|+00]`; any other offset is not found.
    """
    nothing = (False, 0, 0, 0, False)
    if end - start < 16:
        return nothing
    found, days = scan_date(block, start, start + 10)
    separator = byte_at(block, start + 10)
    if not found or (separator != 84 and separator != 32) or byte_at(block, start + 13) != 58:
        return nothing
    hour = _digits(block, start + 11, 2)
    minute = _digits(block, start + 14, 2)
    second = 0
    p = start + 16
    micros = 0
    nanos = 0
    n_fraction = 0
    if p + 3 <= end and byte_at(block, p) == 58:
        second = _digits(block, p + 1, 2)
        p += 3
        if p < end and byte_at(block, p) == 46:
            p += 1
            fraction = 0
            while p < end and 48 <= byte_at(block, p) <= 57 and n_fraction < 10:
                fraction = fraction * 10 + byte_at(block, p) - 48
                n_fraction += 1
                p += 1
            if n_fraction == 0 or n_fraction > 9:
                return nothing
            for _ in range(9 - n_fraction):
                fraction *= 10
            micros = fraction // 1000
            nanos = fraction % 1000
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return nothing
    utc = False
    if p < end:
        utc = _is_utc(block, p, end)
        if not utc:
            return nothing
    seconds = (hour * 60 + minute) * 60 + second
    return True, days * MICROSECONDS_PER_DAY + seconds * 1000000 + micros, nanos, n_fraction, utc


@compiled
def _is_utc(block, p, end):
    if end - p == 1:
        return byte_at(block, p) == 90
    if byte_at(block, p) != 43 or _digits(block, p + 1, 2) != 0 or end - p < 3:
        return False
    if end - p == 3:
        return True
    if end - p == 6:
        return byte_at(block, p + 3) == 58 and _digits(block, p + 4, 2) == 0
    return end - p == 5 and _digits(block, p + 3, 2) == 0
