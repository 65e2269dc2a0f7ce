"""Mixtures: the shares of the datasets, every row, the same order again, states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import bigdata_cli
from bigdata_cli.dataset import Dataset, mix, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.mixture import batch_shares
from tests.datasets import write_dataset
from tests.examples import examples

SIZES = {"a": 700, "b": 200}


def written(folder: Path, ids: np.ndarray, format_name: str = "npy", **columns: Any) -> Dataset:
    table = pa.table(
        {
            "id": pa.array(ids.astype(np.int32)),
            "x": pa.array(ids / 2),
            "label": pa.array((ids % 2).astype(np.int8)),
            **columns,
        }
    )
    layout = "columns" if format_name == "npy" else "rows"
    return open_dataset(write_dataset(folder, table, format_name, layout, 2, "label"))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    """Ids from 0 on in one, from 1000 on in the other, in other formats."""
    folder = tmp_path_factory.mktemp("mixed")
    return [
        written(folder / "a", np.arange(SIZES["a"])),
        written(folder / "b", 1_000 + np.arange(SIZES["b"]), "parquet"),
    ]


def ids(batches: Any) -> list[list[int]]:
    return [np.asarray(X)[:, 0].astype(int).tolist() for X, _ in batches]


def test_every_batch_has_the_shares_and_an_epoch_every_row(datasets: list[Dataset]) -> None:
    found = ids(mix(datasets, weights=[0.7, 0.3]).to_numpy_batches(100))
    assert len(found) == 10
    for batch in found[:6]:
        assert sum(one < 1_000 for one in batch) == 70
    every = [one for batch in found for one in batch]
    assert sorted(one for one in every if one < 1_000) == list(range(700))
    assert set(every) == {*range(700), *range(1_000, 1_200)}
    assert found[0] != sorted(found[0])


def test_x_and_y_belong_together(datasets: list[Dataset]) -> None:
    for X, y in mix(datasets).to_numpy_batches(64):
        assert X.dtype == np.float32
        np.testing.assert_array_equal(X[:, 0] / 2, X[:, 1])
        np.testing.assert_array_equal(X[:, 0] % 2, y)


def test_epochs_differ_and_seeds_repeat(datasets: list[Dataset]) -> None:
    stream = mix(datasets).to_numpy_batches(50, seed=3)
    first, second = ids(stream), ids(stream)
    assert first != second
    assert ids(mix(datasets).to_numpy_batches(50, seed=3)) == first
    assert len(list(mix(datasets).generator(50, seed=3, epochs=2))) == len(first) + len(second)


@examples(25)
@given(st.integers(3, 300), st.floats(0.05, 0.95), st.integers(0, 2), st.data())
def test_a_state_goes_on_with_what_remained(
    datasets: list[Dataset], batch_size: int, weight: float, epoch: int, data: st.DataObject
) -> None:
    def make() -> Any:
        sizes = max(batch_size, 40)
        return mix(datasets, weights=[weight, 1 - weight]).to_numpy_batches(sizes, seed=1)

    stream = make()
    stream.set_epoch(epoch)
    taken = data.draw(st.integers(0, len(stream)))
    running = iter(stream)
    for _ in range(taken):
        next(running)
    state = json.loads(json.dumps(stream.state_at(epoch, taken)))
    again = make()
    again.load_state_dict(state)
    assert ids(again) == ids(running)


def test_readers_share_the_rows(datasets: list[Dataset]) -> None:
    mixture = mix(datasets, weights=[0.7, 0.3])
    parts = [ids(mixture.to_numpy_batches(50, rank=rank, world=2)) for rank in range(2)]
    every = [one for part in parts for batch in part for one in batch if one < 1_000]
    assert sorted(every) == list(range(700))


def test_torch_with_workers_and_a_state(datasets: list[Dataset]) -> None:
    def make() -> Any:
        return mix(datasets, weights=[0.7, 0.3]).to_torch(50, seed=2)

    batches = make()
    running = iter(DataLoader(batches, batch_size=None, num_workers=2))
    seen = ids([next(running) for _ in range(5)])
    state = batches.state_dict(batches=5)
    rest = ids(running)
    every = [one for batch in [*seen, *rest] for one in batch]
    assert sorted(one for one in every if one < 1_000) == list(range(700))
    again = make()
    again.load_state_dict(state)
    assert ids(DataLoader(again, batch_size=None, num_workers=2)) == rest


def test_tensorflow(datasets: list[Dataset]) -> None:
    def make(**options: Any) -> Any:
        return mix(datasets, weights=[0.7, 0.3]).to_tf(50, seed=2, **options)

    wanted = mix(datasets, weights=[0.7, 0.3]).to_numpy_batches(50, seed=2)
    epochs = [ids(wanted) for _ in range(2)]
    batches = make()
    assert [ids(batches) for _ in range(2)] == epochs
    assert batches.cardinality() == len(epochs[0])
    assert ids(make(start=(1, 7))) == epochs[1][7:]


@pytest.mark.parametrize("weights", [None, [0.7, 0.3]])
def test_normalized_by_the_whole_mixture(tmp_path: Path, weights: list[float] | None) -> None:
    random = np.random.default_rng(0)
    pair = []
    for place, (mean, std) in enumerate([(0, 1), (50, 5)]):
        x = random.normal(mean, std, 20_000)
        nulls = (np.arange(20_000) % 10 == 0) & (place == 0)
        extra = {"x": pa.array(x, mask=nulls), "constant": pa.array(np.full(20_000, place / 2))}
        pair.append(written(tmp_path / str(place), np.arange(20_000), **extra))
    stream = mix(pair, weights=weights).to_numpy_batches(
        1_000, normalize=True, label_dtype="float32"
    )
    X = np.concatenate([X for X, _ in stream])
    assert X.shape[1] == 4  # and where x is null
    assert not X[X[:, 3] == 1, 1].any()
    known = X[X[:, 3] == 0]
    # the nulls are of one dataset, whose share of the values that are there is less
    np.testing.assert_allclose(known[:, 1].mean(), 0, atol=0.08)
    np.testing.assert_allclose(known[:, 1].std(), 1, atol=0.08)
    np.testing.assert_allclose(X[:, 2].mean(), 0, atol=0.05)
    np.testing.assert_allclose(X[:, 2].std(), 1, atol=0.05)
    (torch_X, _), *_ = mix(pair, weights=weights).to_torch(1_000, normalize=True)
    np.testing.assert_array_equal(torch_X, X[:1_000])


class TestRefused:
    def test_features_that_only_one_has(self, tmp_path: Path) -> None:
        values = pa.array([1.0] * 20), pa.array([None] * 20, pa.float64())
        pair = [written(tmp_path / str(n), np.arange(20), z=z) for n, z in enumerate(values)]
        with pytest.raises(UsageError, match='only one of them has a feature "z"'):
            mix(pair).to_numpy_batches(10, normalize=True)
        with pytest.raises(UsageError, match="normalize gives float32"):
            mix(pair).to_tf(10, normalize=True, dtype=None)

    def test_other_columns(self, datasets: list[Dataset], tmp_path: Path) -> None:
        more = written(tmp_path / "d", np.arange(9), extra=pa.array(np.arange(9.0)))
        with pytest.raises(UsageError, match='only one of them has the column "extra"'):
            mix([datasets[0], more]).to_numpy_batches(4)
        assert len(ids(mix([datasets[0], more]).to_numpy_batches(40, columns=["id", "x"])))

    def test_other_categories(self, tmp_path: Path) -> None:
        pair = []
        for words in ("ab", "ac"):
            city = pa.array([words[i % 2] for i in range(20)]).dictionary_encode()
            pair.append(written(tmp_path / words, np.arange(20), city=city))
        with pytest.raises(UsageError, match='the categories of "city" are others'):
            mix(pair).to_numpy_batches(4)

    def test_another_label(self, datasets: list[Dataset], tmp_path: Path) -> None:
        label = pa.array(np.arange(20) * 1_000)
        wide = written(tmp_path / "d", np.arange(20), label=label)
        with pytest.raises(UsageError, match='"y" is int8 in the one and int64 in the other'):
            mix([datasets[0], wide]).to_numpy_batches(4)
        mixed = mix([datasets[0], wide]).to_numpy_batches(40, label_dtype="float32")
        assert next(iter(mixed))[1].dtype == np.float32

    @pytest.mark.parametrize("weights", [[1.0], [0.5, 0.0], [0.5, float("nan")]])
    def test_weights(self, datasets: list[Dataset], weights: list[float]) -> None:
        with pytest.raises(UsageError, match="weights are"):
            mix(datasets, weights=weights).to_numpy_batches(10)

    def test_a_share_of_less_than_a_row(self, datasets: list[Dataset]) -> None:
        with pytest.raises(UsageError, match=r"the weight 0\.01 is less than a row"):
            mix(datasets, weights=[0.99, 0.01]).to_numpy_batches(10)

    def test_what_is_no_dataset(self, datasets: list[Dataset]) -> None:
        with pytest.raises(UsageError, match="a mixture is of datasets, not of 'a'"):
            bigdata_cli.mix([datasets[0], "a"])
        with pytest.raises(UsageError, match="no dataset"):
            bigdata_cli.mix([])

    def test_the_state_of_another_mixture(self, datasets: list[Dataset]) -> None:
        state = mix(datasets, weights=[0.7, 0.3]).to_numpy_batches(100).state_dict()
        with pytest.raises(UsageError, match="not of this stream of this mixture"):
            mix(datasets, weights=[0.5, 0.5]).to_numpy_batches(100).load_state_dict(state)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=8), st.integers(200, 5_000))
def test_shares_are_the_weights_to_a_row(weights: list[float], batch_size: int) -> None:
    sizes = batch_shares(weights, len(weights), batch_size)
    assert sum(sizes) == batch_size
    for size, weight in zip(sizes, weights, strict=True):
        assert abs(size - batch_size * weight / sum(weights)) <= 1
