"""Columns as features: normalised by the manifest, nulls indicated, what is left out noted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import FeatureEncoder, join
from bigdata_cli.loaders.features import FeaturePlan, normalisation, plan_features
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.types.dtype import Column
from bigdata_cli.types.statistics import ColumnStatistics
from tests.datasets import LAYOUTS, write_dataset

N_ROWS = 400


def encoded(
    folder: Path, columns: dict[str, pa.Array], format_name: str = "parquet", layout: str = "rows"
) -> tuple[FeaturePlan, np.ndarray, np.ndarray]:
    table = pa.table({**columns, "label": np.arange(N_ROWS) % 2})
    dataset = open_dataset(write_dataset(folder, table, format_name, layout, 1, "label"))
    plan = plan_features(dataset, "label")
    encoder = FeatureEncoder(dataset, plan, plan_target(dataset, "label"))
    rows = join([encoder.examples(batch) for batch in dataset.read()])
    return plan, rows.dense, rows.codes


def test_numbers_are_normalised_and_nulls_indicated(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(50, 20, N_ROWS)
    holes = np.arange(N_ROWS) % 5 == 0
    plan, dense, codes = encoded(
        tmp_path, {"a": pa.array(values, mask=holes), "b": pa.array(values.astype(np.int8))}
    )
    assert dense.dtype == np.float32
    assert dense.shape == (N_ROWS, plan.width) == (N_ROWS, 3)
    assert codes.shape == (N_ROWS, 0)
    known = dense[~holes, 0]
    assert abs(known.mean()) < 1e-6
    assert known.std() == pytest.approx(1, abs=1e-6)
    assert (dense[holes, 0] == 0).all()
    assert dense[:, 1].std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(dense[:, 2], holes)


def test_large_ids_and_times_keep_their_differences(tmp_path: Path) -> None:
    ids = 10**18 + np.arange(N_ROWS) * 1000
    seen = np.datetime64("2024-01-01T00:00:00", "us") + np.arange(N_ROWS).astype("timedelta64[s]")
    _, dense, _ = encoded(tmp_path, {"id": pa.array(ids), "seen": pa.array(seen)})
    assert len(np.unique(dense[:, 0])) == N_ROWS
    assert len(np.unique(dense[:, 1])) == N_ROWS
    assert dense[:, 1].std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_every_layout_gives_the_same_features(
    tmp_path: Path, format_name: str, layout: str
) -> None:
    index = np.arange(N_ROWS)
    holes = index % 5 == 0
    day = np.datetime64("2020-01-01") + index
    columns = {
        "flag": pa.array(index % 3 == 0, mask=holes),
        "n": pa.array(index.astype(np.int16), mask=holes),
        "day": pa.array(day, mask=holes),
        "seen": pa.array(day.astype("datetime64[us]"), mask=holes),
        "kind": pa.array([f"k{i % 4}" for i in index], mask=holes).dictionary_encode(),
    }
    _, dense, codes = encoded(tmp_path / "a", columns, format_name, layout)
    np.testing.assert_array_equal(codes[:, 0], np.where(holes, -1, index % 4))
    np.testing.assert_array_equal(dense[:, 0], np.where(holes, 0, index % 3 == 0))
    expected = np.where(holes, 0, (index - index.mean()) / index.std())
    for place in (1, 2, 3):
        np.testing.assert_allclose(dense[:, place], expected, atol=0.02)
        np.testing.assert_array_equal(dense[:, 4 + place], holes)


def test_outliers_are_cut_and_constants_are_zero(tmp_path: Path) -> None:
    values = np.zeros(N_ROWS)
    values[0] = 1e12
    _, dense, _ = encoded(tmp_path, {"a": values, "b": np.full(N_ROWS, 7.5)})
    assert dense[0, 0] == 10
    assert (dense[:, 1] == 0).all()


def test_what_cannot_be_learned_from_is_left_out_with_a_note(tmp_path: Path) -> None:
    index = np.arange(N_ROWS)
    plan, _, _ = encoded(
        tmp_path,
        {
            "a": pa.array(index),
            "text": pa.array([f"t{i}" for i in index]),
            "nothing": pa.array([None] * N_ROWS, pa.bool_()),
            "no number": pa.array([None] * N_ROWS, pa.float32()),
            "who": pa.array([f"w{i % 150}" for i in index]).dictionary_encode(),
            "where": pa.array([f"w{i % 40}" for i in index]).dictionary_encode(),
        },
    )
    assert plan.column_names == ("a", "where")
    assert plan.codes[0].is_embedded
    assert [note.split('"')[1] for note in plan.notes] == ["text", "nothing", "no number", "who"]


def test_a_dataset_of_text_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column to learn from"):
        encoded(tmp_path, {"t": pa.array(["x"] * N_ROWS)})


def test_normalisation_where_moments_overflow() -> None:
    column = Column(name="a", dtype="float64")
    known = ColumnStatistics(count=2, minimum=-1.7e308, maximum=1.7e308, mean=0.0, m2=float("inf"))
    center, scale = normalisation(column, known)
    assert center == 0
    assert 9e307 < scale < 1e308
    infinite = ColumnStatistics(count=1, infinite=1)
    assert normalisation(column, infinite) == (0.0, 1.0)


def test_infinite_values_are_cut(tmp_path: Path) -> None:
    values = np.arange(N_ROWS) * 1.0
    values[[3, 4]] = [np.inf, -np.inf]
    _, dense, _ = encoded(tmp_path, {"a": values})
    assert dense[3:5, 0].tolist() == [10, -10]
    assert np.isfinite(dense).all()


@pytest.mark.parametrize(
    ("dtype", "ends", "center"),
    [
        ("date", ("1970-01-01", "1970-01-11"), 5),
        ("timestamp[us]", ("1970-01-01T00:00:00", "1970-01-01T00:00:10.5"), 5.25),
        ("timestamp[ns]", ("1970-01-01 00:00:00", "1970-01-01 00:00:00.000000002"), 0),
        ("timestamp[us, UTC]", ("1970-01-01T00:00:00Z", "1970-01-01T00:00:10Z"), 5),
    ],
)
def test_times_are_centred_between_their_ends(
    dtype: str, ends: tuple[str, str], center: float
) -> None:
    known = ColumnStatistics(count=2, minimum=ends[0], maximum=ends[1])
    assert normalisation(Column(name="t", dtype=dtype), known)[0] == center
