"""The order of an epoch: every row once, for any readers, blocks, splits and seeds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import Piece, epoch_pieces, rows_by_shard, split_rows

SHARDS = st.lists(st.integers(0, 60), min_size=1, max_size=8)


def rows_of(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(piece.shard, row) for piece in pieces for row in range(piece.start, piece.stop)]


@given(
    sizes=SHARDS,
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    block_rows=st.sampled_from([None, 1, 7, 16, 100]),
    shuffle=st.booleans(),
    world=st.integers(1, 7),
    epoch=st.integers(0, 3),
)
@settings(max_examples=300, deadline=None)
def test_all_readers_together_have_every_row_once(sizes, cut, block_rows, shuffle, world, epoch):
    total = sum(sizes)
    low, high = sorted(int(end * total) for end in cut)
    shards = rows_by_shard(sizes, range(low, high))
    read = [
        rows_of(
            epoch_pieces(
                shards, block_rows=block_rows, shuffle=shuffle, seed=5, epoch=epoch,
                rank=rank, world=world,
            )
        )
        for rank in range(world)
    ]  # fmt: skip
    whole = [(shard, row) for shard, size in enumerate(sizes) for row in range(size)]
    assert sorted(row for rows in read for row in rows) == whole[low:high]
    n_filled = sum(1 for rows in shards if rows)
    if block_rows is not None or n_filled < world:
        assert max(map(len, read)) - min(map(len, read)) <= 1
    if not shuffle and block_rows is not None:
        assert [row for rows in read for row in rows] == whole[low:high]


def test_whole_shards_go_to_readers_where_there_are_enough():
    shards = [range(10), range(30), range(10), range(20)]
    read = [
        epoch_pieces(shards, block_rows=None, shuffle=True, seed=1, rank=rank, world=2)
        for rank in range(2)
    ]
    assert all(piece == Piece(piece.shard, 0, len(shards[piece.shard]))
               for pieces in read for piece in pieces)  # fmt: skip
    assert {sum(map(len, pieces)) for pieces in read} <= {30, 40}


def test_blocks_begin_at_multiples_and_stay_within_their_shard():
    pieces = epoch_pieces([range(5, 95), range(40)], block_rows=16, shuffle=True, seed=3)
    for piece in pieces:
        assert piece.start % 16 == 0 or piece.start == 5
        assert len(piece) <= 16
    shards = [piece.shard for piece in pieces]
    assert sum(a != b for a, b in pairwise(shards)) == 1  # one shard after the other


def test_the_order_follows_from_seed_and_epoch():
    shards = [range(100)] * 6

    def order(seed: int, epoch: int) -> list[Piece]:
        return epoch_pieces(shards, block_rows=10, shuffle=True, seed=seed, epoch=epoch)

    assert order(1, 0) == order(1, 0)
    different = [order(1, 0), order(1, 1), order(2, 0)]
    assert all(a != b for i, a in enumerate(different) for b in different[:i])
    first = [[p.start for p in order(1, e) if p.shard == 0] for e in range(2)]
    assert first[0] != first[1]  # the blocks of a shard too
    plain = [epoch_pieces(shards, block_rows=10, shuffle=False, epoch=e) for e in (0, 1)]
    assert plain[0] == plain[1]


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        (None, range(1000)), ("[:80%]", range(800)), ("[80%:]", range(800, 1000)),
        ("[100:]", range(100, 1000)), ("[:250]", range(250)), ("[10%:20%]", range(100, 200)),
        ("[-10%:]", range(900, 1000)), ("[:-1]", range(999)), ("[:]", range(1000)),
        ("[33.3%:333]", None), (" [ 12.5% : ] ", range(125, 1000)), ("[-2000:5]", range(5)),
    ],
)  # fmt: skip
def test_splits(split, rows):
    if rows is None:
        with pytest.raises(UsageError, match="none of the 1,000 rows"):
            split_rows(split, 1000)
    else:
        assert split_rows(split, 1000) == rows


@given(n_rows=st.integers(1, 10**12), percent=st.integers(0, 1000).map(lambda p: p / 10))
def test_complementary_splits_have_every_row_once(n_rows, percent):
    def part(split: str) -> range:
        try:
            return split_rows(split, n_rows)
        except UsageError:  # it has no rows
            return range(0)

    head, tail = part(f"[:{percent}%]"), part(f"[{percent}%:]")
    assert len(head) + len(tail) == n_rows
    assert not head or not tail or head.stop == tail.start


@pytest.mark.parametrize(
    "split",
    ["train", "train[:80%]", "[80%]", "[:80%", "[:120%]", "[:x]", "[1.5:]", "[::2]", "[:2000]",
     "[1e3:]", 7, ""],
)  # fmt: skip
def test_other_splits_are_refused(split):
    with pytest.raises(UsageError, match=r"split|%"):
        split_rows(split, 1000)
