"""Single fields, scanned and classified from Python."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import FIELD
from bigdata_cli.sources.csv.rules import Rules


def scan_field(
    block: np.ndarray, pos: int, end: int, rules: Rules
) -> tuple[int, int, bool, bool, int, int]:
    """(start, end of the content, quoted, escaped, position after, status) of the field at pos.

    The position after is at a delimiter, a line end, or `end`. A line feed is at block[end],
    and `blocks.PADDING_BYTES` follow. status: as in scan.h of the library, 0 for a field that is
    right.
    """
    start, found = np.array([pos], np.int64), np.empty(1, FIELD)
    lib.bd_scan_fields(address(block), address(start), 1, end, rules.native, address(found))
    begin, stop, after, quoted, escaped, status = found[0].item()
    return begin, stop, quoted, escaped, after, status


def skip_record(block: np.ndarray, pos: int, end: int, rules: Rules) -> int:
    """The position after the record that goes on at the field boundary `pos`, at most `end`."""
    start, after = np.array([pos], np.int64), np.empty(1, np.int64)
    lib.bd_skip_records(address(block), address(start), 1, end, rules.native, address(after))
    return int(after[0])
