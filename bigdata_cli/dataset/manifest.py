"""The manifest of a dataset: its records and their JSON (`docs/format.md` describes it)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from bigdata_cli.checksum import FileEntry, is_file_name
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.registry import shard_extensions
from bigdata_cli.io.manifest_names import is_manifest_name
from bigdata_cli.splits.options import is_split_name
from bigdata_cli.strict_json import Count
from bigdata_cli.types.column_entry import (
    ColumnEntry,
    StatisticsEntry,
    column_entries,
    schema_of,
    statistics_of,
)
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.statistics import ColumnStatistics

MANIFEST_VERSION = 4
"""The newest: of datasets with splits. Without them it is `PLAIN_VERSION`, which older readers know
too."""
PLAIN_VERSION = 3
SHARD_FILE = re.compile(
    rf"(?P<stem>.+)-\d{{5,}}-of-\d{{5,}}({'|'.join(map(re.escape, shard_extensions()))})", re.DOTALL
)
"""The pattern of the names of shard files. A manifest may list no other file as part of a shard:
the files of a dataset are removed when it is replaced."""
_MAX_SOURCE_SHARDS = 100_000
_MAX_ROWS_PER_BYTE = 1 << 20
"""Of a shard: more than any format makes of columns with one value. What is planned from a number
of rows, such as the blocks of an epoch, must have an end."""


class SourceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One source file: its name as the user gave it, and what it looked like when read."""

    name: str
    bytes: Count
    mtime_ns: int
    digest: str


class ShardEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One shard: its rows, its files, and where in the source it came from.

    source_ranges: (source index, first byte, byte after the last) of each piece. source_shard: of a
    dataset with splits, the shard of the source: several shards, one of each split, are made of it.
    """

    rows: Count
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1)]
    source_ranges: tuple[tuple[Count, Count, Count], ...]
    source_shard: Count | UnsetType = UNSET

    def __post_init__(self) -> None:
        for file in self.files:
            if not SHARD_FILE.fullmatch(file.name.rpartition("/")[2]):
                raise ValueError(f"{file.name[:255]!r} is not the name of a shard's file")
        if any(start > stop for _, start, stop in self.source_ranges):
            raise ValueError("a piece of a source ends before it begins")
        if self.rows > _MAX_ROWS_PER_BYTE * (self.bytes + 1):
            raise ValueError(f"{self.bytes:,} bytes cannot hold {self.rows:,} rows")

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def file_names(self) -> tuple[str, ...]:
        return tuple(file.name for file in self.files)


class SplitEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A split: its rows, how many of the shards it has, and the statistics of its columns."""

    name: str
    rows: Count
    shards: Count
    statistics: dict[str, StatisticsEntry]

    def __post_init__(self) -> None:
        if not is_split_name(self.name):
            raise ValueError(f"{self.name[:255]!r} is not the name of a split")


