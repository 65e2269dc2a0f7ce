"""Datasets for LightGBM: rows in sequence, of which it keeps the bins in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bigdata_cli.errors import BudgetError, MissingDependencyError
from bigdata_cli.loaders.tree_memory import lightgbm_memory
from bigdata_cli.loaders.tree_rows import TreeBlock, TreeRows
from bigdata_cli.resources.memory import available_memory_bytes
from bigdata_cli.resources.sizes import format_size

try:
    import lightgbm
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("lightgbm", "trees", purpose="LightGBM") from error

PARAMETERS = {"force_col_wise": True, "verbosity": -1}
"""Column-wise histograms: row-wise ones would hold all bins a second time."""
BATCH_ROWS = 16_384


def binned_dataset(
    rows: TreeRows, *, parameters: Mapping[str, Any] | None = None, reference: Any = None
) -> Any:
    """Return a constructed `lightgbm.Dataset` of rows; see `Dataset.to_lightgbm`."""
    given = {**PARAMETERS, **(parameters or {})}
    needed = lightgbm_memory(rows, max_bin=int(given.get("max_bin", 255))).memory_bytes
    free = available_memory_bytes()
    if needed > free:
        raise BudgetError(
            f"LightGBM keeps {rows.n_rows:,} rows of {len(rows.names):,} features in about "
            f"{format_size(needed)} of memory, and {format_size(free)} are free",
            hint='to_xgboost() keeps them on the disk; or columns=[…], split="[:50%]"',
        )
    sequence = _RowSequence(rows)
    dataset = lightgbm.Dataset(
        sequence,
        reference=reference,
        feature_name=rows.feature_names,
        categorical_feature=[place for place, is_one in enumerate(rows.is_category) if is_one],
        params=given,
        free_raw_data=True,
    )
    dataset.construct()
    y, weights = sequence.labels()
    dataset.set_label(y)
    if weights is not None:
        dataset.set_weight(weights)
    return dataset


class _RowSequence(lightgbm.Sequence):
    """Rows by their number, for a reader that goes forward, and begins anew when it goes back.

    LightGBM takes a sample, whose rows ascend, and then all rows.
    """

    batch_size = BATCH_ROWS

    def __init__(self, rows: TreeRows) -> None:
        self._rows = rows
        self._left: Iterator[TreeBlock] = iter(())
        self._block = np.empty((0, len(rows.names)), np.float32)
        self._first = rows.n_rows  # before anything is read, every row lies behind
        self._y: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []

    def __len__(self) -> int:
        return self._rows.n_rows

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            start, stop, _ = key.indices(len(self))
            parts = []
            while start < stop:
                block = self._from(start)[: stop - start]
                parts.append(block)
                start += len(block)
            return np.concatenate(parts).astype(np.float64)
        return self._from(int(key))[0].astype(np.float64)

    def labels(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the labels (rows,) and the weights (rows,) of what was read last, all rows."""
        return np.concatenate(self._y), np.concatenate(self._weights) if self._weights else None

    def _from(self, row: int) -> np.ndarray:
        """Return the rows of a block from this one on."""
        if row < self._first:
            self._left = self._rows.blocks()
            self._block, self._first = self._block[:0], 0
            self._y, self._weights = [], []
        while row >= self._first + len(self._block):
            self._first += len(self._block)
            block = next(self._left)
            self._block = block.X
            self._y.append(block.y)
            if block.weights is not None:
                self._weights.append(block.weights)
        return self._block[row - self._first :]
