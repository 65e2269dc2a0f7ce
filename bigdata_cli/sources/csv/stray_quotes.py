"""Bad records of several lines that a quote out of place makes: which of their lines are bad."""

from __future__ import annotations

import re

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.parser import AFTER_QUOTE, UNTERMINATED
from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.rules import Rules

_LINE_END = re.compile(rb"\r\n|\n|\r")
_QUOTED_WRONG = (AFTER_QUOTE, UNTERMINATED)


def end_of_bad_lines(
    block: Block, begin: int, stop: int, status: int, rules: Rules, n_fields: int
) -> int:
    """Where a bad record of a block ends: `stop`, or after its first line.

    A quote that is opened by mistake reaches to the next quote of the file, over rows that are
    right. Only its own line is bad where each of the lines after it, to `stop`, is a record of
    n_fields fields. Text of several lines hardly ever is that.
    """
    if status not in _QUOTED_WRONG or n_fields < 2:
        return stop
    record = block.data[begin:stop].tobytes()
    found = _LINE_END.search(record)
    if found is None or found.end() == len(record):
        return stop
    n_lines = sum(map(bool, _LINE_END.split(record[found.end() :])))
    after = begin + found.end()
    # A line feed follows the block. One less is counted where a record is wrong, so there are as
    # many as lines only where all are right, and each is one line.
    end = stop if record.endswith((b"\r", b"\n")) else stop + 1
    n_good = lib.bd_count_good_records(
        address(block.data), after, end, True, rules.native, n_fields, n_lines + 1
    )
    return after if n_lines and n_good == n_lines else stop