_RARE_KEYS = (
    *("transforms", "filtered_rows", "short_rows", "long_rows", "repeated_headers"),
    *("unmatched_rows", "unknown_values", "partition_by", "splits"),
)
"""Not in the file where they are 0 or empty: so most manifests are as those of earlier versions."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All that is known of a dataset, key by key in the order of its file.

    order: "source" where the rows of the shards, one after the other, are those of the source in
    order; "within shards" where only the rows of each shard are; "shuffled" where they are in the
    random order of a seed, "sorted" where they are sorted by columns. partition_by: columns whose
    values are in the names of folders, and not in the files. sidecars: files that belong to the
    dataset beside its shards: the format's own metadata, rejected records. filtered_rows: that were
    read, and that a filter took away. short_rows, long_rows: records that had too few or too many
    fields and were kept; repeated_headers: that were left out. unmatched_rows: by table of a join,
    those whose key it does not have. unknown_values: by column, those that are null as the dataset
    that was the model for this one has no such category. splits: in the order of their shards; none
    where the dataset is not split.
    """

    manifest_version: int = PLAIN_VERSION
    tool_version: str
    name: str
    format: str
    layout: str
    label: str | None
    compression: str | None
    matrix_dtype: Literal["float32", "float64"]
    partition_by: tuple[str, ...] = ()
    written_rows: Count = msgspec.field(name="rows")
    """As the file has it; `rows` is the sum of the shards."""
    rejected_rows: Count
    filtered_rows: Count = 0
    short_rows: Count = 0
    long_rows: Count = 0
    repeated_headers: Count = 0
    unmatched_rows: dict[str, Count] = {}
    unknown_values: dict[str, Count] = {}
    order: Literal["source", "within shards", "shuffled", "sorted"]
    sources: tuple[SourceEntry, ...]
    dialect: dict[str, Any]
    transforms: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any]
    columns: tuple[ColumnEntry, ...]
    splits: tuple[SplitEntry, ...] = ()
    shards: Annotated[tuple[ShardEntry, ...], Meta(min_length=1)]
    sidecars: tuple[FileEntry, ...]

    def __post_init__(self) -> None:
        if not is_file_name(f"{self.name}-"):
            raise ValueError(f"name: {self.name[:255]!r} is not the beginning of a file name")
        for file in self.sidecars:
            if is_manifest_name(file.name):
                raise ValueError(f"sidecars: {file.name!r} is the manifest itself")
        if any("/" in file.name for file in self.sidecars):
            raise ValueError("sidecars: a file that is not in the folder of the dataset")
        if set(self.partition_by) - {entry.name for entry in self.columns}:
            raise ValueError("partition_by: a column that is not there")
        if self.label is not None and self.label not in {entry.name for entry in self.columns}:
            raise ValueError(f'label: there is no column "{self.label}"')
        if max(self.rows, self.bytes) >= 2**63:
            raise ValueError("shards: the sum of their rows or bytes is too large")
        self._check_splits()

    def _check_splits(self) -> None:
        """Raise ValueError where the splits are not those of the shards."""
        if not self.splits:
            return
        if len({split.name for split in self.splits}) < len(self.splits):
            raise ValueError("splits: two have the same name")
        if sum(split.shards for split in self.splits) != len(self.shards):
            raise ValueError("splits: the sum of their shards is not the number of shards")
        names = {entry.name for entry in self.columns}
        if any(not split.shards or split.statistics.keys() - names for split in self.splits):
            raise ValueError("splits: one has no shard, or statistics of other columns")
        for shard in self.shards:
            if shard.source_shard is UNSET or shard.source_shard >= _MAX_SOURCE_SHARDS:
                raise ValueError("shards: one with a wrong source_shard, and there are splits")

    @cached_property
    def storage(self) -> StorageOptions:
        values = {field.name: getattr(self, field.name) for field in fields(StorageOptions)}
        return StorageOptions(**values)

    @cached_property
    def schema(self) -> Schema:
        return schema_of(self.columns)

    @cached_property
    def statistics(self) -> Mapping[str, ColumnStatistics]:
        """The statistics of columns by name, of those that have any."""
        return statistics_of(self.columns)

    @property
    def is_reordered(self) -> bool:
        """Whether the rows are in an order of their own."""
        return self.order in ("shuffled", "sorted")

    def shards_of(self, split: str) -> range:
        """The places of the shards of a split in `shards`; raises KeyError where there is none."""
        first = 0
        for entry in self.splits:
            if entry.name == split:
                return range(first, first + entry.shards)
            first += entry.shards
        raise KeyError(split)

    def of_split(self, split: str) -> Manifest:
        """The manifest of a split alone, as a dataset without splits; raises KeyError."""
        places = self.shards_of(split)
        (entry,) = (one for one in self.splits if one.name == split)
        columns = tuple(
            replace(column, statistics=entry.statistics.get(column.name, UNSET))
            for column in self.columns
        )
        shards = self.shards[places.start : places.stop]
        rows = sum(shard.rows for shard in shards)
        return replace(self, columns=columns, shards=shards, splits=(), written_rows=rows)

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values."""
        values = msgspec.to_builtins(replace(self, written_rows=self.rows))
        return {key: value for key, value in values.items() if value or key not in _RARE_KEYS}


def make_manifest(
    *,
    storage: StorageOptions,
    sources: Iterable[SourceEntry],
    schema: Schema,
    statistics: Mapping[str, ColumnStatistics],
    shards: tuple[ShardEntry, ...],
    rejected_rows: int = 0,
    sidecars: tuple[FileEntry, ...] = (),
    **values: Any,
) -> Manifest:
    """Make the manifest of a dataset; values: the other fields of `Manifest`."""
    return Manifest(
        manifest_version=MANIFEST_VERSION if values.get("splits") else PLAIN_VERSION,
        **vars(storage),
        written_rows=sum(shard.rows for shard in shards),
        rejected_rows=rejected_rows,
        # A name that is not Unicode is for display only.
        sources=tuple(replace(s, name=s.name.encode(errors="replace").decode()) for s in sources),
        columns=column_entries(schema, statistics),
        shards=shards,
        sidecars=sidecars,
        **values,
    )
