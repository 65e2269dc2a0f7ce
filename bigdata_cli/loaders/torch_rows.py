"""Rows by their number as tensors, for the samplers of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bigdata_cli.errors import MissingDependencyError
from bigdata_cli.loaders.access import RandomAccess
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.encode import Encoding
from bigdata_cli.loaders.order import split_rows

try:
    from torch.utils.data import Dataset as MapDataset

    from bigdata_cli.loaders.torch_tensors import tensors, torch_encoder
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("torch", "torch", purpose="to_torch_map") from error


def torch_rows(dataset: ReadableDataset, encoding: Encoding, *, split: str | None) -> TorchRows:
    """See `Dataset.to_torch_map`."""
    encoder = torch_encoder(dataset, encoding)
    return TorchRows(dataset, encoder, split_rows(split, dataset.rows))


class TorchRows(MapDataset):
    """Rows by their number, as tensors, for the samplers of torch.

    `rows[7]` is one row, `rows[[3, 1, 4]]` a batch that is read at once, as a DataLoader does with
    `sampler=BatchSampler(RandomSampler(rows), 512, drop_last=False), batch_size=None`. With its own
    `batch_size` a DataLoader calls `__getitems__`, and collates the rows.
    """

    def __init__(self, dataset: ReadableDataset, encoder: Encoder, rows: range) -> None:
        self._encoder = encoder
        self._rows = rows
        self._access = RandomAccess(dataset, encoder)

    def __len__(self) -> int:
        return len(self._rows)

    def _take(self, numbers: Sequence[int]) -> list[np.ndarray]:
        wanted = np.asarray(numbers, np.int64).reshape(-1)
        n_rows = len(self._rows)
        if len(wanted) and not (-n_rows <= wanted.min() and wanted.max() < n_rows):
            raise IndexError(f"there are {n_rows:,} rows")
        return self._access.take(self._rows.start + wanted % max(1, n_rows))

    def __getitem__(self, index: Any) -> Any:
        if np.ndim(index) == 0:
            return self.__getitems__([index.__index__()])[0]
        return tensors(self._encoder.batch(self._take(index)))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return rows one by one, read at once."""
        arrays = self._take(indices)
        return [
            tensors(self._encoder.batch([array[row] for array in arrays]))
            for row in range(len(arrays[0]))
        ]
