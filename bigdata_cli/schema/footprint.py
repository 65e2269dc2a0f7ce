"""The memory of a column of so many rows, alike to those that statistics are of."""

from __future__ import annotations

from bigdata_cli.schema.dtype import Column, Kind, item_bytes
from bigdata_cli.schema.statistics import ColumnStatistics


def column_bytes(column: Column, statistics: ColumnStatistics, *, rows: int) -> int:
    """Bytes of a column of `rows` rows, alike to the sample that `statistics` are of.

    Values in the column's dtype, text as an offset and UTF-8 bytes, a mask of a byte where
    there are nulls, and the vocabulary of a category once.
    """
    if column.kind is Kind.TEXT:
        text_bytes = statistics.text_bytes / statistics.count if statistics.count else 0.0
        per_row = item_bytes(column.dtype, mean_text_bytes=text_bytes)
    else:
        per_row = item_bytes(column.dtype, n_values=column.n_values)
    mask_bytes = rows if statistics.nulls else 0
    vocabulary = column.vocabulary or ()
    vocabulary_bytes = sum(8 + len(value.encode("utf-8", "replace")) for value in vocabulary)
    return round(per_row * rows) + mask_bytes + vocabulary_bytes
