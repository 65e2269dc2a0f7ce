"""The first records of a text by Python's own reader, and what their fields are."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence

from bigdata_cli.sources.csv.dialect import WHITESPACE

SNIFFED_RECORDS = 200
_JUDGED_CELLS, _MIN_JUDGED_RECORDS = 4096, 16
"""Cells of the first records that are looked at one by one: in wide tables those of few records."""
_MAX_FIELD_CHARS = 131_072
"""The limit of Python's reader, where nobody in the process set another one."""
_NUMBER = re.compile(r"[-+]?(\d[\d.,']*|[.,]\d+)([eE][-+]?\d+)?%?")
_TEMPORAL = re.compile(
    r"(\d{1,4}([-/.:]\d{1,2}){1,2}|\d{1,2}([-/.])\d{1,2}\3\d{4})"
    r"([T ]\d{1,2}(:\d{1,2}){1,2}([.,]\d+)?)?\s?Z?"
)


def read_records(
    text: str, delimiter: str, quote: str, escape: str | None = None, *, trim: bool = False
) -> list[list[str]]:
    """The first records of a piece of CSV by Python's own reader, without blank lines."""
    return [record for _, record in numbered_records(text, delimiter, quote, escape, trim=trim)]


def numbered_records(
    text: str,
    delimiter: str,
    quote: str,
    escape: str | None = None,
    *,
    trim: bool = False,
    most: int = SNIFFED_RECORDS,
) -> list[tuple[int, list[str]]]:
    """The records as `read_records` has them, each with the line that it begins on, from 1."""
    is_spaced = delimiter == WHITESPACE
    if is_spaced:
        text, delimiter = text.replace("\t", " "), " "
    elif len(delimiter) > 1:
        # csv takes one character: a character that is not in the text replaces the delimiter.
        text, delimiter = text.replace("\x1f", " ").replace(delimiter, "\x1f"), "\x1f"
    text = text.replace("\0", "\x01")  # Python 3.11's reader would stop there
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
        # Between spaces it has runs of them be one.
        skipinitialspace=is_spaced or (trim and delimiter != " "),
    )
    records = []
    line = 1
    try:
        for record in reader:
            if is_spaced and record and not record[-1]:
                del record[-1]  # spaces at the end of the line
            if record:
                fields = [field.strip(" ") for field in record] if trim else record
                records.append((line, fields))
            line = reader.line_num + 1
            if any(len(field) > _MAX_FIELD_CHARS for field in record):
                records.pop()
                break
            if len(records) > most:
                break
    except csv.Error:
        pass  # a field beyond that limit: what was read suffices
    return records


def first_records(records: Sequence[list[str]]) -> Sequence[list[str]]:
    """The records whose cells are looked at one by one: about 4,096 cells, and 16 records at least.

    >>> [len(first_records([["1"] * n] * 200)) for n in (2, 100, 1000)]
    [200, 40, 16]
    """
    n_fields = max(map(len, records), default=1)
    return records[: max(_MIN_JUDGED_RECORDS, _JUDGED_CELLS // max(n_fields, 1))]


def is_number(field: str) -> bool:
    """Whether a field is a number, with whatever marks in it.

    >>> is_number("-1.234,5"), is_number("12 %"), is_number("1e5"), is_number("x1")
    (True, False, True, False)
    """
    return _NUMBER.fullmatch(field.strip()) is not None


def is_temporal(field: str) -> bool:
    """Whether a field is a date, a time, or both, in figures."""
    return _TEMPORAL.fullmatch(field.strip()) is not None


def whole_lines(sample: str) -> str:
    """The sample up to a line end that is outside double quotes, as it seems."""
    end = len(sample)
    while end > 0:
        end = max(sample.rfind("\n", 0, end), sample.rfind("\r", 0, end))
        if sample.count('"', 0, max(end, 0)) % 2 == 0:
            break
    return sample[: end + 1]


def agreement_of(records: list[list[str]]) -> tuple[float, int]:
    """The share of records with the most common number of fields, and that number; 0 for one."""
    if not records:
        return 0.0, 0
    n_fields, agreeing = Counter(map(len, records)).most_common(1)[0]
    return (agreeing / len(records), n_fields) if n_fields > 1 else (0.0, n_fields)
