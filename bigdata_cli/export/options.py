"""The requests of `cat` and `head`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bigdata_cli.option_kinds import ALL_NAMES, NATURAL, choice
from bigdata_cli.options import option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.transforms.options import EXPRESSIONS

ROW_FORMATS = ("csv", "jsonl", "arrow", "parquet")


@dataclass(frozen=True, kw_only=True)
class RowSelection:
    """Which columns and rows are given out."""

    columns: tuple[str, ...] | None = option(
        "The only columns, in this order.", ALL_NAMES, group="Rows", default=None
    )
    where: tuple[str, ...] = option(
        "Only the rows for which this is true, in SQL.", EXPRESSIONS, default=()
    )
    split: str | None = option(
        "Only the rows of this split of a dataset.", metavar="NAME", default=None
    )


@dataclass(frozen=True, kw_only=True)
class CatOptions:
    """Which rows to write, and how."""

    selection: RowSelection = field(default_factory=RowSelection)
    n_rows: int | None = option(
        "The first rows only.",
        NATURAL,
        argument="rows",
        short="-n",
        default_text="all",
        default=None,
    )
    rejected: bool = option(
        "In place of the rows, the records that the conversion set aside, with their places and "
        "reasons, as CSV.",
        default=False,
    )
    format: Literal["csv", "jsonl", "arrow", "parquet"] = option(
        "What to write: arrow is an Arrow IPC stream.",
        choice(ROW_FORMATS),
        group="Output",
        default="csv",
    )
    output: Path | None = option(
        "The file to write; without it, standard output.", short="-o", default=None
    )
    source: SourceOptions = field(default_factory=SourceOptions)
    on_bad_row: Literal["error", "skip"] = option(
        "A record that cannot be kept is an error, or is left out and counted.",
        choice(("error", "skip")),
        group="Bad rows",
        default="error",
    )
    cached: CacheOptions = field(default_factory=CacheOptions)


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """Which rows to show."""

    selection: RowSelection = field(default_factory=RowSelection)
    n_rows: int = option("The first rows.", NATURAL, argument="rows", short="-n", default=10)
    source: SourceOptions = field(default_factory=SourceOptions)
    on_bad_row: Literal["error", "skip"] = option(
        "A record that cannot be kept is an error, or is left out.",
        choice(("error", "skip")),
        group="Bad rows",
        default="error",
    )
    cached: CacheOptions = field(default_factory=CacheOptions)
