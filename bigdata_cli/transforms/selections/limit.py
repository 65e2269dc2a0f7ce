"""The first rows of a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bigdata_cli.strict_json import Count
from bigdata_cli.transforms.step import Step


class Limit(Step, frozen=True, kw_only=True):
    """Ends the source after the last of the first rows that are kept.

    Nothing after it is read, so that there is nothing to filter.

    Attributes:
        rows: How many rows there are up to there.
        file, end: Where that is, as `RowSource.until` takes it; None where there are not more rows.
    """

    is_of_source: ClassVar[bool] = True
    rows: Count
    file: Count | None
    end: Count | None

    def reads(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset()

    def rows_left(self, n_rows: int) -> int:
        return self.rows
