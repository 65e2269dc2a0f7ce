"""The memory of a column, estimated from the statistics of some of its rows."""

from __future__ import annotations

from bigdata_cli.types.dtype import Column, Kind, item_bytes
from bigdata_cli.types.statistics import ColumnStatistics

_ISO_BYTES = {Kind.DATE: 10, Kind.TIMESTAMP: 19}


def column_bytes(column: Column, statistics: ColumnStatistics, *, rows: int) -> int:
    """Bytes of a column of `rows` rows, estimated from the `statistics` of a sample.

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


def pandas_bytes(column: Column, known: ColumnStatistics) -> int:
    """Memory of the column in pandas 3 as `read_csv` gives it, by its rules for dtypes.

    Integers with nulls become float64, bools with nulls objects, dates stay strings (an Arrow
    string: an 8-byte offset and the UTF-8 bytes).
    """
    if column.kind is Kind.BOOL:
        return known.count * (8 if known.nulls else 1)
    if column.kind in (Kind.TEXT, Kind.CATEGORY):
        return 8 * known.count + known.text_bytes
    return known.count * 8 + known.values * _ISO_BYTES.get(column.kind, 0)
