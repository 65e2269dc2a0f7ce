"""Windows of the rows of a key: in order, never across keys, each row once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from tests.datasets import write_dataset
from tests.examples import examples
from tests.loaders.conftest import CASES

WINDOW = 8
N_SHARDS = 5


def lengths(n_keys: int) -> list[int]:
    """1 to 3 rows, fewer than a window and several of them, and one over more than a shard."""
    return [*(1 + 7 * i % 19 for i in range(n_keys)), 300]


def log(folder: Path, format_name: str, layout: str, runs: list[int], **stored: Any) -> Dataset:
    """Rows of users that follow each other; a user without a name among them."""
    users = np.repeat(np.arange(len(runs)), runs)
    table = pa.table(
        {
            "id": pa.array(np.arange(len(users), dtype=np.int32)),
            "user": pa.array(users.astype(np.int32)),
            "name": pa.array([f"u{u:03d}" if u != 3 else None for u in users]).dictionary_encode(),
            "label": pa.array((users % 2).astype(np.int8)),
        }
    )
    return open_dataset(
        write_dataset(folder, table, format_name, layout, N_SHARDS, "label", **stored)
    )


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    format_name, layout = request.param
    layout, _, compression = layout.partition(" ")
    folder = tmp_path_factory.mktemp("logs") / "d"
    return log(folder, format_name, layout, lengths(60), compression=compression or None)


@pytest.fixture(scope="module")
def npy_log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return log(tmp_path_factory.mktemp("log") / "d", "npy", "columns", lengths(60))


def expected(runs: list[int], window: int, *, short: str, rows: range | None = None) -> list[Any]:
    """The ids of each window."""
    ids = np.arange(sum(runs))
    found = []
    for part in np.split(ids, np.cumsum(runs)[:-1]):
        part = [one for one in part.tolist() if rows is None or one in rows]
        cuts = [part[at : at + window] for at in range(0, len(part), window)]
        found += [cut for cut in cuts if len(cut) == window or short == "pad"]
    return found


def windows(batches: Any) -> list[list[int]]:
    """The ids of each window, once all else is as it should be."""
    found = []
    for X, y, *rest in batches:
        X, y = np.asarray(X), np.asarray(y)
        valid = np.asarray(rest[0]) if rest else np.ones(y.shape, bool)
        assert X.shape == (*y.shape, 2)
        assert (valid[:, :-1] >= valid[:, 1:]).all()
        assert not X[~valid].any()
        assert not y[~valid].any()
        for row in range(len(X)):
            ids, users = X[row][valid[row]].astype(int).T
            assert len(set(users.tolist())) == 1
            np.testing.assert_array_equal(y[row][valid[row]], users % 2)
            found.append(ids.tolist())
    return found


COLUMNS = ["id", "user"]


class TestNumpy:
    @pytest.mark.parametrize("short", ["pad", "drop"])
    @pytest.mark.parametrize("shuffle", [False, True])
    def test_every_window_comes_once(self, logs: Dataset, short: str, shuffle: bool) -> None:
        batches = logs.to_numpy_batches(
            10, columns=COLUMNS, window=WINDOW, by="user", short=short, shuffle=shuffle
        )
        wanted = expected(lengths(60), WINDOW, short=short)
        for _ in range(2):
            found = windows(batches)
            assert sorted(found) == wanted
            assert (found == wanted) == (not shuffle)
        assert len(batches) == -(-len(wanted) // 10)

    def test_readers_share_them_and_a_state_goes_on(self, logs: Dataset) -> None:
        def make(rank: int = 0, world: int = 1, size: int = 12) -> Any:
            return logs.to_numpy_batches(
                size, columns=COLUMNS, window=WINDOW, by="user", shuffle=True, rank=rank,
                world=world,
            )  # fmt: skip

        parts = [windows(make(rank, 3)) for rank in range(3)]
        assert sorted(one for part in parts for one in part) == expected(
            lengths(60), WINDOW, short="pad"
        )
        whole = make()
        ids = windows(whole)
        whole.load_state_dict(whole.state_at(0, 4))
        assert windows(whole) == ids[48:]
        parted = [make(rank, 2, 6) for rank in range(2)]
        for one in parted:
            one.load_state_dict(whole.state_at(0, 4))
        halves = [list(one) for one in parted]
        rest = [windows([batch])[0] for pair in zip(*halves, strict=False) for batch in pair]
        assert rest[0] == ids[48]

    def test_a_split_and_other_keys(self, npy_log: Dataset) -> None:
        batches = npy_log.to_numpy_batches(
            10, columns=COLUMNS, window=WINDOW, by="name", split="[100:500]"
        )
        assert windows(batches) == expected(lengths(60), WINDOW, short="pad", rows=range(100, 500))

    def test_columns_of_their_own_dtypes(self, npy_log: Dataset) -> None:
        batches = npy_log.to_numpy_batches(10, dtype=None, window=WINDOW, by="user")
        batch, valid = next(iter(batches))
        assert batch["id"].shape == batch["name"].shape == valid.shape == (10, WINDOW)
        assert batch["id"].dtype == np.int32
        assert not batch["name.valid"][valid & (batch["user"] == 3)].any()


class TestFrameworks:
    few_cases = True

    def test_a_device_of_tensorflow(self, npy_log: Dataset) -> None:
        batches = npy_log.to_tf(10, columns=COLUMNS, window=WINDOW, by="user", device="cpu")
        X, *_ = next(iter(batches))
        assert X.device.endswith("device:CPU:0")
        assert windows(batches) == expected(lengths(60), WINDOW, short="pad")
        with pytest.raises(UsageError, match=r'device is "GPU:7", and TensorFlow has only "CPU:0"'):
            npy_log.to_tf(10, columns=COLUMNS, device="GPU:7")

    def test_torch_with_workers(self, npy_log: Dataset) -> None:
        torch_data = pytest.importorskip("torch.utils.data")
        batches = npy_log.to_torch(10, columns=COLUMNS, window=WINDOW, by="user", shuffle=True)
        found = windows(torch_data.DataLoader(batches, batch_size=None, num_workers=2))
        assert sorted(found) == expected(lengths(60), WINDOW, short="pad")
        normalized = npy_log.to_torch(10, normalize=True, window=WINDOW, by="user", short="drop")
        (X, codes), y = next(iter(normalized))
        assert (X.shape, codes.shape, y.shape) == ((10, 8, 2), (10, 8, 1), (10, 8))

    @pytest.mark.parametrize("short", ["pad", "drop"])
    def test_tensorflow(self, logs: Dataset, short: str) -> None:
        batches = logs.to_tf(10, columns=COLUMNS, window=WINDOW, by="user", short=short)
        wanted = expected(lengths(60), WINDOW, short=short)
        assert windows(batches.as_numpy_iterator()) == wanted
        assert batches.element_spec[0].shape == (None, WINDOW, 2)
        assert batches.cardinality() == -(-len(wanted) // 10)

    def test_keras_takes_what_is_valid_as_weights(self, npy_log: Dataset) -> None:
        keras = pytest.importorskip("keras")
        model = keras.Sequential(
            [keras.Input((WINDOW, 2)), keras.layers.Dense(1, activation="sigmoid")]
        )
        model.compile(loss="binary_crossentropy")
        batches = npy_log.to_tf(10, columns=COLUMNS, window=WINDOW, by="user")
        seen = model.fit(batches.map(lambda X, y, valid: (X, y[..., None], valid)), verbose=0)
        assert np.isfinite(seen.history["loss"][0])


@examples(30)
@given(
    runs=st.lists(st.integers(1, 30), min_size=1, max_size=25),
    window=st.integers(1, 12),
    shuffle=st.booleans(),
    short=st.sampled_from(["pad", "drop"]),
    form=st.sampled_from([("npy", "matrix", None), ("parquet", "rows", None)]),
)
def test_any_lengths(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[int],
    window: int,
    shuffle: bool,
    short: str,
    form: tuple[str, str, str | None],
) -> None:
    folder = tmp_path_factory.mktemp("any") / "d"
    rows = log(folder, form[0], form[1], runs)
    wanted = expected(runs, window, short=short)
    options = {"columns": COLUMNS, "window": window, "by": "user", "short": short}
    if not wanted:
        with pytest.raises(UsageError, match=f'no "user" of .* has {window} rows'):
            rows.to_numpy_batches(7, **options)
        return
    found = windows(rows.to_numpy_batches(7, shuffle=shuffle, **options))
    assert sorted(found) == sorted(wanted)
    assert shuffle or found == wanted


class TestRefused:
    def test_keys_that_are_not_together(self, tmp_path: Path) -> None:
        table = pa.table({"user": [1, 1, 2, 1], "x": [0.0, 1, 2, 3], "label": [0, 1, 0, 1]})
        rows = open_dataset(write_dataset(tmp_path / "d", table, "npy", "columns", 1, "label"))
        with pytest.raises(UsageError, match="its 2 values come in 3 runs") as caught:
            rows.to_numpy_batches(2, window=2, by="user")
        assert "--sort-by user" in str(caught.value.hint)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"window": 8}, "go together"), ({"by": "user"}, "go together"),
            ({"window": 0, "by": "user"}, "window is 0"), ({"short": "drop"}, "short is of"),
            ({"window": 8, "by": "user", "short": "cut"}, "short is 'cut'"),
            ({"window": 8, "by": "usr"}, "usr"),
        ],
    )  # fmt: skip
    def test_options(self, npy_log: Dataset, options: dict[str, Any], said: str) -> None:
        for make in (npy_log.to_numpy_batches, npy_log.to_torch, npy_log.to_tf):
            with pytest.raises(UsageError, match=said):
                make(10, columns=COLUMNS, **options)
