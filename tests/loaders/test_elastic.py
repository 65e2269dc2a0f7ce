"""A state goes on with any readers: every row once, and in the order that it would have had."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import bigdata_cli.loaders.torch as torch_loader
from bigdata_cli.dataset import Dataset, mix
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.elastic import worker_turns
from tests.examples import examples
from tests.loaders.tables import FEATURES, N_ROWS

Steps = list[list[list[int]]]
"""The ids of the rows of each rank in each step."""


@dataclass(frozen=True)
class Run:
    """Ranks with workers, as DataLoaders in one process have them."""

    world: int
    workers: int
    batch_size: int

    @property
    def step_rows(self) -> int:
        return self.world * self.batch_size

    def ranks(self, dataset: Any, **options: Any) -> list[Any]:
        columns = {"columns": FEATURES} if isinstance(dataset, Dataset) else {}
        return [
            dataset.to_torch(
                self.batch_size, rank=rank, world=self.world, seed=4, **columns, **options
            )
            for rank in range(self.world)
        ]

    def epoch(self, ranks: list[Any]) -> Steps:
        """An epoch of all ranks, from where they are."""
        by_rank = [self._rank(rank) for rank in ranks]
        n_steps = max(map(len, by_rank))
        return [
            [ids[step] if step < len(ids) else [] for ids in by_rank] for step in range(n_steps)
        ]

    def _rank(self, batches: Any) -> list[list[int]]:
        found = []
        with pytest.MonkeyPatch.context() as patch:
            readers = []
            for worker in range(max(1, self.workers)):
                info = SimpleNamespace(id=worker, num_workers=self.workers)
                patch.setattr(
                    torch_loader,
                    "get_worker_info",
                    lambda info=info: info if self.workers else None,
                )
                readers.append(list(iter(batches)))
        while any(readers):  # in turns, without those that have no more
            for reader in readers:
                if reader:
                    X, _ = reader.pop(0)
                    found.append(X[:, 0].long().tolist())
        return found


def flat(steps: Steps) -> list[int]:
    return [one for step in steps for ids in step for one in ids]


def together(steps: Steps) -> list[list[int]]:
    return [[one for ids in step for one in ids] for step in steps]


RUNS = st.builds(
    Run, world=st.integers(1, 5), workers=st.integers(0, 3), batch_size=st.integers(7, 60)
)


class TestAnyReaders:
    few_cases = True

    @examples(8)
    @given(before=RUNS, after=RUNS, data=st.data())
    def test_every_row_comes_once_and_in_order(
        self, stored: Dataset, before: Run, after: Run, data: st.DataObject
    ) -> None:
        options: dict[str, Any] = {"shuffle": data.draw(st.booleans(), label="shuffle")}
        whole = [before.ranks(stored, **options) for _ in range(2)]
        epochs = [before.epoch(whole[0]) for _ in range(2)]
        assert sorted(flat(epochs[0])) == list(range(N_ROWS))
        taken = data.draw(st.integers(1, len(epochs[0])), label="taken")
        rank = data.draw(st.integers(0, before.world - 1), label="rank of the state")
        before.epoch([whole[1][rank]])  # it reads ahead of what was taken
        try:
            state = json.loads(json.dumps(whole[1][rank].state_dict(batches=taken)))
        except UsageError:  # this rank has fewer batches
            return
        ranks = after.ranks(stored, **options)
        for one in ranks:
            one.load_state_dict(state)
        rest = after.epoch(ranks)
        assert flat(rest) == flat(epochs[0][taken:])
        assert max((len(ids) for step in rest for ids in step), default=0) <= after.batch_size
        if after.step_rows == before.step_rows:
            assert together(rest) == together(epochs[0][taken:])
        assert flat(after.epoch(ranks)) == flat(epochs[1])


@examples(10)
@given(runs=st.lists(RUNS, min_size=3, max_size=4), data=st.data())
def test_it_may_change_again_and_again(npy: Dataset, runs: list[Run], data: st.DataObject) -> None:
    every = flat(runs[0].epoch(runs[0].ranks(npy, shuffle=True)))
    seen: list[int] = []
    state = None
    for run in runs:
        ranks = run.ranks(npy, shuffle=True)
        for one in ranks:
            if state is not None:
                one.load_state_dict(state)
        steps = run.epoch(ranks)
        if not steps:
            break
        taken = data.draw(st.integers(1, len(steps)))
        if run is runs[-1]:
            taken = len(steps)
        try:
            state = ranks[0].state_dict(batches=taken)
        except UsageError:  # the last step of others
            return
        seen += flat(steps[:taken])
    assert seen == every[: len(seen)]
    if steps and taken == len(steps):
        assert seen == every


class TestEqualSteps:
    """World 4 with 2 workers, and 3 ranks that read themselves: 120 rows in a step."""

    few_cases = True
    before, after = Run(4, 2, 30), Run(3, 0, 40)

    def test_the_batches_of_all_together_are_the_same(self, stored: Dataset) -> None:
        taken = 4
        whole = self.before.ranks(stored, shuffle=True)
        epoch = self.before.epoch(whole)
        state = whole[3].state_dict(batches=taken)
        ranks = self.after.ranks(stored, shuffle=True)
        for rank in ranks:
            rank.load_state_dict(state)
        rest = self.after.epoch(ranks)
        assert together(rest) == together(epoch[taken:])
        # full batches, but for the last ones
        assert {len(ids) for step in rest[:-2] for ids in step} <= {40}

    def test_whole_batches_only(self, npy: Dataset) -> None:
        options = {"shuffle": True, "drop_remainder": True}
        whole = self.before.ranks(npy, **options)
        epoch = self.before.epoch(whole)
        ranks = self.after.ranks(npy, **options)
        for rank in ranks:
            rank.load_state_dict(whole[0].state_dict(batches=2))
        rest = self.after.epoch(ranks)
        assert {len(ids) for step in rest for ids in step} == {40}
        expected = flat(epoch[2:])
        assert flat(rest) == expected[: len(expected) // 120 * 120]

    def test_a_real_loader_with_workers(self, npy: Dataset) -> None:
        whole = self.before.ranks(npy, shuffle=True)
        epoch = self.before.epoch(whole)
        after = npy.to_torch(120, columns=FEATURES, shuffle=True, seed=4)
        after.load_state_dict(whole[0].state_dict(batches=3))
        loader = DataLoader(after, batch_size=None, num_workers=2)
        ids = [X[:, 0].long().tolist() for X, _ in loader]
        assert ids == together(epoch[3:])
        after.load_state_dict(whole[0].state_dict(batches=3))
        next(iter(loader))
        later = npy.to_torch(120, columns=FEATURES, shuffle=True, seed=4)
        later.load_state_dict(after.state_dict(batches=1))
        assert [X[:, 0].long().tolist() for X, _ in later] == together(epoch[4:])


def test_numpy_goes_on_with_other_readers(npy: Dataset) -> None:
    def make(rank: int, world: int, size: int) -> Any:
        return npy.to_numpy_batches(
            size, columns=FEATURES, shuffle=True, seed=4, rank=rank, world=world,
            label_dtype="float32",
        )  # fmt: skip

    def ids(batches: Any) -> list[int]:
        return [int(one) for X, _ in batches for one in X[:, 0]]

    before = Run(2, 0, 30)
    epoch = before.epoch(before.ranks(npy, shuffle=True))
    one = make(1, 2, 30)
    running = iter(one)
    for _ in range(5):
        next(running)
    alone = make(0, 1, 60)
    alone.load_state_dict(one.state_dict())
    running = iter(alone)
    seen = ids([next(running), next(running)])
    assert seen == flat(epoch[5:7])
    again = make(0, 1, 17)
    again.load_state_dict(alone.state_dict())
    assert len(again) == len(list(range(0, N_ROWS, 17)))
    assert ids(again) == flat(epoch[7:]) == ids(running)
    assert again.state_dict()["epoch"] == 1


def test_a_mixture_goes_on_with_other_readers(tmp_path: Any) -> None:
    import numpy as np

    from tests.loaders.test_mixture import written

    datasets = [
        written(tmp_path / "a", np.arange(300)),
        written(tmp_path / "b", np.arange(300, 400)),
    ]
    mixture = mix(datasets, weights=[0.7, 0.3])
    before, after = Run(2, 2, 30), Run(3, 0, 20)
    whole = before.ranks(mixture)
    epoch = before.epoch(whole)
    ranks = after.ranks(mixture)
    for rank in ranks:
        rank.load_state_dict(whole[0].state_dict(batches=2))
    assert together(after.epoch(ranks)) == together(epoch[2:])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 40))
def test_turns_are_those_of_a_loader(totals: list[int], n_given: int) -> None:
    n_given = min(n_given, sum(totals))
    shares, turn, left = [0] * len(totals), 0, list(totals)
    worker = 0
    for _ in range(n_given):
        while not left[worker]:
            worker = (worker + 1) % len(totals)
        left[worker] -= 1
        shares[worker] += 1
        worker = turn = (worker + 1) % len(totals)
    assert worker_turns(totals, n_given) == (shares, turn)
