"""What it takes to bring all rows into another order: the buckets in between, and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.formats.base import Format
from bigdata_cli.formats.buckets.write import TABLE_BYTES, BucketOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.types.dtype import Schema, item_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bigdata_cli.types.statistics import ColumnStatistics

SHARE_BYTES = 16 << 20
"""Bytes in memory of the rows that are put into order at a time, about."""
_MAX_BITS, _UNKNOWN_BITS = 10, 9
"""Of the number of a bucket; and where it is not known how many rows there are."""
_SHARES = 4
"""Of rows that are put into order: two copies of the one that is read, and those before it."""
_UNKNOWN_BYTES = 10_000_000_000
_KEY_BYTES, _BUCKET_BYTES = 32, 64
"""Of a first key, with its copies while they are put into order; of what is known of its bucket."""
GATHER_SHARE = 1.4
"""Processor time of reading buckets and putting them into order, against that of writing them."""
PART_BYTES = 256_000_000
"""Of the source in one file of buckets: what is lost at most where a run is interrupted."""


def bucket_format() -> Format:
    """The format of the files in between."""
    return get_format("buckets")


def bucket_options(
    schema: Schema,
    statistics: Mapping[str, ColumnStatistics],
    n_rows: int | None,
    order: OrderOptions,
    *,
    seed: int = 0,
) -> BucketOptions:
    """How rows are scattered: so that those of a bucket fit in memory several times.

    statistics: of some rows. n_rows: None where it is not known. order: in which they are to be.
    That of the rows does not depend on the number of buckets.
    """
    bits = _UNKNOWN_BITS
    if n_rows is not None:
        bits, n_bytes = 0, n_rows * _row_bytes(schema, statistics)
        while bits < _MAX_BITS and n_bytes / (1 << bits) > SHARE_BYTES / 2:
            bits += 1
    return BucketOptions(
        seed=seed, bits=bits, by=order.sort_columns(), n_grouped=len(order.partition_by)
    )


def gather_bytes(
    schema: Schema,
    statistics: Mapping[str, ColumnStatistics],
    n_rows: int | None,
    order: OrderOptions,
) -> int:
    """Bytes in memory of rows on their way from buckets into their order.

    n_rows: None where it is not known; that is taken for 10 GB in memory.
    """
    n_bytes = _SHARES * SHARE_BYTES
    options = bucket_options(schema, statistics, n_rows, order)
    if options.by:  # a bucket of each table waits, and the first keys of all buckets are known
        row_bytes = _row_bytes(schema, statistics)
        all_bytes = _UNKNOWN_BYTES if n_rows is None else n_rows * row_bytes
        keys = sum(statistics[one.name].mean_text_bytes + _KEY_BYTES for one in options.by)
        n_buckets = min((all_bytes // TABLE_BYTES + 1) * 2**options.bits, all_bytes / row_bytes)
        n_bytes += round(all_bytes / 2**options.bits + n_buckets * (keys + _BUCKET_BYTES))
    return n_bytes


def _row_bytes(schema: Schema, statistics: Mapping[str, ColumnStatistics]) -> float:
    """Of a row in memory."""
    return sum(
        item_bytes(column.dtype, mean_text_bytes=statistics[column.name].mean_text_bytes)
        for column in schema
    )
