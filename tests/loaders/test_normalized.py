"""`normalize` and `label_dtype`: batches as a model takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import torch

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import FeatureEncoder
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import plan_target
from tests.datasets import write_dataset
from tests.loaders import tables

NUMBERS = ["id", "flag", "count", "fare", "ratio", "day"]
N_INDICATORS = 5


class TestNormalize:
    def test_is_what_train_gives_its_network(self, stored: Dataset) -> None:
        features, target = plan_features(stored, "label"), plan_target(stored, None)
        encoder = FeatureEncoder(stored, features, target)
        parts = [encoder.examples(b) for b in stored.read([c.name for c in encoder.columns])]
        dense = np.concatenate([part.dense for part in parts])
        codes = np.concatenate([part.codes for part in parts])
        one_hot = (codes == np.arange(4)).astype(np.float32)
        batches = list(stored.to_numpy_batches(100, normalize=True))
        X = np.concatenate([X for X, _ in batches])
        np.testing.assert_array_equal(X, np.concatenate([dense, one_hot], axis=1))
        y = np.concatenate([y for _, y in batches])
        np.testing.assert_array_equal(y, np.arange(tables.N_ROWS) % 2)

    def test_numbers_have_mean_0_and_std_1(self, npy: Dataset) -> None:
        X, _ = next(iter(npy.to_numpy_batches(2_000, normalize=True)))
        assert X.shape == (tables.N_ROWS, len(NUMBERS) + N_INDICATORS + len(tables.CITIES))
        fare = X[X[:, 6 + 2] == 0, 3]
        assert abs(fare.mean()) < 1e-5
        assert abs(fare.std() - 1) < 1e-3
        nulls = np.arange(tables.N_ROWS) % 7 == 3
        assert (X[nulls, -4:] == 0).all()
        assert (X[~nulls, -4:].sum(axis=1) == 1).all()

    def test_categories_of_many_values_are_codes(self, tmp_path: Path) -> None:
        names = [f"n{i % 40:02d}" for i in range(1_000)]
        rows = pa.table(
            {
                "name": pa.array([None, *names[1:]]).dictionary_encode(),
                "x": pa.array(np.arange(1_000.0)),
                "label": pa.array(np.arange(1_000) % 3),
            }
        )
        dataset = open_dataset(write_dataset(tmp_path / "d", rows, "parquet", "rows", 2, "label"))
        (X, codes), y = next(iter(dataset.to_numpy_batches(1_000, normalize=True)))
        assert X.shape == (1_000, 1)
        assert codes.dtype == np.int32
        assert codes[:, 0].tolist() == [0, *(1 + i % 40 for i in range(1, 1_000))]
        (tf_X, tf_codes), _ = next(iter(dataset.to_tf(1_000, normalize=True)))
        np.testing.assert_array_equal(tf_X, X)
        np.testing.assert_array_equal(tf_codes, codes)
        (torch_X, torch_codes), torch_y = next(iter(dataset.to_torch(1_000, normalize=True)))
        np.testing.assert_array_equal(torch_X, X)
        np.testing.assert_array_equal(torch_codes, codes)
        np.testing.assert_array_equal(torch_y, y)

    def test_a_choice_of_columns(self, npy: Dataset) -> None:
        X, _ = next(iter(npy.to_numpy_batches(10, normalize=True, columns=["fare"])))
        assert X.shape == (10, 2)
        with pytest.raises(UsageError, match="text and have no number: note"):
            npy.to_numpy_batches(10, normalize=True, columns=["fare", "note"])

    def test_another_dtype_is_refused(self, npy: Dataset) -> None:
        for dtype in ("float64", None):
            with pytest.raises(UsageError, match="normalize gives float32"):
                npy.to_numpy_batches(10, normalize=True, dtype=dtype)

    def test_an_unknown_split(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match="has no splits"):
            npy.to_numpy_batches(10, normalize="train")


class TestSplits:
    def test_every_split_has_the_statistics_of_train(self, tmp_path: Path) -> None:
        from bigdata_cli import convert

        source = tmp_path / "rows.csv"
        source.write_text("x,label\n" + "".join(f"{i},{i % 2}\n" for i in range(2_000)))
        convert(
            source,
            to="npy",
            output=tmp_path / "d",
            split={"train": 0.5, "test": 0.5},
            label="label",
        )
        dataset = open_dataset(tmp_path / "d")
        known = dataset["train"].statistics("x")
        test = dataset["test"]
        for normalize in (True, "train"):
            X, _ = next(iter(test.to_numpy_batches(2_000, normalize=normalize)))
            wanted = (test["x"] - known.mean) / known.std
            np.testing.assert_allclose(X[:, 0], wanted, rtol=1e-5, atol=1e-6)
        own, _ = next(iter(test.to_numpy_batches(2_000, normalize="test")))
        assert abs(own.mean()) < 1e-5
        with pytest.raises(UsageError, match='no split "tests"'):
            test.to_numpy_batches(10, normalize="tests")


class TestLabelDtype:
    def labelled(self, folder: Path, values: pa.Array) -> Dataset:
        rows = pa.table({"x": pa.array(np.arange(len(values), dtype="f4")), "label": values})
        return open_dataset(write_dataset(folder / "d", rows, "npy", "columns", 1, "label"))

    @pytest.mark.parametrize(
        ("values", "dtype", "loss"),
        [
            ([0, 1, 1, 0], torch.float32, torch.nn.BCEWithLogitsLoss()),
            ([True, False, True, True], torch.float32, torch.nn.BCEWithLogitsLoss()),
            ([0, 1, 2, 1], torch.int64, torch.nn.CrossEntropyLoss()),
            ([0.5, 1e3, -2.0, 4.0], torch.float32, torch.nn.MSELoss()),
        ],
    )
    def test_the_losses_of_torch_take_it(
        self, tmp_path: Path, values: list[float], dtype: torch.dtype, loss: torch.nn.Module
    ) -> None:
        dataset = self.labelled(tmp_path, pa.array(values))
        (_, y), *_ = dataset.to_torch(4)
        assert y.dtype == dtype
        outputs = torch.zeros(4, 3) if dtype == torch.int64 else torch.zeros(4)
        assert torch.isfinite(loss(outputs, y))
        assert dataset.to_torch_map()[0][1].dtype == dtype

    def test_numpy_keeps_the_labels_own(self, tmp_path: Path) -> None:
        dataset = self.labelled(tmp_path, pa.array([0, 1, 2], pa.int8()))
        (_, y), *_ = dataset.to_numpy_batches(3)
        assert y.dtype == np.int8
        (_, y), *_ = dataset.to_numpy_batches(3, label_dtype="float32")
        assert y.dtype == np.float32
        (_, y), *_ = dataset.to_numpy_batches(3, label="label", dtype=None, label_dtype="int64")
        assert y.dtype == np.int64
        assert y.tolist() == [0, 1, 2]

    def test_classes_with_nulls_are_floats(self, tmp_path: Path) -> None:
        dataset = self.labelled(tmp_path, pa.array([0, 1, 2, None]))
        (_, y), *_ = dataset.to_torch(4)
        assert y.dtype == torch.float32
        assert torch.isnan(y[3])
        with pytest.raises(UsageError, match="null in 1 rows, and int64 has no value"):
            dataset.to_torch(4, label_dtype="int64")

    def test_what_an_integer_would_lose_is_refused(self, tmp_path: Path) -> None:
        dataset = self.labelled(tmp_path, pa.array([0.0, 1.5]))
        with pytest.raises(UsageError, match=r"values that int64 does not hold, such as 1\.5"):
            list(dataset.to_numpy_batches(2, label_dtype="int64"))
        (tmp_path / "small").mkdir()
        small = self.labelled(tmp_path / "small", pa.array([0, 300]))
        with pytest.raises(UsageError, match="values that int8 does not hold, such as 300"):
            list(small.to_numpy_batches(2, label_dtype="int8"))

    def test_what_is_no_number(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match="a label is a number"):
            npy.to_torch(4, columns=["id"], label_dtype="text")
        with pytest.raises(UsageError, match="label_dtype is of a label"):
            npy.to_numpy_batches(4, dtype=None, label_dtype="int64")


class TestTensorFlow:
    def test_cardinality(self, stored: Dataset) -> None:
        for drop_remainder, n_batches in ((False, 11), (True, 10)):
            batches = stored.to_tf(
                100, shuffle=True, columns=["id", "fare"], drop_remainder=drop_remainder
            )
            assert batches.cardinality() == n_batches
            for _ in range(2):
                assert sum(1 for _ in batches) == n_batches
        resumed = stored.to_tf(100, columns=["id"], start=(0, 3))
        assert resumed.cardinality() == tf.data.UNKNOWN_CARDINALITY
        assert sum(1 for _ in resumed) == 8

    def test_element_spec(self, npy: Dataset) -> None:
        X, y = npy.to_tf(100, normalize=True, label_dtype="float32").element_spec
        assert (X.shape.as_list(), X.dtype) == ([None, 15], tf.float32)
        assert (y.shape.as_list(), y.dtype) == ([None], tf.float32)

    def test_feature_spec_parses_the_records(self, tmp_path: Path) -> None:
        dataset = tables.dataset(tmp_path / "d", "tfrecord", "rows")
        files = [str(dataset.path / name) for s in dataset.shards for name in s.file_names]
        records = tf.data.TFRecordDataset(files).batch(2_000)
        parsed = tf.io.parse_example(next(iter(records)), dataset.feature_spec())
        assert parsed["id"].numpy().tolist() == list(range(tables.N_ROWS))
        assert len(tf.sparse.to_dense(parsed["count"])) == tables.N_ROWS
        with pytest.raises(UsageError, match="has no records of features"):
            tables.dataset(tmp_path / "npy", "npy", "columns").feature_spec()
