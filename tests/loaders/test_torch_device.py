"""Batches that are cast and normalised on a device: the same as those made by the processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError, VerificationError
from tests.datasets import edited_manifest, write_dataset
from tests.loaders import tables
from tests.loaders.tables import FEATURES, N_ROWS

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402


def rows_of(batches: Any) -> list[np.ndarray]:
    """The arrays of an epoch, one after the other, by their first column."""

    def flat(value: Any) -> list[Any]:
        return (
            [part for one in value for part in flat(one)] if isinstance(value, tuple) else [value]
        )

    parts = zip(*(flat(batch) for batch in batches), strict=True)
    return [np.concatenate([one.numpy() for one in part]) for part in parts]


class TestAsOnTheProcessor:
    @pytest.mark.parametrize(
        "options",
        [
            {"columns": FEATURES},
            {"columns": FEATURES, "dtype": "float64", "label_dtype": "int64"},
            {"normalize": True},
            {"normalize": True, "columns": ["city", "day", "count"]},
        ],
        ids=["X", "float64", "normalize", "columns"],
    )
    def test_batches_are_the_same(self, stored: Dataset, options: dict[str, Any]) -> None:
        on_device = rows_of(stored.to_torch(40, device="cpu", **options))
        on_host = rows_of(stored.to_torch(40, **options))
        assert len(on_device) == len(on_host)
        for mine, theirs in zip(on_device, on_host, strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)

    def test_windows_of_sequences(self, npy: Dataset) -> None:
        options = {"window": 3, "by": "id", "normalize": True}
        for mine, theirs in zip(
            rows_of(npy.to_torch(40, device="cpu", **options)),
            rows_of(npy.to_torch(40, **options)),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)

    def test_codes_of_many_categories(self, tmp_path: Path) -> None:
        names = [None, *(f"n{i % 40:02d}" for i in range(999))]
        rows = pa.table(
            {
                "name": pa.array(names).dictionary_encode(),
                "x": pa.array(np.arange(1_000.0)),
                "label": pa.array(np.arange(1_000) % 3),
            }
        )
        dataset = open_dataset(write_dataset(tmp_path / "d", rows, "parquet", "rows", 2, "label"))
        for mine, theirs in zip(
            rows_of(dataset.to_torch(100, device="cpu", normalize=True)),
            rows_of(dataset.to_torch(100, normalize=True)),
            strict=True,
        ):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)

    def test_columns_by_name(self, npy: Dataset) -> None:
        batch = next(iter(npy.to_torch(40, dtype=None, device="cpu")))
        assert batch["id"].device.type == "cpu"
        assert batch["note"][0] == "text 0 ü"


def test_narrow_dtypes_travel(npy: Dataset) -> None:
    batches = npy.to_torch(40, columns=FEATURES, device="cpu")
    sent = next(iter(batches._batches))
    assert {str(one.dtype) for one in sent} >= {"torch.int8", "torch.uint8", "torch.bool"}
    n_bytes = sum(one.numel() * one.itemsize for one in sent)
    X, y = next(iter(batches))
    assert n_bytes < X.numel() * X.itemsize + y.numel() * y.itemsize


@pytest.mark.parametrize("workers", [None, 0, 2])
def test_epochs_and_states(npy: Dataset, workers: int | None) -> None:
    def make() -> Any:
        batches = npy.to_torch(40, columns=FEATURES, shuffle=True, device="cpu")
        return batches if workers is None else batches.loader(workers)

    def ids(batches: Any) -> list[int]:
        return [int(one) for X, _ in batches for one in X[:, 0]]

    batches = make()
    epochs = [ids(batches) for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == list(range(N_ROWS))
    batches.set_epoch(0)
    running = iter(batches)
    assert batches.state_dict()["batches"] == 0
    for _ in range(3):
        next(running)
    state = json.loads(json.dumps(batches.state_dict()))
    assert state["batches"] == 3
    again = make()
    again.load_state_dict(state)
    assert ids(again) == epochs[0][120:]
    assert ids(again) == epochs[1]
    assert batches.batches_in(0) == 26
    assert ids(running) == epochs[0][120:]
    assert batches.state_dict()["epoch"] == 1
    iter(batches)
    assert (batches.state_dict()["epoch"], batches.state_dict()["batches"]) == (1, 0)


class TestRefused:
    def test_a_device_that_is_not_there(self, npy: Dataset) -> None:
        missing = f"cuda:{torch.cuda.device_count()}"
        with pytest.raises(UsageError, match=f'device is "{missing}", and torch finds') as caught:
            npy.to_torch(40, columns=FEATURES, device=missing)
        assert 'device="cpu"' in str(caught.value.hint)
        with pytest.raises(UsageError, match="knows no such device"):
            npy.to_torch(40, columns=FEATURES, device="gpu")

    def test_workers(self, npy: Dataset) -> None:
        batches = npy.to_torch(40, columns=FEATURES, device="cpu")
        with pytest.raises(UsageError, match="in the process that takes them"):
            list(DataLoader(batches, batch_size=None, num_workers=1))

    def test_nulls_that_the_manifest_does_not_know(self, tmp_path: Path) -> None:
        rows = tables.dataset(tmp_path / "d", "parquet", "rows")
        with edited_manifest(rows.path) as manifest:
            for column in manifest["columns"]:
                column["statistics"]["nulls"] = 0
        batches = open_dataset(rows.path).to_torch(40, columns=FEATURES, device="cpu")
        with pytest.raises(VerificationError, match="manifest says that it has none"):
            list(batches)
