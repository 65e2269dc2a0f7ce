"""The order in which an epoch reads the rows, and which reader reads which of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError

_SHARDS, _BLOCKS, _ROWS = range(3)
"""What is permuted: each has random numbers of its own."""
_END = re.compile(r"(?P<number>-?\d+(\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True)
class Piece:
    """Rows [start, stop) of a shard."""

    shard: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split_rows(split: str | None, n_rows: int) -> range:
    """Return the rows of a split; None is all rows.

    A split is a slice as in Hugging Face and TensorFlow Datasets, in rows or percents, rounded to
    the nearest row; negative numbers count from the end.

    Raises:
        UsageError: It is not a slice, or has no rows.

    >>> split_rows("[:80%]", 1001), split_rows("[80%:]", 1001), split_rows("[-10:]", 1001)
    (range(0, 801), range(801, 1001), range(991, 1001))
    """
    if split is None:
        return range(n_rows)
    text = split.strip() if isinstance(split, str) else ""
    ends = text[1:-1].split(":") if text.startswith("[") and text.endswith("]") else []
    if len(ends) != 2:
        raise UsageError(
            f"split is {split!r}; a dataset has no named splits, only slices of its rows",
            hint='split="[:80%]", "[80%:]", "[100000:]"',
        )
    start = _row(split, ends[0], n_rows, default=0)
    stop = _row(split, ends[1], n_rows, default=n_rows)
    if start >= stop and n_rows:
        raise UsageError(
            f"the split {split} has none of the {n_rows:,} rows",
            hint='split="[:80%]" and "[80%:]" are the first 80 % and the others',
        )
    return range(start, stop)


def _row(split: str, text: str, n_rows: int, *, default: int) -> int:
    """Return the row of an end of a slice."""
    if not text.strip():
        return default
    match = _END.fullmatch(text.strip())
    if match is None or (match[2] and not match["percent"]):
        raise UsageError(
            f'"{text}" in the split {split} is neither a row nor a percent',
            hint='split="[:80%]", "[80%:]", "[100000:]"',
        )
    number = Fraction(match["number"])
    if match["percent"]:
        if abs(number) > 100:
            raise UsageError(f"{text} in the split {split} is beyond 100 %")
        number = Fraction(int(number * n_rows / 100 + Fraction(1 if number >= 0 else -1, 2)))
    row = int(number)
    if row > n_rows:
        raise UsageError(f"the split {split} names the row {row:,}, and there are {n_rows:,}")
    return max(0, row + n_rows if row < 0 else row)


def rows_by_shard(shard_rows: Sequence[int], rows: range) -> list[range]:
    """Return the rows of each shard that are among these rows of the dataset.

    >>> rows_by_shard([10, 0, 10], range(8, 13))
    [range(8, 10), range(0, 0), range(0, 3)]
    """
    found = []
    for n_rows, end in zip(shard_rows, accumulate(shard_rows), strict=True):
        before = end - n_rows
        start = min(max(rows.start - before, 0), n_rows)
        found.append(range(start, min(max(rows.stop - before, start), n_rows)))
    return found


def epoch_pieces(
    shards: Sequence[range],
    *,
    block_rows: int | None,
    shuffle: bool,
    seed: int = 0,
    epoch: int = 0,
    rank: int = 0,
    world: int = 1,
) -> list[Piece]:
    """Return the pieces that one of `world` readers reads in an epoch, in order.

    All readers together read every row once. Where a shard can only be read from its start, and
    there are enough shards, each reader has whole ones; else it has a part of the blocks with the
    same number of rows for all readers (at most one more).

    Args:
        shards: The rows of each shard to read.
        block_rows: The rows of a block, from the first row of a shard; None where a shard can only
            be read from its start, and is one piece.
        shuffle: Whether to permute the shards, and the blocks of each shard, in every epoch.
        seed: Of the permutations.
        epoch: The number of the epoch.
        rank: The number of the reader.
        world: The number of readers.
    """
    order = [index for index, rows in enumerate(shards) if rows]
    if shuffle:
        order = [order[i] for i in generator(seed, epoch, _SHARDS).permutation(len(order))]
    if block_rows is None and len(order) >= world:
        mine = _whole_shards(order, shards, rank, world)
        return [Piece(shard, shards[shard].start, shards[shard].stop) for shard in mine]
    total = sum(len(rows) for rows in shards)
    first, last = total * rank // world, total * (rank + 1) // world
    pieces = []
    before = 0
    for shard in order:
        # Blocks of shards of other readers are not listed.
        if before + len(shards[shard]) > first and before < last:
            at = before
            for start, stop in _blocks(shard, shards[shard], block_rows, shuffle, seed, epoch):
                low, high = max(start, start + first - at), min(stop, start + last - at)
                if low < high:
                    pieces.append(Piece(shard, low, high))
                at += stop - start
        before += len(shards[shard])
    return pieces


def _blocks(
    shard: int, rows: range, block_rows: int | None, shuffle: bool, seed: int, epoch: int
) -> list[tuple[int, int]]:
    if block_rows is None:
        return [(rows.start, rows.stop)]
    cuts = range(rows.start // block_rows * block_rows, rows.stop, block_rows)
    blocks = [(max(cut, rows.start), min(cut + block_rows, rows.stop)) for cut in cuts]
    if shuffle:
        order = generator(seed, epoch, _BLOCKS, shard).permutation(len(blocks))
        blocks = [blocks[i] for i in order.tolist()]
    return blocks


def _whole_shards(
    order: Sequence[int], shards: Sequence[range], rank: int, world: int
) -> list[int]:
    """Return the shards of a reader: each, largest first, goes to the one with the fewest rows."""
    loads = [0] * world
    owner = {}
    for shard in sorted(order, key=lambda shard: -len(shards[shard])):
        owner[shard] = loads.index(min(loads))
        loads[owner[shard]] += len(shards[shard])
    return [shard for shard in order if owner[shard] == rank]


def window_order(n_rows: int, *, seed: int, epoch: int, rank: int, window: int) -> np.ndarray:
    """Return the place of each row of a window, int64 (n_rows,)."""
    return generator(seed, epoch, _ROWS, rank, window).permutation(n_rows)


def generator(seed: int, epoch: int, *what: int) -> np.random.Generator:
    """Return the random numbers for one purpose in one epoch."""
    return np.random.default_rng([seed, epoch, *what])


def check_count(name: str, value: Any) -> None:
    """Raise UsageError for what is not a positive integer."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise UsageError(f"{name} is {value!r}; it is a positive integer")


def check_not_negative(name: str, value: Any) -> None:
    """Raise UsageError for what is not an integer from 0 on."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        raise UsageError(f"{name} is {value!r}; it is an integer from 0 on")


def check_rank(rank: Any, world: Any) -> None:
    """Raise UsageError where `rank` is not one of `world` readers."""
    numbers = all(hasattr(value, "__index__") for value in (rank, world))
    if not numbers or not 0 <= rank < world:
        raise UsageError(
            f"rank {rank!r} of world {world!r}: a reader is one of 0 to world - 1",
            hint="rank=0, world=1 reads everything",
        )
