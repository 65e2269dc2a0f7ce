"""The pieces of an epoch: runs of rows, in an order that mixes the whole dataset.

    shards → blocks → groups of blocks → pieces, interleaved

A window of rows is filled from consecutive pieces. So that each window has something of every part
of the dataset, whatever the order of its rows, the blocks of a group lie far apart, and each gives
its pieces evenly over the time of the group (systematic and stratified sampling: Cochran, "Sampling
Techniques", 3rd edition, 1977, chapters 5 and 8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bigdata_cli.loaders.cut import WHOLE_SHARD, Cut
from bigdata_cli.loaders.order import BLOCKS, PIECES, SHARDS, generator

MIN_STRATA = 32
"""Into about so many blocks the rows are cut where their pieces can be read in any order.

Of 3,000,000 rows sorted by one of ten classes, the distribution in a window differs least from that
of the dataset with 32: with fewer, pieces of a block that follow each other are chance; with more,
whether a block has a piece in a window at all.
"""


@dataclass(frozen=True)
class Piece:
    """Rows [start, stop) of a shard."""

    shard: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class EpochOrder:
    """What decides the order of an epoch, and which part of it one of `world` readers reads.

    Attributes:
        shuffle: Whether the order is random.
        seed: Of the random numbers, with `epoch`.
    """

    shuffle: bool = False
    seed: int = 0
    epoch: int = 0
    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class _Group:
    """Pieces whose number of rows is known before they are listed: int64 (pieces, 3)."""

    n_rows: int
    pieces: Callable[[], np.ndarray]


class EpochPieces:
    """The pieces that a reader reads in an epoch, in order, and not listed before they are needed.

    All readers together read every row once. Where a shard can only be read from its start, and
    there are enough shards, each reader has whole ones; else all have the same number of rows (at
    most one more).
    """

    def __init__(self, shards: Sequence[range], cut: Cut, order: EpochOrder) -> None:
        """Make the pieces of the rows of each shard that are to be read."""
        runs = _runs(shards)
        if order.shuffle and cut.block_rows is not None:
            groups = _groups_in_order(runs, cut, order)
            first, last = 0, sum(group.n_rows for group in groups)
        elif cut.block_rows == WHOLE_SHARD and len(runs) >= order.world:
            groups = _plain(runs[np.sort(_whole_shards(runs, order))], cut)
            first, last = 0, sum(group.n_rows for group in groups)
        else:
            groups = _mixed(runs, cut, order) if order.shuffle else _plain(runs, cut)
            n_rows = sum(group.n_rows for group in groups)
            first = n_rows * order.rank // order.world
            last = n_rows * (order.rank + 1) // order.world
        self._groups = groups
        self._first, self._last = first, last

    @property
    def n_rows(self) -> int:
        """The rows of all pieces."""
        return self._last - self._first

    def __iter__(self) -> Iterator[Piece]:
        return self.after(0)

    def after(self, n_rows: int) -> Iterator[Piece]:
        """Yield the pieces without their first `n_rows` rows."""
        low, high = self._first + n_rows, self._last
        before = 0
        for group in self._groups:
            if before < high and before + group.n_rows > low:
                yield from _between(group.pieces(), low - before, high - before)
            before += group.n_rows


def _between(pieces: np.ndarray, low: int, high: int) -> Iterator[Piece]:
    """Yield the pieces of rows [low, high) of a group."""
    ends = np.cumsum(pieces[:, 2] - pieces[:, 1])
    first = int(np.searchsorted(ends, low, side="right"))
    at = int(ends[first - 1]) if first else 0
    for shard, start, stop in map(np.ndarray.tolist, pieces[first:]):
        if at >= high:
            return
        yield Piece(shard, max(start, start + low - at), min(stop, start + high - at))
        at += stop - start


def whole_shards(shards: Sequence[range], order: EpochOrder) -> list[int]:
    """Return the shards of a reader where each reader has whole ones, in the dataset's order."""
    runs = _runs(shards)
    return runs[np.sort(_whole_shards(runs, order)), 0].tolist()


def first_rows(rows: range, cut: Cut) -> np.ndarray:
    """Return where the pieces of some rows of a shard begin in every epoch, ascending: int64."""
    run = _runs([rows])
    return _cut(run if cut.block_rows is None else _cut(run, cut.block_rows), cut.piece_rows)[:, 1]


def _runs(shards: Sequence[range]) -> np.ndarray:
    """Return (shard, start, stop) of the shards with rows, int64 (n, 3)."""
    runs = [(shard, rows.start, rows.stop) for shard, rows in enumerate(shards) if rows]
    return np.array(runs, np.int64).reshape(-1, 3)


def _n_rows(runs: np.ndarray) -> int:
    return int((runs[:, 2] - runs[:, 1]).sum())


