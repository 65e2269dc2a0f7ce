"""Dates and times in formats that a user says, against Python's strptime."""

from __future__ import annotations

import calendar
import datetime as dt
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.native.library import address, lib
from bigdata_cli.types.time_format import COMMON_FORMATS
from tests.examples import examples
from tests.native.scanners import Block

NO_MOMENT = np.iinfo(np.int64).min
EPOCH = dt.datetime(1970, 1, 1)
FORMATS = sorted({*COMMON_FORMATS, "%d%m%Y", "%Y%m%d%H%M%S", "%d.%m.%Y um %H:%M%z", "100%% %y%m%d"})


def micros_of(text: str, form: str) -> int | None:
    block, found = Block([text]), np.zeros(1, np.int64)
    lib.bd_match_format(form.encode(), *block.arguments, address(found))
    return None if found[0] == NO_MOMENT else int(found[0])


def expected(text: str, form: str) -> int | None:
    """What strptime makes of it: microseconds since 1970, in UTC."""
    with_date = form if re.search("%[Yy]", form) else f"%Y-%m-%d {form}"
    dated = text if with_date is form else f"1970-01-01 {text}"
    try:
        moment = dt.datetime.strptime(dated, with_date)
    except ValueError:
        return None
    weekday = re.search("%([aA])", form)
    if weekday is not None:  # which strptime does not look at
        names = calendar.day_abbr if weekday[1] == "a" else calendar.day_name
        if names[moment.weekday()].lower() not in text.lower():
            return None
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
        except OverflowError:
            return None
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


moments = st.datetimes(dt.datetime(1000, 1, 2), dt.datetime(9999, 12, 30))
recent = st.datetimes(dt.datetime(1969, 1, 1), dt.datetime(2068, 12, 31))


@examples(1500)
@given(data=st.data(), form=st.sampled_from(FORMATS), change=st.sampled_from("0123456789/-: apPM."))
def test_moments_and_marred_ones(data, form, change):
    moment = data.draw(recent if "%y" in form else moments)
    zone = data.draw(st.integers(-1439, 1439))
    if "%z" in form:
        moment = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=zone)))
    text = moment.strftime(form)
    assert micros_of(text, form) == expected(text, form) is not None
    if re.search("%[a-zA-Z]%", form):
        return  # strptime tries other ways to divide digits; ours takes two at a time
    place = data.draw(st.integers(0, len(text)))
    for marred in (text[:place], text[:place] + change + text[place + 1 :], text + change):
        if re.search(r"\s\s|^\s|\s$|:\d\d:\d\d:\d\d|[+-]\d{4}\d|\.\d{7}|[/.:-] \d", marred):
            continue  # blanks, offsets with seconds, nanoseconds: strptime is of another mind
        assert micros_of(marred, form) == expected(marred, form), (marred, form)


@pytest.mark.parametrize(
    ("text", "form", "iso"),
    [
        ("1/2/2024", "%d/%m/%Y", "2024-02-01"),
        ("29.02.2024", "%d.%m.%Y", "2024-02-29"),
        ("29.02.2023", "%d.%m.%Y", None),
        ("31/04/2024", "%d/%m/%Y", None),
        ("01/01/68", "%d/%m/%y", "2068-01-01"),
        ("01/01/69", "%d/%m/%y", "1969-01-01"),
        ("1 SEPTEMBER 2024", "%d %B %Y", "2024-09-01"),
        ("1 sept 2024", "%d %b %Y", None),
        ("12:00 a.m.", "%I:%M %p", "1970-01-01T00:00"),
        ("13:00 PM", "%I:%M %p", None),
        ("0:30 AM", "%I:%M %p", None),
        ("24:00", "%H:%M", None),
        ("23:59:60", "%H:%M:%S", None),
        ("10:00:00.123456789", "%H:%M:%S.%f", "1970-01-01T10:00:00.123456"),
        ("10:00:00.", "%H:%M:%S.%f", None),
        ("2024-01-01 00:00Z", "%Y-%m-%d %H:%M%z", "2024-01-01"),
        ("2024-01-01 00:00+0530", "%Y-%m-%d %H:%M%z", "2023-12-31T18:30"),
        ("2024-01-01 00:00-05:30", "%Y-%m-%d %H:%M%z", "2024-01-01T05:30"),
        ("2024-01-01 00:00+5", "%Y-%m-%d %H:%M%z", None),
        ("0001-01-01 00:00+01:00", "%Y-%m-%d %H:%M%z", None),
        ("9999-12-31 23:59-01:00", "%Y-%m-%d %H:%M%z", None),
        ("0000-01-01", "%Y-%m-%d", None),
        ("1   Jan 2024", "%d %b %Y", "2024-01-01"),
        ("", "%H:%M", None),
    ],
)
def test_moments(text, form, iso):
    micros = None
    if iso is not None:
        micros = (dt.datetime.fromisoformat(iso) - EPOCH) // dt.timedelta(microseconds=1)
    assert micros_of(text, form) == micros
