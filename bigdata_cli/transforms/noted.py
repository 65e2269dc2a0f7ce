"""What passes over a source have noted of its rows, by their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from bigdata_cli.transforms.last_values import LastValues
from bigdata_cli.transforms.repeated.places import Places


@dataclass(frozen=True)
class Noted:
    """Files that stay as long as this is used; steps know what is in them by digests.

    Attributes:
        repeated: The places of the rows that `--dedup` leaves out.
        last_values: What `--fill COL=ffill` puts in the place of nulls, by digest.
    """

    repeated: Places | None = None
    last_values: Mapping[str, LastValues] = field(default_factory=dict, hash=False)

    def with_last_values(self, *values: LastValues) -> Self:
        """These, too."""
        return replace(
            self, last_values={**self.last_values, **{one.digest: one for one in values}}
        )


NOTHING = Noted()
