"""Datasets for XGBoost: its external memory, with the quantised rows in files."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bigdata_cli.errors import BudgetError, MissingDependencyError, UsageError
from bigdata_cli.io.scratch import free_bytes, scratch_folder
from bigdata_cli.loaders.tree_memory import MAX_BIN, TreeMemory, xgboost_memory
from bigdata_cli.loaders.tree_rows import TreeBlock, TreeRows
from bigdata_cli.resources.sizes import format_size

try:
    import xgboost
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("xgboost", "trees", purpose="XGBoost") from error


def external_matrix(
    rows: TreeRows,
    *,
    cache: str | Path | None = None,
    max_bin: int = MAX_BIN,
    threads: int = 0,
    ref: Any = None,
) -> Any:
    """Return an `xgboost.ExtMemQuantileDMatrix` of rows; see `Dataset.to_xgboost`."""
    parent = None if cache is None else Path(cache)
    if parent is not None and not parent.is_dir():
        raise UsageError(f"cache: there is no folder {parent}", hint=f"mkdir -p '{parent}'")
    needed = xgboost_memory(rows, max_bin=max_bin)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(parent))
        _check_disk(folder, needed)
        matrix = _CachedMatrix(
            _Blocks(rows, str(folder / "rows")),
            max_bin=max_bin,
            nthread=threads or None,
            ref=ref,
            enable_categorical=any(rows.is_category),
        )
        matrix.owns(stack.pop_all())
    return matrix


class _CachedMatrix(xgboost.ExtMemQuantileDMatrix):
    """A matrix that removes the folder of its cache at its end, or at that of the process."""

    _cache: ExitStack | None = None
    _at_exit: Callable[[], None] | None = None

    def owns(self, cache: ExitStack) -> None:
        """Close `cache` at the end."""
        self._cache = cache
        # Registered after the folder's own end, it comes first: the file goes, then its folder.
        self._at_exit = partial(_end, weakref.ref(self))
        atexit.register(self._at_exit)

    def __del__(self) -> None:
        super().__del__()  # removes its file
        if self._cache is not None:
            self._cache.close()
        if self._at_exit is not None:
            atexit.unregister(self._at_exit)


def _end(reference: weakref.ref[_CachedMatrix]) -> None:
    matrix = reference()
    if matrix is not None:
        matrix.__del__()


def _check_disk(folder: Path, needed: TreeMemory) -> None:
    there = free_bytes(folder)
    if needed.disk_bytes > there:
        raise BudgetError(
            f"the cache of XGBoost takes about {format_size(needed.disk_bytes)} in {folder}, where "
            f"{format_size(there)} are free",
            hint="cache=FOLDER of another disk",
        )


class _Blocks(xgboost.DataIter):
    """Gives the blocks of rows to XGBoost, which asks for them several times."""

    def __init__(self, rows: TreeRows, cache_prefix: str) -> None:
        self._rows = rows
        self._left: Iterator[TreeBlock] | None = None
        self._types = ["c" if category else "q" for category in rows.is_category]
        super().__init__(cache_prefix=cache_prefix)

    def reset(self) -> None:
        """Begin again with the first row."""
        close = getattr(self._left, "close", None)
        if close is not None:
            close()
        self._left = None

    def next(self, input_data: Callable[..., None]) -> bool:
        """Give the next block; False where there is none."""
        if self._left is None:
            self._left = self._rows.blocks()
        block = next(self._left, None)
        if block is None:
            return False
        input_data(
            data=block.X,
            label=block.y,
            weight=block.weights,
            feature_names=self._rows.feature_names,
            feature_types=self._types,
        )
        return True
