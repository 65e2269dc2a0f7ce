"""What it takes to bring all rows into another order: the buckets in between, and the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bigdata_cli.formats.base import Format
from bigdata_cli.formats.buckets.write import BucketOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.types.dtype import Schema, item_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bigdata_cli.types.statistics import ColumnStatistics

SHARE_BYTES = 16 << 20
"""Bytes in memory of the rows that are put into order at a time, about."""
_MAX_BITS, _UNKNOWN_BITS = 10, 9
"""Of the number of a bucket; and where it is not known how many rows there are."""
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
    *,
    seed: int = 0,
) -> BucketOptions:
    """How rows are scattered: so that those of a bucket fit in memory several times.

    statistics: of some rows. n_rows: None where it is not known. The order of the rows does not
    depend on the number of buckets.
    """
    if n_rows is None:
        return BucketOptions(seed=seed, bits=_UNKNOWN_BITS)
    row_bytes = sum(
        item_bytes(column.dtype, mean_text_bytes=statistics[column.name].mean_text_bytes)
        for column in schema
    )
    bits = 0
    while bits < _MAX_BITS and n_rows * row_bytes / (1 << bits) > SHARE_BYTES / 2:
        bits += 1
    return BucketOptions(seed=seed, bits=bits)
