"""The bytes of a dataset, from encoding a few of its rows: enough to count its shards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bigdata_cli.conversion.disk_errors import disk_error
from bigdata_cli.conversion.options import DEFAULT_SHARD_BYTES, ConvertOptions
from bigdata_cli.conversion.partition import MAX_SHARDS
from bigdata_cli.conversion.rebatch import Rebatcher
from bigdata_cli.formats.base import Format, ShardName, StorageOptions
from bigdata_cli.io.local_store import MeasuringStore
from bigdata_cli.io.scratch import scratch_folder
from bigdata_cli.io.store import Store
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.state import ColumnState, as_categories

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.conversion.survey import Survey

_ENCODED_BYTES = 2 << 20


class Encoded(NamedTuple):
    """A small sample encoded as the dataset will be: bytes of its records, rows, bytes written."""

    text_bytes: int
    rows: int
    bytes: int

    def scaled(self, rows: int) -> int:
        """The bytes that so many rows would take."""
        return round(self.bytes * rows / self.rows) if self.rows else self.bytes


def encode_sample(survey: Survey) -> Encoded:
    """Encode a sample, to know how large the dataset will be; raises as `trial_store`."""
    source, keep, form = survey.source, survey.keep, survey.form
    plan, units = fitting_units(source, survey.sample.plan, keep, _ENCODED_BYTES)
    if not form.holds_text(survey.storage):
        # The sample may have shown no text: what there is may be categories.
        plan = replace(plan, columns=as_categories(plan.columns))
        units = list(source.sample_units(plan, keep, _ENCODED_BYTES))
    chunks = [(unit, unit.chunk) for unit in units if unit.chunk is not None]
    batches = (chunk.batch for _, chunk in chunks)
    with trial_store() as folder:
        n_bytes = encode_batches(form, survey.storage, plan.schema(), batches, folder)
    return Encoded(
        text_bytes=sum(chunk.position - unit.start for unit, chunk in chunks),
        rows=sum(chunk.rows for _, chunk in chunks),
        bytes=n_bytes,
    )


def fitting_units(
    source: RowSource, plan: ParsePlan, keep: Sequence[str], max_bytes: int
) -> tuple[ParsePlan, list[Unit]]:
    """Parsed pieces of the source, of about `max_bytes`, and types that hold all their values.

    They need not be those of the sample, which may have looked at other bytes.
    """
    columns = plan.columns
    units = list(source.sample_units(plan, keep, max_bytes))
    for unit in units:
        if unit.chunk is not None:
            columns = _holding(columns, unit.chunk, plan.float_mode)
    if [state.dtype for state in columns] != [state.dtype for state in plan.columns]:
        plan = replace(plan, columns=columns)
        units = list(source.sample_units(plan, keep, max_bytes))
    return replace(plan, columns=columns), units


def _holding(
    columns: tuple[ColumnState, ...], chunk: Chunk, float_mode: str
) -> tuple[ColumnState, ...]:
    """Columns that hold the values of a chunk: wider ones where it was parsed as such, and with all
    texts of categories."""
    held = list(columns)
    for index, (mine, seen) in enumerate(zip(columns, chunk.columns, strict=True)):
        if mine.dtype == "category" or mine.dtype != seen.dtype:
            held[index] = mine.joined(chunk.observed[index], chunk.distinct[index], float_mode)
    return tuple(held)


def count_shards(predicted_bytes: int, options: ConvertOptions) -> int:
    """The shards of a dataset of so many bytes, where the user has not said how many."""
    target = options.shard_bytes or DEFAULT_SHARD_BYTES
    return max(1, min(MAX_SHARDS, round(predicted_bytes / target)))


@contextmanager
def trial_store() -> Iterator[Store]:
    """A temporary folder to encode rows in; raises BudgetError where its disk is full."""
    try:
        with scratch_folder() as folder:
            yield MeasuringStore(folder)
    except OSError as error:
        raise disk_error(error, Path(tempfile.gettempdir())) from error


def encode_batches(
    form: Format,
    storage: StorageOptions,
    schema: Schema,
    batches: Iterable[pa.RecordBatch],
    store: Store,
) -> int:
    """The bytes of the files of a shard with these rows; they may be written into the store."""
    name = ShardName(stem="sample", index=0, count=1)
    writer = form.writer(store, name, schema, storage)
    rebatcher = Rebatcher(
        schema,
        max_rows=writer.batch_rows,
        max_bytes=writer.batch_bytes,
        text_categories=form.traits.stores_category_texts,
    )
    try:
        for batch in batches:
            for table in rebatcher.push(batch):
                writer.append(writer.encode(writer.place(table)))
        for table in rebatcher.flush():
            writer.append(writer.encode(writer.place(table)))
        return sum(file.bytes for file in writer.close())
    except BaseException:
        writer.abort()
        raise
