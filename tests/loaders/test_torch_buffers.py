"""Batches of workers in shared buffers: what arrives is what was sent, whatever a worker does."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest

from bigdata_cli.dataset import Dataset
from tests.loaders.tables import FEATURES, N_ROWS, expected_x

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, IterableDataset  # noqa: E402

from bigdata_cli.loaders import torch_buffers  # noqa: E402
from bigdata_cli.loaders.torch_buffers import SharedBuffers, SharedTensor, forget  # noqa: E402

BATCH = 40


def arrays(start: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.arange(start, start + 12, dtype=np.float32).reshape(4, 3)
    return X, np.arange(start, start + 4)


def sent(value: Any) -> Any:
    return pickle.loads(ForkingPickler.dumps(value))


@pytest.fixture
def buffers() -> Iterator[SharedBuffers]:
    yield SharedBuffers("test")
    forget("test")


class TestBuffers:
    def test_a_buffer_is_used_again_once_its_batch_has_arrived(
        self, buffers: SharedBuffers
    ) -> None:
        for start in range(20):
            arrived = sent(buffers.tensors(arrays(start), torch.from_numpy))
            for tensor, array in zip(arrived, arrays(start), strict=True):
                assert type(tensor) is torch.Tensor
                np.testing.assert_array_equal(tensor.numpy(), array)
        assert len(buffers._buffers) == 1

    def test_what_is_not_yet_there_keeps_its_buffer(self, buffers: SharedBuffers) -> None:
        messages = [
            ForkingPickler.dumps(buffers.tensors(arrays(start), torch.from_numpy))
            for start in range(5)
        ]
        assert len(buffers._buffers) == 5
        for start, message in enumerate(messages):
            assert pickle.loads(message)[1].tolist() == arrays(start)[1].tolist()

    def test_what_is_in_use_is_not_overwritten(self, buffers: SharedBuffers) -> None:
        kept = buffers.tensors(arrays(0), torch.from_numpy)
        for _ in range(2):  # sent twice
            assert sent(kept)[0].tolist() == arrays(0)[0].tolist()
        part = kept[0][1:]
        del kept
        sent(buffers.tensors(arrays(100), torch.from_numpy))
        assert part.tolist() == arrays(0)[0][1:].tolist()

    def test_changed_tensors_are_sent_as_they_are(self, buffers: SharedBuffers) -> None:
        X, y = buffers.tensors(arrays(0), torch.from_numpy)
        assert type(X + 1) is torch.Tensor
        X += 1
        assert sent(X).tolist() == (arrays(0)[0] + 1).tolist()
        X.t_()
        assert sent(X).tolist() == (arrays(0)[0] + 1).T.tolist()
        assert sent(y[1:]).tolist() == [1, 2, 3]
        assert isinstance(y, SharedTensor)

    def test_memory_is_limited(
        self, buffers: SharedBuffers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch_buffers, "MAX_BYTES", 600)
        kept = [buffers.tensors(arrays(start), torch.from_numpy) for start in range(6)]
        assert 0 < len(buffers._buffers) < 6
        assert [sent(X)[0, 0].item() for X, _ in kept] == list(range(6))


class Doubling(IterableDataset):
    """Work of a user in a worker: keeps batches back, gives some twice, and changes them."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        held: list[Any] = []
        for X, y in self.batches:
            X *= 2
            held.append((X, y))
            if len(held) == 3:
                yield held[1]
                yield from held
                held.clear()
        yield from held


def test_a_worker_may_keep_change_and_repeat_batches(npy: Dataset) -> None:
    wrapped = Doubling(npy.to_torch(BATCH, columns=FEATURES, shuffle=True))
    batches = list(DataLoader(wrapped, batch_size=None, num_workers=2))
    counts = np.zeros(N_ROWS, int)
    for X, y in batches:
        ids = (X[:, 0] / 2).numpy().astype(int)
        np.testing.assert_array_equal(X.numpy(), expected_x(ids) * 2)
        np.testing.assert_array_equal(y.numpy(), ids % 2)
        counts[ids] += 1
    assert set(counts) == {1, 2}


@pytest.mark.slow
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_workers_that_do_not_fork(npy: Dataset, context: str) -> None:
    batches = npy.to_torch(BATCH, dtype=None, shuffle=True)
    loader = DataLoader(
        batches, batch_size=None, num_workers=2, multiprocessing_context=context,
        persistent_workers=True,
    )  # fmt: skip
    for _ in range(2):
        ids = [one for batch in loader for one in batch["id"].tolist()]
        assert sorted(ids) == list(range(N_ROWS))


def test_the_buffers_go_with_the_dataset(npy: Dataset) -> None:
    batches = npy.to_torch(BATCH, columns=FEATURES)
    list(DataLoader(batches, batch_size=None, num_workers=2))
    name = batches._name
    assert any(key[0] == name for key in torch_buffers._ARRIVED)
    del batches
    assert not any(key[0] == name for key in torch_buffers._ARRIVED)
