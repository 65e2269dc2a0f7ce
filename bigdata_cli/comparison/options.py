"""The request of `diff`."""

from __future__ import annotations

from dataclasses import dataclass, field

from bigdata_cli.option_kinds import ALL_NAMES, NATURAL
from bigdata_cli.options import option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.sources.csv.options import SourceOptions


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """What to compare."""

    columns: tuple[str, ...] | None = option(
        "The only columns to compare.", ALL_NAMES, group="Rows", default=None
    )
    n_rows: int = option(
        "Number of differing rows to show.",
        NATURAL,
        argument="rows",
        short="-n",
        default=10,
    )
    sample: bool = option(
        "Compare samples only, in seconds: columns, statistics and drift, and no single rows.",
        default=False,
    )
    source: SourceOptions = field(default_factory=SourceOptions)
    cached: CacheOptions = field(default_factory=CacheOptions)
