"""What loaders import, how much memory they take, and what they say of damaged datasets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.loaders import cut, stream
from tests.datasets import LAYOUTS, edited_manifest, write_dataset
from tests.loaders.tables import FEATURES, N_ROWS, dataset

REPORT = (
    "; import json, sys; print(json.dumps([m for m in sys.modules if '.' not in m"
    " or m.startswith('bigdata_cli.')]))"
)


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_a_loader_imports_what_it_needs(format_name: str, layout: str, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    dataset(folder, format_name, layout)
    loaded = loaded_after(
        "from bigdata_cli import open_dataset\n"
        f"batches = open_dataset({str(folder)!r}).to_numpy_batches(100, shuffle=True, "
        f"columns={FEATURES!r})\n"
        "print(sum(len(y) for _, y in batches))"
    )
    assert {"numpy", "pyarrow"} <= loaded
    others = {"polars", "pandas", "click", "psutil", "tensorflow", "torch", "keras", "rich"}
    assert loaded & others == set()
    assert not [
        m for m in loaded if m.startswith(("bigdata_cli.sources", "bigdata_cli.conversion"))
    ]
    assert ("h5py" in loaded) == (format_name == "hdf5")


def test_torch_brings_neither_tensorflow_nor_the_parser(npy: Dataset) -> None:
    pytest.importorskip("torch")
    loaded = loaded_after(
        "from bigdata_cli import open_dataset\n"
        f"next(iter(open_dataset({str(npy.path)!r}).to_torch(100, columns={FEATURES!r})))"
    )
    assert "torch" in loaded
    assert loaded & {"tensorflow", "polars", "bigdata_cli.sources"} == set()


def test_memory_is_that_of_a_few_windows(tmp_path: Path, monkeypatch: Any) -> None:
    """An epoch over a dataset of 64 windows holds a few of them."""
    n_rows, width = 400_000, 16
    rng = np.random.default_rng(0)
    columns = {f"f{i}": rng.random(n_rows, np.float32) for i in range(width)}
    columns["label"] = np.zeros(n_rows, np.int8)
    folder = write_dataset(tmp_path / "d", pa.table(columns), "npy", "matrix", 4, "label")
    monkeypatch.setattr(stream, "WINDOW_BYTES", 400_000)
    monkeypatch.setattr(cut, "PIECE_BYTES", 10_000)
    monkeypatch.setattr(cut, "ORDERED_PIECE_BYTES", 100_000)
    import tracemalloc

    batches = open_dataset(folder).to_numpy_batches(256, shuffle=True)
    tracemalloc.start()
    try:
        rows = sum(len(y) for _, y in batches)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == n_rows
    assert peak < 10 * 400_000 < n_rows * width * 4 / 6


def test_memmaps_are_the_files(npy: Dataset, tmp_path: Path) -> None:
    shards = npy.memmap()
    assert len(shards) == 5
    ids = np.concatenate([shard["id"] for shard in shards])  # type: ignore[index,call-overload]
    assert ids.tolist() == list(range(N_ROWS))
    first = shards[0]
    assert {"fare", "count", "count.valid", "note.offsets", "note.bytes"} <= set(first)
    assert all(isinstance(array, np.memmap) for array in first.values())  # type: ignore[union-attr]
    assert first["day"].dtype == "datetime64[D]"  # type: ignore[index,call-overload]
    matrix = dataset(tmp_path / "m", "npy", "matrix")
    for X, y in matrix.memmap():
        assert isinstance(X, np.memmap)
        assert not X.flags.writeable
        assert isinstance(y, np.memmap)
        assert X[:, 0].astype(int).tolist() == list(range(int(X[0, 0]), int(X[0, 0]) + len(X)))
    with pytest.raises(UsageError, match="only npy") as caught:
        dataset(tmp_path / "p", "parquet", "rows").memmap()
    assert "--to npy" in str(caught.value.hint)


def test_a_number_beyond_the_dtype_is_told(tmp_path: Path) -> None:
    table = pa.table({"big": [1.0, 1e300], "y": pa.array([0, 1], pa.int8())})
    wide = open_dataset(write_dataset(tmp_path / "d", table, "npy", "columns", 1, "y"))
    with pytest.raises(DataError, match='"big" has a number beyond the range of float32') as caught:
        list(wide.to_numpy_batches(2))
    assert "float64" in str(caught.value.hint)
    ((X, _),) = wide.to_numpy_batches(2, dtype="float64")
    assert X.tolist() == [[1.0], [1e300]]


def test_a_date_as_label(tmp_path: Path) -> None:
    day = np.array(["2020-01-01", "NaT", "2020-01-03"], "datetime64[D]")
    table = pa.table({"x": [1, 2, 3], "d": pa.array(day)})
    dates = open_dataset(write_dataset(tmp_path / "d", table, "npy", "columns"))
    ((_, y),) = dates.to_numpy_batches(5, label="d")
    np.testing.assert_array_equal(y, day)
    ((_, y),) = dates.to_tf(5, label="d")
    np.testing.assert_array_equal(y, [18262, np.nan, 18264])
    whole = pa.table({"x": [1, 2, 3], "d": pa.array(day[[0, 0, 2]])})
    whole_dates = open_dataset(write_dataset(tmp_path / "w", whole, "npy", "columns"))
    ((_, y),) = whole_dates.to_tf(5, label="d")
    assert (y.dtype.name, y.numpy().tolist()) == ("int64", [18262, 18262, 18264])


def test_tf_goes_on_and_keeps_shapes(npy: Dataset) -> None:
    whole = npy.to_tf(40, columns=FEATURES, shuffle=True, drop_remainder=True)
    assert whole.element_spec[0].shape == (40, 7)
    epochs = [[X.numpy()[:, 0].tolist() for X, _ in whole] for _ in range(2)]
    later = npy.to_tf(40, columns=FEATURES, shuffle=True, drop_remainder=True, start=(1, 20))
    assert [X.numpy()[:, 0].tolist() for X, _ in later] == epochs[1][20:]
    with pytest.raises(UsageError, match="25 batches"):
        npy.to_tf(40, columns=FEATURES, drop_remainder=True, start=(0, 26))
    with pytest.raises(UsageError, match="prefetch"):
        npy.to_tf(40, columns=FEATURES, prefetch=0)


def test_keras_fits_on_the_loader(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.random(600), "y": pa.array((np.arange(600) % 2).astype(np.int8))})
    rows = open_dataset(write_dataset(tmp_path / "d", table, "parquet", None, 2, "y"))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy")
    seen = model.fit(rows.to_tf(64, shuffle=True, split="[:80%]"), epochs=2, verbose=0)
    assert len(seen.history["loss"]) == 2
    seen = model.fit(rows.generator(64), steps_per_epoch=10, epochs=2, verbose=0)
    assert len(seen.history["loss"]) == 2


class TestDamage:
    def test_fewer_rows_than_the_manifest_says(self, tmp_path: Path) -> None:
        rows = dataset(tmp_path / "d", "parquet", "rows")
        with edited_manifest(rows.path) as manifest:
            manifest["shards"][4]["rows"] += 3
        with pytest.raises(VerificationError, match="the manifest says"):
            list(open_dataset(rows.path).to_numpy_batches(40, columns=FEATURES, shuffle=True))

    def test_a_shard_that_is_missing(self, tmp_path: Path) -> None:
        rows = dataset(tmp_path / "d", "npy", "matrix")
        (rows.path / rows.shards[2].file_names[0]).unlink()
        batches = rows.to_numpy_batches(40, columns=FEATURES)
        with pytest.raises(VerificationError, match="is missing"):
            list(batches)

    def test_nulls_that_the_manifest_does_not_know(self, tmp_path: Path) -> None:
        rows = dataset(tmp_path / "d", "parquet", "rows")
        with edited_manifest(rows.path) as manifest:
            for column in manifest["columns"]:
                column["statistics"]["nulls"] = 0
        with pytest.raises(VerificationError, match="manifest says that it has none"):
            list(open_dataset(rows.path).batches(40))

    def test_a_manifest_of_a_newer_version(self, tmp_path: Path) -> None:
        rows = dataset(tmp_path / "d", "npy", "matrix")
        with edited_manifest(rows.path) as manifest:
            manifest["manifest_version"] = 99
        with pytest.raises(DataError, match="version 99") as caught:
            open_dataset(rows.path)
        assert "pip install -U" in str(caught.value.hint)

    def test_no_rows_at_all(self, tmp_path: Path) -> None:
        empty = pa.table({"x": pa.array([], pa.float32()), "y": pa.array([], pa.int8())})
        rows = open_dataset(write_dataset(tmp_path / "d", empty, "npy", "matrix", 1, "y"))
        assert list(rows.to_numpy_batches(8)) == []
        assert list(rows.to_tf(8)) == []
        assert list(rows.generator(8)) == []
        with pytest.raises(UsageError, match="nothing to read"):
            rows.to_numpy_batches(8, rank=1, world=2)
