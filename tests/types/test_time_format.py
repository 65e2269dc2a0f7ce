"""Formats of dates and times."""

from __future__ import annotations

import pytest

from bigdata_cli.errors import UsageError
from bigdata_cli.types.time_format import COMMON_FORMATS, check_format, format_dtype


@pytest.mark.parametrize("form", COMMON_FORMATS)
def test_common_formats_are_formats(form):
    assert check_format(form) == form


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("%d/%m/%Q", "%Q is not known"),
        ("%d/%m/%", "% is not known"),
        ("%d/%m", "it has no year"),
        ("%d %Y", "it has a day, and no month"),
        ("%Y-%m-%m", "it says something twice"),
        ("%y-%m-%Y", "it says something twice"),
        ("%m %b %Y", "it says something twice"),
        ("%I:%M", "%I, the hours of half a day, goes with %p"),
        ("%H:%M %p", "%I, the hours of half a day, goes with %p"),
        ("%Y-%m-%d %M", "it has no hours"),
        ("dd/mm/yyyy", "it says neither a date nor a time"),
        ("", "it says neither a date nor a time"),
        ("%d–%m–%Y", "it has characters that are not ASCII"),
    ],
)
def test_what_is_no_format(form, problem):
    with pytest.raises(UsageError, match="--date-format") as caught:
        check_format(form)
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("form", "dtype"),
    [("%Y", "date"), ("%b %Y", "date"), ("%d/%m/%y", "date"), ("%d/%m/%Y %H", "timestamp[us]"),
     ("%I:%M %p", "timestamp[us]"), ("%Y-%m-%d %H:%M%z", "timestamp[us, UTC]")],
)  # fmt: skip
def test_the_dtype_of_a_format(form, dtype):
    assert format_dtype(check_format(form)) == dtype