def _whole_shards(runs: np.ndarray, order: EpochOrder) -> np.ndarray:
    """Return the runs of a reader: each, largest first, goes to the one with the fewest rows."""
    numbers = np.arange(len(runs))
    if order.shuffle:
        numbers = generator(order.seed, order.epoch, SHARDS).permutation(numbers)
    sizes = (runs[:, 2] - runs[:, 1]).tolist()
    loads = [0] * order.world
    mine = []
    for run in sorted(numbers.tolist(), key=lambda run: -sizes[run]):
        owner = loads.index(min(loads))
        loads[owner] += sizes[run]
        if owner == order.rank:
            mine.append(run)
    return np.array(mine, np.int64)


def _plain(runs: np.ndarray, cut: Cut) -> list[_Group]:
    """Return the pieces in the order of the dataset."""
    return [
        _Group(_n_rows(run), partial(_cut, run, cut.piece_rows))
        for run in np.split(runs, np.arange(1, len(runs)))
        if len(run)
    ]


def _mixed(runs: np.ndarray, cut: Cut, order: EpochOrder) -> list[_Group]:
    """Return pieces of which each can be read at any time."""
    n_groups = _n_groups(len(runs), cut)
    if n_groups <= 1 and len(runs):
        wanted = -(-_n_rows(runs) // MIN_STRATA)
        runs = _cut(runs, -(-wanted // cut.piece_rows) * cut.piece_rows)
    numbers = generator(order.seed, order.epoch, BLOCKS)
    return [
        _Group(_n_rows(blocks), partial(_interleaved, blocks, cut, order, number))
        for number, blocks in enumerate(_spread(runs, n_groups, numbers))
    ]


def _groups_in_order(runs: np.ndarray, cut: Cut, order: EpochOrder) -> list[_Group]:
    """Return pieces of blocks that are read in order: those of the blocks of one reader."""
    is_whole = cut.block_rows == WHOLE_SHARD and len(runs) >= order.world
    numbers = generator(order.seed, order.epoch, BLOCKS)
    if is_whole:
        mine = runs[_whole_shards(runs, order)]
        mine = mine[np.argsort(mine[:, 0])]
    else:
        blocks = _cut(runs, cut.block_rows or 1)
        spread = _spread(blocks, _n_groups(len(blocks), cut), numbers)
        mine = np.concatenate([blocks[:0], *spread])
        n_rows = _n_rows(mine)
        low, high = n_rows * order.rank // order.world, n_rows * (order.rank + 1) // order.world
        found = [(p.shard, p.start, p.stop) for p in _between(mine, low, high)]
        mine = np.array(found, np.int64).reshape(-1, 3)
    n_groups = _n_groups(len(mine), cut)
    parts = np.array_split(mine, max(1, n_groups))  # the blocks are spread already, shards are not
    if is_whole:
        parts = _spread(mine, n_groups, numbers)
    return [
        _Group(_n_rows(part), partial(_interleaved, part, cut, order, number))
        for number, part in enumerate(parts)
        if len(part)
    ]


def _n_groups(n_blocks: int, cut: Cut) -> int:
    """Return in how many groups blocks are read: one where they are few more than may be open."""
    return 1 if 2 * n_blocks <= 3 * cut.max_open else -(-n_blocks // cut.max_open)


def _spread(blocks: np.ndarray, n_groups: int, numbers: np.random.Generator) -> list[np.ndarray]:
    """Return groups of blocks: of every `n_groups` blocks in a row, each goes to another group."""
    if n_groups <= 1:
        return [blocks] if len(blocks) else []
    n_strata = -(-len(blocks) // n_groups)
    group = np.argsort(numbers.random((n_strata, n_groups)), axis=1).ravel()[: len(blocks)]
    return [blocks[group == number] for number in range(n_groups)]


def _interleaved(blocks: np.ndarray, cut: Cut, order: EpochOrder, number: int) -> np.ndarray:
    """Return the pieces of a group: the k-th of m pieces of a block in the k-th m-th of the time.

    In which m-th a piece comes is random, unless the pieces of a block are read in order.
    """
    random = generator(order.seed, order.epoch, PIECES, number)
    pieces, block, place = _cut_blocks(blocks, cut.piece_rows)
    counts = np.bincount(block, minlength=len(blocks))
    turn = place
    if cut.block_rows is None:
        turn = np.empty_like(place)
        turn[np.lexsort((random.random(len(place)), block))] = place
    when = (turn + random.random(len(place))) / counts[block]
    return pieces[np.argsort(when, kind="stable")]


def _cut(runs: np.ndarray, n_rows: int) -> np.ndarray:
    return _cut_blocks(runs, n_rows)[0]


def _cut_blocks(runs: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pieces of runs, the run of each, and which of the pieces of this run it is."""
    shard, start, stop = runs.T
    low = start // n_rows
    counts = -(-stop // n_rows) - low
    run = np.repeat(np.arange(len(runs)), counts)
    place = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = (low[run] + place) * n_rows
    pieces = np.stack([shard[run], np.maximum(at, start[run]), np.minimum(at + n_rows, stop[run])])
    return pieces.T, run, place
