"""The loader whose workers send several batches in a message: the batches and states are those of a
DataLoader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import mix
from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from tests.loaders.tables import FEATURES, N_ROWS, dataset

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from bigdata_cli.loaders import torch_workers  # noqa: E402
from bigdata_cli.loaders.torch_workers import in_turns  # noqa: E402

BATCH = 40


def ids_of(batches: Any) -> list[list[int]]:
    return [X[:, 0].long().tolist() for X, _ in batches]


def make(rows: Any, batch_size: int = BATCH, **options: Any) -> Any:
    columns = {"columns": FEATURES} if isinstance(rows, Dataset) else {}
    return rows.to_torch(batch_size, shuffle=True, seed=2, **columns, **options)


def given_by_a_data_loader(batches: Any, workers: int) -> list[list[int]]:
    return ids_of(DataLoader(batches, batch_size=None, num_workers=workers))


class TestTurns:
    @given(
        st.lists(st.lists(st.integers(1, 5), max_size=6), min_size=1, max_size=4),
        st.randoms(use_true_random=False),
    )
    def test_one_batch_of_each_worker_in_turns(self, sizes: list[list[int]], random: Any) -> None:
        batches = [
            [(worker, number) for number in range(sum(counts))]
            for worker, counts in enumerate(sizes)
        ]
        sent = [self._messages(worker, counts) for worker, counts in enumerate(sizes)]
        mixed = []
        while any(sent):  # in any order, as long as those of each worker are in theirs
            one = random.choice([messages for messages in sent if messages])
            mixed.append(one.pop(0))
        expected = []
        while any(batches):
            expected += [mine.pop(0) for mine in batches if mine]
        messages = iter(mixed)
        found = [(int(w), int(n)) for w, n in in_turns(messages, len(sizes))]
        assert found == expected
        assert next(messages, None) is None

    @staticmethod
    def _messages(worker: int, counts: list[int]) -> list[Any]:
        numbers = iter(range(sum(counts)))
        several = [
            (torch.full((count,), worker), torch.tensor(list(islice(numbers, count))))
            for count in counts
        ]
        return [*((worker, one) for one in several), (worker, None)]


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_the_batches_are_those_of_a_data_loader(npy: Dataset, workers: int) -> None:
    batches = make(npy)
    expected = [given_by_a_data_loader(batches, workers) for _ in range(2)]
    loader = make(npy).loader(workers)
    assert [ids_of(loader) for _ in range(2)] == expected
    assert len(loader) == loader.batches_in(0) == len(expected[0])
    loader.set_epoch(0)
    assert ids_of(loader) == expected[0]


def test_several_batches_travel_in_a_message(npy: Dataset, monkeypatch: Any) -> None:
    sent = []

    def in_turns(messages: Iterator[Any], n_workers: int) -> Iterator[Any]:
        known = list(messages)
        sent.extend(known)
        return torch_workers_in_turns(iter(known), n_workers)

    torch_workers_in_turns = torch_workers.in_turns
    monkeypatch.setattr(torch_workers, "in_turns", in_turns)
    n_batches = len(list(make(npy, 20).loader(2)))
    assert n_batches == 52
    assert len([one for _, one in sent if one is not None]) <= n_batches / 3


def test_workers_without_as_many_batches_as_others(tmp_path: Path) -> None:
    packed = dataset(tmp_path / "d", "tfrecord", "rows", compression="gzip")  # has whole shards
    batches = make(packed)
    expected = given_by_a_data_loader(batches, 2)
    assert ids_of(make(packed).loader(2)) == expected
    assert sorted(chain(*expected)) == list(range(N_ROWS))


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("taken", [0, 1, 7, 25, 26])
def test_a_loader_goes_on_where_it_was(npy: Dataset, workers: int, taken: int) -> None:
    loader = make(npy).loader(workers)
    loader.set_epoch(3)
    assert loader.state_dict()["epoch"] == 3
    running = iter(loader)
    for _ in range(taken):
        next(running)
    state = json.loads(json.dumps(loader.state_dict()))
    assert (state["epoch"], state["batches"]) == (3, taken)
    rest = ids_of(running)
    following = ids_of(loader)
    again = make(npy).loader(workers)
    again.load_state_dict(state)
    assert again.state_dict() == state
    assert ids_of(again) == rest
    assert again.state_dict()["epoch"] == 4
    assert ids_of(again) == following
    others = (0, 1, 3)[(taken + workers) % 3]  # of a DataLoader: as many or others, each in turn
    batches = make(npy)
    batches.load_state_dict(state)
    assert list(chain(*given_by_a_data_loader(batches, others))) == list(chain(*rest))


def test_the_state_of_a_data_loader(npy: Dataset) -> None:
    batches = make(npy)
    running = iter(DataLoader(batches, batch_size=None, num_workers=2))
    for _ in range(5):
        next(running)
    state = batches.state_dict(batches=5)
    loader = make(npy).loader(2)
    loader.load_state_dict(state)
    taking = iter(loader)
    next(taking)
    next(running)
    assert loader.state_dict() == batches.state_dict(batches=6)
    assert ids_of(taking) == ids_of(running)


def test_ranks_go_on_as_others(npy: Dataset) -> None:
    before = [make(npy, 30, rank=rank, world=2).loader(2) for rank in range(2)]
    running = [iter(loader) for loader in before]
    for _ in range(4):
        for one in running:
            next(one)
    rest = [ids_of(one) for one in running]
    state = before[0].state_dict()
    assert state["epoch"] == 1  # the epoch is over
    before = [make(npy, 30, rank=rank, world=2).loader(2) for rank in range(2)]
    running = [iter(loader) for loader in before]
    for _ in range(4):
        for one in running:
            next(one)
    alone = make(npy, 60).loader(3)
    alone.load_state_dict(before[1].state_dict())
    together = [list(chain(*parts)) for parts in zip(*rest, strict=True)]
    assert ids_of(alone) == together


def test_an_epoch_that_is_left(npy: Dataset) -> None:
    expected = make(npy)
    epochs = [given_by_a_data_loader(expected, 2) for _ in range(3)]
    loader = make(npy).loader(2)
    left = iter(loader)
    assert ids_of([next(left)]) == epochs[0][:1]
    second = iter(loader)
    assert ids_of([next(second)]) == epochs[1][:1]
    with pytest.raises(UsageError, match="another iteration of this loader has begun"):
        next(left)
    assert ids_of(second) == epochs[1][1:]
    assert ids_of(loader) == epochs[2]


def test_text_and_columns_of_their_own_dtypes(npy: Dataset) -> None:
    batches = npy.to_torch(BATCH, dtype=None, shuffle=True)
    expected = list(DataLoader(batches, batch_size=None, num_workers=2))
    found = list(npy.to_torch(BATCH, dtype=None, shuffle=True).loader(2))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        assert one["note"] == other["note"]
        for name in one.keys() - {"note"}:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_array_equal(one[name], other[name])


def test_a_mixture(npy: Dataset) -> None:
    def mixed() -> Any:
        return mix([npy, npy], weights=[0.7, 0.3]).to_torch(BATCH, columns=FEATURES, seed=1)

    assert ids_of(mixed().loader(2)) == given_by_a_data_loader(mixed(), 2)


def test_what_a_worker_raises(npy: Dataset) -> None:
    with pytest.raises(UsageError, match="nothing to read for 1 of 2 readers"):
        list(make(npy, split="[:1]").loader(2))
    with pytest.raises(UsageError, match="num_workers"):
        make(npy).loader(-1)


@pytest.mark.slow
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_workers_that_do_not_fork(npy: Dataset, context: str) -> None:
    loader = make(npy).loader(2, multiprocessing_context=context)
    for _ in range(2):
        assert sorted(chain(*ids_of(loader))) == list(range(N_ROWS))
