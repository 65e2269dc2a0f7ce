"""Whether spaces separate the fields of a text: one each, or runs as in aligned columns."""

from __future__ import annotations

import re

from bigdata_cli.sources.csv.dialect import WHITESPACE
from bigdata_cli.sources.csv.sample_records import (
    agreement_of,
    is_number,
    read_records,
    whole_lines,
)

_MIN_RECORDS = 2
_LOOKED_AT = 1 << 14
_MARGIN_OR_RUN = re.compile(r"[ \t]{2}|^[ \t]|[ \t]$", re.MULTILINE)


def separates_numbers(sample: str, delimiter: str = " ") -> bool:
    """Whether spaces stand between fields that are mostly numbers, as many in each line.

    The first line may have one less: it has no name for the names of rows.
    """
    first, *rest = read_records(whole_lines(sample), delimiter, '"') or [[]]
    share, n_fields = agreement_of(rest or [first])
    cells = [cell for record in rest or [first] for cell in record]
    numbers = sum(is_number(cell) for cell in cells)
    return share == 1.0 and len(first) in (n_fields, n_fields - 1) and 2 * numbers >= len(cells)


def has_runs_of_spaces(text: str, delimiter: str, quote: str) -> bool:
    """Whether runs of spaces separate the fields, and the delimiter that was found does not.

    >>> has_runs_of_spaces("id   n\\n 1  20\\n10 300\\n", ",", '"')
    True
    """
    if not _MARGIN_OR_RUN.search(text[:_LOOKED_AT].rstrip()):
        return False
    share, _ = agreement_of(read_records(text, delimiter, quote))
    if share == 1.0 or len(read_records(text, WHITESPACE, quote)) < _MIN_RECORDS:
        return False
    return separates_numbers(text, WHITESPACE)
