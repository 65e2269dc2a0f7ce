"""Some fields of a block's records, as a block of their own that is parsed like any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.fields import scan_field, skip_record
from bigdata_cli.sources.csv.records import Reject
from bigdata_cli.sources.csv.rules import Rules, compile_rules


def select_fields(
    block: Block,
    rejects: Sequence[Reject],
    rules: Rules,
    wanted: Sequence[bool],
    rows: int,
) -> np.ndarray:
    """The wanted fields of the `rows` records that were kept, unchanged: uint8 (n,).

    rejects: the records of the block that were set aside. wanted: per field of a record. Before the
    first of the fields stands another one, of a character, so that no record looks like a comment
    or a blank line.
    """
    data = without(block, rejects)
    chosen = np.array(wanted, np.uint8)
    delimiter_size = 1 + len(rules.tail)
    room = block.size + rows * (2 + delimiter_size) + PADDING_BYTES
    if rules.mends:
        room += block.size + rows * len(wanted) * delimiter_size
    out = np.empty(room, np.uint8)
    special = (rules.delimiter, rules.quote, rules.escape, rules.comment)
    first = next(c for c in b"0123x" if c not in special)
    size = lib.bd_select_fields(
        address(data), block.size, rules.native, len(chosen), address(chosen), first, address(out)
    )
    return out[:size]


def record_offset(block: Block, rejects: Sequence[Reject], dialect: Dialect, row: int) -> int:
    """The offset in the file of the record of a row, counted without those that were set aside."""
    data, rules = without(block, rejects), compile_rules(dialect)
    at = lib.bd_record_offset(address(data), block.size, rules.native, row)
    return block.offset + int(at)


def record_bytes(block: Block, position: int, dialect: Dialect) -> bytes:
    """The record that starts at a position of the file, with its line end, as far as it is read."""
    rules = compile_rules(dialect)
    start = position - block.offset
    _, _, _, _, after, _ = scan_field(block.data, start, block.size, rules)
    return block.data[start : skip_record(block.data, after, block.size, rules)].tobytes()


def without(block: Block, rejects: Sequence[Reject]) -> np.ndarray:
    """The bytes of a block with line feeds in place of records that were set aside."""
    if not rejects:
        return block.data
    data = block.data.copy()
    for reject in rejects:
        start = reject.offset - block.offset
        data[start : start + len(reject.raw)] = 10
    return data
