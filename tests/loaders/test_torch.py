"""What is torch's own: workers that persist, states with workers, ranks of a process group, rows by
number."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.registry import all_traits
from tests.loaders.tables import CITIES, FEATURES, N_ROWS, dataset, expected_x

torch = pytest.importorskip("torch")
from torch.utils.data import BatchSampler, DataLoader, RandomSampler  # noqa: E402

BATCH = 40


def ids_of(batches: Any) -> list[list[int]]:
    return [X[:, 0].long().tolist() for X, _ in batches]


def loader(batches: Any, workers: int, **options: Any) -> Any:
    return DataLoader(batches, batch_size=None, num_workers=workers, **options)


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_go_on_also_where_workers_persist(npy: Dataset, workers: int) -> None:
    batches = npy.to_torch(BATCH, columns=FEATURES, shuffle=True)
    persistent = loader(batches, workers, persistent_workers=workers > 0)
    epochs = [ids_of(persistent) for _ in range(2)]
    assert epochs[0] != epochs[1]
    batches.set_epoch(0)
    assert ids_of(persistent) == epochs[0]
    assert ids_of(loader(batches, workers)) == epochs[1]
    assert batches.batches_in(0, num_workers=workers) == len(epochs[0])
    with pytest.raises(UsageError, match="epoch"):
        batches.set_epoch(-1)


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("taken", [1, 7, 26])
def test_a_loader_goes_on_where_it_was(npy: Dataset, workers: int, taken: int) -> None:
    def make() -> Any:
        return npy.to_torch(BATCH, columns=FEATURES, shuffle=True, seed=2)

    batches = make()
    batches.set_epoch(3)
    running = iter(loader(batches, workers))
    for _ in range(taken):
        next(running)
    state = json.loads(json.dumps(batches.state_dict(batches=taken)))
    rest = ids_of(running)
    again = make()
    again.load_state_dict(state)
    resumed = loader(again, workers)
    assert ids_of(resumed) == rest
    assert ids_of(resumed) == ids_of(loader(batches, workers))  # the epoch after it
    if workers:
        again.load_state_dict(state)
        assert ids_of(loader(again, 0)) == rest
        with pytest.raises(UsageError, match="read ahead"):
            batches.state_dict()
    else:
        batches.set_epoch(3)
        running = iter(loader(batches, 0))
        for _ in range(taken):
            next(running)
        assert batches.state_dict()["batches"] == taken


def test_states_that_cannot_be_are_refused(npy: Dataset) -> None:
    batches = npy.to_torch(BATCH, columns=FEATURES)
    state = batches.state_dict()
    for broken, said in [
        ({**state, "workers": -1}, "workers"), ({**state, "batches": 99}, "26 batches"),
        ({k: v for k, v in state.items() if k != "workers"}, "workers"),
        ({**state, "workers": 5_000}, "nothing to read"),
        ({**state, "fingerprint": "x"}, "not of this stream"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=said):
            batches.load_state_dict(broken)
    with pytest.raises(UsageError, match="go together"):
        npy.to_torch(BATCH, rank=1)
    with pytest.raises(UsageError, match="not 99"):
        batches.state_dict(batches=99)
    with pytest.raises(UsageError, match="batches is 0"):
        batches.state_dict(batches=0)


def test_a_worker_without_rows_is_told(npy: Dataset) -> None:
    batches = npy.to_torch(BATCH, columns=FEATURES, split="[:1]")
    with pytest.raises(UsageError, match="nothing to read for 1 of 2 readers"):
        list(loader(batches, 2))


RANK = """
import json, sys
import torch.distributed as distributed
from torch.utils.data import DataLoader
from bigdata_cli import open_dataset

