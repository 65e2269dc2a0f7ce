"""The manifest of a dataset: dataclasses and their JSON (`docs/format.md` describes it)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.schema.dtype import DTYPES, Column, Schema
from bigdata_cli.schema.statistics import ColumnStatistics

MANIFEST_NAME = "_manifest.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class SourceEntry:
    """One source file: its name as the user gave it, and what it looked like when read."""

    name: str
    bytes: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file of a shard."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """One shard: its files, its rows, and where in the source it came from.

    source_ranges: (source index, first byte, byte after the last) of each piece.
    """

    files: tuple[FileEntry, ...]
    rows: int
    source_ranges: tuple[tuple[int, int, int], ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def file_names(self) -> tuple[str, ...]:
        return tuple(file.name for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that is known of a dataset. `statistics` is keyed by column name."""

    tool_version: str
    name: str
    format: str
    storage: StorageOptions
    sources: tuple[SourceEntry, ...]
    dialect: Mapping[str, Any]
    options: Mapping[str, Any]
    schema: Schema
    statistics: Mapping[str, ColumnStatistics]
    shards: tuple[ShardEntry, ...]
    rejected_rows: int = 0
    order: str = "source"
    """"source": the rows of the shards, one after the other, are those of the source in order;
    "within shards": each shard's rows are in order, but taken from all over the source."""
    sidecars: tuple[str, ...] = ()
    """Names of extra files that belong to the dataset (the format's own metadata)."""

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """The manifest as plain JSON values."""
        return {
            "manifest_version": MANIFEST_VERSION,
            "tool_version": self.tool_version,
            "name": self.name,
            "format": self.format,
            "layout": self.storage.layout,
            "label": self.storage.label,
            "compression": self.storage.compression,
            "matrix_dtype": self.storage.matrix_dtype,
            "rows": self.rows,
            "rejected_rows": self.rejected_rows,
            "order": self.order,
            "sources": [vars(source) for source in self.sources],
            "dialect": dict(self.dialect),
            "options": dict(self.options),
            "columns": schema_to_json(self.schema, self.statistics),
            "shards": [
                {
                    "rows": shard.rows,
                    "files": [vars(file) for file in shard.files],
                    "source_ranges": [list(piece) for piece in shard.source_ranges],
                }
                for shard in self.shards
            ],
            "sidecars": list(self.sidecars),
        }


def schema_to_json(
    schema: Schema, statistics: Mapping[str, ColumnStatistics] | None = None
) -> list[dict[str, Any]]:
    """The columns as `--schema` reads them, with statistics where they are known."""
    columns = []
    for column in schema:
        entry: dict[str, Any] = {
            "name": column.name,
            "kind": str(column.kind),
            "dtype": column.dtype,
        }
        if column.vocabulary is not None:
            entry["vocabulary"] = list(column.vocabulary)
        if statistics is not None and column.name in statistics:
            known = statistics[column.name]
            entry["statistics"] = {
                key: _finite(value) for key, value in {**vars(known), "std": known.std}.items()
            }
        columns.append(entry)
    return columns


def _finite(value: Any) -> Any:
    """JSON has no infinity: moments that overflow float64 are null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def schema_from_json(columns: Any) -> Schema:
    """The columns of a manifest or a `--schema` file; raises UsageError where they are wrong."""
    try:
        parsed = tuple(
            Column(
                name=str(entry["name"]),
                dtype=str(entry["dtype"]),
                vocabulary=tuple(entry["vocabulary"]) if entry.get("vocabulary") else None,
            )
            for entry in columns
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"not a list of columns with name and dtype: {error!r}") from error
    for column in parsed:
        if column.dtype not in DTYPES:
            raise UsageError(f'column "{column.name}": "{column.dtype}" is not a dtype')
    if len({column.name for column in parsed}) != len(parsed):
        raise UsageError("two columns have the same name")
    return Schema(parsed)


def manifest_from_json(data: Mapping[str, Any]) -> Manifest:
    """The manifest in `data`; raises DataError where it is not one of ours."""
    version = data.get("manifest_version") if isinstance(data, Mapping) else None
    if version != MANIFEST_VERSION:
        raise DataError(
            f"manifest version {version!r} is not {MANIFEST_VERSION}",
            hint="pip install -U bigdata-cli" if isinstance(version, int) else None,
        )
    try:
        columns = data["columns"]
        statistics = {
            entry["name"]: ColumnStatistics(
                **{key: value for key, value in entry["statistics"].items() if key != "std"}
            )
            for entry in columns
            if "statistics" in entry
        }
        return Manifest(
            tool_version=data["tool_version"],
            name=data["name"],
            format=data["format"],
            storage=StorageOptions(
                layout=data["layout"],
                label=data["label"],
                compression=data["compression"],
                matrix_dtype=data["matrix_dtype"],
            ),
            sources=tuple(SourceEntry(**source) for source in data["sources"]),
            dialect=data["dialect"],
            options=data["options"],
            schema=schema_from_json(columns),
            statistics=statistics,
            shards=tuple(_shard_from_json(shard) for shard in data["shards"]),
            rejected_rows=data["rejected_rows"],
            order=data.get("order", "source"),
            sidecars=tuple(plain_name(name) for name in data["sidecars"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"the manifest is damaged: {error!r}") from error


def _shard_from_json(shard: Mapping[str, Any]) -> ShardEntry:
    return ShardEntry(
        files=tuple(
            FileEntry(
                name=plain_name(file["name"]), bytes=int(file["bytes"]), sha256=file["sha256"]
            )
            for file in shard["files"]
        ),
        rows=int(shard["rows"]),
        source_ranges=tuple(tuple(piece) for piece in shard["source_ranges"]),
    )


def plain_name(name: str) -> str:
    """A file name that cannot leave its folder; raises ValueError for another."""
    if PurePosixPath(name).name != name or name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is not a file name")
    return name


def read_manifest(folder: Path, name: str = MANIFEST_NAME) -> Manifest:
    """The manifest in a folder, in the file of that name.

    Raises UsageError where there is none, DataError where it is damaged.
    """
    path = folder / name
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{folder} is not a dataset: it has no {MANIFEST_NAME}",
            hint="bigdata convert FILE.csv --to parquet makes one",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        return manifest_from_json(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    except (DataError, UsageError) as error:
        raise DataError(f"{path}: {error.message}", hint=error.hint) from error


def manifest_text(manifest: Manifest) -> str:
    """The manifest as it stands in its file."""
    return json.dumps(manifest.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
