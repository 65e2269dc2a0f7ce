"""Datasets of `bigdata` as tables, in any format and layout, with their dtypes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import DataError, VerificationError, lost
from bigdata_cli.io.origin import check_unchanged, snapshot_of, with_snapshot
from bigdata_cli.io.places import open_file
from bigdata_cli.sources.tables.table import Table
from bigdata_cli.types.dtype import Column, Kind, arrow_type, item_bytes
from bigdata_cli.url import Place

_EXACT = {"float32": 2**24, "float64": 2**53}
"""Integers up to these are exact in a feature matrix."""
_MIN_ROWS, _MAX_ROWS = 64, 1 << 18


@dataclass(frozen=True, kw_only=True)
class DatasetTable(Table):
    """A dataset of ours; its parts are its shards."""

    dataset: Dataset
    manifest: Place

    def of_split(self, name: str) -> DatasetTable:
        """The rows of a split; raises UsageError where there is none of that name."""
        split = self.dataset.of_split(name)
        return replace(self, dataset=split, parts=tuple(shard.rows for shard in split.shards))

    def check_unchanged(self) -> None:
        # Its shards are what its manifest says, or reading them fails.
        check_unchanged(self.name, self.manifest, None, self.mtime_ns)

    def read(
        self, columns: Sequence[str], *, batch_bytes: int, part: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        shards = None if part is None else (part,)
        max_rows = self._batch_rows(columns, batch_bytes)
        batches = self.dataset.read(list(columns), max_rows=max_rows, shards=shards)
        while True:
            try:
                batch = next(batches, None)
            except (VerificationError, OSError) as error:
                damage = DataError(str(error), hint=f"bigdata verify {self.name}")
                raise lost(self.name, error) or damage from error
            if batch is None:
                return
            yield self._settled(batch)

    def _batch_rows(self, columns: Sequence[str], batch_bytes: int) -> int:
        row_bytes = sum(
            item_bytes(
                column.dtype,
                n_values=column.n_values,
                mean_text_bytes=self.dataset.statistics(column.name).mean_text_bytes,
            )
            for column in self.dataset.select(columns)
        )
        return int(min(_MAX_ROWS, max(_MIN_ROWS, batch_bytes / max(row_bytes, 1.0))))

    def _settled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The numbers of a matrix as what they are of: integers, bools, dates."""
        arrays = []
        for field, array in zip(batch.schema, batch.columns, strict=True):
            dtype = self.dtypes.get(field.name)
            if dtype is not None and array.type != arrow_type(dtype):
                array = self._cast(array, field.name, dtype)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def _cast(self, array: pa.Array, name: str, dtype: str) -> pa.Array:
        try:
            if dtype == "date":
                return array.cast(pa.int32()).cast(pa.date32())
            if dtype == "bool":
                return array.cast(pa.uint8()).cast(pa.bool_())
            return array.cast(arrow_type(dtype))
        except pa.ArrowInvalid as error:
            raise DataError(
                f'{self.name}: column "{name}" holds what is not {dtype}: {error}',
                hint=f"bigdata verify {self.name}",
            ) from error


def open_own(name: str) -> DatasetTable:
    """The dataset in a folder, or beside its manifest, as a table."""
    dataset = open_dataset(name)
    folder = dataset.path
    if isinstance(folder, Path):
        folder = Path(os.path.abspath(folder))
    manifest = with_snapshot(folder / dataset.manifest_name)
    written = snapshot_of(manifest).mtime_ns
    with open_file(manifest) as file:
        digest = hashlib.sha256(file.read())
    dtypes, types = {}, {}
    for column in dataset.schema:
        dtype = _dtype(dataset, column)
        types[column.name] = pa.null() if dtype == "null" else arrow_type(dtype)
        if dtype != "null":
            dtypes[column.name] = dtype
    return DatasetTable(
        name=str(name),
        stem=dataset.manifest.name,
        path=manifest.parent,
        manifest=manifest,
        types=types,
        parts=tuple(shard.rows for shard in dataset.shards),
        dtypes=dtypes,
        vocabularies={
            column.name: frozenset(column.vocabulary or ())
            for column in dataset.schema
            if column.kind is Kind.CATEGORY
        },
        bytes=dataset.manifest.bytes,
        mtime_ns=written,
        digest=digest.hexdigest(),
        dataset=dataset,
    )


def _dtype(dataset: Dataset, column: Column) -> str:
    """The dtype of a column as it is stored.

    A feature of a matrix is a number of the matrix: it is what it was made of where that is exact,
    which it is not for timestamps and for integers that are too large.
    """
    storage = dataset.storage
    is_feature = storage.layout == "matrix" and column.name != storage.label
    if not is_feature or column.kind in (Kind.NULL, Kind.BOOL, Kind.CATEGORY, Kind.DATE):
        return column.dtype
    if column.kind is Kind.INT:
        known = dataset.statistics(column.name)
        ends = [abs(int(end)) for end in (known.minimum, known.maximum) if end is not None]
        return (
            column.dtype
            if max(ends, default=0) <= _EXACT[storage.matrix_dtype]
            else (storage.matrix_dtype)
        )
    return "float32" if column.dtype == "float32" else storage.matrix_dtype
