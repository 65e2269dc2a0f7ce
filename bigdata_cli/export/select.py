"""Which rows and columns are given out: the one place for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import DataError
from bigdata_cli.sources.typed_rows import TypedRows
from bigdata_cli.types.buffers import array_of, booleans_of
from bigdata_cli.types.dtype import Schema


class RowFilter:
    """The rows of batches for which conditions of SQL are true, and not null."""

    def __init__(self, where: Sequence[str], rows: TypedRows) -> None:
        """Raises UsageError for a condition that cannot be of such columns."""
        from bigdata_cli.transforms.expressions.expression import condition

        types = {column.name: column.dtype for column in rows.schema}
        self._conditions = [condition(text, types, "--where") for text in where]
        self._name = rows.name

    def kept(self, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        """Those of a batch; first_row: the number of its first one, from 1, for errors."""
        mask = np.ones(batch.num_rows, bool)
        for one in self._conditions:
            mask &= self._truth(one.compute, batch, first_row)
        return batch if mask.all() else batch.filter(array_of(mask))

    def _truth(
        self, compute: Callable[[Any], Any], batch: pa.RecordBatch, first_row: int
    ) -> np.ndarray:
        from bigdata_cli.transforms.rows_of_columns import Rows, failing_rows

        names = batch.schema.names
        rows = Rows(dict(zip(names, batch.columns, strict=True)), batch.num_rows)
        try:
            truth = rows.filled(compute(rows))
        except pa.ArrowInvalid as error:
            failing, problem = failing_rows(compute, rows)
            row = first_row + (int(failing[0]) if len(failing) else 0)
            raise DataError(
                f"{self._name} row {row:,}: --where has no value: {problem or error}"
            ) from error
        if not pa.types.is_boolean(truth.type):  # null, whatever the columns are
            return np.zeros(batch.num_rows, bool)
        return booleans_of(truth.fill_null(False) if truth.null_count else truth)


def columns_read(
    names: Sequence[str], columns: Sequence[str] | None, where: Sequence[str]
) -> tuple[str, ...]:
    """The columns to read of those that there are: those to give out, and those of conditions."""
    if columns is None:
        return tuple(names)
    from bigdata_cli.transforms.expressions.columns import columns_of

    wanted = set[str]().union(*(columns_of(text, names, "--where") for text in where))
    return (*columns, *(name for name in names if name in wanted and name not in columns))


def selected_rows(
    rows: TypedRows,
    *,
    columns: Sequence[str] | None,
    where: Sequence[str],
    n_rows: int | None,
    batch_bytes: int,
) -> tuple[Schema, Iterator[pa.RecordBatch]]:
    """The columns and the first rows of a stream for which all conditions are true.

    Nothing is read beyond the last row that is given out. Raises UsageError for a condition that
    cannot be of such columns, and, while it is read, DataError.
    """
    row_filter = RowFilter(where, rows) if where else None
    names = rows.schema.names if columns is None else tuple(columns)
    schema = Schema(tuple(rows.schema[name] for name in names))

    def read() -> Iterator[pa.RecordBatch]:
        left, first_row = n_rows, 1
        if left == 0:
            return
        for batch in rows.batches(batch_bytes):
            kept = batch if row_filter is None else row_filter.kept(batch, first_row)
            first_row += batch.num_rows
            kept = kept.select(names)
            if left is not None:
                kept = kept.slice(0, left)
                left -= kept.num_rows
            if kept.num_rows:
                yield kept
            if left == 0:
                return

    return schema, read()
