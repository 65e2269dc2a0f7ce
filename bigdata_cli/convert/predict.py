"""What a conversion will take: bytes, time and memory, from really encoding rows of the source."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from bigdata_cli.convert.commit import disk_error
from bigdata_cli.convert.options import ConvertOptions
from bigdata_cli.convert.plan import count_shards, encode_batches, storage_options
from bigdata_cli.convert.sampled import SampledRows
from bigdata_cli.formats.base import Format, ShardName, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.schema.dtype import Kind
from bigdata_cli.schema.footprint import column_bytes

MARGIN = 1.1
"""Real bytes are at most so many times the predicted ones."""
START_SECONDS = 0.9
"""Of a conversion of nothing: Python, libraries, compiled kernels, the look at the source."""
_THREADS_GAIN = 0.85
"""What a further processor adds, of one."""
_LINEAR_BYTES = 3 << 20
"""Of text that is encoded where tables have any number of rows: bytes grow with the rows alone."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a conversion with these options is expected to take.

    bytes: of the shards' files. temporary_bytes: that are needed beside them until the end.
    seconds: on this machine. memory_bytes: to hold all rows as arrays, in the dtypes in which the
    layout gives them. rows, shards: how many there will be. exact: rows and bytes are no estimate.
    """

    options: ConvertOptions
    rows: int
    shards: int
    bytes: int
    temporary_bytes: int
    seconds: float
    memory_bytes: int
    exact: bool = False

    @property
    def most_bytes(self) -> int:
        """What is on the disk at the same time, and the most that it may turn out to be."""
        return round(self.bytes * (1 if self.exact else MARGIN)) + self.temporary_bytes


def predict(rows: SampledRows, options: ConvertOptions, *, temporary_bytes: int = 0) -> Prediction:
    """What converting all rows with these options would take.

    rows: with the columns that are kept, typed under the options; a float mode of "32" is applied.
    Raises UsageError where the format or layout cannot hold them, BudgetError where the folder for
    temporary files is full.
    """
    form = get_format(options.to)
    if options.float_mode == "32":
        rows = rows.with_floats("float32")
    storage = storage_options(form, options)
    form.check(rows.schema, storage)
    growth = _Growth(form, storage, rows)
    total = growth.bytes_of(rows.all_rows, 1)
    shards = options.shards or count_shards(total, options)
    if shards > 1:
        total = growth.bytes_of(rows.all_rows, shards)
    return Prediction(
        options=options,
        rows=rows.all_rows,
        shards=shards,
        bytes=total,
        temporary_bytes=temporary_bytes,
        seconds=_seconds(rows, growth.seconds * rows.all_rows, total, options.jobs),
        memory_bytes=memory_bytes(rows, form, storage),
        exact=rows.exact and shards == 1,
    )


class _Growth:
    """How the bytes of a shard grow with its rows; seconds: of a processor to encode a row.

    A shard is what it has without rows, and tables of `table_rows` rows: row groups, chunks. Where
    fewer rows are at hand than a table has, their bytes and those of half of them tell the rest.
    """

    def __init__(self, form: Format, storage: StorageOptions, rows: SampledRows) -> None:
        self._exact_rows = rows.rows if rows.exact else None
        with _Trial(form, storage, rows) as trial:
            self.table_rows = trial.table_rows
            self.empty_bytes = trial.encode(0)
            n_rows = trial.most_rows
            half_rows = n_rows // 2
            # The second time everything is loaded, and its time is that of the work.
            half_bytes = trial.encode(half_rows) - self.empty_bytes
            started = time.thread_time()
            self.whole_bytes = trial.encode(n_rows) - self.empty_bytes
            self.seconds = (time.thread_time() - started) / max(n_rows, 1)
        if self.table_rows is not None and n_rows < self.table_rows:
            self.per_row = (self.whole_bytes - half_bytes) / max(n_rows - half_rows, 1)
        else:
            self.per_row = self.whole_bytes / max(n_rows, 1)
        self.per_table = max(0.0, self.whole_bytes - n_rows * self.per_row)

    def bytes_of(self, n_rows: int, n_shards: int) -> int:
        """Bytes of so many rows in so many shards of equal length."""
        if n_shards == 1 and n_rows == self._exact_rows:
            return self.empty_bytes + self.whole_bytes
        of_shard = n_rows / n_shards
        tables = max(1.0, of_shard / self.table_rows) if self.table_rows else 1.0
        per_shard = self.empty_bytes + of_shard * self.per_row + tables * self.per_table
        return round(n_shards * per_shard)


class _Trial:
    """Encodes some of the rows in a temporary folder; a context manager.

    table_rows: of the tables that the format stores one by one, None where there are none such.
    most_rows: to encode, whole tables where there are enough rows for one.
    """

    def __init__(self, form: Format, storage: StorageOptions, rows: SampledRows) -> None:
        self._form, self._storage, self._rows = form, storage, rows
        self._folder = tempfile.TemporaryDirectory(prefix="bigdata-")
        self.table_rows = self._rows_of_table()
        self.most_rows = self._most_rows()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def _rows_of_table(self) -> int | None:
        name = ShardName(stem="empty", index=0, count=1)
        writer = self._form.writer(Path(self._folder.name), name, self._rows.schema, self._storage)
        writer.abort()
        if writer.batch_rows is None or writer.batch_bytes is None or not self._rows.rows:
            return writer.batch_rows
        n_bytes = sum(batch.nbytes for batch in self._rows.batches)
        fitting = writer.batch_bytes * self._rows.rows // max(n_bytes, 1)
        return max(1, min(writer.batch_rows, fitting))

    def _most_rows(self) -> int:
        rows = self._rows
        if rows.exact:
            return rows.rows
        least = round(_LINEAR_BYTES * rows.rows / max(rows.text_bytes, 1))
        if self.table_rows is None:
            return min(rows.rows, least)
        if rows.rows < self.table_rows:
            return rows.rows
        wanted = -(-least // self.table_rows)
        return self.table_rows * max(1, min(wanted, rows.rows // self.table_rows))

    def encode(self, n_rows: int) -> int:
        """The bytes of the files that hold so many of the rows."""
        try:
            return encode_batches(
                self._form,
                self._storage,
                self._rows.schema,
                self._rows.spread(n_rows),
                Path(self._folder.name),
            )
        except OSError as error:
            raise disk_error(error, Path(tempfile.gettempdir())) from error


def memory_bytes(rows: SampledRows, form: Format, storage: StorageOptions) -> int:
    """Bytes of all rows as arrays, as the layout gives them.

    A matrix is of its dtype. TFRecord has float32, int64 and texts only; of the layout packed codes
    and texts are int64. Elsewhere columns have their dtypes, text an offset and UTF-8 bytes.
    """
    n_rows = rows.all_rows
    columns = list(rows.schema)
    if storage.layout == "matrix":
        features = sum(column.name != storage.label for column in columns)
        label = [c for c in columns if c.name == storage.label]
        item = 4 if storage.matrix_dtype == "float32" else 8
        return n_rows * features * item + sum(
            column_bytes(c, rows.statistics[c.name], rows=n_rows) for c in label
        )
    if form.name != "tfrecord":
        return sum(column_bytes(c, rows.statistics[c.name], rows=n_rows) for c in columns)
    total = 0.0
    for column in columns:
        known = rows.statistics[column.name]
        if column.kind is Kind.FLOAT:
            total += 4 * n_rows
        elif column.kind in (Kind.TEXT, Kind.CATEGORY) and storage.layout != "packed":
            total += n_rows * (8 + known.text_bytes / max(known.count, 1))
        else:
            total += 8 * n_rows
        total += n_rows if known.nulls else 0
    return round(total)


def _seconds(rows: SampledRows, encoding: float, n_bytes: int, jobs: int | None) -> float:
    """Of a conversion: parsing, encoding and hashing on all processors, one reading beside them."""
    processors = 1 + (min(jobs or available_cpus(), available_cpus()) - 1) * _THREADS_GAIN
    work = rows.parse_seconds * rows.all_bytes + encoding + n_bytes * _hash_seconds()
    return START_SECONDS + max(work / processors, rows.read_seconds * rows.all_bytes)


@cache
def _hash_seconds() -> float:
    """Processor seconds for the checksum of a byte."""
    content = bytes(1 << 20)
    hashlib.sha256(content)
    started = time.thread_time()
    for _ in range(4):
        hashlib.sha256(content)
    return (time.thread_time() - started) / (4 * len(content))