rank = int(sys.argv[1])
distributed.init_process_group(
    "gloo", init_method="file://" + sys.argv[3], rank=rank, world_size=2
)
batches = open_dataset(sys.argv[2]).to_torch(40, columns=["id", "fare"], shuffle=True)
read = DataLoader(batches, batch_size=None, num_workers=2)
print(json.dumps([int(i) for X, _ in read for i in X[:, 0]]))
distributed.destroy_process_group()
"""


def test_ranks_of_a_process_group_with_workers(npy: Dataset, tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(npy.path), str(tmp_path / "group")],
            stdout=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [json.loads(process.communicate(timeout=120)[0].splitlines()[-1]) for process in ranks]
    assert sorted(said[0] + said[1]) == list(range(N_ROWS))
    assert abs(len(said[0]) - len(said[1])) <= 1


LAYOUTS = [
    (traits.name, layout)
    for traits in all_traits()
    if traits.has_row_access
    for layout in traits.layout_names
]


class TestMap:
    @pytest.fixture(
        scope="class",
        params=[
            *LAYOUTS,
            ("hdf5", "matrix gzip"),
            ("hdf5", "columns gzip"),
            ("arrow", "rows"),
            ("arrow", "rows lz4"),
        ],
        ids="-".join,
    )
    def mapped(self, request: Any, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
        format_name, layout = request.param
        layout, _, compression = layout.partition(" ")
        folder = tmp_path_factory.mktemp("mapped") / "d"
        return dataset(folder, format_name, layout, compression=compression or None)

    def test_any_rows_in_any_order(self, mapped: Dataset) -> None:
        rows = mapped.to_torch_map(columns=FEATURES)
        assert len(rows) == N_ROWS
        wanted = np.random.default_rng(0).integers(N_ROWS, size=300)
        X, y = rows[wanted]
        np.testing.assert_array_equal(X.numpy(), expected_x(wanted))
        assert y.tolist() == (wanted % 2).tolist()
        x, one = rows[-1]
        np.testing.assert_array_equal(x.numpy(), expected_x(np.array([N_ROWS - 1]))[0])
        assert int(one) == (N_ROWS - 1) % 2
        for beyond in (N_ROWS, -N_ROWS - 1, [0, N_ROWS]):
            with pytest.raises(IndexError, match="1,003 rows"):
                rows[beyond]

    def test_columns_of_their_own_dtypes(self, mapped: Dataset) -> None:
        rows = mapped.to_torch_map(dtype=None)
        wanted = np.array([9, 3, 500, 10])
        batch = rows[wanted]
        assert batch["id"].tolist() == wanted.tolist()
        known = [i % 7 != 3 for i in wanted]
        assert batch["city.valid"].tolist() == known
        cities = [sorted(CITIES)[code] for code in batch["city"]]
        assert [c for c, k in zip(cities, known, strict=True) if k] == [
            CITIES[i % 4] for i in wanted if i % 7 != 3
        ]
        if "note" in batch:
            assert batch["note"] == [f"text {i} ü" if i % 7 != 3 else "" for i in wanted]
            assert rows[9]["note"] == "text 9 ü"

    def test_with_samplers_and_workers(self, mapped: Dataset) -> None:
        rows = mapped.to_torch_map(columns=FEATURES, split="[10%:]")
        assert len(rows) == 903
        sampler = BatchSampler(RandomSampler(rows), BATCH, drop_last=False)
        whole = ids_of(DataLoader(rows, sampler=sampler, batch_size=None, num_workers=2))
        assert sorted(i for ids in whole for i in ids) == list(range(100, N_ROWS))
        single = ids_of(DataLoader(rows, batch_size=BATCH, shuffle=True))
        assert sorted(i for ids in single for i in ids) == list(range(100, N_ROWS))

    def test_other_formats_are_refused(self, tmp_path: Path) -> None:
        parquet = dataset(tmp_path / "d", "parquet", "rows")
        with pytest.raises(UsageError, match="without random access to rows") as caught:
            parquet.to_torch_map(columns=FEATURES)
        assert "npy" in str(caught.value.hint)
