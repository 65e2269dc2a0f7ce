"""What was done with records and lines that are not as the others."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many lines or records of a piece of a source were not taken as they are.

    blank_lines: left out. short_rows: filled up with nulls. long_rows: cut, or joined.
    repeated_headers: records that are the header again, left out. filtered: rows that were read,
    and that a filter took away.
    """

    blank_lines: int = 0
    short_rows: int = 0
    long_rows: int = 0
    repeated_headers: int = 0
    filtered: int = 0

    def __add__(self, other: Tally) -> Tally:
        both = (a + b for a, b in zip(astuple(self), astuple(other), strict=True))
        return Tally(**dict(zip(self.__dataclass_fields__, both, strict=True)))
