"""The place in the source of a row of a block, found only when it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bigdata_cli.sources.base import FedRows
from bigdata_cli.verification.source import OpenedSource


def place_of(source: OpenedSource, fields: Sequence[Sequence[int]], fed: FedRows, row: int) -> str:
    """File and line, or row of a table, of a row of a block that was parsed."""
    placed = fed.parse(fields[fed.file], replace(source.plan, wants_places=True)).chunk
    assert placed is not None
    assert placed.places is not None
    word = "row" if source.is_table else "line"
    return f"{source.rows.files[fed.file].name} {word} {fed.line(int(placed.places[row])):,}"
