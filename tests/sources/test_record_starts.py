"""Where the records of a block start, as parsing notes them on its way."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.types.state import ColumnState

RECORDS = {
    "one digit": [b"1\n"] * 700,
    "few bytes and many": [b"1\n", b"22\n", b"4444444444444\n"] * 400,
    "of other kinds later": [b"1\n"] * 100 + [b"1.5\n", b"x\n"] * 50,
    "quoted line ends": [b'"a\n\nb"\n', b'"c"\n'] * 90,
    "CR LF": [b"1\r\n", b"1000\r\n"] * 60,
}


@pytest.mark.parametrize("offset", [0, 1_000_000])
@pytest.mark.parametrize("records", RECORDS.values(), ids=RECORDS)
def test_places_are_where_records_start(records, offset) -> None:
    data = b"".join(records)
    padded = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    plan = ParsePlan(
        dialect=Dialect(delimiter=","), columns=(ColumnState(name="v"),), wants_places=True
    )
    block = Block(padded, offset, len(data), at_eof=True)
    chunk = parse_block(block, offset, offset + len(data), (0,), plan)
    starts = np.cumsum([0, *map(len, records[:-1])]) + offset
    assert chunk.places.tolist() == starts.tolist()
