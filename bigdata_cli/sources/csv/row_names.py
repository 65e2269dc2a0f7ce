"""Whether the first column has names of rows, and the header no name for it, as R writes tables."""

from __future__ import annotations

import re

from bigdata_cli.sources.csv.detect import Detection
from bigdata_cli.sources.csv.dialect import Dialect


def has_row_names(text: str, found: Detection, dialect: Dialect) -> bool:
    """Whether records, which have one field more than the header, begin with the name of a row.

    R quotes names, of rows and of columns, and the names of rows are distinct. Numbers, which it
    does not quote, may be a first column whose name is not the one that lacks.

    text: that the records were read from, with a line of it each.
    """
    quote, (first, *rest) = dialect.quote, found.records
    lines = re.split(r"\r\n|\r|\n", text)
    names = [record[0] for record in rest]
    if quote is None or not rest or not all(names) or len(set(names)) < len(names):
        return False
    starts = [lines[line - 1].lstrip(" \t") for line in found.lines]
    return all(start.startswith(quote) for start in starts) and (
        starts[0].count(quote) == 2 * len(first)
    )
