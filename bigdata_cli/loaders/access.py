"""Rows of a dataset by their number, and the files of npy datasets as mapped arrays."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import RowAccess
from bigdata_cli.loaders.base import Encoder, ReadableDataset


class RandomAccess:
    """The arrays of any rows of a dataset.

    The process that asks for a row opens its file, at the first row of it.

    Raises:
        UsageError: The format has no random access.
    """

    def __init__(self, dataset: ReadableDataset, encoder: Encoder) -> None:
        if not dataset.format.traits.has_row_access:
            raise UsageError(
                f"{dataset.path} is {dataset.manifest.format}, without random access to rows",
                hint="bigdata convert … --to npy, or hdf5; or to_torch(), which reads in batches",
            )
        self._dataset = dataset
        self._encoder = encoder
        self._ends = np.array(list(accumulate(shard.rows for shard in dataset.shards)), np.int64)
        self._opened: dict[int, RowAccess] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": {}}

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the arrays of rows.

        Args:
            rows: Numbers of rows, int64 (n,), in any order; a number may come several times.
        """
        distinct, places = np.unique(rows, return_inverse=True)
        shards = np.searchsorted(self._ends, distinct, side="right")
        parts = []
        for shard in np.unique(shards).tolist():
            before = int(self._ends[shard - 1]) if shard else 0
            if shard not in self._opened:
                self._opened[shard] = open_shard(self._dataset, shard, self._encoder)
            batch = self._opened[shard].take(distinct[shards == shard] - before)
            parts.append(self._encoder.encode(batch))
        if not parts:
            return self._encoder.empty(0)
        return [np.concatenate(arrays)[places] for arrays in zip(*parts, strict=True)]


def open_shard(dataset: ReadableDataset, shard: int, encoder: Encoder) -> RowAccess:
    """Open a shard with the columns of an encoder.

    Raises:
        VerificationError: The shard is not what the manifest says.
    """
    dataset.check_files(shard)
    access = dataset.format.open_rows(
        dataset.store,
        dataset.shards[shard].file_names,
        dataset.schema,
        dataset.storage,
        columns=[column.name for column in encoder.columns],
    )
    dataset.check_rows(shard, access.rows)
    return access


def memmaps(dataset: ReadableDataset) -> list[Any]:
    """Return the mapped arrays of each shard of an npy dataset; see `Dataset.memmap`."""
    if dataset.manifest.format != "npy":
        raise UsageError(
            f"{dataset.path} is {dataset.manifest.format}; only npy files are arrays as they are",
            hint="bigdata convert … --to npy; or to_numpy_batches()",
        )
    from bigdata_cli.formats.npy.read import open_columns, open_matrix

    mapped: list[Any] = []
    for index, shard in enumerate(dataset.shards):
        dataset.check_files(index)
        source = dataset.store, shard.file_names, dataset.schema
        if dataset.storage.layout == "matrix":
            mapped.append(open_matrix(*source, dataset.storage)[:2])
        else:
            files, _ = open_columns(*source, dataset.schema.names)
            mapped.append({name: part for file in files for name, part in file.arrays().items()})
    return mapped
