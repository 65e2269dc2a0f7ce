"""Bytes through the parser, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.types.state import ColumnState

PADDING = 64


def parse(data: bytes, dialect: Dialect, dtypes: Sequence[str], *, skip: bool) -> Any:
    """The chunk that the parser makes of whole bytes; a dtype but null is one that a user fixed."""
    columns = tuple(
        ColumnState(name=f"c{i}", dtype=dtype, fixed=dtype != "null")
        for i, dtype in enumerate(dtypes)
    )
    return parse_by(data, ParsePlan(dialect=dialect, columns=columns, skip_bad_rows=skip))


def parse_by(data: bytes, plan: ParsePlan) -> Any:
    """The chunk that the parser makes of whole bytes by a plan.

    The block is a copy of its own: what is read beyond its padding is beyond its memory.
    """
    padded = np.full(len(data) + PADDING, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    block = Block(padded, 0, len(data), True)
    return parse_block(block, 0, len(data), tuple(range(len(plan.columns))), plan)
