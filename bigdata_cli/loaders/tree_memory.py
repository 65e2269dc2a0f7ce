"""What boosted trees on a dataset take of memory and disk, said before anything is read."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.loaders.tree_rows import BLOCK_BYTES, TreeRows

MAX_BIN = 256
"""Bins of a feature, as XGBoost has them by default."""
_LIBRARY_BYTES = 15e6
"""Of either library on few rows."""
_XGBOOST_BYTES, _LIGHTGBM_BYTES, _TRAINED_BYTES = 48e6, 44e6, 34e6
"""Of the library and of whole blocks of rows, as measured by `python -m benchmarks.trees`."""
_XGBOOST_NODES = 64
"""That have histograms at the same time, in trees of 6 levels."""
_SAMPLE_ROWS = 200_000
"""That LightGBM finds the bins from (`bin_construct_sample_cnt`)."""


@dataclass(frozen=True, kw_only=True)
class TreeMemory:
    """Bytes that are taken beyond those of the process before.

    Attributes:
        memory_bytes: At the peak, by the rows in the library and by reading.
        disk_bytes: Of the cache.
    """

    memory_bytes: int
    disk_bytes: int = 0


def xgboost_memory(rows: TreeRows, *, max_bin: int = MAX_BIN, n_outputs: int = 1) -> TreeMemory:
    """Return what XGBoost takes with external memory.

    The cache has each row's bins, twice (by row and by column), and its place in the page. By row
    the bins are of 4 bytes where a value is null. In memory are a few pages, and of each row the
    label, the node that it is in, and the gradients and the prediction of each output.
    """
    n_features, bin_bytes = len(rows.names), 1 if max_bin <= 256 else 2
    by_row = 4 if rows.has_nulls else bin_bytes
    cached_row_bytes = 8 + n_features / 8 + n_features * (bin_bytes + by_row)
    page_rows = min(rows.n_rows, BLOCK_BYTES / (4 * n_features + 4))
    while_built = _with_blocks(_XGBOOST_BYTES, rows) + 3.6 * page_rows * cached_row_bytes
    histograms = _XGBOOST_NODES * n_features * max_bin * 16
    while_trained = (
        _with_blocks(_TRAINED_BYTES, rows) + histograms + rows.n_rows * (23 + 13 * n_outputs)
    )
    return TreeMemory(
        memory_bytes=int(max(while_built, while_trained)),
        disk_bytes=int(rows.n_rows * cached_row_bytes),
    )


def lightgbm_memory(rows: TreeRows, *, max_bin: int = 255, n_outputs: int = 1) -> TreeMemory:
    """Return what LightGBM takes: the bins of all rows, of each row the scores and gradients.

    The sample that it finds the bins from is in memory twice, as float64.
    """
    n_features, bin_bytes = len(rows.names), 1 if max_bin <= 255 else 2
    sampled = 1.89 * 8 * min(_SAMPLE_ROWS, rows.n_rows) * n_features
    while_built = (
        _with_blocks(_LIGHTGBM_BYTES, rows) + sampled + rows.n_rows * (n_features * bin_bytes + 4)
    )
    per_row = n_features * bin_bytes + 31 + 16 * n_outputs
    while_trained = _with_blocks(_TRAINED_BYTES, rows) + rows.n_rows * per_row
    return TreeMemory(memory_bytes=int(max(while_built, while_trained)))


def _with_blocks(whole_bytes: float, rows: TreeRows) -> float:
    """Return what a library and blocks of rows take, where they take `whole_bytes` of many rows."""
    n_bytes = rows.n_rows * (4 * len(rows.names) + 4)
    return _LIBRARY_BYTES + (whole_bytes - _LIBRARY_BYTES) * min(1.0, n_bytes / BLOCK_BYTES)
