"""Which sources are tables, and which are text; it loads what reads tables only for tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError
from bigdata_cli.io.paths import (
    ENCRYPTED_PARQUET_MAGIC,
    MANIFEST_NAME,
    PARQUET_MAGIC,
    expand_paths,
    is_parquet_name,
)
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import Source, open_source

if TYPE_CHECKING:
    from bigdata_cli.sources.tables.source import TableSource


def open_rows(
    paths: Sequence[str | Path], options: SourceOptions | None = None
) -> Source | TableSource:
    """Look at the sources and say what they are: text files, or tables.

    Raises UsageError and DataError as `open_source` and `open_tables` do, and UsageError where
    there are both.
    """
    names = expand_paths(paths)
    tables = [name for name in names if is_table(name)]
    if not tables:
        return open_source(paths, options)
    if len(tables) < len(names):
        text = next(name for name in names if name not in tables)
        raise UsageError(
            f"{tables[0]} is a table and {text} is text: a conversion reads one or the other",
            hint="convert each into a dataset; several datasets are one source",
        )
    from bigdata_cli.sources.tables.source import open_tables

    return open_tables(names, options)


def is_table(name: str) -> bool:
    """Whether it is a dataset of ours or a Parquet file, or called as one."""
    if os.path.isdir(name):
        return os.path.exists(os.path.join(name, MANIFEST_NAME))
    if not os.path.isfile(name):
        return False
    if os.path.basename(name) == MANIFEST_NAME or is_parquet_name(name):
        return True
    try:
        with open(name, "rb") as file:
            return file.read(4) in (PARQUET_MAGIC, ENCRYPTED_PARQUET_MAGIC)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
