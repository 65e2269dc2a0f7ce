"""Datasets as dask DataFrames: a partition for each shard, all facts from the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pandas as pd

from bigdata_cli.errors import MissingDependencyError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.epochs import StreamOptions
from bigdata_cli.loaders.frames import FrameEncoder
from bigdata_cli.loaders.stream import BatchStream

try:
    from dask.dataframe import from_map
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("dask[dataframe]", "dask", purpose="to_dask") from error


def dask_frame(dataset: ReadableDataset, columns: Sequence[str] | None) -> Any:
    """See `Dataset.to_dask`."""
    chosen = [column.name for column in dataset.select(columns)]
    encoder = FrameEncoder(dataset, chosen)
    ends = list(accumulate(shard.rows for shard in dataset.shards))
    parts = [(end - shard.rows, end) for shard, end in zip(dataset.shards, ends, strict=True)]
    parts = [part for part in parts if part[0] < part[1]] or [(0, 0)]
    divisions = (*(start for start, _ in parts), max(0, parts[-1][1] - 1))
    read = _ShardFrames(dataset)
    meta = _with_rows(encoder.batch(encoder.empty(0)), 0)
    return from_map(read, parts, columns=chosen, meta=meta, divisions=divisions, label="bigdata")


class _ShardFrames:
    """Reads the rows of a shard as a DataFrame; pickled with the manifest, and no open file."""

    def __init__(self, dataset: ReadableDataset) -> None:
        self._dataset = dataset

    def __call__(self, rows: tuple[int, int], columns: Sequence[str]) -> pd.DataFrame:
        start, stop = rows
        encoder = FrameEncoder(self._dataset, list(columns) or None)
        if start == stop:
            return _with_rows(encoder.batch(encoder.empty(0)), start)
        options = StreamOptions(batch_size=stop - start, split=f"[{start}:{stop}]")
        (frame,) = BatchStream(self._dataset, encoder, options, threads=1)
        return _with_rows(frame[list(columns)], start)


def _with_rows(frame: pd.DataFrame, start: int) -> pd.DataFrame:
    """Return a frame with the numbers of its rows as the index."""
    frame.index = pd.RangeIndex(start, start + len(frame), name="row")
    return frame
