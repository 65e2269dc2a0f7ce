"""A dataset that `bigdata convert` wrote, read back in bounded memory from any format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

from bigdata_cli.dataset.folder import dataset_folder
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.dataset.trees import TreeReader
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.io.stores import open_store
from bigdata_cli.printable import html_table


def open_dataset(path: str | Path) -> Dataset:
    """The dataset in a folder; `path` is the folder or its manifest.

    Raises UsageError where there is no dataset, DataError where its manifest is damaged.
    """
    folder = dataset_folder(path)
    return Dataset(folder, read_manifest(open_store(folder)))


class Dataset(TreeReader):
    """The rows of a dataset, or of a split of it, streamed.

    Cheap to make, safe to pickle; holds no open file.

    >>> dataset = open_dataset("trips-parquet")                             # doctest: +SKIP
    >>> for batch in dataset.batches(1024):                                 # doctest: +SKIP
    ...     batch["fare"].mean()
    """

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        name = "" if self.split is None else f"[{self.split!r}]"
        splits = f", splits {', '.join(self.splits)}" if self.splits else ""
        plural = "" if len(self.shards) == 1 else "s"
        return (
            f"<Dataset {str(self.path)!r}{name}: {self.manifest.format} ({self.storage.layout}), "
            f"{self.rows:,} rows, {len(self.schema)} columns, "
            f"{len(self.shards)} shard{plural}{splits}>"
        )

    def _repr_html_(self) -> str:
        """The columns with their statistics, for notebooks; nothing is read."""
        rows = []
        for column in self.schema.columns[:_SHOWN_COLUMNS]:
            known = self.statistics(column.name)
            mean = "" if known.mean is None else f"{known.mean:.6g}"
            ends = ["" if end is None else end for end in (known.minimum, known.maximum)]
            rows.append((column.name, column.dtype, f"{known.nulls:,}", *ends, mean))
        left_out = len(self.schema) - len(rows)
        if left_out:
            rows.append((f"… {left_out:,} more columns", "", "", "", "", ""))
        return html_table(repr(self), ("column", "dtype", "nulls", "min", "max", "mean"), rows)

    @overload
    def __getitem__(self, key: slice) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | slice) -> Any:
        """A split, a column or a slice of the rows.

        - `dataset["train"]`: a split as a dataset of its own.
        - `dataset["amount"]`: a column as an array (rows,); `column` reads one that is called as a
          split is.
        - `dataset[1000:2000]`: rows as a dict of arrays by column; see `rows_as_columns`.

        Raises UsageError where there is no such split or column.
        """
        if isinstance(key, slice):
            return self.rows_as_columns(key)
        if not isinstance(key, str):
            raise UsageError(
                f"a dataset is indexed by a column, a split or a slice of rows, not by {key!r}",
                hint="dataset[1000:2000], or dataset.batches(1024) for all rows",
            )
        if key in self.splits_here:
            return self.of_split(key)
        if key in self.schema.names:
            return self.column(key)
        known = [*self.splits_here, *self.schema.names]
        what = "split and no column" if self.splits_here else "column"
        raise UsageError(f'{self.path} has no {what} "{key}"', hint=did_you_mean(key, known))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self.schema.names)

    @property
    def splits_here(self) -> tuple[str, ...]:
        """The names of the splits; a split has none."""
        return tuple(entry.name for entry in self.manifest.splits)

    @property
    def splits(self) -> dict[str, Dataset]:
        """The splits by name, in their order; empty where the dataset has none."""
        return {name: self.of_split(name) for name in self.splits_here}


_SHOWN_COLUMNS = 100
