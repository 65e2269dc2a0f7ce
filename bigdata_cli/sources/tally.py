"""What was done with records and lines that are not as the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many lines or records of a piece of a source were not taken as they are.

    blank_lines: left out. short_rows: filled up with nulls. long_rows: cut, or joined.
    repeated_headers: records that are the header again, left out. filtered: rows that were read,
    and that a filter took away. unmatched: by table of a join, rows whose key it does not have.
    unknown: by column, values that are null as no category is theirs.
    """

    blank_lines: int = 0
    short_rows: int = 0
    long_rows: int = 0
    repeated_headers: int = 0
    filtered: int = 0
    unmatched: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        counts = {
            one.name: getattr(self, one.name) + getattr(other, one.name)
            for one in fields(self)
            if one.name not in ("unmatched", "unknown")
        }
        unmatched = Counter(self.unmatched) + Counter(other.unmatched)
        unknown = Counter(self.unknown) + Counter(other.unknown)
        return Tally(**counts, unmatched=dict(unmatched), unknown=dict(unknown))
