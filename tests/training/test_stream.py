"""Every row comes once in an epoch, shuffled within bounds, with the same rows held out."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.loaders import cut
from bigdata_cli.loaders.examples import Examples, join
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training import stream as stream_module
from bigdata_cli.training.sampling import HoldOut
from bigdata_cli.training.stream import ExampleStream, Reading
from tests.datasets import LAYOUTS, write_dataset

N_ROWS = 2003


def example_table(n_rows: int = N_ROWS) -> pa.Table:
    index = np.arange(n_rows)
    return pa.table(
        {
            "id": index.astype(np.uint32),
            "kind": pa.array([f"k{i % 3}" for i in index]).dictionary_encode(),
            "label": (index % 50 == 7).astype(np.int8),
        }
    )


def stream_of(
    folder: Path, *, label: str = "label", seed: int = 0, batch_size: int = 16, **options: Any
):
    dataset = open_dataset(folder)
    target = plan_target(dataset, label)
    features = plan_features(dataset, target.column.name)
    reading = Reading(batch_size=batch_size, seed=seed, **options)
    return ExampleStream(dataset, features, target, reading), features


def ids(window: Examples, features) -> np.ndarray:
    """The ids back from their normalised values."""
    place = [feature.name for feature in features.numbers].index("id")
    feature = features.numbers[place]
    return np.round(window.dense[:, place] * feature.scale + feature.center).astype(int)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "d", example_table(), "parquet", None, 4)


def test_every_row_comes_once_in_each_epoch(folder: Path) -> None:
    stream, features = stream_of(folder)
    orders = []
    for epoch in range(3):
        windows = list(stream.epoch(epoch))
        assert all(len(window) % 16 == 0 for window in windows[:-1])
        trained = np.concatenate([ids(window, features) for window in windows])
        held = ids(stream.held_out(), features)
        assert sorted([*trained, *held]) == list(range(N_ROWS))
        orders.append(trained.tolist())
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_the_features_and_the_label_stay_together(folder: Path) -> None:
    stream, features = stream_of(folder)
    for window in stream.epoch(0):
        rows = ids(window, features)
        np.testing.assert_array_equal(window.codes[:, 0], rows % 3)
        np.testing.assert_array_equal(window.y, rows % 50 == 7)


def test_the_seed_gives_the_order(folder: Path) -> None:
    first, again, other = (
        np.concatenate([w.dense for w in stream_of(folder, seed=seed)[0].epoch(1)])
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_fifth_of_each_class_is_held_out(folder: Path) -> None:
    stream, _ = stream_of(folder)
    list(stream.epoch(0))
    held = stream.held_out()
    assert len(held) == pytest.approx(N_ROWS / 5, abs=8)
    assert held.y.sum() == pytest.approx(N_ROWS / 50 / 5, abs=4)
    trained_share = (N_ROWS // 50 + 1 - held.y.sum()) / (N_ROWS - len(held))
    share = stream.class_counts[1] / stream.class_counts.sum()
    assert share == pytest.approx(trained_share, rel=0.05)
    np.testing.assert_array_equal(stream_of(folder)[0].count_classes(), stream.class_counts)


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_every_layout_gives_the_same_rows(
    folder: Path, tmp_path: Path, format_name: str, layout: str
) -> None:
    other = write_dataset(tmp_path / "o", example_table(), format_name, layout, 4, "label")
    both = []
    for path in (folder, other):
        stream, features = stream_of(path)
        trained = join(list(stream.epoch(0)))
        order = np.argsort(ids(trained, features))
        both.append((trained.take(order), stream.held_out()))
    for a, b in zip(*both, strict=True):
        np.testing.assert_allclose(a.dense, b.dense, atol=1e-6)
        np.testing.assert_array_equal(a.codes, b.codes)
        np.testing.assert_array_equal(a.y, b.y)


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    index = np.arange(1000)
    label = pa.array(index * 0.5, mask=index % 10 == 0)
    table = pa.table({"id": index, "label": label})
    stream, features = stream_of(write_dataset(tmp_path / "d", table, n_shards=2))
    trained = np.concatenate([ids(window, features) for window in stream.epoch(0)])
    assert stream.null_labels == 100
    rows = sorted([*trained, *ids(stream.held_out(), features)])
    assert rows == [i for i in range(1000) if i % 10]
    list(stream.epoch(1))
    assert stream.null_labels == 100


def test_held_out_rows_do_not_depend_on_how_they_are_read() -> None:
    classes = np.random.default_rng(0).integers(0, 3, 1000)
    whole = HoldOut(5, shard=2, n_classes=3).choose(classes)
    chooser = HoldOut(5, shard=2, n_classes=3)
    cuts = np.split(classes, [1, 7, 300, 301])
    np.testing.assert_array_equal(np.concatenate([chooser.choose(c) for c in cuts]), whole)
    for value in range(3):
        held = whole[classes == value]
        blocks = held[: len(held) // 5 * 5].reshape(-1, 5)
        np.testing.assert_array_equal(blocks.sum(axis=1), 1)
        assert 0 < blocks[:, 0].sum() < len(blocks)
    assert (HoldOut(5, shard=3, n_classes=3).choose(classes) != whole).any()


def test_what_is_held_out_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "HOLD_OUT_BYTES", 1200)
    stream, _ = stream_of(folder)
    list(stream.epoch(0))
    held = stream.held_out()
    assert 50 < len(held) < 150
    assert held.dense.nbytes + held.codes.nbytes + held.y.nbytes < 1.2 * 1200


def test_windows_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "WINDOW_BYTES", 1000)
    stream, _ = stream_of(folder, batch_size=10)
    sizes = [len(window) for window in stream.epoch(0)]
    assert max(sizes) * 12 <= 1000
    assert all(size % 10 == 0 for size in sizes[:-1])


def test_memory_does_not_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "MIXED_BYTES", 300_000)
    monkeypatch.setattr(cut, "PIECE_BYTES", 10_000)
    peaks = []
    for n_rows in (160_000, 480_000):
        folder = write_dataset(tmp_path / str(n_rows), example_table(n_rows), n_shards=2)
        stream, _ = stream_of(folder, batch_size=128)
        list(stream.epoch(0))
        tracemalloc.start()
        arrow_before = arrow_peak = pa.total_allocated_bytes()
        for _ in stream.epoch(1):
            arrow_peak = max(arrow_peak, pa.total_allocated_bytes())
        peaks.append(tracemalloc.get_traced_memory()[1] + arrow_peak - arrow_before)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 200_000


def test_joining_one_piece_copies_nothing(folder: Path) -> None:
    window = next(stream_of(folder)[0].epoch(0))
    assert join([window]) is window
