"""The shards of a dataset, read in bounded memory from any format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from bigdata_cli.dataset.manifest import Manifest, ShardEntry
from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import Format, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.io.manifest_names import PLAIN_MANIFEST, find_manifest
from bigdata_cli.io.stores import open_store
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.url import Place

if TYPE_CHECKING:
    import pyarrow as pa


class ShardReader:
    """The manifest of a dataset, and its rows shard by shard. Holds no open file.

    split: the one that the manifest is of, None for all of the dataset. whole_manifest: that of the
    dataset with all of its splits.
    """

    def __init__(
        self,
        path: Place,
        manifest: Manifest,
        split: str | None = None,
        whole_manifest: Manifest | None = None,
    ) -> None:
        self.path = path
        self.split = split
        self.whole_manifest = whole_manifest or manifest
        self.store = open_store(path)
        self.manifest = manifest

    @cached_property
    def manifest_name(self) -> str:
        """What the file of the manifest is called, in the folder of the dataset."""
        return find_manifest(self.store) or PLAIN_MANIFEST

    @property
    def manifest_path(self) -> Place:
        """Where the file of the manifest is."""
        return self.path / self.manifest_name

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
                f"{self.manifest_path} is damaged: {error.message}",
                hint=f"bigdata verify {self.path}",
            ) from error
        return form

    @property
    def storage(self) -> StorageOptions:
        """How the shards are stored."""
        return self.manifest.storage

    def statistics(self, name: str) -> ColumnStatistics:
        """The statistics of a column; raises UsageError where there is no such column."""
        return self.manifest.statistics.get(self.schema[name].name, ColumnStatistics())

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
        from bigdata_cli.loaders.order import check_count

        names = None if columns is None else [c.name for c in self.select(columns)]
        check_count("max_rows", max_rows)
        indices = range(len(self.shards)) if shards is None else tuple(shards)
        for index in indices:
            if not 0 <= index < len(self.shards):
                raise UsageError(f"there is no shard {index}: the dataset has {len(self.shards)}")
        return chain.from_iterable(self.read_shard(i, names, max_rows=max_rows) for i in indices)

    def read_shard(
        self,
        index: int,
        columns: Sequence[str] | None = None,
        *,
        rows: range | None = None,
        max_rows: int = 65_536,
    ) -> Iterator[pa.RecordBatch]:
        """Rows of one shard (None: all) as `read` gives them, by random access, if possible."""
        self.check_files(index)
        shard = self.shards[index]
        found = 0
        for batch in self.format.read(
            self.store,
            shard.file_names,
            self.schema,
            self.storage,
            columns=columns,
            max_rows=max_rows,
            rows=rows,
        ):
            found += batch.num_rows
            if batch.num_rows:
                yield batch
        self.check_rows(index, found, rows)

    def check_rows(self, index: int, found: int, rows: range | None = None) -> None:
        """Raise VerificationError where other rows were found than the manifest has (None: all)."""
        shard = self.shards[index]
        if found != (shard.rows if rows is None else len(rows)):
            ended = found if rows is None else rows.start + found
            raise VerificationError(
                f"{self.path / shard.file_names[0]} has {ended:,} rows; "
                f"the manifest says {shard.rows:,}",
                hint=f"bigdata verify {self.path}",
            )

    def check_files(self, index: int) -> None:
        """Raise VerificationError where a file of a shard is missing or has another size."""
        for file in self.shards[index].files:
            problem = self.store.problem(file.name)
            if problem is None:
                n_bytes = self.store.stat(file.name).bytes
                if n_bytes == file.bytes:
                    continue
                sizes = f"{n_bytes:,} bytes, and the manifest says {file.bytes:,}"
                problem = f"the file is damaged: it has {sizes}"
            raise VerificationError(
                f"{self.path / file.name}: {problem}", hint=f"bigdata verify {self.path}"
            )

    def select(self, columns: Sequence[str] | None) -> tuple[Column, ...]:
        """The columns of these names, None for all; raises UsageError where one is missing."""
        if columns is None:
            return self.schema.columns
        if isinstance(columns, str):
            raise UsageError(f'columns is a list of names: columns=["{columns}"]')
        chosen = tuple(self.schema[name] for name in columns)
        if not chosen:
            raise UsageError("columns is empty", hint="columns=None reads all of them")
        if len(set(columns)) != len(chosen):
            raise UsageError("columns has a column twice")
        return chosen
