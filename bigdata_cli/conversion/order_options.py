"""In what order the rows of a source are stored."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.option_kinds import NATURAL
from bigdata_cli.options import option


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The order of the rows of a dataset; that of the source by default."""

    shuffle: bool = option(
        "Store the rows in random order, each order as likely as any other.",
        group="Order of rows",
        default=False,
    )
    seed: int | None = option(
        "Of --shuffle: the same seed gives the same order.",
        NATURAL,
        default_text="0",
        default=None,
    )
