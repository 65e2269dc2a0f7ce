"""What every loader must do, from every format and layout: NumPy, tf.data, torch alone, with the
two workers of a DataLoader, and with two of its own loader."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.pieces import Piece
from bigdata_cli.loaders.read import PieceReader
from tests.loaders import tables
from tests.loaders.tables import CITIES, FEATURES, N_ROWS, expected_x

BATCH = 40


class LoaderContract:
    """The behaviour of a loader; a kind says how it is made and read."""

    readers = 1
    """How many share the rows: each has a batch with what remains."""
    y_dtype = np.int8
    """Of the label, which is 0 and 1."""

    @abstractmethod
    def make(self, dataset: Dataset, batch_size: int, **options: Any) -> Any:
        """The loader; `rank` and `world` among the options."""

    @abstractmethod
    def batches(self, loader: Any) -> Iterator[Any]:
        """An epoch, in NumPy arrays."""

    def epoch(self, loader: Any) -> list[Any]:
        return list(self.batches(loader))

    # What the tests are built from.

    def xy(self, dataset: Dataset, batch_size: int = BATCH, **options: Any) -> Any:
        return self.make(dataset, batch_size, columns=FEATURES, **options)

    def ids(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """The ids of all rows in order, once everything else in them is as it should be."""
        whole = list(batches)
        if not whole:
            return np.empty(0, np.int64)
        X = np.concatenate([X for X, _ in whole])
        y = np.concatenate([y for _, y in whole])
        ids = X[:, 0].astype(np.int64)
        np.testing.assert_array_equal(X, expected_x(ids))
        np.testing.assert_array_equal(y, ids % 2)
        assert (X.dtype, y.dtype) == (np.float32, self.y_dtype)
        return ids

    # The contract.

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_every_row_comes_once_in_an_epoch(self, stored: Dataset, shuffle: bool) -> None:
        batches = self.epoch(self.xy(stored, shuffle=shuffle))
        sizes = [len(y) for _, y in batches]
        ids = self.ids(batches)
        assert sorted(ids) == list(range(N_ROWS))
        assert sum(size != BATCH for size in sizes) <= self.readers
        assert (ids.tolist() == list(range(N_ROWS))) == (not shuffle and self.readers == 1)

    def test_the_order_is_another_in_each_epoch_and_the_same_by_seed(self, stored: Dataset) -> None:
        first, again = (self.xy(stored, shuffle=True, seed=7) for _ in range(2))
        other = self.ids(self.epoch(self.xy(stored, shuffle=True, seed=8)))
        epochs = [self.ids(self.epoch(first)) for _ in range(2)]
        assert [self.ids(self.epoch(again)).tolist() for _ in range(2)] == [
            e.tolist() for e in epochs
        ]
        orders = {tuple(ids.tolist()) for ids in (*epochs, other)}
        assert len(orders) == 3
        assert all(sorted(order) == list(range(N_ROWS)) for order in orders)

    def test_the_remainder_is_dropped_when_told(self, stored: Dataset) -> None:
        batches = self.epoch(self.xy(stored, drop_remainder=True, shuffle=True))
        assert {len(y) for _, y in batches} == {BATCH}
        assert N_ROWS - len(batches) * BATCH < BATCH * self.readers
        assert len(set(self.ids(batches))) == len(batches) * BATCH

    def test_ranks_share_the_rows(self, stored: Dataset) -> None:
        parts = [
            self.ids(self.epoch(self.xy(stored, shuffle=True, rank=rank, world=3)))
            for rank in range(3)
        ]
        assert sorted(np.concatenate(parts)) == list(range(N_ROWS))
        if stored.storage.compression != "gzip" or stored.manifest.format != "tfrecord":
            assert max(map(len, parts)) - min(map(len, parts)) <= 1

    def test_a_split_is_a_part_of_the_rows(self, stored: Dataset) -> None:
        head = self.ids(self.epoch(self.xy(stored, split="[:80%]", shuffle=True)))
        tail = self.ids(self.epoch(self.xy(stored, split="[80%:]")))
        assert sorted(head) == list(range(802))
        assert sorted(tail) == list(range(802, N_ROWS))

    def test_a_batch_larger_than_the_dataset(self, stored: Dataset) -> None:
        batches = self.epoch(self.xy(stored, 5_000))
        assert len(batches) == self.readers
        assert sorted(self.ids(batches)) == list(range(N_ROWS))

    def test_columns_by_name_with_their_own_dtypes(self, stored: Dataset) -> None:
        batches = self.epoch(self.make(stored, BATCH, dtype=None, shuffle=True))
        assert sum(len(batch["id"]) for batch in batches) == N_ROWS
        is_matrix = stored.storage.layout == "matrix"
        for batch in batches:
            ids = np.asarray(batch["id"]).astype(np.int64)
            known = ids % 7 != 3
            np.testing.assert_array_equal(batch["label"], ids % 2)
            city = np.asarray(sorted(CITIES))[batch["city"]]
            np.testing.assert_array_equal(city[known], np.array(CITIES)[ids % 4][known])
            np.testing.assert_array_equal(self._valid(batch, "city"), known)
            np.testing.assert_array_equal(batch["fare"], np.where(known, ids / 4, np.nan))
            if is_matrix:
                continue
            np.testing.assert_array_equal(batch["count"][known], (ids % 100 - 50)[known])
            np.testing.assert_array_equal(self._valid(batch, "count"), known)
            assert not np.asarray(batch["count"])[~known].any()
            assert np.asarray(batch["count"]).dtype == np.int8
            if "note" in stored.schema.names:
                notes = [f"text {i} ü" if i % 7 != 3 else "" for i in ids]
                assert self._texts(batch["note"]) == notes

    def _valid(self, batch: dict[str, Any], name: str) -> np.ndarray:
        mask = batch.get(name + ".valid")
        return np.ones(len(batch[name]), bool) if mask is None else np.asarray(mask)

    def _texts(self, values: Any) -> list[str]:
        return [v.decode() if isinstance(v, bytes) else v for v in values]

    def test_columns_with_a_label_apart(self, stored: Dataset) -> None:
        loader = self.make(stored, BATCH, dtype=None, columns=["fare"], label="label")
        rows = 0
        for columns, y in self.epoch(loader):
            assert set(columns) == {"fare"}
            known = ~np.isnan(columns["fare"])
            np.testing.assert_array_equal(
                y[known], (np.asarray(columns["fare"])[known] * 4).astype(int) % 2
            )
            rows += len(y)
        assert rows == N_ROWS

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"label": "lable"}, "lable"), ({"columns": ["id", "idd"]}, "idd"),
            ({"split": "train"}, "split"), ({"seed": -1}, "seed"), ({"dtype": "int8"}, "float32"),
            ({"rank": 3, "world": 3}, "rank 3"), ({"columns": ["label"]}, "besides the label"),
            ({"columns": []}, "columns is empty"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_is_refused_at_once(
        self, npy: Dataset, options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(UsageError, match=said):
            self.make(npy, BATCH, **{"columns": FEATURES, **options})
        with pytest.raises(UsageError, match="batch_size"):
            self.make(npy, 0, columns=FEATURES)
        with pytest.raises(UsageError, match="text and have no number: note"):
            self.make(npy, BATCH)


class TestNumpy(LoaderContract):
    def make(self, dataset: Dataset, batch_size: int, **options: Any) -> Any:
        return dataset.to_numpy_batches(batch_size, **options)

    def batches(self, loader: Any) -> Iterator[Any]:
        return iter(loader)


class TestTensorflow(LoaderContract):
    few_cases = True

    def make(self, dataset: Dataset, batch_size: int, **options: Any) -> Any:
        return dataset.to_tf(batch_size, **options)

    def batches(self, loader: Any) -> Iterator[Any]:
        return loader.as_numpy_iterator()


class TestTorch(LoaderContract):
    few_cases = True
    workers = 0
    y_dtype = np.float32

    def make(self, dataset: Dataset, batch_size: int, **options: Any) -> Any:
        from torch.utils.data import DataLoader

        batches = dataset.to_torch(batch_size, **options)
        return DataLoader(batches, batch_size=None, num_workers=self.workers)

    def batches(self, loader: Any) -> Iterator[Any]:
        def numpy(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: numpy(part) for name, part in value.items()}
            return value if isinstance(value, list) else value.numpy()

        for batch in loader:
            yield tuple(map(numpy, batch)) if isinstance(batch, (tuple, list)) else numpy(batch)


class TestTorchWorkers(TestTorch):
    few_cases = True
    workers = 2
    readers = 2


class TestTorchLoader(TestTorchWorkers):
    few_cases = True

    def make(self, dataset: Dataset, batch_size: int, **options: Any) -> Any:
        return dataset.to_torch(batch_size, **options).loader(self.workers)


def rows_left(stream: Any, state: Any) -> list[list[int]]:
    stream.load_state_dict(json.loads(json.dumps(state)))
    return [X[:, 0].astype(int).tolist() for X, _ in stream]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_stream_goes_on_where_it_was(stored: Dataset, shuffle: bool) -> None:
    def make() -> Any:
        return stored.to_numpy_batches(BATCH, columns=FEATURES, shuffle=shuffle, seed=3)

    stream = make()
    for _ in stream:
        pass  # an epoch before
    batches, given, states = iter(stream), [], {}
    for taken in range(26):
        states[taken] = stream.state_dict()
        given.append(next(batches)[0][:, 0].astype(int).tolist())
    assert list(batches) == []
    for taken in (0, 1, 4, 5, 6, 13, 25):
        state = states[taken]
        assert (state["epoch"], state["batches"]) == (1, taken)
        assert rows_left(make(), state) == given[taken:], taken
        assert make().state_at(1, taken) == state


def test_what_is_done_is_not_decoded_again(npy: Dataset, monkeypatch: Any) -> None:
    stream = npy.to_numpy_batches(BATCH, columns=FEATURES, shuffle=True)
    stream.load_state_dict(stream.state_at(0, 20))
    n_read: list[int] = []
    original = PieceReader.read

    def counted(self: PieceReader, pieces: Iterable[Piece], n_threads: int) -> Any:
        for found, arrays in original(self, pieces, n_threads):
            n_read.extend(map(len, found))
            yield found, arrays

    monkeypatch.setattr(PieceReader, "read", counted)
    assert sum(len(y) for _, y in stream) == N_ROWS - 20 * BATCH
    assert N_ROWS - 20 * BATCH <= sum(n_read) < N_ROWS - 20 * BATCH + stream.window_rows


def test_the_end_of_an_epoch_is_the_beginning_of_the_next(npy: Dataset) -> None:
    stream = npy.to_numpy_batches(BATCH, columns=FEATURES, shuffle=True)
    assert [len(list(stream)), len(stream)] == [26, 26]
    assert stream.state_dict() == stream.state_at(1, 0)
    second = [y.tolist() for _, y in stream]
    stream.set_epoch(1)
    assert [y.tolist() for _, y in stream] == second


def test_a_foreign_state_is_refused(npy: Dataset, tmp_path: Path) -> None:
    other_dataset = tables.dataset(tmp_path / "d", "npy", "matrix")

    def make(dataset: Dataset = npy, **options: Any) -> Any:
        whole = {"columns": FEATURES, "batch_size": BATCH, "shuffle": True, **options}
        return dataset.to_numpy_batches(**whole)

    state = make().state_dict()
    for other in (
        make(seed=1), make(shuffle=False), make(split="[:50%]"), make(columns=["id", "fare"]),
        make(dtype="float64"), make(drop_remainder=True),
    ):  # fmt: skip
        with pytest.raises(UsageError, match="not of this stream"):
            other.load_state_dict(state)
    with pytest.raises(UsageError, match="the state belongs to other data"):
        make(other_dataset).load_state_dict(state)
    for broken, said in [
        ({}, "state_dict"), (None, "state_dict"), ({**state, "version": 9}, "version 9"),
        ({**state, "epoch": "1"}, '"epoch" of the state'), ({**state, "batches": 27}, "26 batches"),
        ({**state, "epoch": -1}, "epoch"), ({**state, "world": 0}, "world"),
        ({**state, "fingerprint": "x"}, "not of this stream"),
        ({k: v for k, v in state.items() if k != "rows"}, 'no "rows"'),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=said):
            make().load_state_dict(broken)


def test_fewer_rows_than_readers_are_told(npy: Dataset) -> None:
    with pytest.raises(UsageError, match="nothing to read for 3 of 8 readers"):
        npy.to_numpy_batches(2, columns=FEATURES, split="[:5]", rank=1, world=8)


def test_a_generator_goes_on_for_epochs(npy: Dataset) -> None:
    batches = npy.generator(100, columns=FEATURES, shuffle=True, epochs=3)
    ids = [X[:, 0] for X, _ in batches]
    assert [len(part) for part in ids] == ([100] * 10 + [3]) * 3
    assert not np.array_equal(ids[0], ids[11])
    endless = npy.generator(500, columns=FEATURES)
    assert [len(next(endless)[1]) for _ in range(7)] == [500, 500, 3] * 2 + [500]
    with pytest.raises(UsageError, match="epochs"):
        npy.generator(100, columns=FEATURES, epochs=0)


def test_partial_fit_takes_the_generator(npy: Dataset) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.SGDClassifier(random_state=0)
    for X, y in npy.generator(100, columns=["id"], epochs=2):
        model.partial_fit(X, y, classes=[0, 1])
    assert model.t_ > 2 * N_ROWS


def test_threads_end_with_the_iteration(npy: Dataset) -> None:
    import threading

    before = threading.active_count()
    for _ in npy.to_numpy_batches(10, columns=FEATURES, shuffle=True):
        break
    batches = iter(npy.to_numpy_batches(10, columns=FEATURES))
    next(batches)
    del batches
    assert threading.active_count() == before
