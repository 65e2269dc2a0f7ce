"""Datasets as LazyFrames of polars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from bigdata_cli.errors import MissingDependencyError
from bigdata_cli.loaders.arrow_dataset import file_paths
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.encode import as_read

try:
    import polars as pl
    from polars.io.plugins import register_io_source
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("polars", "polars", purpose="to_polars_lazy") from error


def lazy_frame(dataset: ReadableDataset) -> Any:
    """See `Dataset.to_polars_lazy`."""
    read_schema = as_read(dataset, dataset.schema)
    schema = _frame(pa.Table.from_batches([], read_schema.arrow())).schema
    if dataset.format.traits.arrow_name == "parquet":
        paths = file_paths(dataset)
        if paths:
            return pl.scan_parquet(paths)

    def read(
        columns: list[str] | None, predicate: Any, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        n_left = dataset.rows if n_rows is None else n_rows
        for batch in dataset.read(columns, max_rows=batch_size or 65_536):
            if n_left <= 0:
                return
            frame = _frame(pa.Table.from_batches([batch])).head(n_left)
            n_left -= len(frame)
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(read, schema=schema)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
