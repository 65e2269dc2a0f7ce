"""Rows of a dataset as tables: pandas, Dask, Polars, Arrow, and single columns as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bigdata_cli.dataset.batches import BatchReader

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class FrameReader(BatchReader):
    """The rows of a dataset as tables."""

    def iter_pandas(
        self, chunksize: int = 65_536, *, columns: Sequence[str] | None = None
    ) -> Iterator[pd.DataFrame]:
        """The rows as DataFrames of `chunksize` rows, each with the same dtypes.

        Ints and bools are NumPy's, or pandas' nullable ones (Int8 …, boolean) where the column
        has nulls anywhere in the dataset; dates datetime64[s], timestamps datetime64[us] or [ns]
        (UTC where they are); categories Categorical with the whole vocabulary; text is str.
        """
        from bigdata_cli.loaders.epochs import StreamOptions
        from bigdata_cli.loaders.frames import FrameEncoder
        from bigdata_cli.loaders.order import check_count
        from bigdata_cli.loaders.stream import BatchStream

        check_count("chunksize", chunksize)
        encoder = FrameEncoder(self, columns)
        return iter(BatchStream(self, encoder, StreamOptions(batch_size=chunksize)))

    def to_pandas(
        self, limit: int | None = None, *, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The first `limit` rows, or all, as one DataFrame with the dtypes of `iter_pandas`.

        Raises BudgetError where it would not fit into the memory that is free.
        """
        from bigdata_cli.loaders.frames import to_pandas

        return to_pandas(self, limit=limit, columns=columns)

    def head(self, n: int = 5) -> pd.DataFrame:
        """The first `n` rows as a DataFrame."""
        return self.to_pandas(n)

    def column(self, name: str) -> np.ndarray:
        """All values of a column, (rows,); see `rows_as_columns`."""
        return self.rows_as_columns(slice(None), [name])[name]

    def rows_as_columns(
        self, rows: slice, columns: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """A slice of the rows as arrays (rows,) by column, read from the files that hold them.

        Numbers have their dtype, dates are datetime64[D], timestamps datetime64[us] or [ns];
        text and categories are objects of str. Null is NaN, NaT or None: integers and bools with
        nulls are float64. Raises BudgetError where the arrays would not fit into the memory that is
        free, and UsageError where an integer with nulls is beyond 2**53.
        """
        from bigdata_cli.loaders.columns import row_arrays

        return row_arrays(self, rows, columns)

    def to_dask(self, *, columns: Sequence[str] | None = None) -> Any:
        """A dask DataFrame with a partition for each shard; nothing is read before it is computed.

        Dtypes are those of `iter_pandas`. The index is the number of the row, so the divisions
        come from the manifest. Raises MissingDependencyError where dask is not installed.
        """
        from bigdata_cli.loaders.dask import dask_frame

        return dask_frame(self, columns)

    def to_polars_lazy(self) -> Any:
        """A polars LazyFrame; it reads only the columns and rows that a query needs.

        Parquet is scanned by polars itself. Raises MissingDependencyError where polars is not
        installed.
        """
        from bigdata_cli.loaders.polars import lazy_frame

        return lazy_frame(self)

    def to_arrow_dataset(self) -> Any:
        """A `pyarrow.dataset.Dataset` of the files, as DuckDB and pandas take it.

        Raises UsageError for formats whose files are no tables of Arrow.
        """
        from bigdata_cli.loaders.arrow_dataset import arrow_dataset

        return arrow_dataset(self)
