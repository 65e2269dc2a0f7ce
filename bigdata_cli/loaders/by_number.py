"""Rows by their number, from files that stay where they are: npy and HDF5."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import RowAccess
from bigdata_cli.loaders.encode import Encoder

if TYPE_CHECKING:
    from bigdata_cli.dataset import Dataset


def memmaps(dataset: Dataset) -> list[Any]:
    """The mapped arrays of each shard of an npy dataset; see `Dataset.memmap`."""
    if dataset.manifest.format != "npy":
        raise UsageError(
            f"{dataset.path} is {dataset.manifest.format}; only npy files are arrays as they are",
            hint="bigdata convert … --to npy; or to_numpy_batches()",
        )
    from bigdata_cli.formats.npy.read import open_columns, open_matrix

    mapped: list[Any] = []
    for index, shard in enumerate(dataset.shards):
        dataset.check_files(index)
        source = dataset.path, shard.file_names, dataset.schema
        if dataset.storage.layout == "matrix":
            mapped.append(open_matrix(*source, dataset.storage)[:2])
        else:
            files, _ = open_columns(*source, dataset.schema.names)
            mapped.append({name: part for file in files for name, part in file.arrays().items()})
    return mapped


class RowsByNumber:
    """The arrays of an encoder for any rows of a dataset.

    Files are opened when the first row of them is asked for, in the process that asks. Raises
    UsageError for a format whose rows cannot be had one by one.
    """

    def __init__(self, dataset: Dataset, encoder: Encoder) -> None:
        if not dataset.format.traits.has_row_access:
            raise UsageError(
                f"{dataset.path} is {dataset.manifest.format}, whose rows cannot be had one by one",
                hint="bigdata convert … --to npy, or hdf5; or to_torch(), which reads in batches",
            )
        self._dataset = dataset
        self._encoder = encoder
        self._ends = np.array(list(accumulate(shard.rows for shard in dataset.shards)), np.int64)
        self._opened: dict[int, RowAccess] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": {}}

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        """The rows of these numbers, int64 (n,), in this order; each may come several times."""
        distinct, places = np.unique(rows, return_inverse=True)
        shards = np.searchsorted(self._ends, distinct, side="right")
        parts = []
        for shard in np.unique(shards).tolist():
            before = int(self._ends[shard - 1]) if shard else 0
            batch = self._access(shard).take(distinct[shards == shard] - before)
            parts.append(self._encoder.encode(batch))
        if not parts:
            return self._encoder.empty(0)
        return [np.concatenate(arrays)[places] for arrays in zip(*parts, strict=True)]

    def _access(self, shard: int) -> RowAccess:
        if shard not in self._opened:
            self._opened[shard] = open_shard(self._dataset, shard, self._encoder)
        return self._opened[shard]


class OpenShard:
    """The shard that threads read one range of rows of after another; the last one stays open."""

    def __init__(self, dataset: Dataset, encoder: Encoder) -> None:
        self._dataset = dataset
        self._encoder = encoder
        self._lock = threading.Lock()
        self._last: tuple[int, RowAccess] | None = None

    def read(self, shard: int, rows: range, max_rows: int) -> Iterator[pa.RecordBatch]:
        """Rows of a shard, as `Dataset.read_shard` gives them."""
        with self._lock:
            if self._last is None or self._last[0] != shard:
                self._last = shard, open_shard(self._dataset, shard, self._encoder)
            access = self._last[1]
        return access.read(rows, max_rows)


def open_shard(dataset: Dataset, shard: int, encoder: Encoder) -> RowAccess:
    """A shard with the columns of an encoder; VerificationError where it has not its rows."""
    dataset.check_files(shard)
    access = dataset.format.open_rows(
        dataset.path,
        dataset.shards[shard].file_names,
        dataset.schema,
        dataset.storage,
        columns=[column.name for column in encoder.columns],
    )
    dataset.check_rows(shard, access.rows)
    return access
