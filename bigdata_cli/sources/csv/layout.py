"""Where the table is in a file: lines before and after it, and how many fields its records have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from bigdata_cli.sources.csv.header_guess import is_word, looks_like_header

_MAX_LINES = 200
_SURE = 0.9
_MIN_AGREEING = 2
_COMMENT_MARKS = ("#", "%", "//", "--", "*", "!")
_TOLD_HEADER = 0.7


class Record(NamedTuple):
    """A record of a sample: the line that it begins on, from 1, and its fields."""

    line: int
    fields: list[str]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where a table begins in a sample, and what its records are.

    first: the record that it begins with; lines: before that. is_sure: the lines before it are no
    part of it. n_fields: of most records; agreeing: how many have so many, of which `needed` say
    that it is so. trailing: the last of them is nothing, which a delimiter at the end makes.
    """

    first: int = 0
    lines: int = 0
    is_sure: bool = True
    n_fields: int = 0
    agreeing: int = 0
    needed: int = 1
    trailing: bool = False

    @property
    def n_columns(self) -> int:
        """The fields of most records, without the one that is none."""
        return self.n_fields - self.trailing


def find_layout(
    records: Sequence[Record], n_names: int | None = None, *, may_have_header: bool = True
) -> Layout:
    """The layout of the table in the records of a sample.

    n_names: of columns that the user named. may_have_header: the user did not say that there is
    none, in which case every record as wide as the table is a row of it.

    >>> found = find_layout([Record(1, ["Report"]), Record(3, ["id", "n"]), Record(4, ["1", "2"])])
    >>> found.first, found.lines, found.is_sure, found.n_fields
    (1, 2, True, 2)
    """
    n_fields, agreeing = _width(records)
    first = _first_of_table(records, n_fields)
    table = records[first:]
    n_fields, agreeing = _width(table)
    trailing = _n_trailing(table, len(table[0].fields) if n_names is None and table else n_names)
    if trailing:
        n_fields, agreeing = trailing
    rows = len(table) - 1
    return Layout(
        first=first,
        lines=table[0].line - 1 if first else 0,
        is_sure=not first or _is_preamble(records[:first], table, n_fields, may_have_header),
        n_fields=n_fields,
        agreeing=agreeing,
        needed=1 if agreeing >= rows else max(_MIN_AGREEING, rows // 2 + 1),
        trailing=trailing is not None,
    )


def _width(records: Sequence[Record]) -> tuple[int, int]:
    """How many fields most records have, and how many have them.

    Of numbers that are as frequent it is that of the first record, unless each is of one record.
    """
    counts = Counter(len(record.fields) for record in records)
    first = len(records[0].fields) if records else 0

    def order(n: int) -> tuple[int, bool, int]:
        return counts[n], (n == first) is (counts[n] > 1), n

    best = max(counts, key=order, default=0)
    return best, counts[best]


def _median(values: Iterable[int]) -> float:
    # The module `statistics` takes 3 ms to load.
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _n_filled(fields: Sequence[str]) -> int:
    return sum(map(bool, map(str.strip, fields)))


def _first_of_table(records: Sequence[Record], n_fields: int) -> int:
    """The index of the record that the table begins with; 0 where nothing tells another one."""
    regular = [record for record in records if len(record.fields) == n_fields]
    if n_fields < 2 or 2 * len(regular) < len(records):
        return 0
    counts = [_n_filled(record.fields) for record in regular]
    typical = _median(filter(None, counts)) if any(counts) else 0
    apart = _after_facts(records, n_fields, typical)
    for index, record in enumerate(records[apart:], apart):
        if record.line > _MAX_LINES:
            break
        filled = _n_filled(record.fields)
        if len(record.fields) == n_fields:
            if filled > 1 or typical <= 1 or (filled == 1 and n_fields == 2):
                return _after_sentence(records, index, n_fields)
        elif _is_other_header(records[index:], n_fields):
            return index
    return 0


def _after_sentence(records: Sequence[Record], index: int, n_fields: int) -> int:
    """The index of the table's first record, where one before a blank line is as wide by chance.

    It is a sentence with delimiters in it; after the blank line comes a header beyond doubt.
    """
    fields, rest = records[index].fields, records[index + 1 :]
    if index == 0 or not rest or not all(map(is_word, fields)):
        return index
    end = records[index].line + sum(field.count("\n") for field in fields)
    is_header, confidence, _ = looks_like_header(_fields_of(rest, n_fields))
    is_apart = rest[0].line > end + 1 and len(rest[0].fields) == n_fields
    return index + 1 if is_apart and is_header and confidence >= _SURE else index


def _after_facts(records: Sequence[Record], n_fields: int, typical: float) -> int:
    """The index after rows of a spreadsheet that say something of its table, and a blank row.

    A fact is one field, or two, its name and value, where the rows of the table have more.
    """
    after = 0
    for index, record in enumerate(records):
        filled = _n_filled(record.fields)
        if len(record.fields) != n_fields or filled > 2 or 2 * filled > typical:
            break
        if filled == 0:
            after = index + 1
    return after if after < len(records) and typical > 2 else 0


def _is_other_header(records: Sequence[Record], n_fields: int) -> bool:
    """Whether the first record names the columns of those that follow, though not all or too many.

    It is made of words, and is followed by records none of which looks like names of the others.
    """
    first, rest = records[0].fields, records[1:]
    words = [field for field in first if field.strip()]
    if len(first) < 2 or 2 * len(words) <= n_fields or not all(map(is_word, words)):
        return False
    if not rest or len(rest[0].fields) != n_fields:
        return False
    is_header, confidence, _ = looks_like_header(_fields_of(rest, n_fields))
    return not (is_header and confidence >= _SURE)


def _fields_of(records: Sequence[Record], n_fields: int) -> list[list[str]]:
    return [record.fields for record in records if len(record.fields) == n_fields]


def _is_preamble(
    before: Sequence[Record], table: Sequence[Record], n_fields: int, may_have_header: bool
) -> bool:
    """Whether the records before a table are no part of it, beyond doubt."""
    regular = _fields_of(table, n_fields)
    if len(before) > len(regular) or len(regular) < 2:
        return False
    is_header, confidence, _ = looks_like_header(regular)
    sparse = all(_n_filled(record.fields) <= 1 for record in before)
    if (
        may_have_header
        and is_header
        and (confidence >= _SURE or (sparse and confidence >= _TOLD_HEADER))
    ):
        typical = _median(map(_n_filled, regular[1:]))
        return 2 * _n_filled(regular[0]) >= typical
    if any(len(record.fields) == n_fields for record in before) or not sparse:
        return False
    # No header: a title, which is not one of several lines, may be the name of a first column.
    marked = all(record.fields[0].lstrip().startswith(_COMMENT_MARKS) for record in before)
    apart = table[0].line - before[-1].line > 1
    return marked or apart or len(before) > 1


def _n_trailing(table: Sequence[Record], n_names: int | None) -> tuple[int, int] | None:
    """The fields of records that end with a delimiter after which there is no field, and how many.

    They have one field more than there are names, and it is always nothing; as many others may lack
    it. None where that is not so.
    """
    lengths = [len(record.fields) for record in table]
    wide = [record.fields for record in table if n_names and len(record.fields) == n_names + 1]
    agreeing = len(wide) + sum(n == n_names for n in lengths)
    few = 2 * len(wide) <= len(table) - 1 or 2 * agreeing < len(table)
    if not wide or not n_names or few or any(fields[-1].strip(" ") for fields in wide):
        return None
    return n_names + 1, agreeing


def footer_lines(
    records: Sequence[Record], n_fields: int, n_lines: int, *, has_header: bool = True
) -> tuple[int, bool]:
    """How many lines after a table are no part of it, and whether that is beyond doubt.

    records: the last ones of a file, from the middle of the table on; n_lines: of all of them.
    has_header: without one, every record as wide as the table may be a row of it.
    """
    last = len(records)
    while last > 0 and _is_note(records[last - 1], n_fields):
        last -= 1
    if last in (0, len(records)) or len(records) - last > _MAX_LINES:
        return 0, True
    notes, table = records[last:], records[:last]
    spreadsheet = any(len(record.fields) == n_fields for record in notes)
    if sum(len(record.fields) == n_fields for record in table) < 0.9 * len(table):
        return 0, True
    is_sure = True
    if spreadsheet:
        filled = [_n_filled(record.fields) for record in table]
        if _median(filled) < 3 or _n_filled(notes[0].fields):
            return 0, True
        # A row of nothing alone may be one of the table, or several where it has others.
        says_something = any(_n_filled(record.fields) for record in notes)
        is_sure = says_something or (len(notes) > 1 and all(filled))
    end = table[-1].line + 1 + sum(field.count("\n") for field in table[-1].fields)
    is_sure = is_sure and has_header if spreadsheet else notes[0].line > end
    return n_lines - end + 1, is_sure


def _is_note(record: Record, n_fields: int) -> bool:
    """Whether a record is a line of text, or of nothing, below a table."""
    filled = [field for field in record.fields if field.strip()]
    if n_fields < 2 or len(filled) > 1 or (filled and record.fields[0] is not filled[0]):
        return False
    if len(record.fields) == n_fields:
        return n_fields > 2 and all(map(is_word, filled))
    return len(record.fields) == 1 and bool(filled) and is_word(filled[0])
