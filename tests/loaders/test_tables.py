"""Datasets as tables of pandas, Dask, Polars and Arrow, and single columns as arrays."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.loaders import frames
from tests.datasets import write_dataset
from tests.loaders import tables


def whole(dataset: Dataset) -> pd.DataFrame:
    return pd.concat(list(dataset.iter_pandas(97)), ignore_index=True)


class TestFrames:
    def test_to_pandas_is_what_iter_pandas_gives(self, stored: Dataset) -> None:
        pd.testing.assert_frame_equal(stored.to_pandas(), whole(stored))

    def test_a_limit_reads_the_first_rows(self, stored: Dataset) -> None:
        pd.testing.assert_frame_equal(stored.to_pandas(300), whole(stored).head(300))
        pd.testing.assert_frame_equal(stored.head(), whole(stored).head(5))
        assert len(stored.to_pandas(10**9)) == tables.N_ROWS

    def test_columns_are_read_in_their_order(self, npy: Dataset) -> None:
        frame = npy.to_pandas(7, columns=["fare", "id"])
        assert list(frame.columns) == ["fare", "id"]
        (chunk,) = npy.iter_pandas(2_000, columns=["city", "note"])
        pd.testing.assert_frame_equal(chunk, whole(npy)[["city", "note"]])

    def test_no_rows(self, npy: Dataset) -> None:
        frame = npy.to_pandas(0)
        assert len(frame) == 0
        assert list(frame.dtypes) == list(npy.to_pandas(1).dtypes)

    def test_what_does_not_fit_is_refused(
        self, npy: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(frames, "available_memory_bytes", lambda: 10_000)
        with pytest.raises(BudgetError, match="1,003 rows take about"):
            npy.to_pandas()
        assert len(npy.to_pandas(10)) == 10
        with pytest.raises(BudgetError, match="1,003 rows take about"):
            npy["note"]

    def test_a_wrong_limit(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match="limit is -1"):
            npy.to_pandas(-1)


class TestArrays:
    def test_a_column_is_what_pandas_has(self, stored: Dataset) -> None:
        frame = whole(stored)
        for name in stored.columns:
            array = stored[name]
            assert isinstance(array, np.ndarray)
            wanted = frame[name].to_numpy(array.dtype, na_value=_null_of(array))
            np.testing.assert_array_equal(array, wanted, err_msg=name)

    def test_a_slice_of_rows(self, stored: Dataset) -> None:
        rows = stored[190:410]  # of three shards
        assert list(rows) == list(stored.columns)
        for name, array in rows.items():
            np.testing.assert_array_equal(array, stored[name][190:410], err_msg=name)
        assert stored[-3:]["id"].tolist() == [1000, 1001, 1002]

    def test_dtypes_do_not_depend_on_the_rows(self, npy: Dataset) -> None:
        without_nulls = npy[0:3]
        assert not np.isnan(without_nulls["count"]).any()
        assert {n: a.dtype for n, a in without_nulls.items()} == {
            n: a.dtype for n, a in npy[:].items()
        }
        assert {n: a.dtype for n, a in npy[5:5].items()} == {n: a.dtype for n, a in npy[:].items()}

    def test_integers_with_nulls_that_float64_cannot_hold(self, tmp_path: Path) -> None:
        large = pa.table({"key": pa.array([2**60 + 1, None]), "label": pa.array([0, 1])})
        dataset = open_dataset(write_dataset(tmp_path / "d", large, "npy", "columns", 1, "label"))
        with pytest.raises(UsageError, match=r'"key" has nulls, and integers beyond 2\*\*53'):
            dataset["key"]

    @pytest.mark.parametrize("key", [3, None, ("id",)])
    def test_another_key(self, npy: Dataset, key: object) -> None:
        with pytest.raises(UsageError, match="indexed by a column, a split or a slice"):
            npy[key]  # type: ignore[call-overload]

    def test_an_unknown_column(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match='no column "fair"') as caught:
            npy["fair"]
        assert "fare" in str(caught.value.hint)

    def test_steps(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match="step 1"):
            npy[::2]


def _null_of(array: np.ndarray) -> object:
    if array.dtype.kind == "M":
        return np.datetime64("NaT")
    return None if array.dtype == object else np.nan


class TestDask:
    def test_rows_types_and_divisions(self, stored: Dataset) -> None:
        frame = stored.to_dask()
        assert frame.npartitions == tables.N_SHARDS
        assert frame.divisions == (0, 200, 401, 601, 802, 1002)
        expected = whole(stored)
        computed = frame.compute(scheduler="sync")
        assert computed.index.tolist() == list(range(tables.N_ROWS))
        pd.testing.assert_frame_equal(
            computed.reset_index(drop=True).astype(expected.dtypes.to_dict()), expected
        )
        assert dict(frame._meta.dtypes) == dict(computed.dtypes)

    def test_only_the_columns_of_a_query_are_read(self, npy: Dataset) -> None:
        count = npy.to_dask()["count"]
        assert int(count.sum().compute(scheduler="sync")) == int(np.nansum(npy["count"]))
        frame = npy.to_dask(columns=["id", "fare"])
        assert list(frame.columns) == ["id", "fare"]
        assert frame.loc[500:504].compute(scheduler="sync")["id"].tolist() == list(range(500, 505))


class TestPolars:
    def test_rows_and_schema(self, stored: Dataset) -> None:
        lazy = stored.to_polars_lazy()
        frame = lazy.collect()
        assert lazy.collect_schema() == frame.schema
        for name in stored.columns:
            array = stored[name]
            found = (
                frame[name].cast(pl.String) if frame[name].dtype == pl.Categorical else frame[name]
            )
            wanted = pd.Series(found.to_list()).to_numpy(array.dtype, na_value=_null_of(array))
            np.testing.assert_array_equal(wanted, array, err_msg=name)

    def test_a_query_reads_what_it_needs(self, stored: Dataset) -> None:
        lazy = stored.to_polars_lazy()
        found = lazy.filter(pl.col("id") >= 700).select("id", "fare").head(4).collect()
        assert found["id"].to_list() == [700, 701, 702, 703]
        assert lazy.select(pl.len()).collect().item() == tables.N_ROWS


class TestArrow:
    @pytest.mark.parametrize("format_name", ["parquet", "arrow"])
    def test_files_are_a_dataset_of_arrow(self, tmp_path: Path, format_name: str) -> None:
        dataset = tables.dataset(tmp_path / "d", format_name, "rows")
        found = dataset.to_arrow_dataset()
        assert found.schema == dataset.schema.arrow()
        assert found.count_rows() == tables.N_ROWS
        assert found.to_table(columns=["id"])["id"].to_pylist() == list(range(tables.N_ROWS))
        ids = duckdb.sql("SELECT max(id) FROM found WHERE city = 'Bern'").fetchall()
        assert ids == [(1001,)]

    def test_other_formats_are_refused(self, npy: Dataset) -> None:
        with pytest.raises(UsageError, match=r"is npy, and pyarrow\.dataset reads"):
            npy.to_arrow_dataset()


class TestRepresentation:
    def test_html_has_the_columns_and_escapes_them(self, tmp_path: Path) -> None:
        rows = pa.table({"<b>": pa.array([1.5, None]), "label": pa.array([0, 1])})
        dataset = open_dataset(write_dataset(tmp_path / "d", rows, "npy", "columns", 1, "label"))
        page = dataset._repr_html_()
        assert "<td>&lt;b&gt;</td>" in page
        assert "<b>" not in page
        assert "2 rows" in page
