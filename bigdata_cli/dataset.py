"""A dataset that `bigdata convert` wrote, read back in bounded memory from any format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import Format, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.manifest import MANIFEST_NAME, Manifest, ShardEntry, read_manifest
from bigdata_cli.schema.dtype import Column, Kind, Schema, item_bytes, numpy_dtype
from bigdata_cli.schema.statistics import ColumnStatistics

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

READ_BYTES = 16_000_000
"""About how much is read at a time where the caller does not say how many rows."""


def open_dataset(path: str | Path) -> Dataset:
    """The dataset in a folder; `path` is the folder or its `_manifest.json`.

    Raises UsageError where there is no dataset, DataError where its manifest is damaged.
    """
    folder = dataset_folder(path)
    return Dataset(folder, read_manifest(folder))


def dataset_folder(path: str | Path) -> Path:
    """The folder that is meant by a folder or its `_manifest.json`; UsageError where it is none."""
    folder = Path(path)
    if folder.name == MANIFEST_NAME and not folder.is_dir():
        folder = folder.parent
    if not folder.exists():
        raise UsageError(f"{path} does not exist", hint="the folder that `bigdata convert` wrote")
    if not folder.is_dir():
        raise UsageError(
            f"{path} is a file, not the folder of a dataset",
            hint=f"bigdata convert {path} --to parquet makes a dataset of it",
        )
    return folder


def file_problem(folder: Path, name: str) -> str | None:
    """Why a file that a manifest names must not be opened; None where it may be.

    It has to be a regular file in the folder: a link may not lead out of it, and what is opened and
    never ends (a pipe, a device) is none.
    """
    path = folder / name
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            return "the file is a link that leads out of the dataset's folder"
        if not path.exists():
            return "the file is missing"
        return None if path.is_file() else "is not a file"
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        return f"the file cannot be looked at: {error}"


class Dataset:
    """The rows of a dataset, streamed. Cheap to make, safe to pickle; holds no open file.

    >>> dataset = open_dataset("trips-parquet")                             # doctest: +SKIP
    >>> for batch in dataset.batches(1024):                                 # doctest: +SKIP
    ...     batch["fare"].mean()
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @property
    def schema(self) -> Schema:
        """The columns, in order."""
        return self.manifest.schema

    @property
    def rows(self) -> int:
        """The number of rows in all shards."""
        return self.manifest.rows

    @property
    def shards(self) -> tuple[ShardEntry, ...]:
        """The shards as the manifest lists them."""
        return self.manifest.shards

    @cached_property
    def format(self) -> Format:
        """The format that the shards are stored in; DataError where it cannot hold the columns."""
        try:
            form = get_format(self.manifest.format)
            form.check(self.schema, self.storage)
        except (UsageError, DataError) as error:
            raise DataError(
                f"{self.path / MANIFEST_NAME} is damaged: {error.message}",
                hint=f"bigdata verify {self.path}",
            ) from error
        return form

    @property
    def storage(self) -> StorageOptions:
        """How the shards are stored."""
        return self.manifest.storage

    def statistics(self, name: str) -> ColumnStatistics:
        """What the manifest knows of a column; raises UsageError where there is none such."""
        return self.manifest.statistics.get(self.schema[name].name, ColumnStatistics())

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return (
            f"<Dataset {str(self.path)!r}: {self.manifest.format} ({self.storage.layout}), "
            f"{self.rows:,} rows, {len(self.schema)} columns, {len(self.shards)} shards>"
        )

    def read(
        self,
        columns: Sequence[str] | None = None,
        max_rows: int = 65_536,
        shards: Iterable[int] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow batches of at most `max_rows`, in order.

        columns: names, None for all. shards: indices of the shards to read, in the order to read
        them. Columns have the types of `schema.arrow()`; a matrix gives its numbers (a date as
        days, a timestamp as seconds since 1970). Raises UsageError for a column or a shard that
        there is not, VerificationError where a shard is not what the manifest says.
        """
        names = None if columns is None else [c.name for c in self.select(columns)]
        _check_positive("max_rows", max_rows)
        indices = range(len(self.shards)) if shards is None else tuple(shards)
        for index in indices:
            if not 0 <= index < len(self.shards):
                raise UsageError(f"there is no shard {index}: the dataset has {len(self.shards)}")
        return self._read_shards(names, max_rows, indices)

    def _read_shards(
        self, names: list[str] | None, max_rows: int, indices: Sequence[int]
    ) -> Iterator[pa.RecordBatch]:
        for index in indices:
            shard = self.shards[index]
            self._check_files(shard)
            rows = 0
            for batch in self.format.read(
                self.path,
                shard.file_names,
                self.schema,
                self.storage,
                columns=names,
                max_rows=max_rows,
            ):
                rows += batch.num_rows
                if batch.num_rows:
                    yield batch
            if rows != shard.rows:
                raise VerificationError(
                    f"{self.path / shard.file_names[0]} has {rows:,} rows; "
                    f"the manifest says {shard.rows:,}",
                    hint=f"bigdata verify {self.path}",
                )

    def _check_files(self, shard: ShardEntry) -> None:
        for file in shard.files:
            problem = file_problem(self.path, file.name)
            if problem is None:
                n_bytes = (self.path / file.name).stat().st_size
                if n_bytes == file.bytes:
                    continue
                sizes = f"{n_bytes:,} bytes, and the manifest says {file.bytes:,}"
                problem = f"the file is damaged: it has {sizes}"
            raise VerificationError(
                f"{self.path / file.name}: {problem}", hint=f"bigdata verify {self.path}"
            )

    def select(self, columns: Sequence[str] | None) -> tuple[Column, ...]:
        """The columns of those names, None for all; UsageError where one is not there."""
        if columns is None:
            return self.schema.columns
        if isinstance(columns, str):
            raise UsageError(f'columns is a list of names: columns=["{columns}"]')
        chosen = tuple(self.schema[name] for name in columns)
        if not chosen:
            raise UsageError("no columns were asked for", hint="columns=None reads all of them")
        if len(set(columns)) != len(chosen):
            raise UsageError("a column was asked for twice")
        return chosen

    def read_rows(self, columns: Iterable[Column]) -> int:
        """How many rows of these columns to read at a time to hold about READ_BYTES."""
        per_row = sum(
            item_bytes(
                column.dtype,
                n_values=column.n_values,
                # A Python string costs about 50 bytes more than its text.
                mean_text_bytes=50 + self.statistics(column.name).mean_text_bytes,
            )
            for column in columns
        )
        return int(min(65_536, max(256, READ_BYTES / max(per_row, 1.0))))

    def _coded(
        self, chosen: tuple[Column, ...], batch_size: int, *, drop_remainder: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Batches of exactly `batch_size` rows with categories as codes."""
        from bigdata_cli.loaders.arrays import CategoryCodes, rebatch

        codes = CategoryCodes(Schema(chosen))
        read = self.read([column.name for column in chosen], max_rows=self.read_rows(chosen))
        return rebatch(map(codes.apply, read), batch_size, drop_remainder=drop_remainder)

    def batches(
        self,
        batch_size: int,
        *,
        columns: Sequence[str] | None = None,
        drop_remainder: bool = False,
    ) -> Iterator[dict[str, np.ndarray]]:
        """The rows as dicts of arrays of shape (batch_size,), across the shards' ends.

        The last batch may be shorter; `drop_remainder` leaves it out. Numbers have their dtype
        (a matrix its own), dates are datetime64[D], timestamps datetime64[us] or [ns], text is
        object of str, a category its codes (`schema[name].vocabulary` has the values). Where
        there is no value: NaN, NaT, or 0, False and "" with a bool mask under "COL.valid", which
        is there only in the batches that need it. The arrays are the caller's own.
        Raises UsageError where a column named "COL.valid" and COL are both asked for.
        """
        from bigdata_cli.loaders.arrays import check_mask_names, numpy_batch

        _check_positive("batch_size", batch_size)
        chosen = self.select(columns)
        check_mask_names(chosen)
        return map(numpy_batch, self._coded(chosen, batch_size, drop_remainder=drop_remainder))

    def features(self, label: str | None) -> tuple[Column, ...]:
        """The columns of X: all but the label, in order; UsageError where one is text."""
        features = tuple(column for column in self.schema if column.name != label)
        texts = [column.name for column in features if column.kind is Kind.TEXT]
        if texts:
            raise UsageError(
                f"these columns are text and have no number: {', '.join(texts)}",
                hint="batches() gives text; or convert with --drop or --type COL=category",
            )
        return features

    def label(self, label: str | None = None) -> Column:
        """The label's column: the one named, or the manifest's; UsageError where neither is."""
        name = label if label is not None else self.storage.label
        if name is None:
            raise UsageError(
                f"{self.path} was converted without a label", hint="--label COL, or label=COL"
            )
        return self.schema[name]

    def label_dtype(self, label: str | None = None) -> np.dtype:
        """The dtype of y in `xy_batches`; UsageError where the label is not there or is text."""
        import numpy as np

        target = self.label(label)
        if target.kind is Kind.TEXT:
            raise UsageError(
                f'the label "{target.name}" is text',
                hint=f"convert with --type {target.name}=category",
            )
        as_feature = self.storage.layout == "matrix" and target.name != self.storage.label
        if as_feature and target.kind is not Kind.CATEGORY:
            return np.dtype(self.storage.matrix_dtype)
        if target.kind in _MASKED and self.statistics(target.name).nulls:
            return np.dtype("float64")
        return numpy_dtype(target.dtype, n_values=target.n_values)

    def xy_batches(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        dtype: str = "float32",
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The rows as (X, y): X of `dtype`, shape (batch, features), y of shape (batch,).

        label: a column, by default the manifest's. The columns of X are `features(label)`:
        bools 0 and 1, dates days and timestamps seconds since 1970, categories codes, NaN where
        there is no value. float32 holds integers exactly up to 2**24; dtype="float64" up to
        2**53. y has the label's dtype (codes for a category); where the label has nulls and is
        neither float nor date, y is float64 with NaN. Raises UsageError for text columns.
        """
        import numpy as np

        _check_positive("batch_size", batch_size)
        target, y_dtype = self.label(label), self.label_dtype(label)
        features = self.features(target.name)
        return (
            _matrix(batch, target, features, np.dtype(dtype), y_dtype)
            for batch in self._coded((*features, target), batch_size)
        )

    def iter_pandas(self, chunksize: int = 65_536) -> Iterator[pd.DataFrame]:
        """The rows as DataFrames of `chunksize` rows, each with the same dtypes.

        Ints and bools are NumPy's, or pandas' nullable ones (Int8 …, boolean) where the column
        has nulls anywhere in the dataset; dates datetime64[s], timestamps datetime64[us] or [ns]
        (UTC where they are); categories Categorical with the whole vocabulary; text is str.
        """
        from bigdata_cli.loaders.frames import data_frame

        _check_positive("chunksize", chunksize)
        chosen = self.schema.columns
        nullable = {c.name for c in chosen if self.statistics(c.name).nulls}
        return (
            data_frame(batch, self.schema, nullable) for batch in self._coded(chosen, chunksize)
        )


def _matrix(
    batch: pa.RecordBatch,
    target: Column,
    features: tuple[Column, ...],
    dtype: np.dtype,
    y_dtype: np.dtype,
) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    from bigdata_cli.loaders.arrays import column_values, numbers

    X = np.empty((batch.num_rows, len(features)), dtype)
    for place, column in enumerate(features):
        X[:, place] = numbers(batch.column(column.name))
    array = batch.column(target.name)
    y, valid = column_values(array)
    if valid is not None or (y_dtype.kind == "f" and y.dtype.kind != "f"):
        return X, numbers(array).astype(y_dtype if y_dtype.kind == "f" else np.float64)
    return X, y


_MASKED = (Kind.NULL, Kind.BOOL, Kind.INT, Kind.CATEGORY)
"""The kinds that have no value of their own for a null."""


def _check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise UsageError(f"{name} is {value!r}; it is a positive number of rows")
