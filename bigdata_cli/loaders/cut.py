"""How the rows of shards are cut into pieces, as far as the format and the memory allow."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bigdata_cli.loaders.base import Encoder, ReadableDataset

PIECE_BYTES = 256_000
"""About the size of a piece of a shuffled epoch; larger where the format's own blocks are."""
ORDERED_PIECE_BYTES = 4_000_000
"""About the size of a piece in the order of the dataset, and of what is read by one call."""
MAX_PIECES = 1 << 21
"""Of an epoch: those of more than 400 GB are larger, as their order is in memory."""
MAX_BLOCK_BYTES = 1_000_000
"""A block that is larger is not read as a whole, but piece by piece from its start."""
PIECES_TOGETHER = 4
"""Pieces of blocks that are read together, and pieces of one block that are decoded together."""
OPEN_BYTES = 50_000_000
"""Of the blocks that are read at the same time: decoded, and as arrays."""
MAX_OPEN_BLOCKS = 64
MAX_OPEN_SHARDS, MAX_OPEN_FILES = 64, 512
"""Of the shards whose pieces are mixed. A system may allow a process 1,024 files."""
WHOLE_SHARD = 2**62
"""The rows of a block where a shard can only be read on from its start."""
_ALIGNED_ROWS = 1_024
"""Pieces of more rows have a multiple of these: places of records are known at these steps."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How the rows of shards are cut.

    Attributes:
        piece_rows: The rows of a piece; the first begins at the first row of a shard.
        block_rows: The rows of a block whose pieces are read in order; None where every piece can
            be read at any time.
        max_open: How many blocks are read at the same time; where `block_rows` is None, shards.
            Up to half as many more, where they are all that there are.
        read_rows: The most rows that are read by one call.
    """

    piece_rows: int
    block_rows: int | None = None
    max_open: int = 1
    read_rows: int = 65_536


def cut_of(
    dataset: ReadableDataset,
    encoder: Encoder,
    *,
    shuffle: bool,
    sharers: int = 1,
    max_pieces: int = MAX_PIECES,
) -> Cut:
    """Return how the shards of a dataset are cut into pieces.

    Args:
        dataset: The dataset.
        encoder: What makes arrays of the pieces.
        shuffle: Whether they are read in a random order.
        sharers: The number of readers that share the memory.
        max_pieces: About the most pieces of a shuffled epoch.
    """
    unit = dataset.format.block_rows(dataset.schema, dataset.storage)
    row_bytes = max(1.0, encoder.row_bytes)
    most = max(256, int(ORDERED_PIECE_BYTES / row_bytes))
    read_rows = min(65_536, most, dataset.read_rows(encoder.columns))
    if not shuffle:
        return Cut(
            piece_rows=_multiple(ORDERED_PIECE_BYTES / row_bytes, unit or 1),
            block_rows=WHOLE_SHARD if unit is None else None,
            read_rows=read_rows,
        )
    wanted: float = max(PIECE_BYTES / row_bytes, dataset.rows / max_pieces)
    if unit is not None and unit * row_bytes <= MAX_BLOCK_BYTES:
        aligned = _ALIGNED_ROWS if wanted > _ALIGNED_ROWS and unit == 1 else unit
        return Cut(
            piece_rows=_multiple(wanted, aligned),
            max_open=_shards_at_once(dataset, encoder),
            read_rows=read_rows,
        )
    piece_rows = 1 << max(0, round(math.log2(wanted)))
    open_rows = 2 * (unit or 0)
    page_rows = dataset.format.traits.page_rows
    if page_rows is not None:
        read_rows = min(read_rows, PIECES_TOGETHER * piece_rows)
        open_rows = 2 * read_rows + (page_rows if unit is None else min(unit, page_rows))
    n_open = int(OPEN_BYTES / sharers / (open_rows * row_bytes))
    return Cut(
        piece_rows=piece_rows,
        block_rows=WHOLE_SHARD if unit is None else unit,
        max_open=min(MAX_OPEN_BLOCKS, max(2, n_open)),
        read_rows=read_rows,
    )


def _multiple(wanted: float, unit: int) -> int:
    """Return the multiple of `unit` that is nearest, and at least one."""
    return max(1, round(wanted / unit)) * unit


def _shards_at_once(dataset: ReadableDataset, encoder: Encoder) -> int:
    """Return of how many shards the files can be open."""
    n_files = max((len(shard.files) for shard in dataset.shards), default=1)
    n_read = min(n_files, 3 * len(encoder.columns))
    return min(MAX_OPEN_SHARDS, max(1, MAX_OPEN_FILES // n_read))
