"""Datasets read back as Arrow, NumPy and pandas, from every format and layout."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.io.manifest_names import JSON_MANIFEST
from tests.datasets import LAYOUTS, edited_manifest, write_dataset
from tests.manifest_files import manifest_path

N_ROWS = 103
CITIES = ["Zürich", "Bern", "", "日本"]


def example_table(*, text: bool, nulls: bool = True) -> pa.Table:
    """A column of each kind; every seventh row is null in every column but id and label."""
    index = np.arange(N_ROWS)
    holes = (index % 7 == 3) if nulls else np.zeros(N_ROWS, bool)
    start = np.datetime64("2020-01-01")
    columns = {
        "id": pa.array(index.astype(np.uint16)),
        "flag": pa.array(index % 3 == 0, mask=holes),
        "count": pa.array((index - 50).astype(np.int8), mask=holes),
        "fare": pa.array((index / 4).astype(np.float32), mask=holes),
        "ratio": pa.array(index * 0.5 + 2.0**20, mask=holes),
        "day": pa.array(start + index, mask=holes),
        "seen": pa.array((start + index).astype("datetime64[us]"), mask=holes).cast(
            pa.timestamp("us", tz="UTC")
        ),
        "city": pa.array([CITIES[i % 4] for i in index], mask=holes).dictionary_encode(),
        "label": pa.array((index % 2).astype(np.int8)),
    }
    if text:
        columns["note"] = pa.array([f"text {i} ü" for i in index], mask=holes)
    return pa.table(columns)


@pytest.fixture(params=LAYOUTS, ids="-".join)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Dataset, pa.Table]:
    format_name, layout = request.param
    table = example_table(text=layout not in ("matrix", "packed"))
    folder = write_dataset(
        tmp_path / "d", table, format_name, layout, 3, "label", matrix_dtype="float64"
    )
    return open_dataset(folder), table


@pytest.fixture
def parquet(tmp_path: Path) -> Dataset:
    return open_dataset(
        write_dataset(tmp_path / "d", example_table(text=True), "parquet", None, 3, "label")
    )


def masked(array: pa.ChunkedArray, fill: object) -> tuple[np.ndarray, np.ndarray]:
    return (
        array.fill_null(fill).to_numpy(zero_copy_only=False),
        array.is_valid().to_numpy(),
    )


class TestOpening:
    def test_takes_the_folder_or_its_manifest(self, parquet: Dataset) -> None:
        for path in (parquet.path, str(parquet.path), manifest_path(parquet.path)):
            opened = open_dataset(path)
            assert opened.path == parquet.path
            assert len(opened) == opened.rows == N_ROWS
            assert len(opened.shards) == 3
            assert opened.format.name == "parquet"

    def test_says_what_it_is(self, parquet: Dataset) -> None:
        assert "parquet (rows), 103 rows, 10 columns, 3 shards" in repr(parquet)

    def test_is_picklable(self, parquet: Dataset) -> None:
        list(parquet.read())
        copy = pickle.loads(pickle.dumps(parquet))
        assert [b.num_rows for b in copy.read()] == [b.num_rows for b in parquet.read()]

    def test_refuses_what_is_not_a_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="does not exist"):
            open_dataset(tmp_path / "nothing")
        with pytest.raises(UsageError, match="is not a dataset"):
            open_dataset(tmp_path)
        (tmp_path / "a.csv").write_text("a\n1\n")
        with pytest.raises(UsageError, match="is a file") as caught:
            open_dataset(tmp_path / "a.csv")
        assert "bigdata convert" in str(caught.value.hint)
        (tmp_path / JSON_MANIFEST).write_text("{")
        with pytest.raises(DataError, match="damaged"):
            open_dataset(tmp_path)


class TestRead:
    def test_respects_rows_columns_and_shards(self, parquet: Dataset) -> None:
        batches = list(parquet.read(["note", "id"], max_rows=10, shards=[2, 0]))
        assert all(batch.num_rows <= 10 for batch in batches)
        assert batches[0].schema.names == ["note", "id"]
        ids = pa.Table.from_batches(batches).column("id").to_pylist()
        last, first = parquet.shards[2].rows, parquet.shards[0].rows
        assert ids == [*range(N_ROWS - last, N_ROWS), *range(first)]

    def test_refuses_what_is_not_there(self, parquet: Dataset) -> None:
        with pytest.raises(UsageError, match="no shard 3"):
            parquet.read(shards=[3])
        with pytest.raises(UsageError, match="flgs") as caught:
            parquet.read(["flgs"])
        assert "flag" in str(caught.value.hint)
        with pytest.raises(UsageError, match="twice"):
            parquet.read(["id", "id"])
        with pytest.raises(UsageError, match="columns is empty"):
            parquet.read([])
        with pytest.raises(UsageError, match="list of names"):
            parquet.read("id")
        with pytest.raises(UsageError, match="max_rows"):
            parquet.read(max_rows=0)

    def test_a_missing_shard_is_a_verification_error(self, parquet: Dataset) -> None:
        (parquet.path / parquet.shards[1].file_names[0]).unlink()
        with pytest.raises(VerificationError, match="is missing"):
            list(parquet.read())

    def test_fewer_rows_than_the_manifest_says_is_a_verification_error(
        self, parquet: Dataset
    ) -> None:
        with edited_manifest(parquet.path) as manifest:
            manifest["shards"][0]["rows"] += 1
        with pytest.raises(VerificationError, match="the manifest says 35"):
            list(open_dataset(parquet.path).read())


class TestBatches:
    @pytest.mark.parametrize("batch_size", [1, 10, 34, 35, 103, 500])
    def test_have_exactly_the_size_asked_for(
        self, stored: tuple[Dataset, pa.Table], batch_size: int
    ) -> None:
        dataset, _ = stored
        sizes = [len(batch["id"]) for batch in dataset.batches(batch_size, columns=["id"])]
        full, rest = divmod(N_ROWS, batch_size)
        assert sizes == [batch_size] * full + ([rest] if rest else [])
        dropped = list(dataset.batches(batch_size, columns=["id"], drop_remainder=True))
        assert len(dropped) == full

    def test_hold_the_rows_in_order(self, stored: tuple[Dataset, pa.Table]) -> None:
        dataset, table = stored
        (batch,) = dataset.batches(N_ROWS)
        is_matrix = dataset.storage.layout == "matrix"
        np.testing.assert_array_equal(batch["id"], np.arange(N_ROWS))
        np.testing.assert_array_equal(batch["label"], np.arange(N_ROWS) % 2)
        assert batch["label"].dtype == np.int8
        codes, valid = masked(table.column("city").cast(pa.string()), "Bern")
        np.testing.assert_array_equal(batch["city.valid"], valid)
        vocabulary = dataset.schema["city"].vocabulary
        assert vocabulary is not None
        assert batch["city"].dtype == np.uint8
        np.testing.assert_array_equal(np.array(vocabulary)[batch["city"]][valid], codes[valid])
        for name in ("fare", "ratio"):
            expected = table.column(name).to_numpy(zero_copy_only=False)
            np.testing.assert_array_equal(batch[name], expected)
            assert is_matrix or batch[name].dtype == expected.dtype
        if not is_matrix:
            self._check_masks(batch, table)

    def _check_masks(self, batch: dict[str, np.ndarray], table: pa.Table) -> None:
        fills: dict[str, object] = {"flag": False, "count": 0}
        if "note" in table.column_names:
            fills["note"] = ""
        for name, fill in fills.items():
            expected, valid = masked(table.column(name), fill)
            np.testing.assert_array_equal(batch[name], expected)
            assert batch[name].dtype == expected.dtype
            np.testing.assert_array_equal(batch[name + ".valid"], valid)
        for name, dtype in (("day", "datetime64[D]"), ("seen", "datetime64[us]")):
            assert batch[name].dtype == dtype
            expected = table.column(name).to_numpy()
            np.testing.assert_array_equal(batch[name], expected.astype(dtype))
            assert name + ".valid" not in batch

    def test_masks_are_only_where_a_batch_has_nulls(self, parquet: Dataset) -> None:
        batches = list(parquet.batches(3, columns=["count"]))
        assert list(batches[0]) == ["count"]
        assert list(batches[1]) == ["count", "count.valid"]
        np.testing.assert_array_equal(batches[1]["count.valid"], [False, True, True])

    def test_arrays_are_the_callers_own(self, stored: tuple[Dataset, pa.Table]) -> None:
        dataset, _ = stored
        for batch in dataset.batches(20):
            for array in batch.values():
                assert array.flags.writeable

    def test_refuse_a_mask_that_is_a_column_too(self, tmp_path: Path) -> None:
        table = pa.table({"a": [1, None], "a.valid": [1, 2]})
        dataset = open_dataset(write_dataset(tmp_path / "d", table))
        with pytest.raises(UsageError, match=r"a\.valid"):
            dataset.batches(2)
        assert [len(b["a"]) for b in dataset.batches(2, columns=["a"])] == [2]

    @pytest.mark.parametrize("batch_size", [0, -1, 2.5, True, "8"])
    def test_refuse_a_size_that_is_not_one(self, parquet: Dataset, batch_size: object) -> None:
        with pytest.raises(UsageError, match="batch_size"):
            parquet.batches(batch_size)  # type: ignore[arg-type]


class TestXy:
    def test_is_the_same_from_every_layout(self, stored: tuple[Dataset, pa.Table]) -> None:
        dataset, table = stored
        if "note" in table.column_names:
            with pytest.raises(UsageError, match="note"):
                dataset.xy_batches(10)
            return
        X, y = next(iter(dataset.xy_batches(N_ROWS, dtype="float64")))
        names = [column.name for column in dataset.features("label")]
        assert names == [name for name in table.column_names if name != "label"]
        assert X.shape == (N_ROWS, len(names))
        index = np.arange(N_ROWS)
        holes = index % 7 == 3
        np.testing.assert_array_equal(X[:, names.index("id")], index)
        expected = {
            "flag": index % 3 == 0,
            "count": index - 50,
            "fare": index / 4,
            "ratio": index * 0.5 + 2.0**20,
            "day": 18262 + index,
            "seen": (18262 + index) * 86400.0,
            "city": np.array([sorted(CITIES).index(CITIES[i % 4]) for i in index]),
        }
        for name, values in expected.items():
            known = np.where(holes, np.nan, values.astype(float))
            np.testing.assert_array_equal(X[:, names.index(name)], known, err_msg=name)
        np.testing.assert_array_equal(y, index % 2)

    def test_dtypes(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "a": pa.array([1, 2, None], pa.int64()),
                "f": pa.array([1.5, None, 3.0], pa.float32()),
                "d": pa.array([datetime.date(1970, 1, 2)] * 3),
            }
        )
        dataset = open_dataset(write_dataset(tmp_path / "d", table))
        X, y = next(iter(dataset.xy_batches(3, label="a")))
        assert (X.dtype, y.dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(y, [1, 2, np.nan])
        np.testing.assert_array_equal(X, [[1.5, 1], [np.nan, 1], [3, 1]])
        _, y = next(iter(dataset.xy_batches(2, label="f")))
        assert y.dtype == np.float32
        _, y = next(iter(dataset.xy_batches(2, label="d")))
        assert y.dtype == "datetime64[D]"
        assert [dataset.label_dtype(c) for c in "afd"] == ["f8", "f4", "datetime64[D]"]

    def test_needs_a_label(self, tmp_path: Path) -> None:
        dataset = open_dataset(write_dataset(tmp_path / "d", pa.table({"a": [1], "t": ["x"]})))
        with pytest.raises(UsageError, match="without a label"):
            dataset.xy_batches(1)
        with pytest.raises(UsageError, match='"t" is text'):
            dataset.xy_batches(1, label="t")
        with pytest.raises(UsageError, match="no column"):
            dataset.xy_batches(1, label="b")


class TestPandas:
    def test_gives_the_rows_with_the_same_dtypes_in_every_chunk(
        self, stored: tuple[Dataset, pa.Table]
    ) -> None:
        dataset, table = stored
        frames = list(dataset.iter_pandas(20))
        assert [len(frame) for frame in frames] == [20] * 5 + [3]
        assert all((frame.dtypes == frames[0].dtypes).all() for frame in frames)
        whole = pd.concat(frames, ignore_index=True)
        assert whole["city"].dtype == "category"
        assert list(whole["city"].cat.categories) == sorted(CITIES)
        assert self._plain(whole["city"]) == table.column("city").to_pylist()
        if dataset.storage.layout == "matrix":
            return
        dtypes = whole.dtypes.astype(str).to_dict()
        assert dtypes["id"] == "uint16"
        assert (dtypes["flag"], dtypes["count"]) == ("boolean", "Int8")
        assert (dtypes["fare"], dtypes["ratio"]) == ("float32", "float64")
        assert (dtypes["day"], dtypes["seen"]) == ("datetime64[s]", "datetime64[us, UTC]")
        for name in table.column_names:
            expected = table.column(name).to_pylist()
            if name == "day":
                actual = [None if v is None else v.date() for v in self._plain(whole[name])]
            elif name == "seen":
                actual = [
                    None if v is None else v.to_pydatetime() for v in self._plain(whole[name])
                ]
            else:
                actual = self._plain(whole[name])
            assert actual == expected, name
        if "note" in whole:
            assert pd.api.types.is_string_dtype(whole["note"].dtype)

    def _plain(self, series: pd.Series) -> list[object]:
        return [None if pd.isna(value) else value for value in series]

    def test_a_column_of_nothing_but_nulls(self, tmp_path: Path) -> None:
        table = pa.table({"a": pa.array([None, None], pa.bool_()), "b": [1, 2]})
        dataset = open_dataset(write_dataset(tmp_path / "d", table))
        (frame,) = dataset.iter_pandas(5)
        assert str(frame["a"].dtype) == "boolean"
        assert frame["a"].isna().all()
        (batch,) = dataset.batches(5)
        np.testing.assert_array_equal(batch["a.valid"], [False, False])
