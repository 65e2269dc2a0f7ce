"""Single fields, scanned and classified from Python."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native.library import CLASSIFIED, FIELD, address, lib
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import Rules, compile_rules
from bigdata_cli.types.lattice import Form


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


def is_text_field(text: str, dialect: Dialect | None = None) -> bool:
    """Whether a field is neither null nor a number, bool, date or timestamp."""
    dialect = dialect or Dialect(delimiter=",")
    trimmed = text.strip(" \t")
    if trimmed in dialect.null_tokens:
        return False
    block = np.frombuffer(trimmed.encode("utf-8", "replace") + bytes(1), np.uint8)
    bounds, found = np.array([0, len(block) - 1], np.int64), np.empty(1, CLASSIFIED)
    rules = compile_rules(dialect)
    lib.bd_classify_texts(
        address(block), address(bounds), address(bounds[1:]), 1, rules.native, address(found)
    )
    return bool(found["forms"][0] & Form.TEXT)
