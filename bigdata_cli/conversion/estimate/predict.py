"""What a conversion will take: bytes, time and memory, from really encoding rows of the source."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cache

from bigdata_cli.checksum import Checksum
from bigdata_cli.conversion.estimate.rows import SampledRows
from bigdata_cli.conversion.estimate.scatter import (
    GATHER_SHARE,
    bucket_format,
    bucket_options,
)
from bigdata_cli.conversion.estimate.size import count_shards, encode_batches, trial_store
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.rebatch import counted_bytes
from bigdata_cli.conversion.survey import storage_options
from bigdata_cli.formats.base import Format, ShardName, ShardWriter, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.resources.memory import available_cpus

MARGIN = 1.1
"""Real bytes are at most so many times the predicted ones."""
START_SECONDS = 0.5
"""Of a conversion of nothing: Python, libraries, the look at the source."""
_THREADS_GAIN = 0.85
"""What a further processor adds, of one."""
_LINEAR_BYTES = 2 << 20
"""Of text that is encoded where tables have any number of rows: bytes grow with the rows alone."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a conversion with these options is expected to take.

    bytes: of the shards' files. temporary_bytes: that are needed beside them until the end;
    scattered_bytes: of these, of rows on their way into another order. seconds: on this machine.
    memory_bytes: to hold all rows as arrays, in the dtypes in which the layout gives them. rows,
    shards: how many there will be. exact: rows and bytes are no estimate.
    """

    options: ConvertOptions
    rows: int
    shards: int
    bytes: int
    temporary_bytes: int
    scattered_bytes: int
    seconds: float
    memory_bytes: int
    exact: bool = False

    @property
    def max_bytes(self) -> int:
        """What is on the disk at the same time, and the most that it may turn out to be."""
        return round(self.bytes * (1 if self.exact else MARGIN)) + self.temporary_bytes


def predict(rows: SampledRows, options: ConvertOptions, *, temporary_bytes: int = 0) -> Prediction:
    """What converting all rows with these options would take.

    rows: typed under the options; a float mode of "32" and dropped columns are applied here.
    Raises UsageError where the format or layout cannot hold them, BudgetError where the folder for
    temporary files is full.
    """
    form = get_format(options.to)
    rows = rows.under(options)
    options.order.check(rows.schema.names)
    rows = rows.in_order(options.order)
    storage = storage_options(form, options)
    form.check(rows.schema, storage)
    growth = _Growth(form, storage, rows)
    total = growth.bytes_of(rows.all_rows, 1)
    shards = options.shards or count_shards(total, options)
    if options.order.partition_by:
        folders = math.prod(max(1, rows.distinct[name]) for name in options.order.partition_by)
        shards = max(shards, min(folders, rows.all_rows))
    shares = tuple((options.splits.split or {"": 1.0}).values())
    if shards > 1 or len(shares) > 1:
        of_splits = (round(rows.all_rows * share) for share in shares)
        total = sum(growth.bytes_of(n_rows, shards) for n_rows in of_splits)
    encoding, scattered = growth.seconds, 0
    if options.order.changes:
        of_buckets = _scattering(rows, options)
        scattered = of_buckets.bytes_of(rows.all_rows, 1)
        encoding += (1 + GATHER_SHARE) * of_buckets.seconds
    return Prediction(
        options=options,
        rows=rows.all_rows,
        shards=shards * len(shares),
        bytes=total,
        scattered_bytes=scattered,
        temporary_bytes=temporary_bytes + scattered,
        seconds=_seconds(rows, encoding * rows.all_rows, total + scattered, options.jobs),
        memory_bytes=_memory_bytes(rows, form, storage),
        exact=rows.exact and shards * len(shares) == 1 and not options.order.changes,
    )


def _scattering(rows: SampledRows, options: ConvertOptions) -> _Growth:
    """How the files grow in which rows are until they are in another order."""
    buckets = bucket_options(rows.schema, rows.statistics, rows.all_rows, options.order)
    return _Growth(bucket_format(), buckets, rows)


class _Growth:
    """How the bytes of a shard grow with its rows; seconds: of a processor to encode a row.

    A shard is what it has without rows, and tables of `table_rows` rows: row groups, chunks. What
    a table has whatever its rows, and what each row adds, follow from a whole one, or the largest
    part of one for which rows are at hand, and from half of that. padding: what a last table
    takes however few rows it has.
    """

    def __init__(self, form: Format, storage: StorageOptions, rows: SampledRows) -> None:
        self._exact_rows = rows.rows if rows.exact else None
        with trial_store() as store:

            def encode(n_rows: int) -> int:
                return encode_batches(form, storage, rows.schema, rows.spread(n_rows), store)

            name = ShardName(stem="empty", index=0, count=1)
            writer = form.writer(store, name, rows.schema, storage)
            writer.abort()
            self.table_rows = _table_rows(writer, form, rows)
            part_rows, n_rows = _rows_to_encode(rows, self.table_rows)
            half_rows = part_rows // 2
            self.empty_bytes = encode(0)
            # The second time everything is loaded, and its time is that of the work.
            half_bytes = encode(half_rows) - self.empty_bytes
            started = time.thread_time()
            self.whole_bytes = encode(n_rows) - self.empty_bytes
            self.seconds = (time.thread_time() - started) / max(n_rows, 1)
            self.padding = 0
            if writer.pads_tables and self.table_rows and rows.all_rows > self.table_rows:
                full = self.empty_bytes + self.whole_bytes
                if n_rows != self.table_rows:
                    full = encode(self.table_rows)
                self.padding = encode(self.table_rows + 1) - full
        of_part = self.whole_bytes * part_rows / max(n_rows, 1)
        self.per_row = (of_part - half_bytes) / max(part_rows - half_rows, 1)
        self.per_table = of_part - part_rows * self.per_row
        if self.per_table < 0 or not half_rows:
            self.per_row, self.per_table = of_part / max(part_rows, 1), 0.0

    def bytes_of(self, n_rows: int, n_shards: int) -> int:
        """Bytes of so many rows in so many shards of equal length."""
        if n_shards == 1 and n_rows == self._exact_rows:
            return self.empty_bytes + self.whole_bytes
        of_shard = n_rows / n_shards
        table_rows = self.table_rows or max(1.0, of_shard)
        tables, left = divmod(of_shard, table_rows)
        of_table = self.per_table + table_rows * self.per_row
        per_shard = self.empty_bytes + tables * of_table
        if left and tables:
            per_shard += self.padding + (of_table - self.padding) * left / table_rows
        elif left:
            per_shard += self.per_table + left * self.per_row
        return round(n_shards * per_shard)


def _table_rows(writer: ShardWriter, form: Format, rows: SampledRows) -> int | None:
    """Rows of the tables that the format stores one by one, None where there are none such."""
    if writer.batch_rows is None or writer.batch_bytes is None or not rows.rows:
        return writer.batch_rows
    n_bytes = sum(
        counted_bytes(batch, rows.schema, text_categories=form.traits.stores_category_texts)
        for batch in rows.batches
    )
    fitting = int(writer.batch_bytes * rows.rows / max(n_bytes, 1.0))
    return max(1, min(writer.batch_rows, fitting))


def _rows_to_encode(rows: SampledRows, table_rows: int | None) -> tuple[int, int]:
    """(rows of a part of a table, rows of some such parts).

    A part is a whole table where there are enough rows for one, else a half of one, a quarter, …,
    since chunks of such parts are full.
    """
    least = min(rows.rows, round(_LINEAR_BYTES * rows.rows / max(rows.text_bytes, 1)))
    part = table_rows or least
    while part > rows.rows:
        part //= 2
    if rows.exact:
        return min(part, rows.rows), rows.rows
    return part, part * max(1, min(-(-least // max(part, 1)), rows.rows // max(part, 1)))


def _memory_bytes(rows: SampledRows, form: Format, storage: StorageOptions) -> int:
    """Bytes of all rows as the arrays that a loader makes of the layout."""
    return round(
        sum(
            form.array_bytes(column, rows.statistics[column.name], storage, rows.all_rows)
            for column in rows.schema
        )
    )


def _seconds(rows: SampledRows, encoding: float, n_bytes: int, jobs: int | None) -> float:
    """Of a conversion: parsing, encoding and hashing on all processors, one reading beside them."""
    processors = 1 + (min(jobs or available_cpus(), available_cpus()) - 1) * _THREADS_GAIN
    work = rows.parse_seconds * rows.all_bytes + encoding + n_bytes * _hash_seconds()
    return START_SECONDS + max(work / processors, rows.read_seconds * rows.all_bytes)


@cache
def _hash_seconds() -> float:
    """Processor seconds for the checksum of a byte."""
    content = bytes(1 << 22)
    Checksum().update(content)
    started = time.thread_time()
    Checksum().update(content)
    return (time.thread_time() - started) / len(content)
