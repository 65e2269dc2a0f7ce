"""Datasets for boosted trees and for models that are fitted part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.dataset.frames import FrameReader
from bigdata_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bigdata_cli.loaders.tree_memory import TreeMemory

TREE_LIBRARIES = ("xgboost", "lightgbm")


class TreeReader(FrameReader):
    """The rows of a dataset as XGBoost, LightGBM and scikit-learn take them."""

    def to_xgboost(
        self,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        max_bin: int = 256,
        cache: str | Path | None = None,
        ref: Any = None,
    ) -> Any:
        """An `xgboost.ExtMemQuantileDMatrix`, whose rows are in a file and not in memory.

        Features are numbers as they are, NaN for null, and codes of categories, which XGBoost knows
        as such. cache: the folder of that file, by default the system's for temporary files; it is
        removed with the matrix. ref: the matrix to train on, where this one is to evaluate on: it
        has the same bins then. `tree_memory("xgboost")` says how large it becomes. Raises
        BudgetError where the disk does not hold it, UsageError where a column is text or the label
        is null in some rows.

        >>> matrix = dataset.to_xgboost()                                      # doctest: +SKIP
        >>> booster = xgboost.train({"objective": "binary:logistic"}, matrix)  # doctest: +SKIP
        """
        from bigdata_cli.loaders.tree_rows import tree_rows
        from bigdata_cli.loaders.xgboost import external_matrix

        rows = tree_rows(self, label=label, columns=columns, split=split)
        return external_matrix(rows, cache=cache, max_bin=max_bin, ref=ref)

    def to_lightgbm(
        self,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        reference: Any = None,
    ) -> Any:
        """A `lightgbm.Dataset` that is made of the rows block by block.

        LightGBM keeps the bins of all rows in memory, a byte for each value: `tree_memory` says how
        much beforehand, and BudgetError is raised where that is not free. parameters: those of
        the dataset, such as {"max_bin": 63}. reference: the Dataset to train on, where this one is
        to evaluate on. Features are as in `to_xgboost`.
        """
        from bigdata_cli.loaders.lightgbm import binned_dataset
        from bigdata_cli.loaders.tree_rows import tree_rows

        rows = tree_rows(self, label=label, columns=columns, split=split)
        return binned_dataset(rows, parameters=parameters, reference=reference)

    def tree_memory(
        self,
        library: str,
        *,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
    ) -> TreeMemory:
        """What "xgboost" or "lightgbm" will take of memory and disk for this dataset."""
        from bigdata_cli.loaders.tree_memory import lightgbm_memory, xgboost_memory
        from bigdata_cli.loaders.tree_rows import tree_rows

        if library not in TREE_LIBRARIES:
            raise UsageError(
                f'"{library}" is not a library of trees: xgboost, lightgbm',
                hint=did_you_mean(library, TREE_LIBRARIES),
            )
        rows = tree_rows(self, label=label, columns=columns, split=split)
        return xgboost_memory(rows) if library == "xgboost" else lightgbm_memory(rows)

    def partial_fit(
        self,
        model: Any,
        *,
        batch_size: int = 4_096,
        epochs: int = 1,
        label: str | None = None,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        seed: int = 0,
    ) -> Any:
        """Fit a model of scikit-learn with `partial_fit`, on normalised rows in random order.

        Batches are those of `to_numpy_batches(normalize=True, shuffle=True)`; a classifier gets
        all classes with the first. Rows without a label are left out. Returns the model.
        Raises UsageError where it has no `partial_fit`, or a category has more than 32 values.
        """
        from bigdata_cli.loaders.partial_fit import fit_batches

        stream = self.to_numpy_batches(
            batch_size, label=label, columns=columns, split=split, shuffle=True, seed=seed,
            normalize=True,
        )  # fmt: skip
        return fit_batches(model, stream, self.label(label), epochs=epochs)
