"""Formats of dates and times, as `--date-format` takes them: `%d/%m/%Y %H:%M`."""

from __future__ import annotations

import re

from bigdata_cli.errors import UsageError

_ALIASES = {"%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}
_ALIASES |= {"%h": "%b", "%e": "%d"}
_OF_DATES, _OF_TIMES = "YymbBd", "HIMSfp"
_KNOWN = {*_OF_DATES, *_OF_TIMES, *"aAz%"}
_SAME = ({"Y", "y"}, {"m", "b", "B"}, {"H", "I"}, {"a", "A"})
AUTO = "auto"

_ORDERS = (
    "%d{0}%m{0}%Y",
    "%m{0}%d{0}%Y",
    "%Y{0}%m{0}%d",
    "%Y{0}%d{0}%m",
    "%d{0}%m{0}%y",
    "%m{0}%d{0}%y",
    "%y{0}%m{0}%d",
)
_NAMED = ("%d{0}%b{0}%Y", "%d{0}%B{0}%Y", "%d{0}%b{0}%y", "%Y{0}%b{0}%d")
_DATES = [order.format(mark) for order in _ORDERS for mark in "/.-"]
_DATES += [order.format(mark) for order in _NAMED for mark in " -/"]
_DATES += ["%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%a, %d %b %Y", "%a %b %d %Y"]
_CLOCKS = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p"]
COMMON_FORMATS = (
    *_DATES,
    *(f"{date} {clock}" for date in _DATES for clock in _CLOCKS),
    *(f"%Y-%m-%d {clock}" for clock in _CLOCKS[3:]),
    *_CLOCKS,
    *("%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y"),
)
"""What `auto` tries, and what is looked for where dates stay text."""


def check_format(text: str) -> str:
    """The format with its aliases written out; raises UsageError for one that says no moment.

    >>> check_format("%d.%m.%Y %T")
    '%d.%m.%Y %H:%M:%S'
    """
    written = re.sub("%.", lambda found: _ALIASES.get(found[0], found[0]), text)
    kinds = re.findall("%(.?)", written)
    problem = next((f"%{kind} is not known" for kind in kinds if kind not in _KNOWN), None)
    said = [kind for kind in kinds if kind != "%"]
    given = set(said)
    if not text.isascii() or "\0" in text:
        problem = "it has characters that are not ASCII"
    elif problem is None and (
        len(said) > len(given) or any(len(given & same) > 1 for same in _SAME)
    ):
        problem = "it says something twice"
    elif problem is None and not given & {*_OF_DATES, *_OF_TIMES}:
        problem = "it says neither a date nor a time"
    elif problem is None and given & {*"mbBdaA"} and not given & {*"Yy"}:
        problem = "it has no year (%Y, or %y of two digits)"
    elif problem is None and "d" in given and not given & {*"mbB"}:
        problem = "it has a day, and no month (%m)"
    elif problem is None and ("I" in given) != ("p" in given):
        problem = "%I, the hours of half a day, goes with %p (AM, PM)"
    elif problem is None and given & {*"MSfz"} and not given & {*"HI"}:
        problem = "it has no hours (%H)"
    if problem is not None:
        raise UsageError(
            f"--date-format {text}: {problem}",
            hint="such as %d/%m/%Y, '%m/%d/%y %I:%M %p' or %d-%b-%Y; auto detects it",
        )
    return written


def format_dtype(text: str) -> str:
    """The dtype of a column in a format.

    >>> format_dtype("%d/%m/%Y"), format_dtype("%Y-%m-%dT%H:%M:%S%z"), format_dtype("%H:%M")
    ('date', 'timestamp[us, UTC]', 'timestamp[us]')
    """
    kinds = set(re.findall("%(.)", text))
    if "z" in kinds:
        return "timestamp[us, UTC]"
    return "timestamp[us]" if kinds & {*_OF_TIMES} else "date"
