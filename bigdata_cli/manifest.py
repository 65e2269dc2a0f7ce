"""The manifest of a dataset: dataclasses and their JSON (`docs/format.md` describes it).

What is read is untrusted: it may be damaged, edited, or made by somebody who wants to do harm.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Any

from bigdata_cli.checksum import FileEntry, checked
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.json_fields import Field, JsonError, parse_json
from bigdata_cli.types.dtype import DTYPES, Column, Kind, Schema, kind_of
from bigdata_cli.types.statistics import ColumnStatistics

MANIFEST_NAME = "_manifest.json"
MANIFEST_VERSION = 3
_OLDEST_VERSION = 2
"""Its files have SHA-256, under the key `sha256`."""
MAX_MANIFEST_BYTES = 1 << 29
_MOST_ROWS_PER_BYTE = 1 << 20
"""Of a shard: more than any format makes of columns with one value. What is planned from a number
of rows, such as the blocks of an epoch, must have an end."""
SHARD_FILE = re.compile(
    r"(?P<stem>.+)-\d{5,}-of-\d{5,}\.(parquet|h5|npy|tfrecord|tfrecord\.gz)", re.DOTALL
)
"""What the files of shards are called. A file of another name is none, whatever a manifest says:
the files of a dataset are removed when it is replaced."""
_MAX_NAME_BYTES = 255
"""What file systems allow for the name of a file."""
_NO_DIGEST = b"0" * 64
_SEAL = re.compile(rb'"sha256": "([0-9a-f]{64})"\n\}\n\Z')


@dataclass(frozen=True, kw_only=True)
class SourceEntry:
    """One source file: its name as the user gave it, and what it looked like when read."""

    name: str
    bytes: int
    mtime_ns: int
    digest: str


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
    sidecars: tuple[FileEntry, ...] = ()
    """Extra files that belong to the dataset: the format's own metadata, rejected records."""

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
            # A name that is no Unicode is shown, and never opened again.
            "sources": [
                {**vars(source), "name": source.name.encode("utf-8", "replace").decode()}
                for source in self.sources
            ],
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
            "sidecars": [vars(file) for file in self.sidecars],
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
        return _schema(Field(columns))
    except JsonError as error:
        raise UsageError(f"not a list of columns with name and dtype: {error}") from error


def _schema(columns: Field) -> Schema:
    parsed = tuple(_column(entry) for entry in columns.items())
    if len({column.name for column in parsed}) != len(parsed):
        raise UsageError("two columns have the same name")
    return Schema(parsed)


def _column(entry: Field) -> Column:
    name, dtype = entry.field("name").text(), entry.field("dtype").text()
    if dtype not in DTYPES:
        raise UsageError(f'column "{name}": "{dtype}" is not a dtype')
    vocabulary = None
    if kind_of(dtype) is Kind.CATEGORY and entry.has("vocabulary"):
        listed = entry.field("vocabulary")
        vocabulary = listed.texts()
        if any(a >= b for a, b in pairwise(vocabulary)):
            raise listed.wrong("sorted texts, none twice")
    return Column(name=name, dtype=dtype, vocabulary=vocabulary)


def manifest_from_json(document: Field) -> Manifest:
    """The manifest in a document; raises DataError where it is not one of ours."""
    version = document.field("manifest_version").value if document.has("manifest_version") else None
    if type(version) is not int or not _OLDEST_VERSION <= version <= MANIFEST_VERSION:
        known = type(version) is int and version < _OLDEST_VERSION
        again = "convert the source again with --force" if known else "pip install -U bigdata-cli"
        raise DataError(
            f"manifest version {version!r} is not {MANIFEST_VERSION}",
            hint=again if isinstance(version, int) else None,
        )
    try:
        return _manifest(document)
    except (JsonError, UsageError) as error:
        raise DataError(f"the manifest is damaged: {error}") from error


