"""In what order the rows of a source are stored."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.options import option


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The order of the rows of a dataset; that of the source by default."""

    shuffle: bool = option(
        "Store the rows in random order, each order as likely as any other; --seed chooses one.",
        group="Order of rows",
        default=False,
    )
