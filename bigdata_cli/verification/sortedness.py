"""Whether rows are sorted as a manifest says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.buckets.sort_keys import Keys, SortColumn
from bigdata_cli.verification.report import Finding


class SortedRows:
    """Takes the rows of a dataset in their order, and finds the first one that is out of it."""

    def __init__(self, by: Sequence[SortColumn]) -> None:
        self._by = by
        self._last: Keys | None = None
        self._row = 0
        self.wrong_row: int | None = None
        """Its number among all rows, from 0."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        if not batch.num_rows or self.wrong_row is not None:
            return
        keys = Keys.of([batch.column(one.name) for one in self._by], self._by)
        before = 0 if self._last is None else 1
        joined = keys if self._last is None else Keys.joined([self._last, keys])
        order = joined.order()
        wrong = np.flatnonzero(order != np.arange(len(order)))
        if len(wrong):
            # The row that belongs here comes later; the one after it in order is out of place.
            self.wrong_row = self._row - before + int(order[wrong[0]])
        self._row += batch.num_rows
        self._last = keys.slice(batch.num_rows - 1, batch.num_rows)


def sorted_rows_of(dataset: Dataset) -> SortedRows | Finding | None:
    """What checks the order of a dataset's rows; None where it is not sorted."""
    manifest = dataset.manifest
    if manifest.order != "sorted":
        return None
    given = manifest.options.get("sort_by")
    try:
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise UsageError("sort_by in its options is no list of columns")
        options = OrderOptions(sort_by=tuple(given), partition_by=manifest.partition_by)
        if not options.changes:
            raise UsageError("sort_by in its options is empty")
        options.check(manifest.schema.names)
    except UsageError as error:
        return Finding(
            file=dataset.manifest_name, what=f"does not say how it is sorted: {error.message}"
        )
    return SortedRows(options.sort_columns())
