"""Search for the boundaries of records in a stream that is read from its start.

Where a stream is read in order it is always known whether a byte is inside quotes. The blocks are
uint8, with a line feed at their end and `blocks.PADDING_BYTES` of any content after it.
"""

from __future__ import annotations

import ctypes

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.rules import Rules


def next_record(
    block: np.ndarray, pos: int, limit: int, end: int, at_eof: bool, rules: Rules
) -> tuple[bool, int]:
    """(found, position): the start of the first record that starts at or after `limit`.

    pos: where a record starts; at first 0, then what was returned. at_eof: nothing follows `end`,
    which is where the last record ends. Where it is not found, more bytes are needed.
    """
    position = ctypes.c_int64(pos)
    found = lib.bd_next_record(address(block), position, limit, end, at_eof, rules.native)
    return found, position.value


def after_record(block: np.ndarray, pos: int, end: int, rules: Rules) -> int:
    """The position after the record, comment or blank line that starts at `pos`, at most `end`."""
    return int(lib.bd_after_record(address(block), pos, end, rules.native))


def last_record(block: np.ndarray, pos: int, end: int, rules: Rules) -> int:
    """Where the last record, comment or blank line of block[pos:end] starts."""
    return int(lib.bd_last_record(address(block), pos, end, rules.native))


def count_line_ends(block: np.ndarray, start: int, end: int) -> int:
    """Line ends in block[start:end]: LF, CR, and CR LF as one."""
    return int(lib.bd_count_line_ends(address(block), start, end))
