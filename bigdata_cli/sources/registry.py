"""The kinds of sources: which of them reads a file, and what opens it. Each loads what it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bigdata_cli.errors import UsageError
from bigdata_cli.io.manifest_names import has_manifest, is_manifest_name
from bigdata_cli.io.paths import (
    ENCRYPTED_PARQUET_MAGIC,
    PARQUET_MAGIC,
    expand_paths,
    is_json_lines_name,
    is_parquet_name,
    partition_keys,
)
from bigdata_cli.io.places import is_folder, open_file
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.files import TextFiles
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import Source, open_source
from bigdata_cli.sources.partitioned import with_partition_keys
from bigdata_cli.url import Url

if TYPE_CHECKING:
    from bigdata_cli.sources.tables.source import TableSource


class SourceKind(NamedTuple):
    """A kind of source.

    Attributes:
        noun: What a file of it is.
        reads: Whether it reads the file of that name under these options.
        open: Opens such files as one source.
    """

    noun: str
    reads: Callable[[str, SourceOptions], bool]
    open: Callable[[Sequence[str], SourceOptions], Any]


def open_rows(
    paths: Sequence[str | Path],
    options: SourceOptions | None = None,
    *,
    accepts_bad_rows: bool = False,
) -> Source | TableSource:
    """Look at the sources and open them as what they are: text files, JSON lines or tables.

    accepts_bad_rows: of a text, more than half of the first rows may be bad. Raises UsageError and
    DataError as what opens them does, and UsageError where they are of more than one kind.
    """
    options = options or SourceOptions()
    names = expand_paths(paths)
    found: dict[str, str] = {}
    for name in names:
        kind = next(kind for kind in KINDS if kind.reads(name, options))
        found.setdefault(kind.noun, name)
    if len(found) > 1:
        (noun, first), (other, second) = list(found.items())[:2]
        raise UsageError(
            f"{first} is {noun} and {second} is {other}: a conversion reads one or the other",
            hint="convert each into a dataset; several datasets are one source",
        )
    source = next(kind for kind in KINDS if kind.noun in found).open(names, options)
    if isinstance(source, TextFiles):
        source = replace(source, accepts_bad_rows=accepts_bad_rows)
    keys = partition_keys(paths, names)
    return with_partition_keys(source, keys) if keys[names[0]] else source


def dialect_kind(entry: Mapping[str, Any]) -> type[Dialect]:
    """The class of the dialect that a manifest has."""
    if "records" not in entry:
        return Dialect
    from bigdata_cli.sources.jsonl.dialect import RECORDS, JsonDialect

    return JsonDialect if entry["records"] == RECORDS else Dialect


def is_table(name: str, options: SourceOptions | None = None) -> bool:
    """Whether it is a dataset of ours or a Parquet file, or called as one."""
    if isinstance(name, Url):
        return _is_table_at(name)
    if os.path.isdir(name):
        return has_manifest(name)
    if not os.path.isfile(name):
        return False
    if is_manifest_name(os.path.basename(name)) or is_parquet_name(name):
        return True
    try:
        with open(name, "rb") as file:
            return file.read(4) in (PARQUET_MAGIC, ENCRYPTED_PARQUET_MAGIC)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error


def _is_table_at(url: Url) -> bool:
    """`is_table` of an address that `expand_paths` gave."""
    if url.snapshot is None:  # a folder, a member of an archive, or nothing
        return "::" not in url.name and is_folder(url)
    if is_manifest_name(url.name) or is_parquet_name(url.name):
        return True
    if not url.snapshot.has_ranges or not url.snapshot.bytes:
        return False
    try:
        with open_file(url) as file:
            return file.read(4) in (PARQUET_MAGIC, ENCRYPTED_PARQUET_MAGIC)
    except OSError as error:
        raise UsageError(f"{url} cannot be read: {error.strerror}") from error


def _is_json_lines(name: str, options: SourceOptions) -> bool:
    """Whether a file is to be read as JSON lines: the user says so, or it is called like that."""
    if options.jsonl is not None:
        return options.jsonl
    return is_json_lines_name(name) and not options.text and options.delimiter is None


def _open_json_lines(names: Sequence[str], options: SourceOptions) -> Source:
    from bigdata_cli.sources.jsonl.source import open_json_lines

    return open_json_lines(names, options)


def _open_tables(names: Sequence[str], options: SourceOptions) -> TableSource:
    from bigdata_cli.sources.tables.source import open_tables

    return open_tables(names, options)


KINDS = (
    SourceKind("a table", is_table, _open_tables),
    SourceKind("JSON lines", _is_json_lines, _open_json_lines),
    SourceKind("text", lambda name, options: True, open_source),
)
"""The first that reads a file takes it."""
