"""One side of a comparison: its columns with their final types, its statistics, a sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.inspection.full import read_all
from bigdata_cli.inspection.source import SAMPLE_BYTES
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.sources.tables.datasets import DatasetTable
from bigdata_cli.sources.typed_rows import TypedRows, dataset_of, dataset_rows, source_rows
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.statistics import ColumnStatistics


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side.

    Attributes:
        name: As the user gave it.
        schema: Its columns; of a sample, as far as it tells.
        n_rows: All rows, estimated where only a sample was read.
        statistics: Of all rows, or of the sample.
        sample: Batches from all over it.
        rows: All of its rows; None where only a sample is compared.
        notes: What could not be kept.
    """

    name: str
    schema: Schema
    n_rows: int
    statistics: Mapping[str, ColumnStatistics]
    sample: tuple[pa.RecordBatch, ...]
    rows: TypedRows | None
    notes: tuple[str, ...] = ()

    @property
    def sampled_rows(self) -> int:
        """Rows of the sample."""
        return sum(batch.num_rows for batch in self.sample)


def open_side(
    path: str | Path,
    options: SourceOptions,
    columns: Sequence[str] | None,
    *,
    sample_bytes: int | None = None,
    is_full: bool = True,
) -> Side:
    """Open what `path` names; a text or a foreign Parquet file is read once for its types.

    Args:
        path: A dataset, or whatever a conversion takes, but no pipe.
        options: How a text is read.
        columns: The only columns to compare; None for all.
        sample_bytes: How much a sample takes; None for SAMPLE_BYTES.
        is_full: Whether all rows are compared, and not only a sample.

    Raises:
        UsageError: There is no such file, it is a pipe, or it has none of the columns.
        DataError: It cannot be read.
    """
    source = open_rows([path], options)
    names = _names(source, columns, str(path))
    max_bytes = sample_bytes or SAMPLE_BYTES
    table = dataset_of(source)
    if table is not None:
        side = _dataset_side(str(path), table, names)
        sample = tuple(batch.select(names) for batch in source.arrow_batches(max_bytes) or ())
        return replace(side, sample=sample, rows=side.rows if is_full else None)
    if source.comes_once:
        raise UsageError(
            f"{path} is a pipe: a comparison reads both sides more than once",
            hint=f"bigdata convert {path} --to parquet makes a dataset of it",
        )
    found = source.sample(
        TypeOptions(),
        keep=names,
        max_bytes=max_bytes,
        skip_bad_rows=True,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    batches = tuple(_batches(source, found.plan, names, max_bytes))
    if is_full:
        return _full_side(str(path), source, found, batches)
    return Side(
        name=str(path),
        schema=found.schema,
        n_rows=found.rows if found.exact else max(found.rows, found.estimated_rows),
        statistics=found.statistics,
        sample=batches,
        rows=None,
        notes=()
        if not found.rejected
        else (f"{found.rejected:,} records of the sample of {path} cannot be kept",),
    )


def _dataset_side(name: str, table: DatasetTable, names: Sequence[str]) -> Side:
    rows = dataset_rows(name, table, names)
    return Side(
        name=name,
        schema=rows.schema,
        n_rows=table.rows,
        statistics={name: table.dataset.statistics(name) for name in names},
        sample=(),
        rows=rows,
    )


def _full_side(
    name: str, source: RowSource, sample: Sample, batches: tuple[pa.RecordBatch, ...]
) -> Side:
    """A side of which all is read, once here for its types and statistics."""
    full = read_all(source, sample.plan, {}, None)
    plan = replace(
        sample.plan,
        columns=tuple(replace(state, fixed=True) for state in full.columns),
        skip_bad_rows=True,
    )
    notes: list[str] = []
    if full.bad_rows:
        notes.append(
            f"{full.bad_rows:,} records of {name} cannot be kept, and were left out; the first is "
            f"{full.first_bad}"
        )
    return Side(
        name=name,
        schema=plan.schema(),
        n_rows=full.rows,
        statistics=full.statistics,
        sample=batches,
        rows=source_rows(name, source, plan, exact=True),
        notes=tuple(notes),
    )


def _names(source: RowSource, columns: Sequence[str] | None, path: str) -> tuple[str, ...]:
    """The columns of a source to compare, in its order; all that it has of those named."""
    if columns is None:
        return source.names
    names = tuple(name for name in source.names if name in columns)
    if not names:
        raise UsageError(
            f"{path} has none of the columns {', '.join(columns)}",
            hint=did_you_mean(columns[0], source.names),
        )
    return names


def _batches(
    source: RowSource, plan: ParsePlan, names: Sequence[str], max_bytes: int
) -> Iterator[pa.RecordBatch]:
    for unit in source.sample_units(plan, names, max_bytes):
        if unit.chunk is None:
            assert unit.error is not None
            raise DataError(f"{source.files[unit.piece.file].name}: {unit.error.problem}")
        yield unit.chunk.batch