def _manifest(document: Field) -> Manifest:
    columns = document.field("columns")
    schema = _schema(columns)
    label = document.field("label")
    if label.text_or_null() is not None and label.value not in schema.names:
        raise label.wrong("the name of a column")
    statistics = {
        column.name: _statistics(entry.field("statistics"), column.kind)
        for column, entry in zip(schema, columns.items(), strict=True)
        if entry.has("statistics")
    }
    shards = tuple(_shard(shard) for shard in document.field("shards").items())
    if not shards:
        raise document.field("shards").wrong("a list of shards")
    for total in (sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards)):
        Field(total, document, "sum of all shards").count()
    document.field("rows").count()
    return Manifest(
        tool_version=document.field("tool_version").text(),
        name=_plain(document.field("name"), end="-"),
        format=document.field("format").text(),
        storage=StorageOptions(
            layout=document.field("layout").text(),
            label=label.value,
            compression=document.field("compression").text_or_null(),
            matrix_dtype=document.field("matrix_dtype").one_of("float32", "float64"),
        ),
        sources=tuple(_source(source) for source in document.field("sources").items()),
        dialect={key: entry.value for key, entry in document.field("dialect").entries()},
        options={key: entry.value for key, entry in document.field("options").entries()},
        schema=schema,
        statistics=statistics,
        shards=shards,
        rejected_rows=document.field("rejected_rows").count(),
        order=document.field("order").one_of("source", "within shards"),
        sidecars=tuple(_file(file) for file in document.field("sidecars").items()),
    )


def _source(source: Field) -> SourceEntry:
    return SourceEntry(
        name=source.field("name").text(),
        bytes=source.field("bytes").count(),
        mtime_ns=source.field("mtime_ns").integer(),
        digest=source.field("digest").text(),
    )


def _shard(shard: Field) -> ShardEntry:
    files = shard.field("files").items()
    for file in files:
        name = file.field("name")
        if not SHARD_FILE.fullmatch(name.text()):
            raise name.wrong("the name of a shard's file")
    if not files:
        raise shard.field("files").wrong("a list of files")
    ranges = []
    for piece in shard.field("source_ranges").items():
        numbers = tuple(number.count() for number in piece.items())
        if len(numbers) != 3 or numbers[1] > numbers[2]:
            raise piece.wrong("a source, and where a piece of it begins and ends")
        ranges.append(numbers)
    entry = ShardEntry(
        files=tuple(_file(file) for file in files),
        rows=shard.field("rows").count(),
        source_ranges=tuple(ranges),
    )
    if entry.rows > _MOST_ROWS_PER_BYTE * (entry.bytes + 1):
        raise shard.field("rows").wrong(f"what {entry.bytes:,} bytes can hold")
    return entry


def _file(file: Field) -> FileEntry:
    return FileEntry(
        name=_plain(file.field("name")),
        bytes=file.field("bytes").count(),
        checksum=_checksum(file),
    )


def _checksum(file: Field) -> str:
    """The checksum of a file; before version 3 it was always SHA-256."""
    is_old = file.has("sha256") and not file.has("checksum")
    field = file.field("sha256" if is_old else "checksum")
    try:
        return checked(f"sha256:{field.text()}" if is_old else field.text())
    except ValueError as error:
        raise field.wrong("a checksum") from error


def _statistics(known: Field, kind: Kind) -> ColumnStatistics:
    counts = {
        key: known.field(key).count()
        for key in ("count", "nulls", "infinite", "text_bytes", "max_text_bytes")
    }
    if counts["nulls"] + counts["infinite"] > counts["count"]:
        raise known.wrong("counts that go together")
    ends = {key: _end(known.field(key), kind) for key in ("minimum", "maximum")}
    mean, m2, error = (known.field(key) for key in ("mean", "m2", "float32_error"))
    return ColumnStatistics(
        **counts,
        **ends,
        mean=None if mean.value is None else float(mean.number()),
        m2=None if m2.value is None else float(m2.number()),
        # What JSON has no number for is written as null.
        float32_error=math.inf if error.value is None else float(error.number()),
    )


