"""The place in the source of a row of a block, found only when it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bigdata_cli.sources.csv.feed import FedBlock
from bigdata_cli.sources.csv.select_fields import record_offset
from bigdata_cli.sources.csv.units import Unit, line_of
from bigdata_cli.verification.source import OpenedSource


def place_of(
    source: OpenedSource, fields: Sequence[Sequence[int]], fed: Any, unit: Unit, row: int
) -> str:
    """File and line, or row of a table, of a row of a block that was parsed."""
    name = source.rows.files[fed.file].name
    assert unit.chunk is not None
    if not isinstance(fed, FedBlock):
        number = fed.first_row + row
        for reject in unit.chunk.rejects:
            number += reject.offset <= number
        return f"{name} row {number + 1:,}"
    block = fed.block
    offset = record_offset(block, unit.chunk.set_aside, source.plan.dialect, row)
    return f"{name} line {line_of(block, fed.first_line, offset):,}"
