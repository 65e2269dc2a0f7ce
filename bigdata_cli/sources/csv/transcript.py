"""What makes CSV of records that are lines in another form, so that one parser types them all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from bigdata_cli.sources.csv.blocks import Block
    from bigdata_cli.sources.csv.dialect import Dialect
    from bigdata_cli.sources.csv.records import Chunk, ParsePlan, Reject


class Transcriber(Protocol):
    """Reads lines that are records in a form of their own.

    Blocks are cut, and lines counted, by the line ends of its dialect, which has no delimiter and
    no quote. dialect: of the CSV that it makes, whose records have a first field without meaning.
    """

    @property
    def dialect(self) -> Dialect: ...

    def scratch_bytes(self, line_bytes: float, n_columns: int) -> float:
        """What the CSV of a line of that length takes, while it is parsed."""
        ...

    def parse_block(
        self, block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
    ) -> Chunk:
        """As `records.parse_block`: positions are those of the lines."""
        ...

    def select_fields(
        self,
        block: Block,
        rejects: Sequence[Reject],
        fields: Sequence[int],
        columns: Collection[int],
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """As CSV some columns of the lines that were kept, and which columns its fields are."""
        ...
