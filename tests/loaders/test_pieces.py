"""The pieces of an epoch: every row once for any readers and cuts, and a mixture of the dataset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.loaders.cut import WHOLE_SHARD, Cut
from bigdata_cli.loaders.order import rows_by_shard
from bigdata_cli.loaders.pieces import EpochOrder, EpochPieces, Piece, first_rows
from tests.examples import examples

SHARDS = st.lists(st.integers(0, 60), min_size=1, max_size=8)
CUTS = [
    Cut(piece_rows=7), Cut(piece_rows=7, max_open=3), Cut(piece_rows=1, max_open=64),
    Cut(piece_rows=4, block_rows=16, max_open=2), Cut(piece_rows=5, block_rows=9, max_open=50),
    Cut(piece_rows=6, block_rows=WHOLE_SHARD, max_open=2), Cut(piece_rows=100),
]  # fmt: skip


def rows_of(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(piece.shard, row) for piece in pieces for row in range(piece.start, piece.stop)]


@given(
    sizes=SHARDS,
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    cut=st.sampled_from(CUTS),
    shuffle=st.booleans(),
    world=st.integers(1, 7),
    epoch=st.integers(0, 3),
)
@examples(300)
def test_all_readers_together_have_every_row_once(sizes, ends, cut, shuffle, world, epoch):
    total = sum(sizes)
    low, high = sorted(int(end * total) for end in ends)
    shards = rows_by_shard(sizes, range(low, high))
    order = EpochOrder(shuffle=shuffle, seed=5, epoch=epoch, world=world)
    read = []
    for rank in range(world):
        pieces = EpochPieces(shards, cut, replace(order, rank=rank))
        rows = rows_of(list(pieces))
        assert len(rows) == pieces.n_rows
        for n_done in (0, 1, len(rows) // 2, len(rows)):
            assert rows_of(list(pieces.after(n_done))) == rows[n_done:]
        read.append(rows)
    whole = [(shard, row) for shard, size in enumerate(sizes) for row in range(size)]
    assert sorted(row for rows in read for row in rows) == whole[low:high]
    n_filled = sum(1 for rows in shards if rows)
    if cut.block_rows != WHOLE_SHARD or n_filled < world:
        assert max(map(len, read)) - min(map(len, read)) <= 1
        if not shuffle:
            assert [row for rows in read for row in rows] == whole[low:high]


@given(sizes=SHARDS, cut=st.sampled_from(CUTS), epoch=st.integers(0, 3))
@examples(100)
def test_pieces_begin_at_the_same_rows_in_every_epoch(sizes, cut, epoch):
    shards = [range(size // 3, size) for size in sizes]
    for piece in EpochPieces(shards, cut, EpochOrder(shuffle=True, epoch=epoch)):
        assert len(piece) <= cut.piece_rows
        assert piece.start in first_rows(shards[piece.shard], cut)


def test_whole_shards_go_to_readers_where_there_are_enough():
    shards = [range(10), range(30), range(10), range(20)]
    cut = Cut(piece_rows=5, block_rows=WHOLE_SHARD, max_open=2)
    read = [
        rows_of(list(EpochPieces(shards, cut, EpochOrder(shuffle=True, rank=rank, world=2))))
        for rank in range(2)
    ]
    owners = [{shard for shard, _ in rows} for rows in read]
    assert not owners[0] & owners[1]
    assert {len(rows) for rows in read} <= {30, 40}


@pytest.mark.parametrize("cut", [c for c in CUTS if c.block_rows is not None], ids=str)
def test_blocks_are_read_in_order_and_few_at_a_time(cut):
    pieces = list(EpochPieces([range(200)] * 9, cut, EpochOrder(shuffle=True)))
    blocks = [(piece.shard, piece.start // cut.block_rows) for piece in pieces]
    ends = {block: place for place, block in enumerate(blocks)}
    next_row: dict[tuple[int, int], int] = {}
    for place, (piece, block) in enumerate(zip(pieces, blocks, strict=True)):
        assert next_row.get(block, piece.start) == piece.start
        next_row[block] = piece.stop
        assert sum(ends[known] >= place for known in next_row) <= 1.5 * cut.max_open


def test_only_so_many_shards_are_read_at_a_time():
    pieces = list(EpochPieces([range(40)] * 100, CUTS[1], EpochOrder(shuffle=True)))
    last: dict[int, int] = {piece.shard: place for place, piece in enumerate(pieces)}
    begun: set[int] = set()
    for place, piece in enumerate(pieces):
        begun.add(piece.shard)
        assert sum(last[shard] >= place for shard in begun) <= CUTS[1].max_open


def test_the_order_follows_from_seed_and_epoch():
    def order(seed: int, epoch: int, *, shuffle: bool = True) -> list[Piece]:
        shards = [range(100)] * 6
        return list(
            EpochPieces(shards, CUTS[0], EpochOrder(shuffle=shuffle, seed=seed, epoch=epoch))
        )

    assert order(1, 0) == order(1, 0)
    different = [order(1, 0), order(1, 1), order(2, 0)]
    assert all(a != b for i, a in enumerate(different) for b in different[:i])
    first = [[p.start for p in order(1, e) if p.shard == 0] for e in range(2)]
    assert first[0] != first[1]  # within a shard too
    assert order(1, 0, shuffle=False) == order(2, 1, shuffle=False)


@pytest.mark.parametrize("n_shards", [1, 6, 500])
def test_every_part_of_an_epoch_has_something_of_all_the_dataset(n_shards):
    n_rows = 1_000_000
    sizes = [n_rows // n_shards] * n_shards
    pieces = EpochPieces(
        [range(size) for size in sizes],
        Cut(piece_rows=1_000, max_open=64),
        EpochOrder(shuffle=True, seed=3),
    )
    place = np.concatenate(
        [np.arange(piece.start, piece.stop) + piece.shard * sizes[0] for piece in pieces]
    )
    for window in np.array_split(place, 10):
        shares = np.histogram(window, bins=10, range=(0, n_rows))[0] / len(window)
        assert np.abs(shares - 0.1).max() < 0.05


def test_any_piece_may_come_at_any_time():
    """The time of a piece is uniform: chi-square with 9 degrees of freedom, p = 0.0001."""
    shards = [range(100)] * 4
    times = []
    for epoch in range(400):
        pieces = list(
            EpochPieces(
                shards, Cut(piece_rows=10, max_open=9), EpochOrder(shuffle=True, epoch=epoch)
            )
        )
        times.append(pieces.index(Piece(2, 50, 60)) // 4)
    counts = np.bincount(times, minlength=10)
    assert ((counts - 40) ** 2 / 40).sum() < 33.7