def _end(end: Field, kind: Kind) -> Any:
    """A minimum or maximum."""
    if end.value is None:
        return None
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        return end.text()
    if kind is Kind.FLOAT:
        return end.number()
    return end.integer()


def plain_name(name: str) -> str:
    """A file name that cannot leave its folder, on any system; raises ValueError for another."""
    if (
        name in ("", ".", "..", MANIFEST_NAME)
        or any(mark in name for mark in "/\\\0")
        or PureWindowsPath(name).drive
        or len(name.encode()) > _MAX_NAME_BYTES
    ):
        raise ValueError(f"{name!r} is not a file name")
    return name


def _plain(name: Field, end: str = "") -> str:
    """A text that is a file name, or one with this end."""
    try:
        plain_name(name.text() + end)
    except ValueError as error:
        raise name.wrong("a file name") from error
    return name.text()


def read_manifest(folder: Path, name: str = MANIFEST_NAME) -> Manifest:
    """The manifest in a folder, in the file of that name.

    Raises UsageError where there is none, DataError where it is damaged or was changed.
    """
    path = folder / name
    manifest, seal = load_manifest(path, read_manifest_bytes(path))
    if seal is Seal.BROKEN:
        raise DataError(
            f"{path} is damaged, or was changed by hand: {seal.value}",
            hint=f"bigdata verify {folder}; after a change of your own, leave out its entry sha256",
        )
    return manifest


def read_manifest_bytes(path: Path) -> bytes:
    """The bytes of a manifest; UsageError where there is none, DataError where it is no such file.

    Nothing but a regular file of a bearable size is read.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            known = os.fstat(file.fileno())
            if not stat.S_ISREG(known.st_mode):
                raise DataError(f"{path} is not a file")
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{path.parent} is not a dataset: it has no {MANIFEST_NAME}",
            hint="bigdata convert FILE.csv --to parquet makes one",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataError(f"{path} is no manifest: it has more than {MAX_MANIFEST_BYTES:,} bytes")
    return data


class Seal(Enum):
    """What the checksum that a manifest has of itself says of it."""

    INTACT = "its SHA-256 is the one that it says"
    BROKEN = "its SHA-256 is not the one that it says"
    MISSING = "it has no SHA-256 of itself"


def load_manifest(path: Path, data: bytes) -> tuple[Manifest, Seal]:
    """The manifest in the bytes of a file, and whether they are those that were written."""
    try:
        document = parse_json(data)
    except JsonError as error:
        raise DataError(f"{path} is damaged: {error}") from error
    try:
        manifest = manifest_from_json(document)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", hint=error.hint) from error
    if not document.has("sha256"):
        return manifest, Seal.MISSING
    match = _SEAL.search(data, max(0, len(data) - 128))
    is_intact = match is not None and match[1].decode() == _digest(data, match)
    return manifest, Seal.INTACT if is_intact else Seal.BROKEN


def _digest(data: bytes, seal: re.Match[bytes]) -> str:
    """The SHA-256 of a manifest: of all its bytes, with zeros in the place of the digest itself."""
    digest = hashlib.sha256(memoryview(data)[: seal.start(1)])
    digest.update(_NO_DIGEST)
    digest.update(data[seal.end(1) :])
    return digest.hexdigest()


def manifest_text(manifest: Manifest) -> str:
    """The manifest as it stands in its file, with its checksum; DataError where it is too long."""
    values = {**manifest.to_json(), "sha256": _NO_DIGEST.decode()}
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    data = text.encode("utf-8")
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataError(
            f"the manifest would have {len(data):,} bytes, more than {MAX_MANIFEST_BYTES:,}",
            hint="--type COL=text has no vocabulary in it; fewer --shards",
        )
    seal = _SEAL.search(data, len(data) - 128)
    assert seal is not None
    return (data[: seal.start(1)] + _digest(data, seal).encode() + data[seal.end(1) :]).decode()
